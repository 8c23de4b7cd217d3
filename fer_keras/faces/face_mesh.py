"""The 468-point face mesh and the 68 iBUG landmarks taken from it.

Kartynnik et al. 2019, "Real-time Facial Surface Geometry from Monocular Video on Mobile GPUs" (arXiv:1907.06724); the
model file is MediaPipe's `face_landmark.tflite`.
"""

import cv2
import numpy as np

from fer_keras.faces.align import landmarks_to_eyes, transform_points, warp
from fer_keras.faces.lite_model import LiteModel

# Vertices of the mesh at the 68 landmarks of iBUG 300-W (Sagonas et al. 2016), in that order, image-left first. The
# jaw takes the vertices of the mesh's outline at nearly equal distances; the others share the anatomical place.
IBUG_68 = np.array(
    [127, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 356]  # jaw, ear to ear
    + [70, 63, 105, 66, 107, 336, 296, 334, 293, 300]  # brows
    + [168, 197, 5, 4]  # bridge of the nose
    + [98, 97, 2, 326, 327]  # nostrils
    + [33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380]  # eyes
    + [61, 40, 37, 0, 267, 270, 291, 321, 314, 17, 84, 91]  # outer lips
    + [78, 81, 13, 311, 308, 402, 14, 178]  # inner lips
)
IBUG_68.flags.writeable = False

_SIDE = 192
# The model wants a turned square around the face with some air. This size and this shift towards the chin, in sides of
# BlazeFace's box, agree best with hand-placed landmarks at pupils, mouth corners and chin together; with MediaPipe's
# own 1.5 and no shift the chin comes out 0.11 eye distances too high.
_ROI_SCALE = 1.65
_ROI_SHIFT = 0.1
# In widths of the detector's box: the eye distance of frontal faces, and how far the mesh's eyes may lie from the
# detector's. Of frontal faces none exceeds 0.1; of pictures of walls and cloth that fool the mesh, nearly all.
_EYE_DISTANCE = 0.42
_EYES_ASTRAY = 0.15


class FaceMesh:
    """Finds the 468 points of the mesh on faces whose place is roughly known. Safe to share between threads."""

    def __init__(self):
        self._model = LiteModel("face_landmark.tflite")

    def landmarks(self, image, box, eyes):
        """Finds the 68 landmarks of what a detector takes for a face.

        Args:
            image: uint8 array of shape `(height, width, 3)`, RGB.
            box: `(left, top, right, bottom)` of the face in pixels, as BlazeFace draws it: a square of about 2.3 eye
                distances, whose middle is the nose's.
            eyes: float array of shape `(2, 2)`, rough eye centres in pixels, image-left eye first.

        Returns:
            A float64 array of shape `(68, 2)` in pixels of the picture, iBUG order, or `None` where the mesh sees no
            face or sees its eyes elsewhere.
        """
        mesh, confidence = self(image, box, eyes)
        landmarks = mesh_to_landmarks(mesh)
        astray = np.hypot(*(landmarks_to_eyes(landmarks) - eyes).T).max() / (box[2] - box[0])
        return landmarks if confidence >= 0.5 and astray <= _EYES_ASTRAY else None

    def __call__(self, image, box, eyes):
        """Fits the mesh to one face.

        Args:
            image: uint8 array of shape `(height, width, 3)`, RGB.
            box: `(left, top, right, bottom)` of the face in pixels.
            eyes: float array of shape `(2, 2)`, rough eye centres in pixels, image-left eye first.

        Returns:
            A tuple of a float64 array of shape `(468, 2)`, x and y in pixels of the picture, and the model's confidence
            in [0, 1] that it saw a face.
        """
        across = np.subtract(eyes[1], eyes[0])
        matrix = _roi_matrix(box, np.arctan2(across[1], across[0]))
        pixels = warp(image, matrix, _SIDE, spacing=2).astype(np.float32) / 255.0
        points, logit = self._model(pixels[None])
        points = transform_points(points.reshape(-1, 3)[:, :2], cv2.invertAffineTransform(matrix))
        return points, float(1.0 / (1.0 + np.exp(-np.clip(logit.item(), -80.0, 80.0))))


def mesh_to_landmarks(mesh):
    """Takes the 68 iBUG landmarks out of a mesh.

    Args:
        mesh: float array of shape `(468, 2)`.

    Returns:
        A float array of shape `(68, 2)`.
    """
    return mesh[IBUG_68]


def level_eyes(box, eyes):
    """Gives eyes to a face that the mesh does not recognise: mostly a near-profile, whose far eye is hidden or close.

    Found eyes then give neither size nor angle, so they are set level at their usual distance around their middle.

    Args:
        box: `(left, top, right, bottom)` of the face in pixels, as in `FaceMesh.landmarks`.
        eyes: float array of shape `(2, 2)`, eye centres as found, in pixels.

    Returns:
        A float array of shape `(2, 2)`, image-left eye first.
    """
    half = [_EYE_DISTANCE * (box[2] - box[0]) / 2, 0.0]
    middle = eyes.mean(axis=0)
    return np.stack([middle - half, middle + half])


def _roi_matrix(box, angle):
    """The transform from the picture to the model's square around a box, turned by `angle` radians."""
    left, top, right, bottom = box
    side = max(right - left, bottom - top)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])  # its rows: across, down
    centre = np.array([(left + right) / 2, (top + bottom) / 2]) + _ROI_SHIFT * side * turn[1]
    linear = _SIDE / (_ROI_SCALE * side) * turn
    return np.column_stack([linear, _SIDE / 2 - linear @ centre])
