import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_keras.losses import TripletLoss
from fer_keras.testing import check_metric_loss


def reference_loss(features, labels, margin, mining, normalize):
    """Mean over anchors; see TripletLoss's docstring."""
    x = np.array(features, "float64")
    if normalize:
        x = np.array([row / np.sqrt(np.sum(row * row)) for row in x])
    total = 0.0
    for a in range(len(x)):
        distance = [np.sum((x[a] - other) ** 2) for other in x]
        positives = [p for p in range(len(x)) if labels[p] == labels[a] and p != a]
        negatives = [n for n in range(len(x)) if labels[n] != labels[a]]
        if not positives or not negatives:
            continue
        if mining == "hard":
            farthest, nearest = max(distance[p] for p in positives), min(distance[n] for n in negatives)
            total += max(farthest - nearest + margin, 0.0)
            continue
        for p in positives:
            farther = [distance[n] for n in negatives if distance[n] > distance[p]]
            chosen = min(farther) if farther else max(distance[n] for n in negatives)
            total += max(distance[p] - chosen + margin, 0.0) / len(positives)
    return total / len(x)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"mining": "hard", "normalize": False, "margin": 1.0}])
def test_contract(options):
    check_metric_loss(functools.partial(TripletLoss, **options))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    st.integers(1, 12),
    st.integers(1, 4),
    st.integers(2, 6),
    st.sampled_from(["semi_hard", "hard"]),
    st.booleans(),
    st.integers(0, 2**16),
)
def test_value_for_any_shape(batch, num_classes, dimension, mining, normalize, seed):
    random = np.random.default_rng(seed)
    features = random.normal(size=(batch, dimension)).astype("float32")
    labels = random.integers(0, num_classes, batch)
    loss = TripletLoss(0.4, mining, normalize)
    expected = reference_loss(features, labels, 0.4, mining, normalize)
    np.testing.assert_allclose(loss(features, labels), expected, rtol=1e-5, atol=1e-6)


def test_weights_are_those_of_the_anchors():
    features = np.array([[0.0], [1.0], [2.0]], "float32")  # the third has no positive
    loss = TripletLoss(margin=0.5, mining="hard", normalize=False)
    # first anchor: 1 − 4 + 0.5 → 0; second: 1 − 1 + 0.5
    np.testing.assert_allclose(loss(features, np.array([0, 0, 1])), 0.5 / 3)
    np.testing.assert_allclose(loss(features, np.array([0, 0, 1]), np.array([1.0, 3.0, 1.0])), 1.5 / 3)


def test_faults_are_named():
    with pytest.raises(ValueError, match="Received: margin=0"):
        TripletLoss(margin=0)
    with pytest.raises(ValueError, match="Received: mining='easy'"):
        TripletLoss(mining="easy")
