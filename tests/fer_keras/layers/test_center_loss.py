import functools

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_keras.layers import CenterLoss
from fer_keras.testing import check_metric_loss


def reference_loss(features, labels, centers, weights=None):
    """1/2 Σ_i w_i ‖x_i − c_{y_i}‖²."""
    total = 0.0
    for i, label in enumerate(labels):
        squared = sum((features[i][n] - centers[label][n]) ** 2 for n in range(len(features[i])))
        total += 0.5 * squared * (1.0 if weights is None else weights[i])
    return total


def reference_update(features, labels, centers, alpha):
    """c_j − α Σ_i δ(y_i = j) (c_j − x_i) / (1 + Σ_i δ(y_i = j))."""
    moved = np.array(centers, "float64")
    for j in range(len(centers)):
        members = [features[i] for i in range(len(labels)) if labels[i] == j]
        step = sum((centers[j] - x for x in members), start=np.zeros(centers.shape[1])) / (1 + len(members))
        moved[j] -= alpha * step
    return moved


def make(num_classes, dimension, **options):
    layer = CenterLoss(num_classes, **options)
    layer.build((None, dimension))
    return layer, layer.centers.numpy().astype("float64")


@pytest.mark.slow
def test_contract():
    check_metric_loss(functools.partial(CenterLoss, 3, alpha=0.3, centers_initializer="glorot_normal"))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(1, 9), st.integers(1, 5), st.integers(1, 6), st.integers(0, 2**16))
def test_value_and_update_for_any_shape(batch, num_classes, dimension, seed):
    random = np.random.default_rng(seed)
    features = random.normal(size=(batch, dimension)).astype("float32")
    labels, weights = random.integers(0, num_classes, batch), random.uniform(size=batch)
    layer, centers = make(num_classes, dimension, alpha=0.7)
    total = reference_loss(features, labels, centers)
    np.testing.assert_allclose(layer(features, labels), total / batch, rtol=1e-5)
    weighted = reference_loss(features, labels, centers, weights)
    np.testing.assert_allclose(layer(features, labels, weights), weighted / batch, rtol=1e-5)
    layer.update(features, labels)
    expected = reference_update(features, labels, centers, 0.7)
    np.testing.assert_allclose(layer.centers, expected, rtol=1e-5, atol=1e-6)


def test_sum():
    features, labels = np.random.normal(size=(6, 4)).astype("float32"), np.array([0, 1, 2, 2, 1, 0])
    layer, centers = make(3, 4, reduction="sum")
    np.testing.assert_allclose(layer(features, labels), reference_loss(features, labels, centers), rtol=1e-5)


def test_centers_stay_float32_when_asked_for_mixed_precision():
    layer = CenterLoss(2, dtype="mixed_float16")
    features = 100.0 * np.ones((2, 300), "float16")  # squared distances beyond float16's 65504
    assert np.isfinite(float(layer(features, np.array([0, 1]))))
    assert layer.centers.dtype == "float32"


def test_initialize_centers():
    features = np.array([[1.0, 0.0], [3.0, 2.0], [5.0, 5.0]], "float32")
    layer = CenterLoss(3)
    layer.build((None, 2))
    unseen = layer.centers.numpy()[1]
    layer.initialize_centers(features, [0, 0, 2])
    np.testing.assert_allclose(layer.centers, [[2.0, 1.0], unseen, [5.0, 5.0]])
    fresh = CenterLoss(3)  # builds itself
    fresh.initialize_centers(features, [0, 1, 2])
    np.testing.assert_allclose(fresh.centers, features)


@pytest.mark.parametrize("method", ["__call__", "update"])
@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("label", [-1, 3])
def test_label_out_of_range(method, graph, label):
    layer, _ = make(3, 2, name="centers_of_mine")
    call = getattr(layer, method)
    if graph:
        call = tf.function(call, autograph=False)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"centers_of_mine: labels must be in \[0, 3\)"):
        call(np.zeros((2, 2), "float32"), tf.constant([0, label]))


def test_faults_are_named():
    with pytest.raises(ValueError, match="Received: num_classes=0"):
        CenterLoss(0)
    with pytest.raises(ValueError, match=r"Received: alpha=1\.5"):
        CenterLoss(3, alpha=1.5)
    with pytest.raises(ValueError, match=r"Received: shape=\(2, 3, 4\)"):
        CenterLoss(3)(np.zeros((2, 3, 4)), np.array([0, 1]))
    with pytest.raises(ValueError, match=r"Received: shape=\(2, 4\)"):
        CenterLoss(3)(np.zeros((2, 4)), np.zeros((2, 4)))
