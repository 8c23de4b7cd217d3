"""What a served model carries besides its graph, in `assets.extra`: warm-up requests and the names of its labels."""

import pathlib

import numpy as np
import tensorflow as tf

from fer_keras.faces import encode_png
from fer_keras.models import VideoEmotion

EXTRA_DIR = "assets.extra"
"""Folder of a SavedModel that TensorFlow does not look into, and TensorFlow Serving does."""
WARM_UP_FILE = "tf_serving_warmup_requests"
"""Name that TensorFlow Serving looks for, a TFRecord of `PredictionLog`."""
LABELS_FILE = "labels.txt"
"""A label a line, in the order of the outputs."""

_MODEL_NAME = "fer"
_BATCHES = (1, 8)  # a single request, and one of several


def write_serving_assets(model, directory):
    """Adds the labels' names and, with the extra `serving` installed, warm-up requests to a SavedModel.

    A server answers the requests before it takes up the version, so that no client waits for the first tracing. They
    hold even grey faces: no picture of a person is in a model.

    Args:
        model: the `JointSupervision` that was exported.
        directory: folder of its SavedModel.
    """
    extra = pathlib.Path(directory, EXTRA_DIR)
    extra.mkdir()
    (extra / LABELS_FILE).write_text("".join(f"{name}\n" for name in model.label_names))
    try:
        from tensorflow_serving.apis import model_pb2, predict_pb2
    except ImportError:  # the messages of requests come with the extra; without it a model can be written all the same
        return
    requests = []
    for inputs in warm_up_inputs(model):
        spec = model_pb2.ModelSpec(name=_MODEL_NAME, signature_name="serving_default")
        requests.append(predict_pb2.PredictRequest(model_spec=spec))
        for name, value in inputs.items():
            requests[-1].inputs[name].CopyFrom(tf.make_tensor_proto(value))
    write_warm_up_requests(directory, requests)


def write_warm_up_requests(directory, requests):
    """Writes requests where servers look for warm-up.

    Args:
        directory: folder of a SavedModel.
        requests: list of `PredictRequest`.

    Returns:
        The path of the file.
    """
    from tensorflow_serving.apis import prediction_log_pb2

    file = pathlib.Path(directory, EXTRA_DIR, WARM_UP_FILE)
    file.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(file)) as writer:
        for request in requests:
            log = prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))
            writer.write(log.SerializeToString(deterministic=True))
    return file


def warm_up_inputs(model):
    """What a model is warmed up with.

    Args:
        model: a `JointSupervision`.

    Returns:
        A list of dicts of arrays, inputs of the signature `serving_default`.
    """
    height, width, channels = model.face_shape
    face = encode_png(np.full((height, width, 3) if channels == 3 else (height, width), 128, np.uint8))
    if isinstance(model, VideoEmotion):
        return [_with_landmarks(model, _clips(face, batch), (batch, 2, 68, 2)) for batch in _BATCHES]
    return [_with_landmarks(model, {"image": [face] * batch}, (batch, 68, 2)) for batch in _BATCHES]


def _clips(face, batch):
    return {"frames": [[face] * 2] * batch, "lengths": np.full(batch, 2, np.int32)}


def _with_landmarks(model, inputs, shape):
    return {**inputs, "landmarks": np.zeros(shape, np.float32)} if model.takes_landmarks else inputs
