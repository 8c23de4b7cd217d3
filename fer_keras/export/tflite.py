"""TensorFlow Lite files, for phones and small boards."""

import io
import math
import pathlib
import tempfile
import zipfile

import keras
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from fer_keras.errors import InputError
from fer_keras.export.checked_file import check_faces, check_path, face_signature, write_checked

TOLERANCES = {None: 1e-4, "float16": 0.01, "dynamic": 0.1, "int8": 0.2}
"""The largest difference of a probability from Keras's that passes, by quantization."""

LABELS_FILE = "labels.txt"


def export_tflite(model, path, quantization="float16", representative=None, tolerance=None):
    """Writes a TensorFlow Lite file that answers with probabilities, and compares it with Keras.

    The signature `serving_default` takes `face`, float32 `(batch, height, width, channels)`, raw pixels 0-255, and
    returns `probabilities`, float32 `(batch, K)`, whatever the quantization: files can be exchanged without a change
    in what calls them. The label names are in the file, one a line in `labels.txt`, packed at its end as TensorFlow
    Lite packs associated files: `zipfile.ZipFile(path).read("labels.txt")`.

    The file is run on `representative` before it gets its name; it appears whole and right or not at all.

    Args:
        model: a classifier with `label_names` and `inference_model()`, such as `AlexNetEmotion`.
        path: the file to write; what it held is replaced.
        quantization: `"float16"` for weights in half the bytes; `"dynamic"` for weights in a quarter of the bytes and
            arithmetic in 8-bit integers whose ranges are found at every run, by far the fastest that needs no faces;
            `"int8"` for the same with ranges that are fixed beforehand, wherever TensorFlow Lite has it; `None` for
            float32.
        representative: array of faces, shape `(n, height, width, channels)`, values 0-255. `"int8"` takes the ranges
            of its activations from them, so they must be like those that it will see: a hundred or more, of every
            label. The others only compare on them; without, on noise.
        tolerance: float, the largest difference of a probability from Keras's that passes; by default that of
            `TOLERANCES`.

    Returns:
        An `ExportedFile`.

    Raises:
        InputError: the quantization is unknown, `"int8"` came without faces, the faces have another form, TensorFlow
            Lite lacks an operation of the model, or the file does not run, or the difference is too large.
    """
    path = check_path(path)
    if quantization not in TOLERANCES:
        raise InputError(f"received quantization={quantization!r}; expected 'float16', 'dynamic', 'int8' or None")
    if quantization == "int8" and representative is None:
        raise InputError("int8 needs representative faces; expected an array of faces like those it will see")
    inference, _, face = face_signature(model)
    faces = check_faces(representative, face.shape[1:])
    content = _convert(_with_written_shapes(inference), face, quantization, faces, path) + _labels(model.label_names)
    return write_checked(
        path, content, _run, inference, faces, TOLERANCES[quantization] if tolerance is None else tolerance
    )


class _Flatten(keras.layers.Flatten):
    """Flattens to a shape that is written in the graph; Keras's own asks for the batch size at run time."""

    def call(self, inputs):
        size = inputs.shape[1:]
        if self.data_format == "channels_first" or None in size:
            return super().call(inputs)
        return keras.ops.reshape(inputs, (-1, math.prod(size)))


def _with_written_shapes(inference):
    """The model without shapes that are computed at run time.

    Older runtimes, TensorFlow 2.16's among them, give such a graph to XNNPACK not even in parts: AlexNet-Emotion took
    1.3 times as long, and 2.4 times in int8.
    """
    layouts = (type(inference), keras.Sequential)  # models that are made of layers, not subclassed ones

    def holds_flatten(layer):
        if isinstance(layer, layouts):
            return any(map(holds_flatten, layer.layers))
        return type(layer) is keras.layers.Flatten

    def clone(layer):
        if isinstance(layer, layouts):
            return keras.models.clone_model(layer, clone_function=clone)
        if isinstance(layer, keras.Model):
            return layer
        kind = _Flatten if type(layer) is keras.layers.Flatten else type(layer)
        return kind.from_config(layer.get_config())

    if not holds_flatten(inference):
        return inference
    twin = clone(inference)
    twin.set_weights(inference.get_weights())
    return twin


def _convert(inference, face, quantization, faces, path):
    def answer(face):
        return {"probabilities": keras.ops.softmax(inference(face, training=False))}

    with tempfile.TemporaryDirectory() as directory:  # the converter's `from_keras_model` does not take Keras 3
        archive = keras.export.ExportArchive()
        archive.track(inference)
        archive.add_endpoint("serving_default", answer, [face])
        archive.write_out(directory, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(directory, signature_keys=["serving_default"])
        if quantization:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if quantization == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if quantization == "int8":
            converter.representative_dataset = lambda: ({"face": one[None]} for one in faces)
        try:
            return converter.convert()
        except Exception as error:  # of several kinds, by what is missing
            raise InputError(f"{path}: TensorFlow Lite cannot hold this model: {_reason(error)}") from error


def _reason(error):
    """The line of the converter's report that names the missing operations, or its first."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return next((line for line in lines if line.startswith(("TF Select ops:", "Custom ops:"))), lines[0])


def _labels(label_names):
    """A zip archive to append: readers of the model ignore what follows it, readers of the archive what precedes."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        # A fixed time: the same model gives the same bytes.
        archive.writestr(zipfile.ZipInfo(LABELS_FILE), "".join(f"{name}\n" for name in label_names))
    return packed.getvalue()


def _run(path, faces):
    interpreter = Interpreter(str(pathlib.Path(path)), num_threads=1)
    return interpreter.get_signature_runner("serving_default")(face=faces)["probabilities"]
