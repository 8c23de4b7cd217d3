"""What both gRPC services do around every request: time it, count it, and answer faults with a status."""

import contextlib
import time

import grpc

from serving.server.errors import Code, ServingError
from serving.server.logs import log_request, logger
from serving.server.model_store import ModelSpec

_GRPC_CODES = {code.value[0]: code for code in grpc.StatusCode}
_MAX_MESSAGE = 1024


class GrpcAnswers:
    """Answers requests, whatever they ask for.

    Args:
        metrics: `metrics.Metrics`.
    """

    def __init__(self, metrics):
        self._metrics = metrics

    @contextlib.contextmanager
    def answering(self, context, api, model_name):
        """Turns a `ServingError` into the gRPC status, and any other fault into INTERNAL without its traceback.

        Args:
            context: `grpc.ServicerContext`.
            api: str, what metrics and logs call the request.
            model_name: str.
        """
        began = time.perf_counter()
        error = None
        with self._metrics.under_way("GRPC"):
            try:
                left = context.time_remaining()
                if left is not None and left <= 0:  # it waited for a thread longer than its client does
                    raise ServingError(Code.DEADLINE_EXCEEDED, "Timed out waiting for notification")
                yield
            except ServingError as refused:
                error = refused
            except Exception:
                logger.exception("%s failed", api)
                error = ServingError(Code.INTERNAL, "Internal error")
        code = error.code if error else Code.OK
        seconds = time.perf_counter() - began
        self._metrics.request(model_name, api, "GRPC", code, seconds)
        log_request("GRPC", api, model_name, code, seconds, error.reason if error else "")
        if error:
            # TensorFlow Serving cuts at the same length (model_servers/grpc_status_util.cc).
            cut = error.message[:_MAX_MESSAGE] + "...TRUNCATED" if len(error.message) > _MAX_MESSAGE else error.message
            context.abort(_GRPC_CODES[int(error.code)], cut)


def refusal(metrics, method, error):
    """Makes the handler of a call that is refused before it is read: it counts it and writes its line.

    Args:
        metrics: `metrics.Metrics`.
        method: str, the call's path.
        error: `errors.ServingError`.

    Returns:
        A `grpc.RpcMethodHandler`.
    """

    def refuse(request, context):
        api = method.rpartition("/")[2]
        metrics.request("", api, "GRPC", error.code, 0.0)
        log_request("GRPC", api, "", error.code, 0.0, error.reason)
        context.abort(_GRPC_CODES[int(error.code)], error.message)

    return grpc.unary_unary_rpc_method_handler(refuse)


def model_spec(request):
    """Reads the `ModelSpec` message of a request.

    Args:
        request: a message with a field `model_spec`.

    Returns:
        A `model_store.ModelSpec`.

    Raises:
        ServingError: INVALID_ARGUMENT if there is none.
    """
    if not request.HasField("model_spec"):
        raise ServingError(Code.INVALID_ARGUMENT, "Missing ModelSpec")
    return spec_from_message(request.model_spec)


def spec_from_message(message):
    """Returns a `ModelSpec` message as a `model_store.ModelSpec`."""
    choice = message.WhichOneof("version_choice")
    return ModelSpec(
        message.name,
        version=message.version.value if choice == "version" else None,
        label=message.version_label if choice == "version_label" else None,
    )


def fill_model_spec(message, model, signature_name=None):
    """Says in an answer which model gave it.

    Args:
        message: `ModelSpec` message, changed in place.
        model: `loaded_model.LoadedModel`.
        signature_name: optional str.
    """
    message.name = model.name
    message.version.value = model.version
    if signature_name is not None:
        message.signature_name = signature_name
