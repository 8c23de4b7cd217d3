"""Requests that come together are computed together, and each gets its own answer."""

import threading
import time
from concurrent import futures

import grpc
import numpy as np
import pytest
import tensorflow as tf
from serving_testing import grpc_request, png, push, rest
from tensorflow_serving.apis import prediction_service_pb2_grpc

from serving.server.batching import BatchingParameters, can_batch
from serving.server.server import Server

SIZE = ":tensorflow:serving:batching_session:processed_batch_size"
TOGETHER = BatchingParameters(max_batch_size=8, batch_timeout_micros=200_000, num_batch_threads=1)


@pytest.fixture(scope="module")
def batching_server(tmp_path_factory, exports):
    base = tmp_path_factory.mktemp("batched") / "fer"
    base.mkdir()
    push(exports[1], base, 1)
    with Server(base, grpc_port=0, rest_port=0, batching=TOGETHER, poll_seconds=0.05) as server:
        yield server


@pytest.fixture(scope="module")
def stub(batching_server):
    with grpc.insecure_channel(f"127.0.0.1:{batching_server.grpc_port}") as channel:
        yield prediction_service_pb2_grpc.PredictionServiceStub(channel)


def batches(server):
    """How many batches were computed, and rows in them."""
    registry = server.metrics.registry
    return tuple(registry.get_sample_value(f"{SIZE}_{part}") for part in ("count", "sum"))


def ask_at_once(stub, requests):
    """Returns the answers, or the errors, of requests that are sent at the same time."""
    ready = threading.Barrier(len(requests))

    def ask(request):
        ready.wait()
        try:
            return stub.Predict(request, timeout=20)
        except grpc.RpcError as error:
            return error

    with futures.ThreadPoolExecutor(len(requests)) as pool:
        return list(pool.map(ask, requests))


def test_requests_are_computed_together(batching_server, stub):
    stub.Predict(grpc_request({"x": [1.0]}, "single"), timeout=20)  # traced
    before = batches(batching_server)
    values = [float(number) for number in range(8)]
    answers = ask_at_once(stub, [grpc_request({"x": [value]}, "single") for value in values])
    assert [answer.outputs["y"].float_val[0] for answer in answers] == pytest.approx([value / 10 for value in values])
    count, rows = np.subtract(batches(batching_server), before)
    assert rows == 8
    assert count <= 3  # one, unless the machine was busy
    # REST waits in the same queue.
    body = {"signature_name": "single", "instances": [5.0, 6.0]}
    assert rest(batching_server, "/v1/models/fer:predict", body) == (200, {"predictions": [0.5, 0.6]})


def test_a_bad_request_fails_alone(batching_server, stub):
    good, bad = grpc_request({"image": [png(250)]}), grpc_request({"image": [b"no picture"]})
    first, *rest_of_them = ask_at_once(stub, [bad, good, good, good])
    assert first.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "Unknown image file format" in first.details()
    assert [answer.outputs["label"].string_val[0] for answer in rest_of_them] == [b"anger"] * 3


def test_rows_of_different_shape_wait_in_queues_of_their_own(stub):
    clips = [np.ones((1, length), np.float32) for length in (3, 5, 3, 5)]
    answers = ask_at_once(stub, [grpc_request({"clip": clip}, "clip") for clip in clips])
    assert [answer.outputs["sum"].float_val[0] for answer in answers] == [3.0, 5.0, 3.0, 5.0]


def test_a_request_larger_than_a_batch(stub):
    with pytest.raises(grpc.RpcError) as caught:
        stub.Predict(grpc_request({"x": [0.0] * 9}, "single"), timeout=20)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.details() == "Task size 9 is larger than maximum input batch size 8"


def test_no_row_and_signatures_that_have_none(stub):
    assert (
        list(stub.Predict(grpc_request({"x": np.zeros(0, np.float32)}, "single"), timeout=20).outputs["y"].float_val)
        == []
    )
    inputs = {"n": np.array([3], np.int32), "up": np.array(True)}  # a scalar has no rows
    assert list(stub.Predict(grpc_request(inputs, "odd"), timeout=20).outputs["n"].int_val) == [4]


def test_a_new_version_has_a_queue_of_its_own(exports, tmp_path):
    base = tmp_path / "fer"
    base.mkdir()
    push(exports[1], base, 1)
    with (
        Server(base, grpc_port=0, rest_port=0, batching=TOGETHER, poll_seconds=0.05) as server,
        grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel,
    ):
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        request = grpc_request({"image": [png(250)]})
        assert stub.Predict(request, timeout=20).outputs["label"].string_val[0] == b"anger"
        push(exports[-1], base, 2)
        deadline = time.monotonic() + 20
        while server.version != 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert stub.Predict(request, timeout=20).outputs["label"].string_val[0] == b"sadness"


def test_a_full_queue_is_unavailable(exports, tmp_path):
    base = tmp_path / "fer"
    base.mkdir()
    push(exports[1], base, 1)
    # One batch is computed, of one row, and one waits: the rest is turned away.
    tight = BatchingParameters(max_batch_size=1, max_enqueued_batches=1, num_batch_threads=1)
    with (
        Server(base, grpc_port=0, rest_port=0, batching=tight) as server,
        grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel,
    ):
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        big = png(7, size=3000)
        answers = ask_at_once(stub, [grpc_request({"image": [big]}) for _ in range(12)])
    refused = [answer for answer in answers if isinstance(answer, grpc.RpcError)]
    assert 0 < len(refused) < 12
    assert {answer.code() for answer in refused} == {grpc.StatusCode.UNAVAILABLE}
    assert "queue" in refused[0].details()


def test_allowed_sizes_and_large_requests_that_are_split(exports, tmp_path):
    base = tmp_path / "fer"
    base.mkdir()
    push(exports[1], base, 1)
    split = BatchingParameters(
        max_batch_size=10,
        num_batch_threads=1,
        allowed_batch_sizes=(2, 4),
        enable_large_batch_splitting=True,
        max_execution_batch_size=4,
    )
    with Server(base, grpc_port=0, rest_port=0, batching=split) as server:
        body = {"signature_name": "single", "instances": [float(number) for number in range(9)]}
        status, answer = rest(server, "/v1/models/fer:predict", body)
        assert status == 200
        assert answer["predictions"] == pytest.approx([number / 10 for number in range(9)])
        count, rows = batches(server)
        assert (count, rows) == (3, 10)  # 4, 4, and 1 padded to 2


def test_which_signatures_can_be_batched(exports):
    signatures = tf.saved_model.load(str(exports[1])).signatures
    assert set(signatures) >= {"single", "odd"}
    from serving.server.loaded_model import load_model

    defs = load_model("fer", 1, exports[1]).signature_defs
    assert [can_batch(defs[name]) for name in ("serving_default", "serve_tensor", "clip", "odd")] == [True] * 3 + [
        False
    ]
