"""TensorFlow Serving's REST interface: predict, status and metadata of a model (its g3doc/api_rest.md)."""

import inspect
import json
import logging
import re

from google.protobuf import json_format
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.routing import Route

from serving.server import json_tensor
from serving.server import predict as predict_lib
from serving.server.errors import Code, ServingError
from serving.server.grpc_service import signature_def_map
from serving.server.model_store import ModelSpec

logger = logging.getLogger(__name__)

# model_servers/http_rest_api_util.cc
_MODEL = r"/v1/models/(?P<name>[^/:]+)(?:/versions/(?P<version>[0-9]+)|/labels/(?P<label>[^/:]+))?"
_POST_PATH = re.compile(_MODEL + r":(?P<method>classify|regress|predict)", re.IGNORECASE)
_GET_PATH = re.compile(_MODEL + r"(?:/(?P<method>metadata))?", re.IGNORECASE)

# protobuf 5.26 renamed the argument that writes fields with default values.
_WITH_DEFAULTS = (
    "always_print_fields_with_no_presence"
    if "always_print_fields_with_no_presence" in inspect.signature(json_format.MessageToDict).parameters
    else "including_default_value_fields"
)


def create_app(store, max_body_bytes):
    """Makes the web application.

    Args:
        store: `model_store.ModelStore`.
        max_body_bytes: int, larger request bodies are refused with 413 before they are read.

    Returns:
        A `starlette.applications.Starlette`.
    """

    async def answer(request):
        try:
            body = await _read_body(request, max_body_bytes)
            if body is None:
                return _json({"error": f"Request body is larger than {max_body_bytes} bytes"}, 413)
            # TensorFlow blocks: the event loop stays free for other requests.
            return _json(await run_in_threadpool(_dispatch, store, request.method, request.url.path, body))
        except ServingError as error:
            return _json({"error": error.message}, error.code.http_status)
        except Exception:  # a client never sees a traceback
            logger.exception("A request failed")
            return _json({"error": "Internal error"}, 500)

    methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    return Starlette(routes=[Route("/v1/{path:path}", answer, methods=methods)])


async def _read_body(request, limit):
    """Returns the body, or `None` if it is larger than the limit."""
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > limit:
        return None
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            return None
    return bytes(body)


def _dispatch(store, method, path, body):
    pattern = {"GET": _GET_PATH, "POST": _POST_PATH}.get(method)
    match = pattern.fullmatch(path) if pattern else None
    if match is None:
        raise ServingError(Code.INVALID_ARGUMENT, f"Malformed request: {method} {path}")
    version = match["version"]
    if version and int(version) >= 2**63:
        raise ServingError(Code.INVALID_ARGUMENT, f"Failed to convert version: {version} to numeric.")
    spec = ModelSpec(match["name"], int(version) if version else None, match["label"])
    wanted = (match["method"] or "status").lower()
    if wanted == "status":
        return _status(store, spec)
    if wanted == "metadata":
        return _metadata(store, spec)
    if wanted == "predict":
        return _predict(store, spec, body)
    raise ServingError(Code.UNIMPLEMENTED, f"Method not implemented: {wanted}")


def _predict(store, spec, body):
    request = json_tensor.parse_request(body)
    model = store.get(spec)
    signature_name = request.get("signature_name") or predict_lib.DEFAULT_SIGNATURE
    if signature_name not in model.functions:
        # Another code and wording than over gRPC (model_servers/http_rest_api_handler.cc, GetInfoMap).
        raise ServingError(
            Code.INVALID_ARGUMENT, f'Serving signature name: "{signature_name}" not found in signature def'
        )
    infos = model.signature_defs[signature_name].inputs
    if not infos:
        raise ServingError(Code.INVALID_ARGUMENT, f"Failed to get input map for signature: {signature_name}")
    inputs = json_tensor.inputs_from_request(request, dict(infos))
    return json_tensor.response(request, predict_lib.predict(model, inputs, signature_name))


def _status(store, spec):
    return {
        "model_version_status": [
            {
                "version": str(status.version),
                "state": status.state,
                "status": {"error_code": status.code.name, "error_message": status.message},
            }
            for status in store.status(spec)
        ]
    }


def _metadata(store, spec):
    model = store.get(spec)
    signatures = json_format.MessageToDict(
        signature_def_map(model), preserving_proto_field_name=True, **{_WITH_DEFAULTS: True}
    )
    return {
        "model_spec": {"name": model.name, "signature_name": "", "version": str(model.version)},
        "metadata": {"signature_def": signatures},
    }


def _json(content, status=200):
    # Not JSONResponse, which refuses NaN and Infinity: TensorFlow Serving writes them.
    return Response(json.dumps(content), status, media_type="application/json")
