"""The bearer token that clients show, on gRPC and REST."""

import hmac
import pathlib

import grpc

from fer_keras.errors import InputError
from serving.server.errors import Code, ServingError
from serving.server.grpc_answers import refusal

_HEALTH = "/grpc.health.v1.Health/"


def read_token(path):
    """Reads a token from a file: on a command line, everybody on the machine could read it.

    Args:
        path: the file, one line.

    Returns:
        str.

    Raises:
        InputError: the file cannot be read, or holds no token.
    """
    try:
        token = pathlib.Path(path).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or 'not text'})") from error
    if not token or not token.isascii() or any(character.isspace() for character in token):
        raise InputError(f"{path}: holds no token; expected one line of ASCII characters without spaces")
    return token


def token_matches(token, header):
    """Whether an `authorization` header shows the token.

    Args:
        token: str.
        header: str or `None`.

    Returns:
        bool, found in a time that does not depend on where they differ.
    """
    scheme, _, shown = (header or "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(shown.strip().encode(), token.encode())


def token_missing():
    """Returns the error for a request that does not show the token."""
    return ServingError(Code.UNAUTHENTICATED, "A bearer token is needed: authorization: Bearer ...")


class TokenInterceptor(grpc.ServerInterceptor):
    """Refuses calls without the token, but for health checks: a probe of Kubernetes can show none.

    Args:
        token: str.
        metrics: `metrics.Metrics`.
    """

    def __init__(self, token, metrics):
        self._token = token
        self._metrics = metrics

    def intercept_service(self, continuation, details):
        """Returns the handler of a call, or the one that refuses it."""
        shown = dict(details.invocation_metadata).get("authorization")
        if details.method.startswith(_HEALTH) or token_matches(self._token, shown):
            return continuation(details)
        return refusal(self._metrics, details.method, token_missing())
