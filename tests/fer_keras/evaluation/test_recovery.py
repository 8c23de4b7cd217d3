import numpy as np
import pytest

from fer_keras.evaluation.recovery import mean_with_interval, recovered_share


def test_share_by_hand():
    clean, occluded, restored = np.array([1, 1, 1, 1, 0, 1]), np.array([0, 0, 1, 0, 0, 1]), np.array([1, 0, 1, 1, 0, 0])
    found = recovered_share(clean, occluded, restored, list("aabbcc"))
    assert found["lost"] == pytest.approx(3 / 6)
    assert found["share"] == pytest.approx((3 - 2) / (5 - 2))
    assert found["low"] is None  # "c" loses nothing, and fills more than one resample in forty


def test_interval_holds_the_share_and_narrows_with_people():
    widths = []
    for people in (20, 200):
        rng = np.random.default_rng(0)
        subjects = np.repeat(np.arange(people), 10)
        occluded = (rng.random(10 * people) < 0.4).astype(float)
        restored = np.where(occluded > 0, 1, rng.random(10 * people) < 0.5)
        found = recovered_share(np.ones(10 * people), occluded, restored, subjects)
        assert found["low"] < found["share"] < found["high"]
        assert found["share"] == pytest.approx(0.5, abs=0.12)
        widths.append(found["high"] - found["low"])
    assert widths[1] < 0.5 * widths[0]


def test_nothing_lost():
    assert recovered_share([1, 0], [1, 1], [1, 1], ["a", "b"]) == {
        "lost": -0.5,
        "share": None,
        "low": None,
        "high": None,
    }


def test_mean_with_interval():
    assert mean_with_interval([1, 0], ["a", "a"]) == {"mean": 0.5, "low": None, "high": None}
    found = mean_with_interval(np.tile([1.0, 0.0, 1.0], 20), np.repeat(np.arange(20), 3))
    assert found["mean"] == found["low"] == found["high"] == pytest.approx(2 / 3)
