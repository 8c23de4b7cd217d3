import functools
import math

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_keras.losses import LSoftmax
from fer_keras.testing import check_gradient, check_margin_head


def psi(angle, margin):
    """(−1)^k cos(mθ) − 2k for θ in [kπ/m, (k+1)π/m]."""
    k = 0
    while k < margin - 1 and angle > (k + 1) * math.pi / margin:
        k += 1
    return (-1) ** k * math.cos(margin * angle) - 2 * k


def reference_logits(features, kernel, labels, margin, strength):
    """w_j · x, and ‖w_y‖‖x‖ (λ cos θ + ψ(θ)) / (1 + λ) for the labelled class."""
    logits = np.zeros((len(features), kernel.shape[1]))
    for i, x in enumerate(features):
        for j in range(kernel.shape[1]):
            lengths = math.sqrt(np.dot(x, x)) * math.sqrt(np.dot(kernel[:, j], kernel[:, j]))
            angle = math.acos(np.dot(kernel[:, j], x) / lengths)
            factor = math.cos(angle)
            if j == labels[i]:
                factor = (strength * math.cos(angle) + psi(angle, margin)) / (1 + strength)
            logits[i, j] = lengths * factor
    return logits


@pytest.mark.slow
def test_contract():
    check_margin_head(functools.partial(LSoftmax, 3))


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    st.integers(1, 6), st.integers(2, 6), st.integers(2, 6), st.integers(1, 5), st.floats(0, 9), st.integers(0, 2**16)
)
def test_value_for_any_shape(batch, num_classes, dimension, margin, strength, seed):
    random = np.random.default_rng(seed)
    features = random.normal(size=(batch, dimension)).astype("float32")
    labels = random.integers(0, num_classes, batch)
    head = LSoftmax(num_classes, margin, annealing_start=strength, annealing_end=strength)
    logits = head(features, labels)
    expected = reference_logits(features.astype("float64"), head.kernel.numpy(), labels, margin, strength)
    np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(head(features), features @ head.kernel.numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("margin", [1, 2, 3, 4])
def test_gradient_of_the_pure_margin(margin):
    head = LSoftmax(3, margin, annealing_start=0, annealing_end=0, dtype="float64")
    features = np.random.default_rng(1).normal(size=(9, 4))
    head.build(features.shape)
    check_gradient(lambda x: head(x, np.arange(9) % 3), features)


@pytest.mark.parametrize("margin", [1, 2, 3, 4])
def test_psi_falls_from_1_to_1_minus_2m(margin):
    angles = np.linspace(0, np.pi, 1001)
    values = LSoftmax(2, margin).psi(tf.constant(np.cos(angles))).numpy()
    np.testing.assert_allclose([values[0], values[-1]], [1, 1 - 2 * margin], atol=1e-9)
    assert np.all(np.diff(values) <= 1e-9)
    np.testing.assert_allclose(values, [psi(angle, margin) for angle in angles], atol=1e-9)


def test_annealing_counts_training_steps_with_labels_only():
    head = LSoftmax(3, annealing_start=10.0, annealing_rate=1.0, annealing_end=3.0)
    features, labels = np.ones((2, 4), "float32"), np.array([0, 1])
    found = []
    for _ in range(4):
        head(features)
        head(features, training=True)
        head(features, labels)
        found.append(float(head.annealing()))
        head(features, labels, training=True)
    np.testing.assert_allclose(found, [10.0, 5.0, 10 / 3, 3.0], rtol=1e-6)


def test_faults_are_named():
    with pytest.raises(ValueError, match=r"Received: margin=2\.5"):
        LSoftmax(3, margin=2.5)
    with pytest.raises(ValueError, match=r"≥ 5\. Received: annealing_start=1\.0"):
        LSoftmax(3, annealing_start=1.0)
