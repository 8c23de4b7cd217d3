import numpy as np
import tensorflow as tf

from fer_keras.losses.pairs import batch_pairs
from fer_keras.testing import two_replicas


def test_pairs_of_one_batch():
    distances, positive, negative = batch_pairs(tf.constant([[0.0], [1.0], [3.0]]), tf.constant([5, 5, 6]))
    np.testing.assert_allclose(distances, [[0, 1, 9], [1, 0, 4], [9, 4, 0]])
    np.testing.assert_array_equal(positive, [[0, 1, 0], [1, 0, 0], [0, 0, 0]])
    np.testing.assert_array_equal(negative, [[0, 0, 1], [0, 0, 1], [1, 1, 0]])


def test_replicas_with_parts_of_different_size_pair_with_the_whole_batch():
    features = np.random.normal(size=(5, 3)).astype("float32")
    labels = np.array([0, 1, 1, 0, 2], "int32")
    parts = [slice(0, 2), slice(2, 5)]
    strategy = two_replicas()

    def distribute(values):
        pick = lambda context: tf.constant(values[parts[context.replica_id_in_sync_group]])  # noqa: E731
        return strategy.experimental_distribute_values_from_function(pick)

    run = tf.function(lambda x, y: strategy.run(batch_pairs, (x, y)), autograph=False)
    whole = batch_pairs(tf.constant(features), tf.constant(labels))
    for found, expected in zip(run(distribute(features), distribute(labels)), whole, strict=True):
        rows = np.concatenate([part.numpy() for part in strategy.experimental_local_results(found)])
        np.testing.assert_allclose(rows, expected, rtol=1e-5, atol=1e-6)
