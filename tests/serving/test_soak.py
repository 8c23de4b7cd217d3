"""A minute of clients while versions are pushed, and a SIGTERM under load: no request is lost.

    pytest -s -m long tests/serving/test_soak.py

FER_SOAK_BATCHING=1 serves with --enable-batching; FER_SOAK_SECONDS gives a slow or busy machine more time.
"""

import base64
import collections
import http.client
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

import grpc
import pytest
from serving_testing import grpc_request, png, push, until
from tensorflow_serving.apis import prediction_service_pb2_grpc

pytestmark = pytest.mark.long

REQUESTS, CLIENTS, REST_CLIENTS = 10_000, 16, 4
SECONDS = float(os.environ.get("FER_SOAK_SECONDS", "60"))
# Version, when in the time, sign of the model; None is broken.
PUSHES = [(2, 0.2, -1), (3, 0.4, None), (4, 0.6, 1), (5, 0.8, -1)]
LABEL_OF = {1: "anger", 2: "sadness", 4: "anger", 5: "sadness"}


class Serving:
    """`fer-keras serve` as a process that logs every request."""

    def __init__(self, base_path, log):
        batching = ["--enable-batching"] if os.environ.get("FER_SOAK_BATCHING") else []
        self.log = log
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "fer_keras", "serve", "--model-base-path", str(base_path), *batching),
                *("--port", "0", "--rest-api-port", "0", "--log-format", "json", "--log-requests", "all"),
                *("--file-system-poll-wait-seconds", "0.2"),
            ],
            stdout=subprocess.PIPE,
            stderr=log.open("w"),
            text=True,
        )
        line = ""
        while "gRPC" not in line:
            line = self.process.stdout.readline()
            assert line or self.process.poll() is None, log.read_text()
        self.grpc_port = int(re.search(r"gRPC 127\.0\.0\.1:(\d+)", line).group(1))
        self.rest_port = int(re.search(r"http://127\.0\.0\.1:(\d+)", line).group(1))

    def events(self):
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]


class GrpcClient:
    def __init__(self, serving):
        self.channel = grpc.insecure_channel(f"127.0.0.1:{serving.grpc_port}")
        self.stub = prediction_service_pb2_grpc.PredictionServiceStub(self.channel)
        self.request = grpc_request({"image": [png(250)]})

    def ask(self):
        """Returns the version that answered, and its label."""
        response = self.stub.Predict(self.request, timeout=30)
        assert sum(response.outputs["probabilities"].float_val) == pytest.approx(1.0, abs=1e-5)
        return response.model_spec.version.value, response.outputs["label"].string_val[0].decode()

    def refused(self, error):
        return isinstance(error, grpc.RpcError) and error.code() == grpc.StatusCode.UNAVAILABLE


class RestClient:
    def __init__(self, serving):
        self.connection = http.client.HTTPConnection("127.0.0.1", serving.rest_port, timeout=30)
        self.body = json.dumps({"instances": [{"b64": base64.b64encode(png(250)).decode()}]}).encode()

    def ask(self):
        """Returns no version, which REST does not tell, and the label."""
        self.connection.request("POST", "/v1/models/fer:predict", self.body)
        response = self.connection.getresponse()
        answer = json.loads(response.read())
        if response.status == 503:
            raise ConnectionError(answer)
        assert response.status == 200, answer
        return None, answer["predictions"][0]["label"]

    def refused(self, error):
        return isinstance(error, (ConnectionError, http.client.RemoteDisconnected, http.client.CannotSendRequest))


@pytest.fixture
def base(exports, tmp_path):
    base = tmp_path / "fer"
    base.mkdir()
    push(exports[1], base, 1)
    return base


@pytest.fixture
def serving(base, tmp_path):
    running = Serving(base, tmp_path / "log")
    yield running
    running.process.kill()


def test_versions_are_pushed_while_clients_ask(serving, base, exports):
    failures, seen, latencies = [], [], []
    start = time.monotonic() + 0.5

    def work(number):
        client = (RestClient if number < REST_CLIENTS else GrpcClient)(serving)
        answers, times = [], []
        for turn in range(number, REQUESTS, CLIENTS):
            time.sleep(max(0.0, start + turn * SECONDS / REQUESTS - time.monotonic()))
            began = time.monotonic()
            try:
                answers.append((began, *client.ask(), time.monotonic()))
                times.append(time.monotonic() - began)
            except Exception as error:
                failures.append(error)
        seen.append(answers)
        latencies.extend(times)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for version, after, sign in PUSHES:
        time.sleep(max(0.0, start + after * SECONDS - time.monotonic()))
        if sign is None:
            aside = base / f".{version}.tmp"
            aside.mkdir()
            whole = (exports[1] / "saved_model.pb").read_bytes()
            (aside / "saved_model.pb").write_bytes(whole[: len(whole) // 2])
            aside.rename(base / str(version))
        else:
            push(exports[sign], base, version)
    for thread in threads:
        thread.join()
    took = time.monotonic() - start

    assert failures == []
    assert sum(map(len, seen)) == REQUESTS
    assert took < SECONDS + 5
    by_version = collections.Counter(version for answers in seen for _, version, _, _ in answers)
    assert set(by_version) == {1, 2, 4, 5, None}
    for answers in seen:
        versions = [version for _, version, _, _ in answers if version is not None]
        assert versions == sorted(versions)
        assert all(label == LABEL_OF[version] for _, version, label, _ in answers if version is not None)
        # Over REST: the label changes only as often as the version does.
        labels = [label for _, version, label, _ in answers if version is None]
        assert sum(one != other for one, other in itertools.pairwise(labels)) in (0, 3)
    # Across clients too: whoever begins after a newer version has answered gets no older one.
    everything = sorted((began, version, ended) for answers in seen for began, version, _, ended in answers if version)
    first_answer = {version: min(ended for _, one, ended in everything if one == version) for version in LABEL_OF}
    for began, version, _ in everything:
        assert not any(newer > version and ended < began for newer, ended in first_answer.items())
    refused = [one for one in serving.events() if one.get("event") == "refused"]
    assert [one["version"] for one in refused] == [3]
    latencies.sort()
    marks = {percent: 1e3 * latencies[int(len(latencies) * percent / 100) - 1] for percent in (50, 99, 99.9, 100)}
    print(f"\n{REQUESTS} requests of {CLIENTS} clients in {took:.1f} s, 0 failed, by version {dict(by_version)}")
    print("latency in ms: " + ", ".join(f"p{percent:g} {value:.1f}" for percent, value in marks.items()))


def test_sigterm_under_load(serving):
    """Clients ask as fast as they can; the server is told to end: whatever it accepted is answered."""
    counts, faults, lock = collections.Counter(), [], threading.Lock()

    def work(number):
        client = (RestClient if number < REST_CLIENTS else GrpcClient)(serving)
        while True:
            try:
                client.ask()
            except Exception as error:
                with lock:
                    counts["refused"] += 1
                    if not client.refused(error):
                        faults.append(error)
                return
            with lock:
                counts["answered"] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    until(lambda: counts["answered"] >= 500, seconds=200)
    began = time.monotonic()
    serving.process.send_signal(signal.SIGTERM)
    for thread in threads:
        thread.join(timeout=60)
    assert serving.process.wait(timeout=60) == 0
    took = time.monotonic() - began
    accepted = answered(serving)
    print(f"SIGTERM under load: {accepted} requests accepted, {counts['answered']} answered; ended in {took:.2f} s")
    assert faults == []
    assert counts["refused"] == CLIENTS  # once for each, as there is no server any more
    assert accepted == counts["answered"]


def answered(serving):
    """Requests that the server says it has worked on; none may have failed."""
    events = [one for one in serving.events() if one.get("event") == "request"]
    codes = collections.Counter((one["code"], one.get("error", "")) for one in events)
    accepted = codes.pop(("OK", ""), 0)
    assert set(codes) <= {("UNAVAILABLE", "The server is shutting down")}  # refused, not accepted
    return accepted
