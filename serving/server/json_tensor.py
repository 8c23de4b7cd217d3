"""Tensors from and to JSON, by the conventions of TensorFlow Serving's REST interface.

See its g3doc/api_rest.md; rules and wordings follow util/json_tensor.cc.
"""

import base64
import binascii
import itertools
import json

import numpy as np
import tensorflow as tf

from serving.server.errors import Code, ServingError, type_name

MAX_NODES = 2_000_000
"""Lists and objects in a request at most: in memory each takes many times its two bytes in the request."""


def parse_request(body):
    """Parses the body of a predict request.

    Args:
        body: bytes.

    Returns:
        A dict, the request.

    Raises:
        ServingError: INVALID_ARGUMENT if the body is no JSON object, has too many parts, or its `signature_name` is no
            string.
    """
    if not body:
        raise _invalid("JSON Parse error: The document is empty")
    if body.count(b"[") + body.count(b"{") > MAX_NODES:
        raise _invalid(f"JSON Parse error: more than {MAX_NODES} lists and objects")
    try:
        request = json.loads(body.decode())  # of bytes it would guess the encoding, but JSON is UTF-8
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]
        raise _invalid(f"JSON Parse error: {reason}") from error
    if not isinstance(request, dict):
        raise value_error(request, "Is not object")
    if not isinstance(request.get("signature_name", ""), str):
        raise value_error(request, "not formatted correctly. 'signature_name' key must be a string value.")
    return request


def inputs_from_request(request, infos):
    """Reads the input tensors of a predict request.

    Args:
        request: dict, as `parse_request` returns it, with `instances` (row format) or `inputs` (column format).
        infos: dict, input name to `TensorInfo`.

    Returns:
        A dict, input name to NumPy array.

    Raises:
        ServingError: INVALID_ARGUMENT if the values do not fit.
    """
    if "instances" in request and "inputs" in request:
        raise value_error(
            request, "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist "
        )
    if "instances" in request:
        return _from_instances(request["instances"], infos)
    if "inputs" in request:
        return _from_inputs(request["inputs"], infos)
    missing = "Missing 'inputs' or 'instances' key"
    raise ServingError(Code.INVALID_ARGUMENT, missing, missing)


def response(request, outputs):
    """Puts outputs into the form of the request: `predictions` for row format, `outputs` for column format.

    Args:
        request: dict, as `parse_request` returns it.
        outputs: dict, output name to NumPy array.

    Returns:
        A dict that `json.dumps` takes.

    Raises:
        ServingError: INVALID_ARGUMENT if a type has no JSON form, or rows are wanted of outputs that differ in size.
    """
    if "inputs" in request:
        values = {name: _to_json(name, value) for name, value in outputs.items()}
        return {"outputs": values if len(values) > 1 else next(iter(values.values()))}
    rows = None
    for name, value in outputs.items():
        if not value.ndim:
            raise _invalid(f"Tensor name: {name} has no shape information ")
        if rows is not None and len(value) != rows:
            raise _invalid(f"Tensor name: {name} has inconsistent batch size: {len(value)} expecting: {rows}")
        rows = len(value)
    values = {name: _to_json(name, value) for name, value in outputs.items()}
    if len(values) == 1:
        return {"predictions": next(iter(values.values()))}
    return {"predictions": [{name: value[row] for name, value in values.items()} for row in range(rows)]}


def _from_instances(instances, infos):
    if not isinstance(instances, list):
        raise value_error(instances, "Expecting 'instances' to be an list/array")
    if not instances:
        raise value_error([], "No values in 'instances' array")
    named = _is_object(instances[0])
    if not named and len(infos) > 1:
        raise _invalid(
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
            "tensorinfo_map"
        )
    columns = {name: [] for name in infos}
    for index, instance in enumerate(instances):
        if named != _is_object(instance):
            expecting = "object but got list" if named else "value/list but got object"
            raise _invalid(f"Expecting {expecting} at item {index} of input list")
        for name, value in instance.items() if named else [(next(iter(infos)), instance)]:
            where = f"element: {index} key: {name}" if named else f"element: {index}"
            try:
                rows = columns.get(name, [])
                rows.append(_row(name, value, infos, rows))
            except ServingError as error:
                raise ServingError(
                    Code.INVALID_ARGUMENT,
                    f"Failed to process {where} of 'instances' list. Error: {error.code.name}: {error.message}",
                    f"Failed to process an element of 'instances' list. Error: {error.reason}",
                ) from error
        if named and set(instance) != set(infos):
            raise _invalid(
                f"Failed to process element: {index} of 'instances' list. JSON object: {shown(instance)} keys must "
                f"be equal to: {','.join(sorted(infos))}"
            )
    return {name: np.stack(rows) for name, rows in columns.items()}


def _row(name, value, infos, rows_before):
    if name not in infos:
        raise _invalid(f"JSON object: does not have named input: {name}")
    row = _to_array(value, infos[name])
    if rows_before and rows_before[0].size != row.size:
        raise _invalid(f"Expecting tensor size: {rows_before[0].size} but got: {row.size}")
    if rows_before and rows_before[0].shape != row.shape:
        raise _invalid(f"Expecting shape {_shape(rows_before[0])} but got: {_shape(row)}")
    return row


def _from_inputs(inputs, infos):
    if _is_object(inputs):
        for name in infos:
            if name not in inputs:
                raise _invalid(f"Missing named input: {name} in 'inputs' object.")
        return {name: _to_array(inputs[name], info) for name, info in infos.items()}
    if len(infos) > 1:
        raise _invalid(
            "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
            "tensorinfo_map"
        )
    name, info = next(iter(infos.items()))
    return {name: _to_array(inputs, info)}


def _to_array(value, info):
    """Returns nested lists as an array of the type that `info` states; level by level, not by recursion."""
    dtype = tf.as_dtype(info.dtype)
    shape = []
    level = [value]
    while level and isinstance(level[0], list):
        size = len(level[0])
        for item in level:
            if not isinstance(item, list):
                raise value_error(item, f"found at incorrect level: {len(shape) + 1} in the JSON DOM.")
            if len(item) != size:
                raise _invalid(
                    f"Encountered list at unexpected size: {len(item)} at level: {len(shape)} expected size: {size}"
                )
        shape.append(size)
        level = list(itertools.chain.from_iterable(level))
    read = _READERS.get(dtype)
    if read is None:
        raise ServingError(Code.UNIMPLEMENTED, f"Conversion of JSON Value: {shown(value)} to type: {type_name(dtype)}")
    leaves = []
    for item in level:
        if isinstance(item, list):
            raise _invalid(f"Encountered list at unexpected level: {len(shape)} expected < {len(shape)}")
        leaves.append(read(item, dtype))
    try:
        return np.array(leaves, dtype.as_numpy_dtype).reshape(shape)
    except (ValueError, OverflowError) as error:  # more dimensions than NumPy has, or a number beyond float
        raise value_error(value, f"is not of expected type: {type_name(dtype)}") from error


def _read_float(value, dtype):
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _type_error(value, dtype)
    return value


def _read_integer(value, dtype):
    # type(), because True is an int to Python but not to JSON
    if type(value) is not int or not dtype.min <= value <= dtype.max:
        raise _type_error(value, dtype)
    return value


def _read_bool(value, dtype):
    if not isinstance(value, bool):
        raise _type_error(value, dtype)
    return value


def _read_string(value, dtype):
    if isinstance(value, str):
        try:
            return value.encode()
        except UnicodeEncodeError as error:  # JSON can spell half a surrogate pair
            raise _type_error(value, dtype) from error
    if not isinstance(value, dict):
        raise _type_error(value, dtype)
    if not is_base64(value):
        raise value_error(value, "not formatted correctly for base64 data")
    return decode_base64(value)


def decode_base64(value):
    """Reads `{"b64": "..."}`.

    Args:
        value: dict for which `is_base64` holds.

    Returns:
        bytes.

    Raises:
        ServingError: INVALID_ARGUMENT if it is not base64.
    """
    # As in absl::Base64Unescape, white space is passed over and padding may be left out.
    text = "".join(value["b64"].split()).rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise _invalid("Unable to base64 decode") from error


_READERS = {
    tf.float32: _read_float,
    tf.float64: _read_float,
    tf.string: _read_string,
    tf.bool: _read_bool,
    **dict.fromkeys((tf.int8, tf.int16, tf.int32, tf.int64, tf.uint8, tf.uint32, tf.uint64), _read_integer),
}


def _to_json(name, value):
    dtype = tf.as_dtype(value.dtype)
    if dtype == tf.string:
        to_json = _base64 if name.endswith("_bytes") else _text
        flat = [to_json(item) for item in value.ravel()]
        return _nested(flat, value.shape)
    if dtype == tf.float32:
        # By way of its shortest decimal: 0.1 and not 0.10000000149011612.
        return value.astype("U32").astype(np.float64).tolist()
    if dtype not in _READERS:
        raise _invalid(f"Failed to write JSON value for tensor type: {type_name(dtype)}")
    return value.tolist()


def _nested(flat, shape):
    array = np.empty(len(flat), object)
    array[:] = flat
    return array.reshape(shape).tolist()


def _text(item):
    return item.decode("utf-8", "replace")


def _base64(item):
    return {"b64": base64.b64encode(item).decode()}


def is_base64(value):
    """Whether a JSON value is `{"b64": "..."}`, which stands for bytes."""
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("b64"), str)


def _is_object(value):
    return isinstance(value, dict) and not is_base64(value)


def _shape(array):
    return "[" + ",".join(map(str, array.shape)) + "]"


def shown(value, limit=256):
    """Returns the first characters of a JSON value, without writing out the rest."""
    text = ""
    try:
        for part in json.JSONEncoder().iterencode(value):
            text += part[:limit]
            if len(text) >= limit:
                break
    except RecursionError:  # the encoder needs more of the stack than the parser
        text += "..."
    return text[:limit]


def json_type(value):
    """Returns what TensorFlow Serving calls the type of a JSON value."""
    return str(value) if isinstance(value, bool) else _JSON_TYPES[type(value)]


_JSON_TYPES = {dict: "Object", list: "Array", str: "String", int: "Number", float: "Number", type(None): "Null"}


def _type_error(value, dtype):
    return value_error(value, f"Type: {json_type(value)} is not of expected type: {type_name(dtype)}")


def value_error(value, fault):
    """Makes the error for a JSON value: the client is shown it, the log is not.

    Args:
        value: the JSON value.
        fault: str, what is wrong with it.

    Returns:
        A `ServingError`.
    """
    return ServingError(Code.INVALID_ARGUMENT, f"JSON Value: {shown(value)} {fault}", fault)


def _invalid(message):
    return ServingError(Code.INVALID_ARGUMENT, message)
