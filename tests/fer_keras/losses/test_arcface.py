import functools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_keras.losses import ArcFace
from fer_keras.testing import check_margin_head


def reference_logits(features, kernel, labels, margin, scale):
    """s cos(θ_j + δ(j = y) m), and s (cos θ − m sin m) where θ + m > π."""
    logits = np.zeros((len(features), kernel.shape[1]))
    for i, x in enumerate(features):
        for j in range(kernel.shape[1]):
            w = kernel[:, j]
            angle = math.acos(np.dot(w, x) / math.sqrt(np.dot(w, w)) / math.sqrt(np.dot(x, x)))
            turn = margin if j == labels[i] else 0.0
            beyond = angle + turn > math.pi
            logits[i, j] = scale * (math.cos(angle) - turn * math.sin(turn) if beyond else math.cos(angle + turn))
    return logits


@pytest.mark.slow
def test_contract():
    check_margin_head(functools.partial(ArcFace, 3))


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.integers(1, 6), st.integers(2, 6), st.integers(2, 6), st.floats(0, 1.5), st.integers(0, 2**16))
def test_value_for_any_shape(batch, num_classes, dimension, margin, seed):
    random = np.random.default_rng(seed)
    features = random.normal(size=(batch, dimension)).astype("float32")
    labels = random.integers(0, num_classes, batch)
    head = ArcFace(num_classes, margin=margin, scale=20.0)
    plain, logits = head(features), head(features, labels)
    arguments = features.astype("float64"), head.kernel.numpy().astype("float64")
    expected = reference_logits(*arguments, [None] * batch, margin, 20.0)
    np.testing.assert_allclose(plain, expected, rtol=1e-5, atol=1e-5)
    expected = reference_logits(*arguments, labels, margin, 20.0)
    np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=2e-4)


def test_defaults_are_the_papers():
    assert (ArcFace(3).margin, ArcFace(3).scale) == (0.5, 64.0)


def test_same_direction_and_opposite_direction_are_safe():
    head = ArcFace(2, margin=0.5, scale=1.0)
    head.build((None, 2))
    head.kernel.assign(np.eye(2))
    logits = head(np.array([[1.0, 0.0], [-1.0, 0.0]], "float32"), np.array([0, 0]))
    expected = [math.cos(0.5), -1 - 0.5 * math.sin(0.5)]
    np.testing.assert_allclose(logits[:, 0], expected, atol=2e-4)


def test_margin_is_an_angle_below_a_half_turn():
    with pytest.raises(ValueError, match=r"Received: margin=3\.2"):
        ArcFace(3, margin=3.2)
