"""Where a classifier looks: Grad-CAM of a few faces a class, as pictures."""

import collections

import cv2
import numpy as np

from fer_keras.explain import grad_cam, overlay
from fer_keras.faces.image import encode_png

_SIDE, _GAP = 96, 6  # pixels of a face and between two


def faces_to_show(labels, subjects, per_class=4):
    """Chooses faces of each class: one of everybody before a second of anybody; of a clip the last, its apex, first.

    Args:
        labels: int array of shape `(n,)`.
        subjects: array of n names.
        per_class: int.

    Returns:
        A dict of label to a list of rows, in the order of the labels.
    """
    chosen = {}
    for label in np.unique(labels).tolist():
        seen, turns = collections.Counter(), []
        for row in np.flatnonzero(labels == label)[::-1].tolist():
            turns.append((seen[subjects[row]], row))
            seen[subjects[row]] += 1
        chosen[label] = [row for _, row in sorted(turns, key=lambda turn: turn[0])[:per_class]]
    return chosen


def look_at(model, faces):
    """Grad-CAM maps of the faces' own labels.

    Args:
        model: a `JointSupervision`.
        faces: `FaceSet`.

    Returns:
        A float32 array of shape `(n, height, width)` in [0, 1], see `fer_keras.explain.grad_cam`.
    """
    return grad_cam(model, faces.inputs(model.takes_landmarks), class_index=faces.labels)


def draw_looks(images, maps):
    """Faces in a row, and each with its map below.

    Args:
        images: uint8 array of shape `(n, height, width, channels)`.
        maps: float array of shape `(n, height, width)` in [0, 1].

    Returns:
        A PNG as bytes.
    """
    faces = [_enlarge(image) for image in images]
    above, below = _strip(faces), _strip([overlay(*pair) for pair in zip(faces, maps, strict=True)])
    return encode_png(np.concatenate([above, np.full_like(above[:_GAP], 128), below]))


def _enlarge(image):
    image = cv2.resize(image, (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC)
    image = image if image.ndim == 3 else image[..., None]
    return np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image


def _strip(pictures):
    gap = np.full((_SIDE, _GAP, 3), 128, "uint8")
    parts = [part for picture in pictures for part in (gap, picture)]
    return np.concatenate(parts[1:], axis=1)
