"""The end of a server: what came before is finished, what comes now is refused."""

import time

import grpc

from serving.server.errors import Code, ServingError
from serving.server.grpc_answers import refusal

_HEALTH = "/grpc.health.v1.Health/"
_LOOKS, _PAUSE = 10, 0.02
_LONGEST_REFUSING = 2.0


class DrainInterceptor(grpc.ServerInterceptor):
    """Refuses requests with UNAVAILABLE once the server is to end.

    gRPC's own end cancels calls that it has received and not handed on yet, and clients see CANCELLED; that of the HTTP
    server resets connections that are kept alive. Therefore requests are refused first, and the server ended when no
    more come.

    Args:
        metrics: `metrics.Metrics`, which knows what is under way.

    Attributes:
        draining: bool, whether the server is to end.
    """

    def __init__(self, metrics):
        self.draining = False
        self._metrics = metrics
        self._refused = 0

    def refusal(self):
        """Returns the `errors.ServingError` for a request that comes now; `None` if it is taken."""
        if not self.draining:
            return None
        self._refused += 1
        return ServingError(Code.UNAVAILABLE, "The server is shutting down")

    def intercept_service(self, continuation, details):
        """Returns the handler of a call, or the one that refuses it."""
        error = None if details.method.startswith(_HEALTH) else self.refusal()
        return refusal(self._metrics, details.method, error) if error else continuation(details)

    def drain(self, longest):
        """Refuses requests from now on; returns when all before are answered and no more come for a while.

        A client that had to wait for its answer asks again after it: it too is to be refused, not cancelled. A while is
        counted in looks, not in time, for on a busy machine time passes without a call being taken off the wire. For
        clients that ask again and again it does not wait.

        Args:
            longest: float, seconds after which it returns in any case.
        """
        self.draining = True
        busy = time.monotonic()
        end, seen, quiet = busy + longest, 0, 0
        while quiet < _LOOKS and time.monotonic() < min(end, busy + _LONGEST_REFUSING):
            time.sleep(_PAUSE)
            quiet = quiet + 1 if self._refused == seen else 0
            seen = self._refused
            if self._metrics.requests_under_way():
                busy, quiet = time.monotonic(), 0
