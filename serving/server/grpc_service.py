"""`tensorflow.serving.PredictionService` over gRPC, with the official stubs."""

import contextlib
import logging

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import get_model_metadata_pb2, predict_pb2, prediction_service_pb2_grpc

from serving.server import predict as predict_lib
from serving.server.errors import Code, ServingError
from serving.server.model_store import ModelSpec

logger = logging.getLogger(__name__)

_GRPC_CODES = {code.value[0]: code for code in grpc.StatusCode}

# Typed fields, as TensorFlow Serving answers (Tensor::AsProtoField): clients in other languages read these.
_VALUE_FIELDS = {
    tf.float32: "float_val",
    tf.float64: "double_val",
    tf.int32: "int_val",
    tf.int16: "int_val",
    tf.int8: "int_val",
    tf.uint8: "int_val",
    tf.string: "string_val",
    tf.int64: "int64_val",
    tf.bool: "bool_val",
    tf.uint32: "uint32_val",
    tf.uint64: "uint64_val",
}


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Answers `Predict` and `GetModelMetadata`; the other methods are UNIMPLEMENTED.

    Args:
        store: `model_store.ModelStore`.
        max_tensor_bytes: int, the largest input tensor accepted: a few bytes can announce a huge one.
    """

    def __init__(self, store, max_tensor_bytes):
        self._store = store
        self._max_tensor_bytes = max_tensor_bytes

    def Predict(self, request, context):  # noqa: N802, the stubs' name
        """Answers `PredictRequest` with `PredictResponse`."""
        with _answering(context):
            model = self._store.get(_model_spec(request))
            signature_name = request.model_spec.signature_name or predict_lib.DEFAULT_SIGNATURE
            inputs = {name: self._array(name, proto) for name, proto in request.inputs.items()}
            outputs = predict_lib.predict(model, inputs, signature_name, tuple(request.output_filter))
            response = predict_pb2.PredictResponse()
            _fill_model_spec(response.model_spec, model)
            response.model_spec.signature_name = signature_name
            for name, value in outputs.items():
                response.outputs[name].CopyFrom(_tensor_proto(value))
            return response

    def GetModelMetadata(self, request, context):  # noqa: N802
        """Answers `GetModelMetadataRequest` (servables/tensorflow/get_model_metadata_impl.cc)."""
        with _answering(context):
            spec = _model_spec(request)
            if not request.metadata_field:
                raise ServingError(
                    Code.INVALID_ARGUMENT, "GetModelMetadataRequest must specify at least one metadata_field"
                )
            for field in request.metadata_field:
                if field != "signature_def":
                    raise ServingError(Code.INVALID_ARGUMENT, f"Metadata field {field} is not supported")
            model = self._store.get(spec)
            response = get_model_metadata_pb2.GetModelMetadataResponse()
            _fill_model_spec(response.model_spec, model)
            response.metadata["signature_def"].Pack(signature_def_map(model))
            return response

    def _unimplemented(self, request, context):
        # The stubs' own answer is the same, but it raises, and gRPC then logs a traceback for every call.
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "Method not implemented!")

    Classify = Regress = MultiInference = _unimplemented

    def _array(self, name, proto):
        """Returns a `TensorProto` as a NumPy array."""
        shape = [dim.size for dim in proto.tensor_shape.dim]
        try:
            size = int(np.prod(shape, dtype=object)) * max(tf.as_dtype(proto.dtype).size, 1)
            if proto.tensor_shape.unknown_rank or min(shape, default=0) < 0 or size > self._max_tensor_bytes:
                raise ValueError(f"shape {shape}")
            return tf.make_ndarray(proto)
        except (TypeError, ValueError, KeyError) as error:
            raise ServingError(Code.INVALID_ARGUMENT, f"tensor parsing error: {name}") from error


@contextlib.contextmanager
def _answering(context):
    """Turns a `ServingError` into the gRPC status, and any other fault into INTERNAL without its traceback."""
    try:
        yield
    except ServingError as error:
        # TensorFlow Serving cuts at the same length (model_servers/grpc_status_util.cc).
        message = error.message if len(error.message) <= 1024 else error.message[:1024] + "...TRUNCATED"
        context.abort(_GRPC_CODES[int(error.code)], message)
    except Exception:
        logger.exception("A request failed")
        context.abort(grpc.StatusCode.INTERNAL, "Internal error")


def signature_def_map(model):
    """Returns the `SignatureDefMap` of a `LoadedModel`."""
    message = get_model_metadata_pb2.SignatureDefMap()
    for name, signature in model.signature_defs.items():
        message.signature_def[name].CopyFrom(signature)
    return message


def _model_spec(request):
    if not request.HasField("model_spec"):
        raise ServingError(Code.INVALID_ARGUMENT, "Missing ModelSpec")
    spec = request.model_spec
    choice = spec.WhichOneof("version_choice")
    return ModelSpec(
        spec.name,
        version=spec.version.value if choice == "version" else None,
        label=spec.version_label if choice == "version_label" else None,
    )


def _fill_model_spec(spec, model):
    spec.name = model.name
    spec.version.value = model.version


def _tensor_proto(value):
    dtype = tf.as_dtype(value.dtype)
    if dtype not in _VALUE_FIELDS:
        return tf.make_tensor_proto(value)
    proto = tensor_pb2.TensorProto(dtype=dtype.as_datatype_enum, tensor_shape=tf.TensorShape(value.shape).as_proto())
    getattr(proto, _VALUE_FIELDS[dtype]).extend(value.ravel().tolist())
    return proto
