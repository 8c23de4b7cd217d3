import functools

import numpy as np
import pytest

from fer_keras.layers import AttentionPooling, FramePooling
from fer_keras.testing import check_layer


@pytest.fixture
def states():
    return np.random.default_rng(0).normal(size=(4, 6, 5)).astype("float32")


LENGTHS = np.array([6, 1, 3, 0])


def mask_of(lengths, frames=6):
    return np.arange(frames) < np.asarray(lengths)[:, None]


@pytest.mark.parametrize("how", ["mean", "last"])
def test_equals_numpy(states, how):
    feature, weights = FramePooling(how)(states, mask=mask_of(LENGTHS))
    for row, length in enumerate(LENGTHS):
        counted = states[row, :length]
        expected = np.zeros(5) if not length else counted.mean(axis=0) if how == "mean" else counted[-1]
        np.testing.assert_allclose(feature[row], expected, atol=1e-6)
        assert float(np.sum(weights[row])) == pytest.approx(1 if length else 0)
        assert not np.any(weights[row, length:])


@pytest.mark.parametrize("how", ["mean", "last"])
def test_gaps_within_a_sequence(states, how):
    mask = mask_of([6] * 4)
    mask[:, [0, 2, 5]] = False
    feature, weights = FramePooling(how)(states, mask=mask)
    kept = states[:, [1, 3, 4]]
    np.testing.assert_allclose(feature, kept.mean(axis=1) if how == "mean" else kept[:, -1], atol=1e-6)
    assert not np.any(np.asarray(weights)[:, [0, 2, 5]])


@pytest.mark.parametrize("how", ["mean", "last"])
@pytest.mark.parametrize("garbage", [np.nan, np.inf, 1e30])
def test_garbage_in_padding_changes_nothing(states, how, garbage):
    padded = states.copy()
    padded[~mask_of(LENGTHS)] = garbage
    first, second = (FramePooling(how)(each, mask=mask_of(LENGTHS))[0] for each in (states, padded))
    np.testing.assert_array_equal(first, second)


def test_attention_starts_as_the_mean(states):
    mask = mask_of([6, 1, 3, 2])
    expected, weights = FramePooling("mean")(states, mask=mask)
    feature, attention = AttentionPooling(return_weights=True)(states, mask=mask)
    np.testing.assert_allclose(feature, expected, atol=1e-6)
    np.testing.assert_allclose(attention, weights, atol=1e-6)


@pytest.mark.parametrize("how", ["mean", "last"])
def test_contract(states, how):
    check_layer(functools.partial(FramePooling, how), states)


def test_bad_arguments(states):
    with pytest.raises(ValueError, match=r'"mean" or "last".*median'):
        FramePooling("median")
    with pytest.raises(ValueError, match=r"\(batch, frames, dimension\)"):
        FramePooling("mean")(states[0])
    with pytest.raises(ValueError, match="mask of shape"):
        FramePooling("mean")(states, mask=np.ones((4, 5), bool))
