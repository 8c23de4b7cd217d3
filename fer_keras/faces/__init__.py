"""Faces: pictures in, faces with landmarks and aligned crops out.

`decode` is not imported here: it needs TensorFlow, and finding faces does not.
"""

from fer_keras.errors import InputError
from fer_keras.faces.align import align_face, align_landmarks, alignment_matrix, landmarks_to_eyes, transform_points
from fer_keras.faces.blaze_face import BlazeFace
from fer_keras.faces.face import Face, FaceDetector
from fer_keras.faces.face_mesh import FaceMesh, mesh_to_landmarks
from fer_keras.faces.image import decode_image, encode_png, read_image
from fer_keras.faces.mtcnn import MTCNN
from fer_keras.faces.video import Video

DETECTORS = {"blaze_face": BlazeFace, "mtcnn": MTCNN}
"""The detection back ends by name."""


def make_detector(name):
    """Makes a detector by its name, with its default settings.

    Args:
        name: one of `DETECTORS`.

    Returns:
        A `FaceDetector`.

    Raises:
        InputError: no back end has this name, or its package is missing.
    """
    if name not in DETECTORS:
        raise InputError(f"unknown face detector {name!r}; expected one of {', '.join(DETECTORS)}")
    return DETECTORS[name]()


__all__ = [
    "DETECTORS",
    "MTCNN",
    "BlazeFace",
    "Face",
    "FaceDetector",
    "FaceMesh",
    "Video",
    "align_face",
    "align_landmarks",
    "alignment_matrix",
    "decode_image",
    "encode_png",
    "landmarks_to_eyes",
    "make_detector",
    "mesh_to_landmarks",
    "read_image",
    "transform_points",
]
