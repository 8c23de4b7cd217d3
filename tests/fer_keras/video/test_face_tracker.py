import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_keras.errors import InputError
from fer_keras.video import FaceTracker


def square(x, y, side=0.2):
    return (x - side / 2, y - side / 2, x + side / 2, y + side / 2)


def test_a_face_that_moves_keeps_its_number():
    tracker = FaceTracker()
    for step in range(40):
        assert tracker.update([square(0.1 + 0.02 * step, 0.5)], step / 25) == ([1], [])


def test_two_faces_whatever_their_order():
    tracker = FaceTracker()
    assert tracker.update([square(0.2, 0.5), square(0.7, 0.5)], 0.0) == ([1, 2], [])
    assert tracker.update([square(0.7, 0.52), square(0.2, 0.5)], 0.1) == ([2, 1], [])
    assert tracker.update([square(0.7, 0.52)], 0.2) == ([2], [])
    assert tracker.update([square(0.69, 0.52), square(0.21, 0.5)], 0.3) == ([2, 1], [])


def test_faces_that_pass_closely_are_linked_to_the_closest():
    """Each overlaps both old boxes; taken in order of the list, the first would take the second's number."""
    tracker = FaceTracker()
    tracker.update([square(0.40, 0.5), square(0.52, 0.5)], 0.0)
    assert tracker.update([square(0.50, 0.5), square(0.42, 0.5)], 0.04)[0] == [2, 1]


def test_a_jump_beyond_the_face_is_another_face():
    tracker = FaceTracker()
    tracker.update([square(0.2, 0.5)], 0.0)
    assert tracker.update([square(0.31, 0.5)], 0.04)[0] == [1]  # 0.55 sizes
    assert tracker.update([square(0.55, 0.5)], 0.08)[0] == [2]  # 1.2 sizes
    assert tracker.update([square(0.55, 0.5, side=0.45)], 0.12)[0] == [3]  # more than twice as large


@pytest.mark.parametrize(("gap", "number"), [(0.5, 1), (1.0, 1), (1.001, 2)])
def test_gaps(gap, number):
    tracker = FaceTracker(max_gap=1.0)
    tracker.update([square(0.5, 0.5)], 2.0)
    tracker.update([], 2.0 + gap / 2)
    numbers, ended = tracker.update([square(0.5, 0.5)], 2.0 + gap)
    assert numbers == [number]
    assert ended == ([] if number == 1 else [1])


def test_numbers_are_not_used_again_and_nothing_is_kept():
    tracker = FaceTracker(max_gap=0.1)
    for step in range(100):
        numbers, ended = tracker.update([square(0.5, 0.5)], float(step))
        assert numbers == [step + 1]
        assert ended == ([step] if step else [])
    assert len(tracker._seen) == 1


def test_a_box_without_an_area_does_no_harm():
    tracker = FaceTracker()
    assert tracker.update([(0.5, 0.5, 0.5, 0.5)], 0.0)[0] == [1]
    assert tracker.update([(0.5, 0.5, 0.5, 0.5), square(0.5, 0.5)], 0.1)[0] == [2, 3]


def test_max_gap():
    with pytest.raises(InputError, match="max_gap=-1; expected seconds, 0 or more"):
        FaceTracker(-1)
    with pytest.raises(InputError, match="max_gap=nan"):
        FaceTracker(float("nan"))


@settings(deadline=None)
@given(st.lists(st.lists(st.tuples(*[st.floats(0, 1)] * 2, st.floats(0.01, 0.5)), max_size=5), max_size=12))
def test_numbers_of_a_frame_are_distinct_and_new_ones_follow(frames):
    tracker, seen = FaceTracker(max_gap=0.1), []
    for step, faces in enumerate(frames):
        numbers, ended = tracker.update([square(*face) for face in faces], step / 25)
        assert len(set(numbers)) == len(faces)
        assert not set(ended) & set(numbers)
        new = [number for number in numbers if number not in seen]
        assert new == list(itertools.islice(itertools.count(len(seen) + 1), len(new)))
        seen += new


@settings(deadline=None)
@given(st.permutations(range(4)), st.integers(0, 10**6))
def test_the_order_of_detection_does_not_matter(order, seed):
    random = np.random.default_rng(seed)
    first = [square(*random.uniform(0, 1, 2), random.uniform(0.1, 0.3)) for _ in range(4)]
    second = [square(*random.uniform(0, 1, 2), random.uniform(0.1, 0.3)) for _ in range(4)]
    numbers = []
    for shuffled in (second, [second[place] for place in order]):
        tracker = FaceTracker()
        tracker.update(first, 0.0)
        numbers.append(tracker.update(shuffled, 0.04)[0])
    old = [[number if number <= 4 else None for number in one] for one in numbers]
    assert [old[0][place] for place in order] == old[1]
