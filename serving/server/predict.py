"""One prediction, whatever the transport: checks the inputs against the signature, calls it, names faults."""

import logging
import time

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import types_pb2

from serving.server.errors import Code, ServingError, type_name, useful_part
from serving.server.image_limits import check_pictures

logger = logging.getLogger(__name__)

DEFAULT_SIGNATURE = "serving_default"


def predict(model, inputs, signature_name="", output_filter=(), limits=None, metrics=None):
    """Calls a signature of a loaded model as `Predict` asks.

    Args:
        model: `loaded_model.LoadedModel`.
        inputs: dict, input name to NumPy array; strings are arrays of `bytes` objects.
        signature_name: str, `serving_default` if empty.
        output_filter: names of the outputs wanted, all if empty.
        limits: optional `limits.Limits` for pictures in the inputs.
        metrics: optional `metrics.Metrics`.

    Returns:
        A dict, output name to NumPy array.

    Raises:
        ServingError: with TensorFlow Serving's code. Wordings follow servables/tensorflow/predict_util.cc and, for
            names of inputs, TensorFlow's cc/saved_model/util.cc; TensorFlow Serving leaves shapes to the graph.
    """
    signature_name = signature_name or DEFAULT_SIGNATURE
    if signature_name not in model.functions:
        raise ServingError(Code.FAILED_PRECONDITION, f'Serving signature key "{signature_name}" not found.')
    signature = model.signature_defs[signature_name]
    _check_names(signature, inputs)
    _check_outputs(signature, output_filter)
    for index, name in enumerate(sorted(inputs)):
        _check_tensor(index, name, inputs[name], signature.inputs[name])
    return call(model, signature_name, inputs, output_filter or sorted(signature.outputs), "Predict", limits, metrics)


def call(model, signature_name, inputs, outputs, api, limits=None, metrics=None):
    """Runs a signature on inputs that fit it.

    Args:
        model: `loaded_model.LoadedModel`.
        signature_name: str.
        inputs: dict, input name to NumPy array.
        outputs: names of the outputs wanted.
        api: str, what the metrics call the request, such as `Predict`.
        limits: optional `limits.Limits` for pictures in the inputs.
        metrics: optional `metrics.Metrics`.

    Returns:
        A dict, output name to NumPy array.

    Raises:
        ServingError: a picture is too large, the model cannot use an input, or the queue is full.
    """
    signature = model.signature_defs[signature_name]
    if limits is not None:
        for name, value in inputs.items():
            if signature.inputs[name].dtype == types_pb2.DT_STRING:
                check_pictures(name, value, limits.image_bytes, limits.image_pixels)
    began = time.perf_counter()
    try:
        tensors = {
            name: tf.constant(value, tf.as_dtype(signature.inputs[name].dtype)) for name, value in inputs.items()
        }
        results = model.functions[signature_name](**tensors)
        # asarray with its type, because numpy() returns bare bytes for a scalar string
        answer = {name: np.asarray(results[name].numpy(), results[name].dtype.as_numpy_dtype) for name in outputs}
    except ServingError:
        raise
    except tf.errors.OpError as error:
        for name, value in inputs.items():
            # Of an empty batch the graph's own words are about shapes that no client knows.
            if isinstance(error, tf.errors.InvalidArgumentError) and np.ndim(value) and not np.size(value):
                raise ServingError(
                    Code.INVALID_ARGUMENT, f"Input {name} has shape {_shape(np.shape(value))}: the model cannot use it"
                ) from error
        raise ServingError(_code(error), useful_part(error.message) or "the model could not use the input") from error
    except UnicodeDecodeError as error:  # TensorFlow's message quotes bytes of the request
        message = useful_part(error.object.decode("utf-8", "replace"))
        raise ServingError(Code.INVALID_ARGUMENT, message) from error
    except Exception as error:  # a client never sees a traceback
        logger.exception("%s failed in signature %s of %s", api, signature_name, model.name)
        raise ServingError(Code.INTERNAL, f"{api} internal error") from error
    if metrics is not None:
        metrics.runtime(model.name, api, time.perf_counter() - began)
    return answer


def _check_names(signature, inputs):
    sent, expected = set(inputs), set(signature.inputs)
    if len(sent) != len(expected):
        raise ServingError(
            Code.INVALID_ARGUMENT,
            f"input size does not match signature: {len(sent)}!={len(expected)} len({_braced(sent)}) != "
            f"len({_braced(expected)}). Sent extra: {_braced(sent - expected)}. "
            f"Missing but required: {_braced(expected - sent)}.",
        )
    for name in sorted(expected - sent):
        raise ServingError(
            Code.INVALID_ARGUMENT,
            f"Signature input alias: {name}(feed name: {signature.inputs[name].name}) not found in request and no "
            f"default value provided. Inputs expected to be in the request {_braced(sent)}, or default input alias "
            "set: ",
        )


def _check_outputs(signature, output_filter):
    seen = set()
    for name in output_filter:
        if name not in signature.outputs:
            raise ServingError(
                Code.INVALID_ARGUMENT,
                f"output tensor alias not found in signature: {name} Outputs expected to be in the set "
                f"{_braced(signature.outputs)}.",
            )
        if name in seen:
            raise ServingError(Code.INVALID_ARGUMENT, f"duplicate output tensor alias: {name}")
        seen.add(name)


def _check_tensor(index, name, value, info):
    expected = tf.as_dtype(info.dtype)
    provided = tf.as_dtype(np.asarray(value).dtype)
    if provided != expected:
        raise ServingError(
            Code.INVALID_ARGUMENT,
            f"Expects arg[{index}] to be {type_name(expected)} but {type_name(provided)} is provided (input {name})",
        )
    shape = [None if dim.size < 0 else dim.size for dim in info.tensor_shape.dim]
    got = np.shape(value)
    fits = len(shape) == len(got) and all(size in (None, other) for size, other in zip(shape, got, strict=True))
    if not (info.tensor_shape.unknown_rank or fits):
        raise ServingError(
            Code.INVALID_ARGUMENT, f"Expects input {name} to have shape {_shape(shape)} but got {_shape(got)}"
        )


def _braced(names):
    return "{" + ",".join(sorted(names)) + "}"


def _shape(shape):
    return "[" + ",".join("?" if size is None else str(size) for size in shape) + "]"


def _code(error):
    try:
        return Code(error.error_code)
    except ValueError:
        return Code.UNKNOWN
