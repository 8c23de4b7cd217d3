"""The phases of a display of emotion, frame by frame, and which frames are its peak."""

import numpy as np

PHASES = ("neutral", "onset", "apex", "offset")
"""The phases in the order of a display, which is that of MMI's markers' types 0 to 3."""

_PEAK = 3  # frames, by the protocol of CK+


def rising_phases(count):
    """Phases of a sequence that goes from the neutral face to the peak and ends there, as those of CK+ do.

    The last three frames are the apex, the first of those before them is neutral, what lies between is the onset. That
    is the rule of such corpora, not a coder's annotation.

    Args:
        count: int ≥ 0, frames of the sequence.

    Returns:
        Tuple of `count` of `PHASES`.
    """
    peak = min(count, _PEAK)
    before = count - peak
    return ("neutral",) * min(before, 1) + ("onset",) * (before - 1) + ("apex",) * peak


def longest_run(marked):
    """The longest run of marked frames, the first of those as long.

    Args:
        marked: bool array of shape `(frames,)`.

    Returns:
        `(first, end)`, the end exclusive, or `None` where no frame is marked.
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[0], np.asarray(marked, int), [0]]))).reshape(-1, 2)
    if not len(edges):
        return None
    first, end = max(edges, key=lambda run: run[1] - run[0])
    return int(first), int(end)


def frames_around(apex, length, count):
    """The frames in the middle of the apex.

    Args:
        apex: `(first, end)` as of `longest_run`, or `None` where it is not known: the middle of the clip stands for it.
        length: int, frames of the clip.
        count: int ≥ 1, how many to take; all if there are not more.

    Returns:
        A `range` of places in the clip, successive ones.
    """
    count = min(count, length)
    middle = sum(apex or (0, length)) // 2
    first = min(max(middle - count // 2, 0), length - count)
    return range(first, first + count)
