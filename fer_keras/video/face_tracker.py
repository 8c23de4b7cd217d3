"""Who is who from frame to frame: faces found in one frame linked to those of the frames before."""

import numpy as np

from fer_keras.errors import InputError

_LEAST_OVERLAP = 0.1  # intersection over union
_FURTHEST = 0.6  # of the box's mean size, between the centres of boxes that overlap less
_MOST_GROWTH = 2.0  # of a box from one sight to the next


class FaceTracker:
    """Gives faces the same number from frame to frame, by where they are.

    Two boxes may be of one face if they overlap (intersection over union above 0.1), or if their centres are at most
    0.6 of their size apart, and neither is twice the size of the other. Of all such pairs of a frame the closest are
    linked first: by overlap minus the distance of the centres in sizes. A face that nothing is linked to gets a new
    number, counted from 1. A face may be out of sight for as long as `max_gap`; after that its number is not used
    again. Faces are not recognised: whoever takes another's place between two frames takes over the number.

    Args:
        max_gap: seconds, at least 0.

    Raises:
        InputError: `max_gap` is negative.

    Example:
    >>> tracker = FaceTracker()
    >>> tracker.update([(0.1, 0.1, 0.3, 0.3)], 0.0)
    ([1], [])
    >>> tracker.update([(0.6, 0.1, 0.8, 0.3), (0.1, 0.1, 0.3, 0.3)], 0.04)
    ([2, 1], [])
    """

    def __init__(self, max_gap=1.0):
        if not max_gap >= 0:
            raise InputError(f"received max_gap={max_gap}; expected seconds, 0 or more")
        self.max_gap = max_gap
        self._seen = {}  # number to the last box and its time
        self._numbers = 0

    def update(self, boxes, seconds):
        """Takes the faces of the next frame.

        Args:
            boxes: sequence of `(left, top, right, bottom)`, as fractions of the frame's width and height, so that they
                can be compared where the frame size changes.
            seconds: time of the frame, not before that of the last one.

        Returns:
            A pair of the numbers of the boxes, in their order, and the numbers that ended before this frame.
        """
        ended = [number for number, (_, last) in self._seen.items() if seconds - last > self.max_gap]
        for number in ended:
            del self._seen[number]
        pairs = []
        for place, box in enumerate(boxes):
            for number, (last_box, _) in self._seen.items():
                closeness = _closeness(box, last_box)
                if closeness is not None:
                    pairs.append((closeness, place, number))
        numbers = [None] * len(boxes)
        taken = set()
        for _, place, number in sorted(pairs, key=lambda pair: (-pair[0], *pair[1:])):
            if numbers[place] is None and number not in taken:
                numbers[place] = number
                taken.add(number)
        for place, box in enumerate(boxes):
            if numbers[place] is None:
                self._numbers += 1
                numbers[place] = self._numbers
            self._seen[numbers[place]] = (tuple(box), seconds)
        return numbers, ended


def _closeness(first, second):
    """Overlap minus distance in sizes, or `None` where two boxes cannot be of one face."""
    first, second = np.reshape(first, (2, 2)), np.reshape(second, (2, 2))
    sizes = first[1] - first[0], second[1] - second[0]
    areas = np.prod(sizes[0]), np.prod(sizes[1])
    if not 0 < max(areas) < _MOST_GROWTH**2 * min(areas):
        return None
    inner = np.prod(np.maximum(np.minimum(first[1], second[1]) - np.maximum(first[0], second[0]), 0.0))
    overlap = inner / (sum(areas) - inner)
    distance = np.linalg.norm((first - second).mean(axis=0) / np.mean(sizes, axis=0))
    return overlap - distance if overlap > _LEAST_OVERLAP or distance <= _FURTHEST else None
