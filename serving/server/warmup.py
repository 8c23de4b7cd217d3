"""Warm-up: requests that come with a version are answered before it is served.

As in TensorFlow Serving, see its g3doc/saved_model_warmup.md.

The first call of a signature traces and optimizes its graph; a version that is warmed up aside answers its first client
as fast as its hundredth.
"""

import logging
import time

import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from serving.server import examples, predict
from serving.server.errors import ServingError, useful_part
from serving.server.tensor_proto import array_from_proto

logger = logging.getLogger(__name__)

WARMUP_FILE = "assets.extra/tf_serving_warmup_requests"
MAX_RECORDS = 1000  # WarmupConsts::kMaxNumRecords in servables/tensorflow/saved_model_warmup_util.h


def warm_up(model, path, metrics=None):
    """Answers the warm-up requests of a version.

    Args:
        model: `loaded_model.LoadedModel`.
        path: path of the version's directory.
        metrics: optional `metrics.Metrics`.

    Raises:
        ValueError: the file is broken, too long, or holds a kind of request that a server does not replay; or the
            model cannot answer a request: the version is broken. The message names the file.
    """
    file = path / WARMUP_FILE
    if not file.is_file():
        return
    began, count, ok = time.perf_counter(), 0, False
    try:
        for count, record in enumerate(_records(file), 1):
            if count > MAX_RECORDS:
                raise ValueError(f"Number of warmup records exceeds the maximum ({MAX_RECORDS}) at {file}")
            _replay(model, record, file)
        ok = True
    except ServingError as error:
        raise ValueError(f"{file}: request {count} is answered with {error.code.name}: {error.message}") from error
    finally:
        if metrics is not None:
            metrics.warmup(path, ok, count, time.perf_counter() - began)
    logger.info("Warmed up version %d of %s with %d requests", model.version, model.name, count)


def _records(file):
    try:
        for record in tf.data.TFRecordDataset(str(file)):
            yield record.numpy()
    except tf.errors.DataLossError as error:
        reason = useful_part(error.message)
        raise ValueError(f"{file}: {reason}. Please verify your warmup data is in TFRecord format.") from error


def _replay(model, record, file):
    log = prediction_log_pb2.PredictionLog()
    try:
        log.ParseFromString(record)
    except Exception as error:  # protobuf's DecodeError has moved between its versions
        raise ValueError(f"Failed to parse warmup record from {file}") from error
    kind = log.WhichOneof("log_type")
    if kind == "predict_log":
        request = log.predict_log.request
        inputs = {name: array_from_proto(name, proto, 2**31) for name, proto in request.inputs.items()}
        predict.predict(model, inputs, request.model_spec.signature_name, tuple(request.output_filter))
    elif kind == "classify_log":
        request = log.classify_log.request
        examples.classify(model, request.input, request.model_spec.signature_name)
    elif kind == "regress_log":
        request = log.regress_log.request
        examples.regress(model, request.input, request.model_spec.signature_name)
    elif kind == "multi_inference_log":
        examples.multi_inference(model, log.multi_inference_log.request)
    elif kind is not None:
        raise ValueError(f"Unsupported log_type for warmup: {kind} at {file}")
