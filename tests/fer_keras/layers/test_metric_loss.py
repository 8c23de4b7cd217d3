import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from fer_keras.layers import MetricLoss
from fer_keras.layers.metric_loss import class_indices, unit_vectors


def test_class_indices_of_every_form():
    soft = np.array([[0.1, 0.7, 0.2], [0.6, 0.4, 0.0]], "float32")
    for labels in ([1, 0], [[1], [0]], np.array([1, 0], "uint8"), np.array([1.0, 0.0]), soft):
        indices = class_indices(labels, 3)
        assert indices.dtype == "int32"
        np.testing.assert_array_equal(indices, [1, 0])


@pytest.mark.parametrize("labels", [[0, 3], [-1, 0], [[1], [7]]])
@pytest.mark.parametrize("graph", [False, True])
def test_labels_out_of_range(labels, graph):
    check = (tf.function if graph else lambda function: function)(lambda x: class_indices(x, 3, "mine"))
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"mine: labels must be in \[0, 3\)"):
        check(tf.constant(labels))


@pytest.mark.parametrize("shape", [(), (2, 4), (2, 3, 3)])
def test_labels_of_a_wrong_shape(shape):
    with pytest.raises(ValueError, match=r"soft rows of shape \(batch, 3\). Received: shape="):
        class_indices(np.zeros(shape, "int32"), 3)


def test_labels_that_are_none_or_names():
    with pytest.raises(ValueError, match=r"mine: labels are needed. Received: None"):
        class_indices(None, 3, "mine")
    with pytest.raises(ValueError, match=r"mine: labels must be class indices or soft rows. Received: strings"):
        class_indices(np.array(["fear", "anger"]), 3, "mine")


def test_labels_out_of_range_pass_unnoticed_under_xla():
    compiled = tf.function(lambda x: class_indices(x, 3), jit_compile=True)
    np.testing.assert_array_equal(compiled(tf.constant([0, 7])), [0, 7])


def test_empty_batch():
    assert class_indices(np.zeros(0, "int32"), 3).shape == (0,)


def test_unit_vectors_of_zero_are_zero_and_have_no_gradient():
    vectors = tf.constant([[3.0, 4.0], [0.0, 0.0]])
    with tf.GradientTape() as tape:
        tape.watch(vectors)
        unit, inverse = unit_vectors(vectors)
    np.testing.assert_allclose(unit, [[0.6, 0.8], [0.0, 0.0]], rtol=1e-6)
    np.testing.assert_allclose(inverse, [[0.2], [0.0]], rtol=1e-6)
    np.testing.assert_array_equal(tape.gradient(unit, vectors)[1], [0.0, 0.0])


class SquaredLength(MetricLoss):
    def call(self, features, labels, sample_weight=None):
        return self.reduce(ops.sum(ops.square(features), axis=-1), sample_weight)


def test_reductions_and_weights():
    features, labels = np.array([[1.0, 2.0], [3.0, 0.0]], "float32"), np.array([0, 1])
    assert float(SquaredLength()(features, labels)) == 7.0
    assert float(SquaredLength(reduction="sum")(features, labels)) == 14.0
    assert float(SquaredLength()(features, labels, np.array([[2.0], [0.0]]))) == 5.0
    assert float(SquaredLength(reduction="sum")(features, labels, np.array([2.0, 0.0]))) == 10.0


def test_faults_are_named():
    with pytest.raises(ValueError, match="Received: reduction='max'"):
        MetricLoss(reduction="max")
    with pytest.raises(ValueError, match=r"features of shape \(batch, dimension\).*Received: shape=\(2, 3, 4\)"):
        SquaredLength()(np.zeros((2, 3, 4)), np.array([0, 1]))
    with pytest.raises(NotImplementedError, match="MetricLoss must implement"):
        MetricLoss()(np.zeros((2, 3)), np.array([0, 1]))
