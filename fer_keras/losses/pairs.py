"""The pairs of a batch, for losses that compare samples with each other."""

import tensorflow as tf
from keras import ops

from fer_keras.layers.metric_loss import sum_over_replicas


def batch_pairs(features, labels):
    """Pairs every sample with every sample of the global batch.

    Under `tf.distribute` a replica pairs its own samples with those of all replicas, so that the loss does not depend
    on how the batch is split; the gradient flows through both sides.

    Args:
        features: float tensor of shape `(batch, d)`.
        labels: int32 tensor of shape `(batch,)`, below 2²⁴ under `tf.distribute`.

    Returns:
        A triple of tensors of shape `(batch, n)`, where n is the size of the global batch: the squared distances, and
        two masks (bool), of the pairs of one class without a sample's pair with itself, and of the pairs of two
        classes.
    """
    # Distances do not see a shift, but their digits do: what all features have in common goes first.
    features = features - tf.stop_gradient(_global_mean(features))
    others, other_labels, offset = _global_batch(features, labels)
    products = ops.matmul(features, ops.transpose(others))
    lengths = ops.sum(ops.square(features), axis=-1)[:, None]
    other_lengths = ops.sum(ops.square(others), axis=-1)[None, :]
    distances = ops.maximum(lengths + other_lengths - 2.0 * products, 0.0)
    same = labels[:, None] == other_labels[None, :]
    itself = offset + tf.range(tf.shape(features)[0])[:, None] == tf.range(tf.shape(others)[0])[None, :]
    return distances, same & ~itself, ~same


def _global_mean(features):
    """The mean of all replicas' features, `(1, d)`; zeros of an empty batch."""
    total, count = tf.reduce_sum(features, axis=0, keepdims=True), tf.cast(tf.shape(features)[0], features.dtype)
    total, count = sum_over_replicas([total, count])
    return total / tf.maximum(count, 1.0)


def _global_batch(features, labels):
    """Features and labels of all replicas, and where the own ones start."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return features, labels, 0
    # what precedes the own rows
    sizes = context.all_gather(tf.shape(features)[:1], axis=0)
    offset = tf.cumsum(sizes, exclusive=True)[context.replica_id_in_sync_group]
    return context.all_gather(features, axis=0), context.all_gather(labels, axis=0), offset
