import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_keras.losses import FocalLoss
from fer_keras.testing import check_loss


def reference_losses(rows, logits, gamma, alpha):
    """−Σ_k y_k α_k (1 − p_k)^γ ln p_k of every sample."""
    losses = []
    for y, z in zip(rows, np.array(logits, "float64"), strict=True):
        p = np.exp(z) / np.sum(np.exp(z))
        losses.append(-sum(y[k] * alpha[k] * (1 - p[k]) ** gamma * np.log(p[k]) for k in range(len(z))))
    return np.array(losses)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"gamma": 0.5, "alpha": [0.2, 0.3, 0.5]}, {"gamma": 0.0, "alpha": 0.25}])
@pytest.mark.parametrize("soft", [False, True])
def test_contract(options, soft):
    random = np.random.default_rng(0)
    labels = random.dirichlet(np.ones(3), 6).astype("float32") if soft else np.arange(6) % 3
    check_loss(functools.partial(FocalLoss, **options), labels, random.normal(size=(6, 3)))


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.integers(1, 8), st.integers(2, 7), st.floats(0, 5), st.booleans(), st.integers(0, 2**16))
def test_value_for_any_shape(batch, num_classes, gamma, weighted, seed):
    random = np.random.default_rng(seed)
    logits = random.normal(size=(batch, num_classes)).astype("float32")
    labels, soft = random.integers(0, num_classes, batch), random.dirichlet(np.ones(num_classes), batch)
    alpha = random.uniform(size=num_classes) if weighted else np.ones(num_classes)
    loss = FocalLoss(gamma, list(alpha) if weighted else None, reduction=None)
    expected = reference_losses(np.eye(num_classes)[labels], logits, gamma, alpha)
    np.testing.assert_allclose(loss(labels, logits), expected, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(loss(labels[:, None], logits), expected, rtol=1e-5, atol=1e-7)
    expected = reference_losses(soft, logits, gamma, alpha)
    np.testing.assert_allclose(loss(soft.astype("float32"), logits), expected, rtol=1e-5, atol=1e-7)


def test_gamma_0_is_cross_entropy():
    labels, logits = np.array([0, 1, 2]), np.random.normal(size=(3, 4)).astype("float32")
    expected = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(labels, logits)
    np.testing.assert_allclose(FocalLoss(gamma=0.0)(labels, logits), expected, rtol=1e-6)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
def test_certain_logits_are_safe(gamma):
    logits = tf.constant([[1e4, -1e4], [1e4, -1e4]])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = FocalLoss(gamma)(np.array([0, 1]), logits)
    assert np.isfinite(loss)
    assert np.all(np.isfinite(tape.gradient(loss, logits)))


@pytest.mark.slow
@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_float16_has_the_loss_and_gradient_of_float32(gamma):
    logits = tf.constant([[10.0, 0.0, -3.0], [1.0, 2.0, 0.0]])

    def loss_and_gradient(dtype):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            loss = FocalLoss(gamma, dtype=dtype)(np.array([0, 2]), logits)
        return loss, tape.gradient(loss, logits)

    for half, full in zip(loss_and_gradient("float16"), loss_and_gradient("float32"), strict=True):
        np.testing.assert_allclose(half, full, rtol=1e-2, atol=1e-3)


def test_trains_a_model_with_integers_and_with_soft_rows():
    x, labels = np.random.normal(size=(32, 4)).astype("float32"), np.arange(32) % 2
    x[:, 0] += 2 * labels
    for y in (labels, labels[:, None], np.eye(2, dtype="float32")[labels]):
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
        model.compile(keras.optimizers.Adam(0.1), FocalLoss(), metrics=["accuracy"])
        history = model.fit(x, y, epochs=5, verbose=0).history
        assert history["loss"][-1] < history["loss"][0]
        assert "accuracy" in history


def test_faults_are_named():
    with pytest.raises(ValueError, match="Received: gamma=-1"):
        FocalLoss(gamma=-1)
    with pytest.raises(ValueError, match=r"`alpha` must have 3 entries.*Received: alpha=\[0\.5, 0\.5\]"):
        FocalLoss(alpha=(0.5, 0.5))(np.array([0]), np.zeros((1, 3)))
    with pytest.raises(ValueError, match=r"Received: shape=\(2, 1\)"):
        FocalLoss()(np.array([0, 1]), np.zeros((2, 1)))
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"focal_loss: labels must be in \[0, 3\)"):
        FocalLoss()(np.array([0, 3]), np.zeros((2, 3)))
