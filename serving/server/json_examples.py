"""Examples from JSON and results to JSON, as TensorFlow Serving's REST interface has them (util/json_tensor.cc)."""

import numpy as np
from tensorflow_serving.apis import input_pb2

from serving.server.errors import Code, ServingError
from serving.server.json_tensor import decode_base64, is_base64, json_type, shown, value_error


def input_from_request(request):
    """Reads the examples of a classify or regress request.

    Args:
        request: dict, as `json_tensor.parse_request` returns it, with `examples` and perhaps a `context`.

    Returns:
        An `Input`.

    Raises:
        ServingError: INVALID_ARGUMENT if they are missing or not such.
    """
    message = input_pb2.Input()
    examples = message.example_list.examples
    if "context" in request:
        examples = message.example_list_with_context.examples
        _fill(message.example_list_with_context.context, request["context"])
    if "examples" not in request:
        raise value_error(request, "When method is classify, key 'examples' is expected and was not found")
    listed = request["examples"]
    if not isinstance(listed, list):
        raise value_error(request, "Expecting 'examples' value to be an list/array")
    if not listed:
        raise value_error(request, "'examples' value is an empty array")
    for one in listed:
        _fill(examples.add(), one)
    return message


def classification_response(result):
    """Returns a `ClassificationResult` as a dict that `json.dumps` takes."""
    return {"results": [[[one.label, _decimal(one.score)] for one in row.classes] for row in result.classifications]}


def regression_response(result):
    """Returns a `RegressionResult` as a dict that `json.dumps` takes."""
    return {"results": [_decimal(one.value) for one in result.regressions]}


def _fill(example, value):
    if not isinstance(value, dict):
        raise _invalid(f"Example must be JSON object but got JSON {json_type(value)}")
    for name, content in value.items():
        try:
            feature = example.features.feature[name]
        except (UnicodeEncodeError, ValueError) as error:  # JSON can spell half a surrogate pair
            raise _invalid(f"Feature: {shown(name)} has a name that is no text") from error
        for one in content if isinstance(content, list) else [content]:
            _add(feature, name, one)


def _add(feature, name, value):
    """Adds a value to a feature, whose kind the first value decides."""
    if isinstance(value, bool):
        kind, value = "int64_list", int(value)
    elif isinstance(value, int):
        kind = "int64_list"
        if not -(2**63) <= value < 2**63:
            raise _invalid(f"Feature: {name} has uint64_t element. Only int64_t is supported.")
    elif isinstance(value, float):
        kind = "float_list"
    elif isinstance(value, str):
        kind = "bytes_list"
        try:
            value = value.encode()
        except UnicodeEncodeError as error:
            raise _invalid(f"Feature: {name} has element with unexpected JSON type: String") from error
    elif is_base64(value):
        kind, value = "bytes_list", decode_base64(value)
    else:
        raise _invalid(f"Feature: {name} has element with unexpected JSON type: {json_type(value)}")
    has = feature.WhichOneof("kind")
    if has not in (None, kind):
        raise _invalid(f"Unexpected element type in feature: {name} expecting type: {has.removesuffix('_list')}")
    getattr(feature, kind).value.append(value)


def _decimal(number):
    """A float32's shortest decimal: 0.1 and not 0.10000000149011612."""
    return float(str(np.float32(number)))


def _invalid(message):
    return ServingError(Code.INVALID_ARGUMENT, message)
