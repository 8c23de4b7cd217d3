"""Draws one occluder on one face and says exactly which pixels it covers."""

import numpy as np

from fer_keras.errors import InputError
from fer_keras.occlusion import hand, random_block, scarf, sunglasses, surgical_mask
from fer_keras.occlusion.canvas import Canvas
from fer_keras.occlusion.face_frame import FaceFrame
from fer_keras.occlusion.light import measure_light

_FILES = {
    "sunglasses": sunglasses,
    "surgical_mask": surgical_mask,
    "hand": hand,
    "scarf": scarf,
    "random_block": random_block,
}
OCCLUDERS = {kind: getattr(file, kind) for kind, file in _FILES.items()}
"""The occluders by kind: `draw(canvas, face, light, rng)` paints one on a `Canvas`."""

SIZED = ("random_block", "sunglasses")
"""Kinds that can be drawn to cover a given share of the face."""


def occlude(image, landmarks, kind, rng, coverage=None):
    """Draws an occluder on a face.

    Args:
        image: uint8 array of shape `(height, width, 3)`, RGB, or `(height, width)`, grey: a face crop or any picture
            with the face; left as it is.
        landmarks: float array of shape `(68, 2)`, x and y in pixels of the picture, iBUG order.
        kind: one of `OCCLUDERS`.
        rng: `np.random.Generator`; the same state gives the same occluder, and on another picture of the same face
            the same occluder in its new place.
        coverage: share of the convex hull of the landmarks (its part inside the picture) that an occluder of `SIZED`
            covers, in (0, 1]: blocks meet it within 0.02 for eyes 12 or more pixels apart, sunglasses within 0.03, up
            to 0.6. `None` for any size of blocks, and for the size that sunglasses have. Other kinds have the size that
            they have.

    Returns:
        `(occluded, mask)`: a new uint8 array of the picture's shape, and a bool array of shape `(height, width)`, true
        for the pixels that the occluder covers wholly or in part. All other pixels are equal to those of `image`. The
        mask is empty where the occluder lies beyond the border of the picture.

    Raises:
        InputError: the picture is of another type or shape, the kind is unknown, the coverage is out of its range or
            given for another kind, or the landmarks are not those of a face in the picture (see `FaceFrame`).
    """
    image = _checked(image)
    if image.ndim == 3 and (image == image[..., :1]).all():  # a grey picture stays grey
        occluded, mask = occlude(image[..., 0], landmarks, kind, rng, coverage)
        return np.repeat(occluded[..., None], 3, axis=2), mask
    canvas, noise, grain = _draw(image, landmarks, kind, rng, coverage)
    return canvas.lay_over(image, noise, grain)


def occluder_layer(image, landmarks, kind, rng, coverage=None):
    """Draws an occluder in the light of a face as a layer of its own, to be laid over this or another face.

    Args:
        image: as for `occlude`.
        landmarks: as for `occlude`.
        kind: as for `occlude`.
        rng: as for `occlude`.
        coverage: as for `occlude`.

    Returns:
        A float32 array of shape `(height, width, 2)` for a grey picture, `(height, width, 4)` for RGB: colour times
        coverage, and coverage, 0-1, above 0 exactly where the occluder covers a pixel. A picture p becomes
        `p (1 − coverage) + colour` there.

    Raises:
        InputError: see `occlude`.
    """
    image = _checked(image)
    canvas, noise, grain = _draw(image, landmarks, kind, rng, coverage)
    return canvas.layer(1 if image.ndim == 2 else 3, noise, grain)


def _checked(image):
    image = np.asarray(image)
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or image.shape[2:] not in ((), (3,)) or 0 in image.shape:
        raise InputError(
            "the picture must be uint8 of shape (height, width, 3) or (height, width), "
            f"received {image.dtype} of shape {image.shape}"
        )
    return image


def _draw(image, landmarks, kind, rng, coverage):
    """The canvas with the occluder on it, the camera's noise, and the generator of its grain."""
    if kind not in OCCLUDERS:
        raise InputError(f"unknown occluder {kind!r}; expected one of {', '.join(OCCLUDERS)}")
    if coverage is not None and kind not in SIZED:
        raise InputError(f"coverage is for {' and '.join(SIZED)} alone, received coverage={coverage} for {kind!r}")
    if coverage is not None and not 0 < coverage <= 1:  # true for NaN
        raise InputError(f"coverage must be in (0, 1], received {coverage}")
    face = FaceFrame(landmarks, image.shape[:2])
    light = measure_light(image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2), face)
    grain = np.random.default_rng(rng.integers(2**63))
    canvas = Canvas(face, _FILES[kind].REACH)
    options = {"coverage": coverage} if kind in SIZED else {}
    OCCLUDERS[kind](canvas, face, light, rng, **options)
    canvas.light(light)
    return canvas, light.noise, grain
