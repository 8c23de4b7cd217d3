"""The end of a server: what came before is finished, what comes now is refused."""

import time

import grpc

_HEALTH = "/grpc.health.v1.Health/"
_LOOKS, _PAUSE = 10, 0.02


class DrainInterceptor(grpc.ServerInterceptor):
    """Refuses calls with UNAVAILABLE once the server is to end.

    gRPC's own end cancels calls that it has received and not handed on yet, and clients see CANCELLED. Therefore calls
    are refused first, and the server ended when no more come.
    """

    def __init__(self):
        self._draining = False
        self._refused = 0

        def refuse(request, context):
            context.abort(grpc.StatusCode.UNAVAILABLE, "The server is shutting down")

        self._refusal = grpc.unary_unary_rpc_method_handler(refuse)

    def intercept_service(self, continuation, details):
        """Returns the handler of a call, or the one that refuses it."""
        if not self._draining or details.method.startswith(_HEALTH):
            return continuation(details)
        self._refused += 1
        return self._refusal

    def drain(self, under_way, longest):
        """Refuses calls from now on; returns when all before are answered and no more come for a while.

        A client that had to wait for its answer asks again after it: it too is to be refused, not cancelled. A while is
        counted in looks, not in time, for on a busy machine time passes without a call being taken off the wire.

        Args:
            under_way: callable that returns the number of calls being answered.
            longest: float, seconds after which it returns in any case.
        """
        self._draining = True
        end, seen, quiet = time.monotonic() + longest, 0, 0
        while quiet < _LOOKS and time.monotonic() < end:
            time.sleep(_PAUSE)
            quiet = quiet + 1 if self._refused == seen and not under_way() else 0
            seen = self._refused
