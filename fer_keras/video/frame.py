"""One frame of a clip, a folder or a webcam, and the interface of what gives them."""

import dataclasses
import typing

import numpy as np

NOMINAL_FPS = 25.0
"""Frames a second where none are stated, for what has to count in seconds all the same: gaps, and the copy's speed."""


@dataclasses.dataclass(frozen=True)
class Frame:
    """One frame.

    Args:
        number: its place among all frames of the source, from 0.
        seconds: its time from the first frame on, or `None` where the source has no times.
        image: uint8 array of shape `(height, width, 3)`, RGB, or `None` where it cannot be read: a gap.
        problem: why there is no image; `""` where there is one.
    """

    number: int
    seconds: float | None
    image: np.ndarray | None
    problem: str = ""

    @property
    def time(self):
        """Its seconds, or what they would be at `NOMINAL_FPS`."""
        return self.number / NOMINAL_FPS if self.seconds is None else self.seconds


class FrameSource(typing.Protocol):
    """What every source of frames offers: an iterator of `Frame`, read once.

    Attributes:
        name: what messages call it.
        fps: frames a second, or `None`.
        frame_count: how many frames there will be, as far as is known beforehand, or `None`.
        is_live: whether frames that are not read in time are lost.
        has_times: whether its frames have `seconds`.
    """

    name: str
    fps: float | None
    frame_count: int | None
    is_live: bool
    has_times: bool

    def __iter__(self): ...

    def __next__(self): ...

    def skip(self):
        """Goes past the next frame, cheaper than reading it.

        Returns:
            Whether there was one.
        """
        ...

    def close(self):
        """Lets go of file or camera; there are no frames from then on."""
        ...
