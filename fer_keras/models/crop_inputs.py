"""From aligned face crops to what a model takes, wherever a model is asked outside of training."""

import numpy as np
import tensorflow as tf

from fer_keras.errors import InputError
from fer_keras.faces.decode import decode_faces
from fer_keras.faces.image import encode_png


def reads_sequences(model):
    """Whether a model reads sequences of faces, as `VideoEmotion` does, or single faces."""
    return hasattr(model, "classify_features")


def encode_crops(crops):
    """Face crops, uint8 `(size, size, 3)`, as a string tensor `(n,)` of PNG files.

    Through PNG and the graph's decoder the pixels are those of training and of every served signature.
    """
    return tf.constant([encode_png(crop) for crop in crops], tf.string)


def stack_landmarks(count, landmarks):
    """The landmarks of so many faces as a float32 tensor `(count, 68, 2)`; zeros for `None`.

    Raises:
        InputError: they have another shape.
    """
    shape = (count, 68, 2)
    landmarks = np.zeros(shape, "float32") if landmarks is None else np.asarray(landmarks, "float32")
    if landmarks.shape != shape:
        raise InputError(f"received landmarks of shape {landmarks.shape}; expected {shape}, zeros for none")
    return tf.constant(landmarks)


def model_inputs(model, encoded, landmarks, references=None):
    """What a model of single faces, or the encoder of one of sequences, takes of crops; to be called in a graph.

    Args:
        model: a `JointSupervision` or `VideoEmotion`.
        encoded: string tensor of shape `(n,)`, see `encode_crops`.
        landmarks: float32 tensor of shape `(n, 68, 2)`, see `stack_landmarks`.
        references: the landmarks of the first frame of each face's sequence, of the same shape, for models that take
            them; by default the faces' own.

    Returns:
        A uint8 tensor of shape `(n, height, width, channels)`, or a dict of it, `face`, and of what else it takes.
    """
    faces = decode_faces(encoded, *model.face_shape)
    if not model.takes_landmarks:
        return faces
    inputs = {"face": faces, "landmarks": landmarks}
    if getattr(model, "takes_reference", False):
        inputs["reference"] = landmarks if references is None else references
    return inputs
