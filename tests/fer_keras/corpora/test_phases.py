import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_keras.corpora.phases import frames_around, longest_run, rising_phases


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, ""),
        (1, "apex"),
        (3, "apex apex apex"),
        (4, "neutral apex apex apex"),
        (7, "neutral onset onset onset apex apex apex"),
    ],
)
def test_rising_phases(count, expected):
    assert rising_phases(count) == tuple(expected.split())


@pytest.mark.parametrize(
    ("marked", "expected"), [("", None), ("000", None), ("0110", (1, 3)), ("10111", (2, 5)), ("1100110", (0, 2))]
)
def test_longest_run(marked, expected):
    assert longest_run(np.array([one == "1" for one in marked], bool)) == expected


@pytest.mark.parametrize(
    ("apex", "count", "expected"),
    [
        ((4, 7), 1, [5]),
        ((4, 7), 2, [4, 5]),
        ((4, 7), 3, [4, 5, 6]),
        ((7, 10), 3, [7, 8, 9]),  # a clip that ends at the apex
        ((7, 10), 5, [5, 6, 7, 8, 9]),
        ((0, 1), 4, [0, 1, 2, 3]),
        (None, 3, [4, 5, 6]),
        (None, 12, list(range(10))),
    ],
)
def test_frames_around(apex, count, expected):
    assert list(frames_around(apex, 10, count)) == expected


@given(st.integers(1, 30), st.integers(1, 40), st.data())
def test_frames_around_lie_in_the_clip(length, count, data):
    first = data.draw(st.integers(0, length - 1))
    end = data.draw(st.integers(first + 1, length))
    found = list(frames_around((first, end), length, count))
    assert found == list(range(found[0], found[0] + min(count, length)))
    assert found[0] >= 0
    assert found[-1] < length
    if count >= end - first:
        assert set(found) >= set(range(first, min(end, first + count)))
