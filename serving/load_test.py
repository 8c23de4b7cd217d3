"""A bounded load test: so many clients ask a server at once, and how long it takes is counted."""

import dataclasses
import threading
import time

import numpy as np

from fer_keras.errors import InputError
from serving.client import Client, RequestError, Retries

MAX_CLIENTS = 256
MAX_SECONDS = 600.0


@dataclasses.dataclass(frozen=True)
class LoadResult:
    """What a load test found.

    Attributes:
        seconds: float, from the first request to the last answer.
        latencies: float array of shape `(answers,)`, seconds of each request that was answered, sorted.
        batch: int, pictures in a request.
        failures: dict, error message to how often.
    """

    seconds: float
    latencies: np.ndarray
    batch: int
    failures: dict

    @property
    def answers_per_second(self):
        """Requests answered in a second."""
        return len(self.latencies) / self.seconds

    @property
    def faces_per_second(self):
        """Pictures answered in a second."""
        return self.answers_per_second * self.batch

    def percentile(self, percent):
        """Returns the latency, in seconds, that so many per cent of the answers took at most; NaN without answers."""
        return float(np.percentile(self.latencies, percent)) if len(self.latencies) else float("nan")


def run_load_test(address, images, clients=8, seconds=10.0, batch=1, requests=None, **options):
    """Asks a server as fast as it answers.

    Args:
        address: str, host and gRPC port.
        images: list of encoded face crops, sent in turn.
        clients: int, from 1 to 256: threads that each send a request when the one before is answered.
        seconds: float, at most 600: how long.
        batch: int, pictures in a request.
        requests: optional int, ends earlier, after so many requests in all.
        **options: arguments of `Client`. Without `retries`, a request that is refused is counted, not sent again.

    Returns:
        A `LoadResult`.

    Raises:
        InputError: an argument is out of its range, or there is no picture.
        RequestError: the server does not answer the very first request.
    """
    if not 1 <= clients <= MAX_CLIENTS:
        raise InputError(f"clients: {clients}; expected 1 to {MAX_CLIENTS}")
    if not 0 < seconds <= MAX_SECONDS:
        raise InputError(f"seconds: {seconds:g}; expected more than 0 and at most {MAX_SECONDS:g}")
    if batch < 1 or (requests is not None and requests < 1):
        raise InputError("batch and requests: expected at least 1")
    images = list(images)
    if not images:
        raise InputError("received no picture to send")
    options.setdefault("retries", Retries(1))
    rows = [[images[(start + place) % len(images)] for place in range(batch)] for start in range(len(images))]
    with Client(address, **options) as client:
        client.predict(rows[0])  # a wrong address or model is one clear error, not thousands of failures
    latencies, failures, lock = [], {}, threading.Lock()
    left = requests if requests is not None else float("inf")
    ready = threading.Barrier(clients + 1)
    end = None

    def ask(number):
        nonlocal left
        found, failed = [], {}
        with Client(address, **options) as client:
            ready.wait()
            turn = number
            while time.perf_counter() < end:
                with lock:
                    if left <= 0:
                        break
                    left -= 1
                began = time.perf_counter()
                try:
                    client.predict(rows[turn % len(rows)])
                    found.append(time.perf_counter() - began)
                except RequestError as error:
                    failed[str(error)] = failed.get(str(error), 0) + 1
                turn += clients
        with lock:
            latencies.extend(found)
            for message, count in failed.items():
                failures[message] = failures.get(message, 0) + count

    threads = [threading.Thread(target=ask, args=(number,), daemon=True) for number in range(clients)]
    for thread in threads:
        thread.start()
    began = time.perf_counter()
    end = began + seconds
    ready.wait()
    for thread in threads:
        thread.join()
    return LoadResult(time.perf_counter() - began, np.sort(np.array(latencies)), batch, failures)
