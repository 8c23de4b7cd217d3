"""Faces: pictures in, faces with landmarks and aligned crops out.

`decode` is not imported here: it needs TensorFlow, and finding faces does not.
"""

from fer_keras.faces.align import align_face, alignment_matrix, landmarks_to_eyes, transform_points
from fer_keras.faces.blaze_face import BlazeFace
from fer_keras.faces.face import Face, FaceDetector
from fer_keras.faces.face_mesh import FaceMesh, mesh_to_landmarks
from fer_keras.faces.image import decode_image, encode_png, read_image

__all__ = [
    "BlazeFace",
    "Face",
    "FaceDetector",
    "FaceMesh",
    "align_face",
    "alignment_matrix",
    "decode_image",
    "encode_png",
    "landmarks_to_eyes",
    "mesh_to_landmarks",
    "read_image",
    "transform_points",
]
