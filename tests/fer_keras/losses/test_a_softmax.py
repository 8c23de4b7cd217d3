import functools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_keras.losses import ASoftmax
from fer_keras.testing import check_margin_head


def reference_logits(features, kernel, labels, margin, strength):
    """‖x‖ cos θ_j, and ‖x‖ (λ cos θ + ψ(θ)) / (1 + λ) for the labelled class."""
    logits = np.zeros((len(features), kernel.shape[1]))
    for i, x in enumerate(features):
        length = math.sqrt(np.dot(x, x))
        for j in range(kernel.shape[1]):
            angle = math.acos(np.dot(kernel[:, j], x) / length / math.sqrt(np.dot(kernel[:, j], kernel[:, j])))
            factor = math.cos(angle)
            if j == labels[i]:
                k = min(int(angle * margin / math.pi), margin - 1)
                psi = (-1) ** k * math.cos(margin * angle) - 2 * k
                factor = (strength * math.cos(angle) + psi) / (1 + strength)
            logits[i, j] = length * factor
    return logits


@pytest.mark.slow
def test_contract():
    check_margin_head(functools.partial(ASoftmax, 3))


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    st.integers(1, 6), st.integers(2, 6), st.integers(2, 6), st.integers(1, 5), st.floats(0, 9), st.integers(0, 2**16)
)
def test_value_for_any_shape(batch, num_classes, dimension, margin, strength, seed):
    random = np.random.default_rng(seed)
    features = random.normal(size=(batch, dimension)).astype("float32")
    labels = random.integers(0, num_classes, batch)
    head = ASoftmax(num_classes, margin, annealing_start=strength, annealing_end=strength)
    plain, logits = head(features), head(features, labels)
    arguments = features.astype("float64"), head.kernel.numpy().astype("float64")
    expected = reference_logits(*arguments, labels, margin, strength)
    np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-5)
    expected = reference_logits(*arguments, [None] * batch, margin, strength)
    np.testing.assert_allclose(plain, expected, rtol=1e-5, atol=1e-5)
