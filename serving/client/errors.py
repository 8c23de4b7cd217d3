"""What a client says when it gets no answer."""

import grpc

from fer_keras.errors import InputError


class RequestError(InputError):
    """A request that the server refused, or that no server answered.

    Args:
        message: str.
        code: `grpc.StatusCode`, or `None` if the answer could not be understood.
    """

    def __init__(self, message, code):
        super().__init__(message)
        self.code = code


def request_error(address, timeout, error):
    """Makes a `RequestError` of gRPC's.

    Args:
        address: str, the server's.
        timeout: float, seconds that the request was given.
        error: `grpc.RpcError`.

    Returns:
        A `RequestError` in one line.
    """
    code, details = error.code(), error.details() or ""
    if code == grpc.StatusCode.UNAVAILABLE:
        # A full queue is UNAVAILABLE as well; gRPC's own message says that it did not connect.
        if any(sign in details.lower() for sign in ("connect", "resolution", "socket", "handshake", "transport")):
            message = f"{address}: no server answers there, start one with `fer-keras serve`"
            if "refused" not in details.lower():
                message += "; or one does, but with TLS (--ca, --certificate and --key) or another --address"
            if "handshake" in details.lower() or "ssl" in details.lower():
                message = f"{address}: the TLS handshake failed, are the certificates the server's? ({details})"
        else:
            message = f"{address}: {details} (UNAVAILABLE)"
    elif code == grpc.StatusCode.DEADLINE_EXCEEDED:
        message = f"{address}: no answer within {timeout:g} s"
    else:
        message = f"{address}: {details} ({code.name})"
    return RequestError(" ".join(message.split()), code)
