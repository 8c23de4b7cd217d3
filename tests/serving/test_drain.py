import http.client
import json
import threading
import time
import types

import grpc
from serving_testing import grpc_request, until
from tensorflow_serving.apis import prediction_service_pb2_grpc

from serving.server.drain import DrainInterceptor
from serving.server.server import Server


def test_calls_are_refused_until_all_before_are_answered_and_no_more_come():
    looks = []

    def under_way():
        looks.append(ask(predict) or not ask(health) if len(looks) < 5 else False)
        return len(looks) < 20

    interceptor = DrainInterceptor(types.SimpleNamespace(requests_under_way=under_way))
    predict = types.SimpleNamespace(method="/tensorflow.serving.PredictionService/Predict")
    health = types.SimpleNamespace(method="/grpc.health.v1.Health/Check")
    handler = object()

    def ask(details):
        return interceptor.intercept_service(lambda _: handler, details) is handler

    assert ask(predict)
    interceptor.drain(longest=60)
    assert not any(looks)  # predictions were refused, health was not
    assert 29 <= len(looks) < 40
    interceptor = DrainInterceptor(types.SimpleNamespace(requests_under_way=lambda: 1))
    interceptor.drain(longest=0.1)  # returns in any case


def test_clients_that_ask_again_at_once_do_not_hold_up_the_end(base_path):
    server = Server(base_path, grpc_port=0, rest_port=0)
    server.start()
    stopped, codes = threading.Event(), set()

    def ask():
        with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            while not stopped.is_set():
                try:
                    stub.Predict(grpc_request({"x": [1.0]}, "single"), timeout=20)
                except grpc.RpcError as error:
                    codes.add(error.code())

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    began = time.monotonic()
    server.stop(grace=60)
    seconds = time.monotonic() - began
    stopped.set()
    for thread in threads:
        thread.join()
    assert seconds < 30
    assert grpc.StatusCode.UNAVAILABLE in codes


def test_what_outlasts_the_grace_is_cut_off_in_time(base_path, tmp_path):
    server = Server(base_path, grpc_port=0, rest_port=0)
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        request = grpc_request({"turns": [1_000_000], "begun": [str(tmp_path / "begun")]}, "slow")
        answer = stub.Predict.future(request, timeout=60)
        until((tmp_path / "begun").exists)
        began = time.monotonic()
        server.stop(grace=0.5)
        assert time.monotonic() - began < 3
        answer.exception()  # ends it too, and with it the thread


def stop_while_clients_ask(server, ask, answered):
    """Stops a server once each client, a thread of `ask` with its number, has three answers; waits for their ends."""
    threads = [threading.Thread(target=ask, args=(number,)) for number in range(len(answered))]
    for thread in threads:
        thread.start()
    until(lambda: min(answered) >= 3, seconds=60)
    server.stop(grace=60)
    for thread in threads:
        thread.join()


def test_rest_answers_whoever_comes_while_the_server_ends(base_path):
    """Connections that are kept alive get an answer and are told that it was the last."""
    server = Server(base_path, grpc_port=0, rest_port=0)
    server.start()
    ends, answered = [], [0] * 4

    def ask(number):
        connection = http.client.HTTPConnection("127.0.0.1", server.rest_port, timeout=60)
        body = json.dumps({"signature_name": "single", "instances": [1.0]})
        while True:
            try:
                connection.request("POST", "/v1/models/fer:predict", body)
                response = connection.getresponse()
                content = response.read()
            except OSError as error:
                ends.append(repr(error))
                return
            answered[number] += response.status == 200
            if response.status != 200 or response.getheader("connection") == "close":
                ends.append((response.status, response.getheader("connection"), b"shutting down" in content))
                return

    stop_while_clients_ask(server, ask, answered)
    assert set(ends) <= {(503, "close", True), (200, "close", False)}


def test_the_end_of_a_busy_server_cancels_no_call(base_path):
    server = Server(base_path, grpc_port=0, rest_port=0)
    server.start()
    answered, ends = [0] * 8, [None] * 8

    def ask(number):
        with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            request = grpc_request({"x": [1.0]}, "single")
            while ends[number] is None:
                try:
                    stub.Predict(request, timeout=60)
                    answered[number] += 1
                except grpc.RpcError as error:
                    ends[number] = error.code()

    stop_while_clients_ask(server, ask, answered)
    assert ends == [grpc.StatusCode.UNAVAILABLE] * 8
    # Whatever the server has worked on reached its client.
    worked_on = server.metrics.registry.get_sample_value(
        ":tensorflow:serving:request_count_total", {"model_name": "fer", "status": "OK"}
    )
    assert worked_on == sum(answered)
