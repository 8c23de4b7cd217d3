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


def check_image(image):
    """Raises `ValueError` unless `image` is a uint8 array of shape `(height, width, 3)` with at least one pixel."""
    shape, dtype = getattr(image, "shape", ()), getattr(image, "dtype", None)
    if len(shape) != 3 or shape[2] != 3 or 0 in shape or dtype != np.uint8:
        raise ValueError(f"an image must be uint8 of shape (height, width, 3). Received: {dtype} of shape {shape}")


def box_overlap(first, second):
    """Gives the intersection over union of two boxes, arrays whose first rows are left top and right bottom."""
    inner = np.minimum(first[1], second[1]) - np.maximum(first[0], second[0])
    both = np.prod(np.maximum(inner, 0.0))
    return both / (np.prod(first[1] - first[0]) + np.prod(second[1] - second[0]) - both)


class FaceDetector(typing.Protocol):
    """What every detection back end offers."""

    def detect(self, images):
        """Finds the faces in pictures.

        Args:
            images: list of uint8 arrays of shape `(height, width, 3)`, RGB; sizes may differ.

        Returns:
            One list of `Face` a picture, most confident first; empty where no face was found. Coordinates are
            continuous, (0, 0) being the picture's corner.

        Raises:
            ValueError: a picture is not such an array.
        """
        ...
