import functools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_keras.losses import AMSoftmax
from fer_keras.testing import check_margin_head


def reference_logits(features, kernel, labels, margin, scale):
    """s (cos θ_j − δ(j = y) m)."""
    logits = np.zeros((len(features), kernel.shape[1]))
    for i, x in enumerate(features):
        for j in range(kernel.shape[1]):
            w = kernel[:, j]
            angle = math.acos(np.dot(w, x) / math.sqrt(np.dot(w, w)) / math.sqrt(np.dot(x, x)))
            logits[i, j] = scale * (math.cos(angle) - (margin if j == labels[i] else 0.0))
    return logits


@pytest.mark.slow
def test_contract():
    check_margin_head(functools.partial(AMSoftmax, 3))


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.integers(1, 6), st.integers(2, 6), st.integers(2, 6), st.floats(0, 1.5), st.integers(0, 2**16))
def test_value_for_any_shape(batch, num_classes, dimension, margin, seed):
    random = np.random.default_rng(seed)
    features = random.normal(size=(batch, dimension)).astype("float32")
    labels = random.integers(0, num_classes, batch)
    head = AMSoftmax(num_classes, margin=margin, scale=20.0)
    plain, logits = head(features), head(features, labels)
    arguments = features.astype("float64"), head.kernel.numpy().astype("float64")
    expected = reference_logits(*arguments, [None] * batch, margin, 20.0)
    np.testing.assert_allclose(plain, expected, rtol=1e-5, atol=1e-5)
    expected = reference_logits(*arguments, labels, margin, 20.0)
    np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-5)


def test_defaults_are_the_papers():
    assert (AMSoftmax(3).margin, AMSoftmax(3).scale) == (0.35, 30.0)
