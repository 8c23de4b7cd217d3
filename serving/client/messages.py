"""Requests from pictures and answers with named probabilities: what both clients share."""

import os

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import get_model_metadata_pb2, predict_pb2

from fer_keras.errors import InputError
from fer_keras.faces.image import encode_png, printable
from serving.client.errors import RequestError

OUTPUTS = ("label", "label_names", "probabilities")


def predict_request(model_name, inputs, signature_name="", version=None, label=None):
    """Makes a request of arrays.

    Args:
        model_name: str.
        inputs: dict, input name to array or list; lists of `bytes` are strings.
        signature_name: str, the default one if empty.
        version: optional int, this version instead of the newest.
        label: optional str, the version with this label instead.

    Returns:
        A `PredictRequest`.
    """
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model_name
    request.model_spec.signature_name = signature_name
    if version is not None:
        request.model_spec.version.value = version
    elif label is not None:
        request.model_spec.version_label = label
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return request


def listed(images):
    """Returns pictures as a list.

    Args:
        images: iterable of face crops, as in `face_inputs`.

    Raises:
        InputError: it is a single one: its letters or bytes would be taken for pictures.
    """
    if isinstance(images, str | bytes | os.PathLike):
        raise InputError("received a single picture; expected a list of them, such as [picture]")
    return list(images)


def face_inputs(images, landmarks=None):
    """Makes the inputs of a model of single faces.

    Args:
        images: list of face crops, each as encoded bytes (PNG or JPEG), as the path of a file, or as a uint8 array of
            shape `(height, width)`, `(height, width, 1)` or `(height, width, 3)`, RGB.
        landmarks: optional array of shape `(len(images), 68, 2)`.

    Returns:
        A dict for `predict_request`.

    Raises:
        InputError: a picture is no such thing or a file cannot be read, or the landmarks have another shape.
    """
    encoded = [_encoded(number, image) for number, image in enumerate(images)]
    inputs = {"image": np.array(encoded, object)}
    if landmarks is not None:
        inputs["landmarks"] = _landmarks(landmarks, (len(encoded), 68, 2))
    return inputs


def clip_inputs(frames, landmarks=None):
    """Makes the inputs of a model of clips.

    Args:
        frames: list of the face crops of one clip, in order, as in `face_inputs`.
        landmarks: optional array of shape `(len(frames), 68, 2)`.

    Returns:
        A dict for `predict_request`.

    Raises:
        InputError: as `face_inputs`, or there is no frame.
    """
    inputs = face_inputs(frames, landmarks)
    images = inputs.pop("image")
    if not len(images):
        raise InputError("received a clip without a frame")
    clip = {"frames": images[None], "lengths": np.array([len(images)], "int32")}
    return clip | {name: value[None] for name, value in inputs.items()}


def answers(address, model_name, response):
    """Reads the answer of a fer-keras model.

    Args:
        address: str, the server's, for the message.
        model_name: str, for the message.
        response: `PredictResponse`.

    Returns:
        A list of a dict for each row: `label` and `probabilities`, a dict from label name to float.

    Raises:
        RequestError: the model is another one.
    """
    missing = set(OUTPUTS) - set(response.outputs)
    if missing:
        raise RequestError(
            f"{address}: model {model_name} gave no {', '.join(sorted(missing))}, is it fer-keras's?", None
        )
    outputs = {name: tf.make_ndarray(response.outputs[name]) for name in OUTPUTS}
    return [
        {
            "label": label.decode(),
            "probabilities": {name.decode(): float(value) for name, value in zip(names, row, strict=True)},
        }
        for label, names, row in zip(outputs["label"], outputs["label_names"], outputs["probabilities"], strict=True)
    ]


def arrays(response):
    """Returns the outputs of a `PredictResponse` as a dict, name to array."""
    return {name: tf.make_ndarray(proto) for name, proto in response.outputs.items()}


def signatures(response):
    """Returns the signatures of a `GetModelMetadataResponse`, see `Client.signatures`."""
    listed = get_model_metadata_pb2.SignatureDefMap()
    response.metadata["signature_def"].Unpack(listed)
    return {
        name: {
            input_name: tuple(side.size for side in info.tensor_shape.dim)
            for input_name, info in signature.inputs.items()
        }
        for name, signature in listed.signature_def.items()
    }


def _encoded(number, image):
    if isinstance(image, bytes):
        return image
    if isinstance(image, str | os.PathLike):
        try:
            with open(image, "rb") as file:
                return file.read()
        except OSError as error:
            raise InputError(
                f"{printable(image)}: cannot be read ({error.strerror}), expected an image file"
            ) from error
    pixels = np.asarray(image)
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] != 3):
        raise InputError(
            f"image {number}: received an array of {pixels.dtype} and shape {np.shape(image)}; expected uint8 and "
            "(height, width), (height, width, 1) or (height, width, 3)"
        )
    return encode_png(pixels)


def _landmarks(landmarks, shape):
    landmarks = np.asarray(landmarks, "float32")
    if landmarks.shape != shape:
        raise InputError(f"received landmarks of shape {landmarks.shape}; expected {shape}")
    return landmarks
