"""A face found in a picture, and the interface of what finds it."""

import dataclasses
import typing

import numpy as np


@dataclasses.dataclass(frozen=True)
class Face:
    """One face in one picture.

    Args:
        box: `(left, top, right, bottom)` in pixels of the picture, floats; may reach beyond its border.
        score: confidence of the detector in [0, 1].
        eyes: float array of shape `(2, 2)`, x and y of the two eye centres in pixels, the image-left eye first.
        landmarks: float array of shape `(68, 2)` in pixels, or `None` where no landmark model ran.
    """

    box: tuple
    score: float
    eyes: np.ndarray
    landmarks: np.ndarray | None = None


class FaceDetector(typing.Protocol):
    """What every detection back end offers."""

    def detect(self, images):
        """Finds the faces in pictures.

        Args:
            images: list of uint8 arrays of shape `(height, width, 3)`, RGB; sizes may differ.

        Returns:
            One list of `Face` a picture, most confident first; empty where no face was found.
        """
        ...
