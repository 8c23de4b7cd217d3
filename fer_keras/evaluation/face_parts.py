"""Faces of which one part is black: the parts that studies of occlusion cover on CK+, without any object."""

import numpy as np

from fer_keras.evaluation.occluded_faces import OccludedFaces, covered_share
from fer_keras.occlusion.face_frame import FaceFrame

_MARGIN = 0.15  # of boxes about landmarks, in eye distances
_EYES, _MOUTH, _NOSE_TIP = np.r_[17:27, 36:48], np.r_[48:68], 30


def _box(x, y, points):
    low, high = points.min(axis=0) - _MARGIN, points.max(axis=0) + _MARGIN
    return (x >= low[0]) & (x <= high[0]) & (y >= low[1]) & (y <= high[1])


PARTS = {
    "eyes": lambda x, y, points: _box(x, y, points[_EYES]),
    "mouth": lambda x, y, points: _box(x, y, points[_MOUTH]),
    "upper_half": lambda x, y, points: y < points[_NOSE_TIP, 1],
    "lower_half": lambda x, y, points: y >= points[_NOSE_TIP, 1],
    "left_half": lambda x, y, points: x < points[_NOSE_TIP, 0],
    "right_half": lambda x, y, points: x >= points[_NOSE_TIP, 0],
}
"""Name of a part to a function from face coordinates of pixels, see `FaceFrame`, and of the landmarks to its pixels."""


def every_part(faces):
    """Covers every part of every face in turn.

    Boxes about eyes with brows, and about the mouth, reach 0.15 eye distances beyond their landmarks; halves, left and
    right as in the picture, meet at the tip of the nose and reach to the border of the picture. All are black and
    follow the tilt of the eye line.

    Args:
        faces: `FaceSet` of open faces; those without landmarks are left out.

    Returns:
        A list of `OccludedFaces`, one a part.

    Reference:
        - Kotsia, Buciu and Pitas, An analysis of facial expression recognition under partial facial image occlusion,
          Image and Vision Computing 2008, which compares such parts.
    """
    rows = np.flatnonzero(faces.landmarks.any(axis=(1, 2)))
    if not len(rows):
        return []
    faces = faces.select(rows)
    size = faces.images.shape[1:3]
    pixels = np.stack(np.meshgrid(np.arange(size[1]), np.arange(size[0])), axis=-1) + 0.5
    frames = [FaceFrame(points * size[::-1], size) for points in faces.landmarks]
    places = [(*np.moveaxis(frame.to_face(pixels), -1, 0), frame.points()) for frame in frames]
    found = []
    for name, part in PARTS.items():
        masks = np.stack([part(*place) for place in places])[..., None]
        shares = np.array([covered_share(*one) for one in zip(masks[..., 0], faces.landmarks, strict=True)])
        images = np.where(masks, 0, faces.images).astype("uint8")
        found.append(OccludedFaces(faces, rows, images, masks, name, None, shares))
    return found
