"""TensorFlow Serving's REST interface: its g3doc/api_rest.md, and the page that Prometheus reads."""

import asyncio
import contextlib
import inspect
import json
import re
import time
import urllib.parse
from concurrent import futures

from google.protobuf import json_format
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Route

from serving.server import examples, json_examples, json_tensor
from serving.server import predict as predict_lib
from serving.server.bearer_token import token_matches, token_missing
from serving.server.errors import Code, ServingError
from serving.server.grpc_service import signature_def_map
from serving.server.logs import log_request, logger
from serving.server.metrics import CONTENT_TYPE
from serving.server.model_service import status_response
from serving.server.model_store import ModelSpec
from serving.server.request_body import read_body, uncompress

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


class RestService:
    """Answers REST requests.

    Args:
        store: `model_store.ModelStore`.
        limits: `limits.Limits`.
        metrics: `metrics.Metrics`.
        drain: `drain.DrainInterceptor`, which says when the server is to end.
        threads: int, requests that are worked on at once.
        token: optional str, the bearer token that every request must show.
        metrics_path: optional str, where Prometheus reads.
    """

    def __init__(self, store, limits, metrics, drain, threads, token=None, metrics_path=None):
        self._store = store
        self._limits = limits
        self._metrics = metrics
        self._drain = drain
        self._token = token
        self._metrics_path = metrics_path
        self._threads = futures.ThreadPoolExecutor(threads, thread_name_prefix="rest")
        self._under_way = 0

    def app(self):
        """Makes the web application, a `starlette.applications.Starlette`."""
        methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
        return Starlette(routes=[Route("/{path:path}", self._answer, methods=methods)])

    def close(self):
        """Lets go of the threads; those that a client no longer waits for end on their own."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _answer(self, request):
        began = time.perf_counter()
        method, path = request.method, request.url.path
        refused = self._refusal(request)
        if refused is not None:
            if self._drain.draining:  # a connection that is closed on a body not read would lose the answer
                with contextlib.suppress(ClientDisconnect, asyncio.TimeoutError, TimeoutError):
                    await asyncio.wait_for(read_body(request, self._limits.message_bytes), self._limits.rest_timeout)
            response = self._response("", method, began, refused)
        elif self._metrics_path and path == self._metrics_path and method == "GET":
            response = Response(self._metrics.page(), media_type=CONTENT_TYPE)
        elif not path.startswith("/v1/"):
            response = _json({"error": f"Malformed request: {method} {path}"}, 404)
        else:
            self._under_way += 1
            try:
                with self._metrics.under_way("REST"):
                    response = await self._timed(request, began)
            finally:
                self._under_way -= 1
        if self._drain.draining:
            response.headers["Connection"] = "close"  # so that no next request meets a closed connection
        return response

    def _refusal(self, request):
        """Returns the error for a request that is not to be looked at, or `None`."""
        if self._token and not token_matches(self._token, request.headers.get("authorization")):
            return token_missing()
        # Counted here, in the one thread of the event loop: the queue before the working threads has no bound.
        if request.url.path.startswith("/v1/") and self._under_way >= self._limits.concurrent_requests:
            return ServingError(
                Code.UNAVAILABLE, f"The server is working on {self._under_way} requests and takes no more"
            )
        return self._drain.refusal()

    async def _timed(self, request, began):
        method, path = request.method, request.url.path
        answer, error, api, name = b"", None, method, ""
        try:
            spec, api = _parse_path(method, path)
            name = spec.name
            reading = read_body(request, self._limits.message_bytes)
            body = await asyncio.wait_for(reading, self._limits.rest_timeout)
            if body is None:
                return _json({"error": f"Request body is larger than {self._limits.message_bytes} bytes"}, 413)
            gzip = "gzip" in request.headers.get("content-encoding", "")
            # TensorFlow blocks: the event loop stays free for other requests.
            work = asyncio.get_running_loop().run_in_executor(self._threads, self._dispatch, spec, api, body, gzip)
            answer = await asyncio.wait_for(work, self._limits.rest_timeout)
        except ServingError as refused:
            error = refused
        except (asyncio.TimeoutError, TimeoutError):  # two classes before Python 3.11
            error = ServingError(Code.DEADLINE_EXCEEDED, "Timed out waiting for notification")
        except ClientDisconnect:
            error = ServingError(Code.CANCELLED, "The client went away before its request was whole")
        except Exception:  # a client never sees a traceback
            logger.exception("A request failed")
            error = ServingError(Code.INTERNAL, "Internal error")
        return self._response(name, api, began, error, answer)

    def _response(self, name, api, began, error, answer=b""):
        """Counts a request, writes its line and makes its response."""
        code, seconds = error.code if error else Code.OK, time.perf_counter() - began
        self._metrics.request(name, api, "REST", code, seconds)
        log_request("REST", api, name, code, seconds, error.reason if error else "")
        if error:
            return _json({"error": error.message}, code.http_status)
        return Response(answer, media_type="application/json")

    def _dispatch(self, spec, api, body, gzip):
        """Returns the answer as bytes: what a large one costs to write is not the event loop's."""
        if gzip:
            body = uncompress(body, self._limits.message_bytes)
        if api == "status":
            return _dumps(_dict(status_response(self._store, spec)))
        if api == "metadata":
            return _dumps(_metadata(self._store.get(spec)))
        request = json_tensor.parse_request(body)
        if api == "predict":
            with self._store.get(spec).in_use() as model:
                return _dumps(self._predict(model, request))
        message = json_examples.input_from_request(request)
        with self._store.get(spec).in_use() as model:
            signature_name = request.get("signature_name", "")
            if api == "classify":
                result = examples.classify(model, message, signature_name, self._limits, self._metrics)
                return _dumps(json_examples.classification_response(result))
            result = examples.regress(model, message, signature_name, self._limits, self._metrics)
            return _dumps(json_examples.regression_response(result))

    def _predict(self, model, request):
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
        outputs = predict_lib.predict(model, inputs, signature_name, (), self._limits, self._metrics)
        return json_tensor.response(request, outputs)


def _parse_path(method, path):
    """Returns which model is asked and for what."""
    pattern = {"GET": _GET_PATH, "POST": _POST_PATH}.get(method)
    match = pattern.fullmatch(path) if pattern else None
    if match is None:
        raise ServingError(Code.INVALID_ARGUMENT, f"Malformed request: {method} {path}")
    version, label = match["version"], match["label"]
    if version and int(version.lstrip("0")[:20] or 0) >= 2**63:  # Python converts no number of thousands of digits
        raise ServingError(Code.INVALID_ARGUMENT, f"Failed to convert version: {version} to numeric.")
    spec = ModelSpec(
        urllib.parse.unquote(match["name"]),
        int(version.lstrip("0") or 0) if version else None,
        urllib.parse.unquote(label) if label else None,
    )
    return spec, (match["method"] or "status").lower()


def _metadata(model):
    signatures = _dict(signature_def_map(model))
    return {
        "model_spec": {"name": model.name, "signature_name": "", "version": str(model.version)},
        "metadata": {"signature_def": signatures},
    }


def _dict(message):
    return json_format.MessageToDict(message, preserving_proto_field_name=True, **{_WITH_DEFAULTS: True})


def _dumps(content):
    # NaN and Infinity are written as such, as TensorFlow Serving does.
    return json.dumps(content).encode()


def _json(content, status):
    return Response(_dumps(content), status, media_type="application/json")
