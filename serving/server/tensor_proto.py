"""`TensorProto` to NumPy arrays and back."""

import math

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2

from serving.server.errors import Code, ServingError

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


def array_from_proto(name, proto, max_bytes):
    """Reads a tensor.

    Args:
        name: str, the input's name, for the message.
        proto: `TensorProto`.
        max_bytes: int, the largest tensor accepted: a few bytes can announce a huge one.

    Returns:
        A NumPy array.

    Raises:
        ServingError: INVALID_ARGUMENT if the message is malformed or announces too much
            (servables/tensorflow/predict_util.cc).
    """
    shape = [dim.size for dim in proto.tensor_shape.dim]
    try:
        size = math.prod(shape) * max(tf.as_dtype(proto.dtype).size, 1)
        if proto.tensor_shape.unknown_rank or min(shape, default=0) < 0 or size > max_bytes:
            raise ValueError(f"shape {shape}")
        array = tf.make_ndarray(proto)
    except (TypeError, ValueError, KeyError) as error:
        raise ServingError(Code.INVALID_ARGUMENT, f"tensor parsing error: {name}") from error
    if array.dtype == object and not proto.string_val:  # TensorFlow means empty bytes, make_ndarray gives ""
        array = np.full(array.shape, b"", object)
    return array


def proto_from_array(value):
    """Writes a tensor in the typed fields of the message.

    Args:
        value: NumPy array.

    Returns:
        A `TensorProto`.
    """
    dtype = tf.as_dtype(value.dtype)
    if dtype not in _VALUE_FIELDS:
        return tf.make_tensor_proto(value)
    proto = tensor_pb2.TensorProto(dtype=dtype.as_datatype_enum)
    proto.tensor_shape.SetInParent()  # a scalar has a shape too, without dimensions
    for size in value.shape:
        proto.tensor_shape.dim.add(size=size)
    getattr(proto, _VALUE_FIELDS[dtype]).extend(value.ravel().tolist())
    return proto
