"""Video clips to frames: every clip from outside comes in through here."""

import math
import os
import stat

import cv2

from fer_keras.errors import InputError
from fer_keras.faces.image import check_size, printable

# Damaged clips are reported as InputError; FFmpeg would print its own lines about them as well. OpenCV reads this
# when it opens the first clip. -8 is FFmpeg's AV_LOG_QUIET.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

MAX_FPS = 1000.0


class Video:
    """The frames of a video clip, in order; one frame is held in memory at a time.

    An iterator: each frame is given once, and another pass needs another `Video`. A frame is a uint8 array of shape
    `(height, width, 3)`, RGB, turned upright as the clip's rotation metadata says (phones film sideways and note it).
    Grey becomes colour, more than 8 bits become 8, transparency and sound are dropped, and where the frame size
    changes within a clip OpenCV scales all frames to the first one's size. A still picture is a clip of one frame.

    The frames end where decoding ends: a clip that was cut off or is damaged in the middle gives the frames up to
    there, which may be fewer than `frame_count`. Nothing is read beyond a damaged place, for frames could be missing
    and the numbers of the later ones wrong.

    Args:
        path: the file, of any format that OpenCV's FFmpeg decodes; its name may hold any characters.

    Attributes:
        size: `(width, height)` of the frames in pixels.
        fps: frames a second as the file states them, or `None`.
        frame_count: number of frames as the file states it, or `None`; files may be wrong about it.

    Raises:
        InputError: there is no such file, it cannot be read, is not a video, holds no frame, or its frames have sides
            or an area beyond the limits of `fer_keras.faces.image`.

    Example:
    >>> with Video("clip.mp4") as video:
    ...     for frame in video:
    ...         print(frame.shape, video.fps)
    """

    def __init__(self, path):
        name = printable(path)
        file_size = _check_file(path, name)
        self._capture = _open(path, name)
        try:
            # Before anything is decoded; OpenCV scales to this size what decodes to another.
            sides = (self._capture.get(key) for key in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
            check_size(name, *map(int, sides))
            self._is_ahead = self._grab()  # whether the next frame is decoded already
            first = self._retrieve() if self._is_ahead else None
            if first is None:
                raise InputError(f"{name}: holds no frame that can be decoded, expected a video")
            self.size = (first.shape[1], first.shape[0])
        except BaseException:
            self.close()
            raise
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps if math.isfinite(fps) and 0 < fps <= MAX_FPS else None
        # A frame takes a byte at least, so that a larger number is none that could be relied upon.
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.frame_count = int(count) if 1 <= count <= file_size else None

    def __iter__(self):
        return self

    def __next__(self):
        frame = self._retrieve() if self.skip() else None
        if frame is None:
            self.close()
            raise StopIteration
        return frame

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    @property
    def seconds(self):
        """Time of the frame passed last, as the file states it, or `None`; files may be wrong about it."""
        milliseconds = self._capture.get(cv2.CAP_PROP_POS_MSEC) if self._capture.isOpened() else math.nan
        return milliseconds / 1000 if math.isfinite(milliseconds) else None

    def skip(self):
        """Goes past the next frame, at half the cost of reading it.

        Returns:
            Whether there was one.
        """
        if self._is_ahead:
            self._is_ahead = False
            return True
        is_there = self._grab()
        if not is_there:
            self.close()  # OpenCV would go on behind a damaged place
        return is_there

    def close(self):
        """Closes the file; there are no frames from then on."""
        self._is_ahead = False
        self._capture.release()

    def _grab(self):
        try:
            return self._capture.grab()
        except (cv2.error, MemoryError):
            return False

    def _retrieve(self):
        try:
            has_frame, frame = self._capture.retrieve()
        except (cv2.error, MemoryError):
            return None
        return cv2.cvtColor(frame, cv2.COLOR_BGR2RGB) if has_frame else None


def _check_file(path, name):
    """Raises `InputError` where the path is no file to read; returns the file's size in bytes."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        raise InputError(f"{name}: no such file, expected a video file") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{name}: cannot be read ({reason}), expected a video file") from None
    if stat.S_ISDIR(found.st_mode):
        raise InputError(f"{name}: is a directory, expected a video file")
    if not stat.S_ISREG(found.st_mode):  # a pipe would block, a device never end
        raise InputError(f"{name}: is not a regular file, expected a video file")
    if found.st_size == 0:
        raise InputError(f"{name}: is empty, expected a video")
    return found.st_size


def _open(path, name):
    """An opened `cv2.VideoCapture` that turns frames upright, or `InputError`."""
    # FFmpeg alone: OpenCV would else try readers that take digits in a name for a series of pictures. One thread, for
    # several conceal damage differently from run to run and do not survive a fork.
    options = [cv2.CAP_PROP_N_THREADS, 1]
    try:
        if os.path.isdir("/dev/fd"):
            # FFmpeg takes some names for patterns or addresses, and OpenCV dies of one that is not UTF-8.
            descriptor = os.open(path, os.O_RDONLY)
            try:
                capture = cv2.VideoCapture(f"/dev/fd/{descriptor}", cv2.CAP_FFMPEG, options)
            finally:
                os.close(descriptor)
        else:
            capture = cv2.VideoCapture(os.path.abspath(path), cv2.CAP_FFMPEG, options)
        is_open = capture.isOpened()
    except OSError as error:
        raise InputError(f"{name}: cannot be read ({error.strerror}), expected a video file") from None
    except (cv2.error, MemoryError):
        is_open = False
    if not is_open:
        raise InputError(f"{name}: is not a video or is damaged, expected AVI, MP4 or the like")
    capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)  # the default differs between OpenCV 4 and 5
    return capture
