import threading
import types

import grpc
from serving_testing import grpc_request, until
from tensorflow_serving.apis import prediction_service_pb2_grpc

from serving.server.drain import DrainInterceptor
from serving.server.server import Server


def test_calls_are_refused_until_all_before_are_answered_and_no_more_come():
    interceptor = DrainInterceptor()
    predict = types.SimpleNamespace(method="/tensorflow.serving.PredictionService/Predict")
    health = types.SimpleNamespace(method="/grpc.health.v1.Health/Check")
    handler = object()

    def ask(details):
        return interceptor.intercept_service(lambda _: handler, details) is handler

    assert ask(predict)
    looks = []

    def under_way():
        looks.append(ask(predict) or not ask(health) if len(looks) < 5 else False)
        return len(looks) < 20

    interceptor.drain(under_way, longest=60)
    assert not any(looks)  # predictions were refused, health was not
    assert 29 <= len(looks) < 40
    interceptor.drain(lambda: 1, longest=0.1)  # returns in any case


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

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    until(lambda: min(answered) >= 3, seconds=60)
    server.stop(grace=60)
    for thread in threads:
        thread.join()
    assert ends == [grpc.StatusCode.UNAVAILABLE] * 8
    # Whatever the server has worked on reached its client.
    worked_on = server.metrics.registry.get_sample_value(
        ":tensorflow:serving:request_count_total", {"model_name": "fer", "status": "OK"}
    )
    assert worked_on == sum(answered)
