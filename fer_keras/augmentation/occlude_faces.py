"""Occluders on training faces, in an input pipeline."""

import numpy as np
import tensorflow as tf

from fer_keras.errors import InputError
from fer_keras.occlusion import OCCLUDERS, occlude


def occlude_faces(
    images, landmarks, seed, kinds=tuple(OCCLUDERS), probability=1.0, coverage=None, sized=("random_block",)
):
    """Draws an occluder on faces; a function for `tf.data.Dataset.map`.

    OpenCV draws on the CPU, so that this belongs into an input pipeline, not into a model.

    Args:
        images: uint8 or float tensor of shape `(height, width, channels)`, or `(batch, height, width, channels)`, 1
            or 3 channels, values 0-255.
        landmarks: float tensor of shape `(68, 2)` or `(batch, 68, 2)`, x and y in [0, 1] of the crop. A face without
            (all zeros) gets a random block, or nothing if `"random_block"` is not among the kinds.
        seed: int tensor of shape `(2,)`; the same seed gives the same occluders, every face of a batch its own.
        kinds: sequence of `fer_keras.occlusion.OCCLUDERS` to choose from.
        probability: of a face to be occluded, 0-1.
        coverage: `(low, high)` of the share of the face that occluders of the kinds `sized` cover, or `None` for any.
        sized: some of `fer_keras.occlusion.SIZED`.

    Returns:
        `(images, masks, kinds)`: the images in their own type, bool masks `(…, height, width, 1)` of the covered
        pixels, and strings `(…)`, `"none"` where the face is open. Pixels outside the masks are as they were.

    Raises:
        InputError: a kind is unknown, or a number out of its range.
    """
    kinds = tuple(kinds)
    for kind in kinds:
        if kind not in OCCLUDERS:
            raise InputError(f"unknown occluder {kind!r}; expected some of {', '.join(OCCLUDERS)}")
    if not kinds or not 0 <= probability <= 1:
        raise InputError(f"expected kinds and a probability from 0 to 1, received {kinds} and {probability}")
    if coverage is not None and not 0 < coverage[0] <= coverage[1] <= 1:
        raise InputError(f"coverage must be (low, high) within (0, 1], received {coverage}")
    images = tf.convert_to_tensor(images)
    if images.shape.rank == 3:
        landmarks = tf.convert_to_tensor(landmarks)[None]
        batch = occlude_faces(images[None], landmarks, seed, kinds, probability, coverage, sized)
        return tuple(values[0] for values in batch)

    def draw(pixels, points, numbers):
        generators = [np.random.default_rng([*numbers.astype(np.uint64), row]) for row in range(len(pixels))]
        faces = [
            _occlude_one(face, marks, rng, kinds, probability, coverage, sized)
            for face, marks, rng in zip(pixels, points, generators, strict=True)
        ]
        occluded, masks, names = zip(*faces, strict=True) if faces else ((), (), ())
        shape = pixels.shape
        return (
            np.array(occluded, np.uint8).reshape(shape),
            np.array(masks, bool).reshape(*shape[:3], 1),
            np.array(names, object).astype(bytes),
        )

    rounded = tf.cast(tf.round(tf.clip_by_value(tf.cast(images, tf.float32), 0.0, 255.0)), tf.uint8)
    occluded, masks, names = tf.numpy_function(
        draw, (rounded, tf.cast(landmarks, tf.float32), seed), (tf.uint8, tf.bool, tf.string)
    )
    occluded.set_shape(images.shape)
    masks.set_shape((*images.shape[:3], 1))
    names.set_shape(images.shape[:1])
    return tf.where(masks, tf.cast(occluded, images.dtype), images), masks, names


def _occlude_one(face, landmarks, rng, kinds, probability, coverage, sized):
    """Returns the face, the mask of shape `(height, width)` and the kind."""
    hit, kind = rng.random() < probability, kinds[rng.integers(len(kinds))]
    share = rng.uniform(*coverage) if coverage else None
    size = (face.shape[1], face.shape[0])
    if not landmarks.any():
        landmarks, kind = ANY_FACE, "random_block" if "random_block" in kinds else "none"
    if not hit or kind == "none":
        return face, np.zeros(face.shape[:2], bool), "none"
    picture = face[..., 0] if face.shape[-1] == 1 else face
    occluded, mask = occlude(picture, landmarks * size, kind, rng, share if kind in sized else None)
    return occluded.reshape(face.shape), mask, kind


def _any_face():
    turn = np.arange(68) * 2 * np.pi / 68
    points = np.array((0.5, 0.52)) + np.stack([np.cos(turn), np.sin(turn)], axis=1) * (0.36, 0.42)
    points[36:42], points[42:48] = (0.34, 0.36), (0.66, 0.36)
    return points


ANY_FACE = _any_face()
"""Stands for a face whose landmarks were not found: eyes where crops have them, all else around an oval."""
