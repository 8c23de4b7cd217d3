"""What the one-file formats share: one signature, and a comparison with Keras before the file gets its name."""

import dataclasses
import os
import pathlib

import keras
import numpy as np
import tensorflow as tf

from fer_keras.errors import InputError


@dataclasses.dataclass(frozen=True)
class ExportedFile:
    """A file that was written, and how far its answers are from Keras's.

    Args:
        path: the file.
        size: its bytes.
        faces: how many faces were compared.
        difference: the largest absolute difference of a probability, over all faces and classes.
        same_label: the share of faces with the same most probable class, in [0, 1].
    """

    path: pathlib.Path
    size: int
    faces: int
    difference: float
    same_label: float


def face_signature(model):
    """The function that a one-file format holds.

    A model in mixed precision is taken in float32: TensorFlow Lite has no convolution in float16.

    Args:
        model: a classifier with `inference_model()`.

    Returns:
        A triple of the inference model, a function from `face`, float32 `(batch, height, width, channels)`, raw pixels
        0-255, to a dict of `probabilities`, float32 `(batch, K)`, and the `tf.TensorSpec` of `face`.

    Raises:
        InputError: the model takes anything else than one batch of faces.
    """
    if hasattr(model, "classify_features"):
        raise InputError(f"{model.name}: takes clips; expected a model of single faces; a SavedModel holds clips")
    inference = model.inference_model()
    if getattr(model, "takes_landmarks", False):
        raise InputError(
            f"{model.name}: takes landmarks beside the face, for its angle map; expected a model of the face alone; "
            "a SavedModel holds both"
        )
    shapes = [tuple(one.shape) for one in inference.inputs]
    if len(shapes) != 1 or len(shapes[0]) != 4 or None in shapes[0][1:]:
        raise InputError(
            f"{model.name}: takes inputs of the shapes {shapes}; expected one, (batch, height, width, channels)"
        )

    inference = _in_float32(inference)

    def answer(face):
        return {"probabilities": keras.ops.softmax(inference(face, training=False))}

    return inference, answer, tf.TensorSpec(shapes[0], tf.float32, name="face")


def _in_float32(model):
    if all(layer.compute_dtype == "float32" for layer in _leaves(model)):
        return model

    def clone(layer):
        return layer.__class__.from_config({**layer.get_config(), "dtype": "float32"})

    twin = keras.models.clone_model(model, clone_function=clone, recursive=True)
    twin.set_weights(model.get_weights())
    return twin


def _leaves(model):
    for layer in model.layers:
        yield from _leaves(layer) if isinstance(layer, keras.Model) else (layer,)


def check_faces(faces, shape):
    """Brings faces to the form that the written file takes.

    Args:
        faces: array of shape `(n, height, width, channels)`, values 0-255, or `None` for 16 faces of noise.
        shape: `(height, width, channels)` of the model's input.

    Returns:
        The faces as float32.

    Raises:
        InputError: their shape or values are others.
    """
    shape = tuple(shape)
    if faces is None:
        return np.random.default_rng(0).integers(0, 256, (16, *shape)).astype("float32")
    faces = np.asarray(faces, "float32")
    if faces.shape[1:] != shape or not len(faces):
        raise InputError(f"received faces of shape {faces.shape}; expected (n, {', '.join(map(str, shape))}), n > 0")
    if not (faces.min() >= 0 and faces.max() <= 255):  # also where a value is NaN
        raise InputError(f"received faces with values {faces.min()} to {faces.max()}; expected pixels 0 to 255")
    return faces


def check_path(path):
    """Refuses, before the work, what could not be written after it.

    Args:
        path: the file to write.

    Returns:
        The path as a `pathlib.Path`.

    Raises:
        InputError: it is a folder.
    """
    path = pathlib.Path(path)
    if path.is_dir():
        raise InputError(f"{path}: is a folder; expected the name of a file")
    return path


def write_checked(path, content, run, inference, faces, tolerance):
    """Writes a file aside, compares its answers with Keras's, and gives it its name if they agree.

    Args:
        path: the file to write; what it held is replaced.
        content: its bytes.
        run: callable of a path and faces that runs the file and returns probabilities `(n, K)`.
        inference: the Keras model from faces to logits.
        faces: float32 array `(n, height, width, channels)`.
        tolerance: float, the largest difference of a probability that passes.

    Returns:
        An `ExportedFile`.

    Raises:
        InputError: the difference is larger, or the file cannot be run. Nothing is left, and what `path` held is still
            there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    expected = keras.ops.convert_to_numpy(keras.ops.softmax(inference.predict(faces, verbose=0)))
    try:
        aside.write_bytes(content)
        try:
            found = run(aside, faces)
        except Exception as error:  # a converter may write what its runtime refuses
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            raise InputError(f"{path}: the converted model does not run: {reason}; nothing was written") from error
        difference = float(np.abs(found - expected).max())
        if not difference <= tolerance:  # also where it is NaN
            raise InputError(
                f"{path}: probabilities differ from Keras's by up to {difference:.2g} on {len(faces)} faces; "
                f"expected at most {tolerance:g}; nothing was written"
            )
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    same = float(np.mean(found.argmax(axis=-1) == expected.argmax(axis=-1)))
    return ExportedFile(path, len(content), len(faces), difference, same)
