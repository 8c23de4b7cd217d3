import functools

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_keras.losses import VerificationLoss
from fer_keras.testing import check_metric_loss


def reference_loss(features, labels, margin):
    """Mean over samples i of the mean over all others j of the pair's cost."""
    x = np.array(features, "float64")
    total = 0.0
    for i in range(len(x)):
        for j in range(len(x)):
            distance = np.sqrt(np.sum((x[i] - x[j]) ** 2))
            cost = distance**2 if labels[i] == labels[j] else max(margin - distance, 0.0) ** 2
            total += 0.5 * cost / max(len(x) - 1, 1) if i != j else 0.0
    return total / len(x)


@pytest.mark.slow
def test_contract():
    check_metric_loss(functools.partial(VerificationLoss, 3.0))


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.integers(1, 10), st.integers(1, 4), st.integers(1, 6), st.floats(0.1, 6), st.integers(0, 2**16))
def test_value_for_any_shape(batch, num_classes, dimension, margin, seed):
    random = np.random.default_rng(seed)
    features = random.normal(size=(batch, dimension)).astype("float32")
    labels = random.integers(0, num_classes, batch)
    expected = reference_loss(features, labels, margin)
    np.testing.assert_allclose(VerificationLoss(margin)(features, labels), expected, rtol=1e-5, atol=1e-6)


def test_samples_in_one_place_have_a_finite_gradient():
    features = tf.ones((3, 2))
    with tf.GradientTape() as tape:
        tape.watch(features)
        loss = VerificationLoss(1.0)(features, np.array([0, 0, 1]))
    assert np.all(np.isfinite(tape.gradient(loss, features)))


def test_faults_are_named():
    with pytest.raises(ValueError, match="Received: margin=0"):
        VerificationLoss(0)
