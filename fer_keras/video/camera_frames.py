"""The frames of a webcam."""

import time

import cv2

from fer_keras.errors import InputError
from fer_keras.video.frame import Frame


class CameraFrames:
    """The frames of a webcam, with the times at which they were taken; a `FrameSource`. It has no end of its own.

    Args:
        index: int, number of the camera, from 0.

    Raises:
        InputError: there is no such camera, or another program has it.
    """

    frame_count = None
    is_live = True
    has_times = True

    def __init__(self, index):
        self.name = f"webcam {index}"
        if not 0 <= index < 100:  # OpenCV 5 dies of -1
            raise InputError(f"{self.name}: expected the number of a camera, from 0")
        self._capture = cv2.VideoCapture(index)
        if not self._capture.isOpened() or not self._capture.grab():
            self._capture.release()
            raise InputError(
                f"{self.name}: cannot be opened; expected the number of a camera that is connected and not in use"
            )
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps if 0 < fps <= 1000 else None
        self._number, self._start = -1, time.monotonic()

    def __iter__(self):
        return self

    def __next__(self):
        has_frame, frame = self._capture.retrieve() if self.skip() else (False, None)
        if not has_frame:
            raise StopIteration
        return Frame(self._number, time.monotonic() - self._start, cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))

    def skip(self):
        """Lets the next frame pass; returns whether there was one."""
        self._number += 1
        return self._capture.grab()

    def close(self):
        """Lets go of the camera."""
        self._capture.release()
