"""The frames of a video file."""

from fer_keras.faces.image import printable
from fer_keras.faces.video import Video
from fer_keras.video.frame import Frame


class ClipFrames:
    """The frames of a video file, upright, with the times that the file states; a `FrameSource`.

    Where the frame size changes within a clip, all frames are scaled to the first one's size. The frames end where
    decoding ends, see `fer_keras.faces.Video`.

    Args:
        path: the file.

    Raises:
        InputError: there is no such file, it cannot be read, is not a video or holds no frame that can be decoded.
    """

    is_live = False
    has_times = True

    def __init__(self, path):
        self._video = Video(path)
        self.name = printable(path)
        self.fps = self._video.fps
        self.frame_count = self._video.frame_count
        self._number, self._seconds = -1, None

    def __iter__(self):
        return self

    def __next__(self):
        image = next(self._video)
        self._advance()
        return Frame(self._number, self._seconds, image)

    def skip(self):
        """Goes past the next frame; returns whether there was one."""
        if not self._video.skip():
            return False
        self._advance()
        return True

    def close(self):
        """Closes the file."""
        self._video.close()

    def _advance(self):
        self._number += 1
        stated = self._video.seconds
        if self._number == 0:
            self._start = stated or 0.0
            self._seconds = 0.0
        elif stated is not None and stated - self._start > self._seconds:
            self._seconds = stated - self._start
        elif self.fps:  # streams without times of their own
            self._seconds += 1 / self.fps
