"""What a picture tells about its light, so that an occluder looks as if it had been there."""

import dataclasses

import cv2
import numpy as np

_PATCH = 0.12  # radius in eye distances
_LEFT_CHEEK, _RIGHT_CHEEK = (31, 2), (35, 14)  # the cheek lies between these landmarks
_LUMINANCE = np.array((0.299, 0.587, 0.114), np.float32)  # of R, G, B (ITU-R BT.601)


@dataclasses.dataclass(frozen=True)
class Light:
    """The light on a face.

    Args:
        skin: `(red, green, blue)` of the cheeks, 0-255.
        gain: brightness to draw things with, 1 for a well lit picture.
        slope: how much brighter (> 0) or darker things are one eye distance to the right, as a share.
        noise: standard deviation of the picture's noise in grey levels.
    """

    skin: tuple
    gain: float
    slope: float
    noise: float


def measure_light(image, face):
    """Measures the light on a face.

    Args:
        image: uint8 array of shape `(height, width, 3)`, RGB.
        face: the `FaceFrame`.

    Returns:
        A `Light`.
    """
    cheeks = [_patch(image, face, *places) for places in (_LEFT_CHEEK, _RIGHT_CHEEK)]
    present = [cheek for cheek in cheeks if cheek is not None]
    skin = np.mean(present, axis=0) if present else image.reshape(-1, 3).mean(axis=0)
    left, right = (cheek @ _LUMINANCE if cheek is not None else skin @ _LUMINANCE for cheek in cheeks)
    # Cheeks differ by more than light: moles, hair, shadows of the nose.
    slope = 0.5 * (right - left) / (right + left + 20)
    # Dark skin in good light looks like fair skin in poor light; the brightest parts of the picture tell more.
    step = max(1, min(image.shape[:2]) // 128)
    luminance = image[::step, ::step] @ _LUMINANCE
    bright = np.percentile(luminance, 95)
    return Light(
        skin=tuple(float(value) for value in skin),
        gain=float(np.clip(0.3 + bright / 280, 0.45, 1.1)),
        slope=float(np.clip(slope, -0.2, 0.2)),
        noise=_noise(image[_middle(face)] @ _LUMINANCE),
    )


def _middle(face):
    """Rows and columns about the middle of the face, at most 200 pixels either way."""
    reach = int(min(2 * face.unit, 200)) + 8
    height, width = face.shape
    x, y = (int(np.clip(value, 0, limit - 1)) for value, limit in zip(face.origin, (width, height), strict=True))
    return slice(max(0, y - reach), y + reach), slice(max(0, x - reach), x + reach)


def _patch(image, face, inner, outer):
    """Colour between two landmarks, `None` where that lies outside the picture."""
    middle = (face.landmarks[inner] + face.landmarks[outer]) / 2
    radius = max(1.0, _PATCH * face.unit)
    height, width = face.shape
    left, top = (int(np.clip(value - radius, 0, limit)) for value, limit in zip(middle, (width, height), strict=True))
    right, bottom = (
        int(np.clip(value + radius + 1, 0, limit)) for value, limit in zip(middle, (width, height), strict=True)
    )
    pixels = image[top:bottom, left:right].reshape(-1, 3)
    return np.percentile(pixels, 60, axis=0) if len(pixels) else None


def _noise(luminance):
    """Noise where the picture is smoothest, as detail elsewhere would pass for noise."""
    detail = luminance - cv2.blur(luminance, (3, 3))
    spread = np.sqrt(cv2.blur(detail * detail, (7, 7)))
    # Averaging nine pixels leaves 8/9 of the variance of white noise; a tenth of small windows show a sixth less.
    return float(np.clip(1.2 * np.percentile(spread, 10) / np.sqrt(8 / 9), 0.5, 12.0))
