"""One frame of a clip as a corpus's picture."""

import dataclasses
import os
import threading

import numpy as np

from fer_keras.errors import InputError
from fer_keras.faces.image import check_size, printable
from fer_keras.faces.video import Video


@dataclasses.dataclass(frozen=True)
class VideoFrame:
    """A frame of a clip, turned and cut: a `Part` of a `Sample` whose file is the clip.

    Frames are counted by decoding from the start, because seeking lands beside the frame in some formats; each thread
    keeps its last clip open, so that reading a clip's frames in order decodes it once. The pixels do not depend on the
    order of reading.

    Args:
        index: number of the frame in its clip, from 0.
        quarter_turns: how often the stored frame is turned by 90° clockwise.
        region: `(left, top, right, bottom)` of what is kept of the turned frame, as fractions of its width and height.

    Raises:
        InputError: the index is negative, or the region is empty or outside the frame.
    """

    index: int
    quarter_turns: int = 0
    region: tuple = (0.0, 0.0, 1.0, 1.0)

    def __post_init__(self):
        if self.index < 0:
            raise InputError(f"a frame's index must be 0 or more, received index={self.index}")
        left, top, right, bottom = self.region
        if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
            raise InputError(f"a region needs 0 ≤ left < right ≤ 1 and 0 ≤ top < bottom ≤ 1, received {self.region}")

    def __str__(self):
        return f"frame {self.index}"

    def read(self, path):
        """Reads the frame.

        Args:
            path: the clip.

        Returns:
            A uint8 array of shape `(height, width, 3)`, RGB.

        Raises:
            InputError: the clip cannot be read as far as this frame, or the region is smaller than a picture may be.
        """
        frame = np.rot90(_read_frame(path, self.index), -self.quarter_turns)
        height, width = frame.shape[:2]
        left, top, right, bottom = self.region
        frame = frame[round(top * height) : round(bottom * height), round(left * width) : round(right * width)]
        check_size(f"{printable(path)}: {self}", frame.shape[1], frame.shape[0])
        return frame.copy()  # the thread keeps the whole frame


class _OpenClip:
    """A clip that was read up to some frame, which is kept."""

    def __init__(self, path, key):
        self.key = key
        self.video = Video(path)
        self.index = -1
        self.frame = None

    def read(self, index, name):
        """Reads on to a frame that was not passed yet."""
        while self.index < index:
            if self.index + 1 < index:
                is_there = self.video.skip()
            else:
                self.frame = next(self.video, None)
                is_there = self.frame is not None
            if not is_there:
                end = f"decoding ends after {self.index + 1} frames"
                raise InputError(f"{name}: frame {index}: {end}; expected a clip that is neither cut off nor damaged")
            self.index += 1
        return self.frame


# A clip a thread: threads that read different clips would else reopen them in turns.
_last = threading.local()


def _read_frame(path, index):
    key = _key(path)
    clip = getattr(_last, "clip", None)
    _last.clip = None  # a clip that fails below is not used again
    if clip is None or clip.key != key or clip.index > index:
        if clip is not None:
            clip.video.close()
        clip = _OpenClip(path, key)
    frame = clip.read(index, printable(path))
    _last.clip = clip
    return frame


def _key(path):
    """Tells an unchanged file of this process from any other; `None` if there is no such file."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    # A forked process shares the place in the file with its parent: it has to open the clip itself.
    return os.getpid(), found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
