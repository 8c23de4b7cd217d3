"""When a client asks again."""

import dataclasses
import random

import grpc

# UNAVAILABLE: no connection, a full queue, a server that is ending. RESOURCE_EXHAUSTED: too many requests at once.
# Both say that the request was not worked on. Anything else would fail again, or may have been worked on already.
_AGAIN = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)


@dataclasses.dataclass(frozen=True)
class Retries:
    """How often a client asks again, and how long it waits before.

    The waits double, with a random part, so that clients that were refused together do not come back together. All
    tries together stay within the request's deadline.

    Attributes:
        attempts: int, requests sent at most; 1 for no second try.
        wait: float, seconds before the second try, half of it at random.
        longest_wait: float, seconds between two tries at most.
    """

    attempts: int = 4
    wait: float = 0.05
    longest_wait: float = 2.0

    def pause(self, attempt, error, left):
        """Tells how long to wait before asking again.

        Args:
            attempt: int, requests sent so far.
            error: `grpc.RpcError`, the answer to the last one.
            left: float, seconds to the deadline.

        Returns:
            float, seconds; `None` not to ask again.
        """
        if attempt >= self.attempts or error.code() not in _AGAIN or _is_too_large(error):
            return None
        wait = min(self.wait * 2 ** (attempt - 1), self.longest_wait)
        wait *= 0.5 + random.random() / 2
        return wait if wait < left else None


def _is_too_large(error):
    """Whether a message was larger than an end takes, which gRPC calls RESOURCE_EXHAUSTED as well."""
    return "larger than max" in (error.details() or "")
