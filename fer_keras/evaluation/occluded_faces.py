"""Faces with an occluder of one kind and size: what a restorer, or a recogniser, is tested on."""

import dataclasses

import numpy as np

from fer_keras.augmentation import occlude_faces
from fer_keras.corpora.face_set import FaceSet
from fer_keras.occlusion import OCCLUDERS, SIZED
from fer_keras.occlusion.face_frame import FaceFrame

AREAS = (0.1, 0.2, 0.3, 0.4, 0.5)
"""Shares of the face that random blocks cover."""

_ASKED = {"random_block": (0.0, 1.0), "sunglasses": (0.2, 0.3)}
"""Kinds of which a share is asked for, and the least and greatest; sunglasses also come in the size that they have."""


@dataclasses.dataclass(frozen=True)
class OccludedFaces:
    """Faces that all have the same kind of occluder, each its own.

    Args:
        truth: `FaceSet` of the open faces.
        rows: int array, where they are in the set that they were chosen from.
        images: uint8 array of the truth's shape, with the occluder.
        masks: bool array of shape `(n, height, width, 1)`, the covered pixels.
        occluder: its kind.
        area: share of the face that it was asked to cover, `None` for one of its own size.
        shares: float array of shape `(n,)`, the share of the landmarks' hull that is covered; NaN for a face without
            landmarks.
    """

    truth: FaceSet
    rows: np.ndarray
    images: np.ndarray
    masks: np.ndarray
    occluder: str
    area: float | None
    shares: np.ndarray

    @property
    def name(self):
        """The kind, and the area in per cent if it was asked for."""
        return self.occluder if self.area is None else f"{self.occluder}_{round(100 * self.area)}"


def every_occlusion(faces, occluders=tuple(OCCLUDERS), areas=AREAS, seed=0):
    """Draws every kind of occluder on every face.

    Args:
        faces: `FaceSet` of open faces.
        occluders: kinds, some of `fer_keras.occlusion.OCCLUDERS`.
        areas: shares of the face for random blocks, each a condition of its own; those from 0.2 to 0.3 also for
            sunglasses, beside their own size.
        seed: int; the same seed gives the same occluders.

    Returns:
        A list of `OccludedFaces`. Faces without landmarks get random blocks alone and are left out of the others.
    """
    known, everyone = np.flatnonzero(faces.landmarks.any(axis=(1, 2))), np.arange(len(faces))
    found = []
    for kind in occluders:
        rows = everyone if kind == "random_block" else known
        least, most = _ASKED.get(kind, (1.0, 0.0))
        sizes = [area for area in areas if least <= area <= most]
        for area in [*([] if kind == "random_block" else [None]), *sizes]:
            if len(rows):
                found.append(_occlude(faces, rows, kind, area, (seed, len(found))))
    return found


def _occlude(faces, rows, kind, area, seed):
    faces = faces.select(rows)
    coverage = None if area is None else (area, area)
    images, masks, _ = occlude_faces(faces.images, faces.landmarks, seed, (kind,), 1.0, coverage, SIZED)
    masks = masks.numpy()
    shares = np.array([covered_share(*one) for one in zip(masks[..., 0], faces.landmarks, strict=True)])
    return OccludedFaces(faces, rows, images.numpy(), masks, kind, area, shares)


def covered_share(mask, landmarks):
    """The share of the landmarks' convex hull, of its part inside the picture, that is covered.

    Args:
        mask: bool array of shape `(height, width)`.
        landmarks: float array of shape `(68, 2)`, x and y in [0, 1] of the crop.

    Returns:
        A float; NaN without landmarks.
    """
    if not landmarks.any():
        return np.nan
    hull = FaceFrame(landmarks * mask.shape[::-1], mask.shape).hull()
    return np.count_nonzero(mask & hull) / max(np.count_nonzero(hull), 1)
