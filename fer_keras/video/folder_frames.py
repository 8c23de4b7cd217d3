"""The pictures of a folder as the frames of a clip."""

import os
import re

from fer_keras.errors import InputError
from fer_keras.faces.image import printable, read_image
from fer_keras.video.frame import Frame

_ENDINGS = (".avif", ".bmp", ".gif", ".jp2", ".jpeg", ".jpg", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp")


class FolderFrames:
    """The pictures of a folder, in the order of the numbers in their names; a `FrameSource`.

    `frame9.png` comes before `frame10.png`. Frames are counted from 0 in that order, whatever the numbers are. A
    picture that cannot be read is a gap, whose `problem` names it. Pictures may be of different sizes. Files that are
    no pictures by their names, hidden files and folders inside are left out. A folder states no times.

    Args:
        path: the folder.

    Raises:
        InputError: there is no such folder, it cannot be read or holds no picture.
    """

    fps = None
    is_live = False
    has_times = False

    def __init__(self, path):
        self.name = printable(path)
        try:
            names = [entry.name for entry in os.scandir(path) if entry.is_file() and has_picture_name(entry.name)]
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError(f"{self.name}: cannot be read ({reason}), expected a folder of frames") from None
        if not names:
            raise InputError(f"{self.name}: holds no picture, expected a folder of frames such as 0001.png")
        self._paths = [os.path.join(path, name) for name in sorted(names, key=_by_number)]
        self.frame_count = len(self._paths)
        self._number = -1

    def __iter__(self):
        return self

    def __next__(self):
        if not self.skip():
            raise StopIteration
        try:
            return Frame(self._number, None, read_image(self._paths[self._number]))
        except InputError as error:
            return Frame(self._number, None, None, str(error))

    def skip(self):
        """Goes past the next picture; returns whether there was one."""
        self._number += 1
        return self._number < len(self._paths)

    def close(self):
        """Ends the frames."""
        self._number = len(self._paths)


def has_picture_name(name):
    """Whether a file is a picture by the ending of its name."""
    return name.lower().endswith(_ENDINGS) and not name.startswith(".")


def _by_number(name):
    # Text and numbers take turns, so that like is compared with like.
    return [int(part) if part.isdecimal() else part.casefold() for part in re.split(r"(\d+)", name)], name
