"""What a request can be refused with: canonical codes, as gRPC and TensorFlow Serving number them."""

import enum
import re


class Code(enum.IntEnum):
    """Canonical status codes; the values are those of gRPC and of `tf.errors`."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16

    @property
    def http_status(self):
        """The HTTP status that TensorFlow Serving answers with (model_servers/http_server.cc, ToHTTPStatusCode)."""
        return _HTTP_STATUS.get(self, 500)


_HTTP_STATUS = {
    Code.OK: 200,
    Code.CANCELLED: 499,
    Code.INVALID_ARGUMENT: 400,
    Code.DEADLINE_EXCEEDED: 504,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.PERMISSION_DENIED: 403,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.FAILED_PRECONDITION: 400,
    Code.ABORTED: 409,
    Code.OUT_OF_RANGE: 400,
    Code.UNIMPLEMENTED: 501,
    Code.UNAVAILABLE: 503,
    Code.UNAUTHENTICATED: 401,
}


def type_name(dtype):
    """Returns a type's name as TensorFlow writes it in messages: `float` and `double`, not `float32` and `float64`."""
    return {"float32": "float", "float64": "double"}.get(dtype.name, dtype.name)


class ServingError(Exception):
    """A request that is answered with an error.

    Args:
        code: `Code`.
        message: str, what the client is told.
        reason: optional str, what the log is told: nothing that the request brought. By default the message up to its
            first colon or quote, for what a message quotes comes after one.
    """

    def __init__(self, code, message, reason=None):
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = reason or re.split(r"[:'\"]", message, maxsplit=1)[0]


def useful_part(message):
    """Cuts what TensorFlow puts around the message of an operation: nodes, call stacks, names of functions.

    Args:
        message: str.

    Returns:
        str, one line; empty if nothing is left.
    """
    message = re.split(r"\[\[|Function call stack|\[Op:", message)[0]
    message = re.sub(r"\{\{function_node [^}]*\}\}|\(\d+\) [A-Z_]+: ", "", message)
    noise = ("Graph execution error", "Detected at node", "<stack traces", "  ")
    lines = [line for line in message.splitlines() if not line.startswith(noise) and "root error(s) found" not in line]
    return " ".join(" ".join(lines).split())
