"""What operators see: Prometheus's page, health, reflection, log lines."""

import json
import logging
import socket
import time
import urllib.request

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from serving_testing import grpc_request, png, push, rest, until
from tensorflow_serving.apis import prediction_service_pb2_grpc

from serving.server.errors import Code
from serving.server.logs import JsonFormatter, log_request, log_to_terminal
from serving.server.server import Server

PATH = "/monitoring/prometheus/metrics"


@pytest.fixture
def server(base_path):
    with Server(base_path, grpc_port=0, rest_port=0, metrics_path=PATH, poll_seconds=0.05) as running:
        yield running


def page(server):
    with urllib.request.urlopen(f"http://127.0.0.1:{server.rest_port}{PATH}", timeout=20) as response:
        assert response.headers["content-type"].startswith("text/plain")
        lines = response.read().decode().splitlines()
    return dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#")), lines


def test_metrics_under_tensorflow_servings_names(server, base_path, exports):
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        stub.Predict(grpc_request({"image": [png(1)]}), timeout=20)
        for name in ("fer", "dog"):
            with pytest.raises(grpc.RpcError):
                stub.Predict(grpc_request({}, name=name), timeout=20)
    rest(server, "/v1/models/fer:predict", {"signature_name": "single", "instances": [1.0]})
    (base_path / "2").mkdir()
    until(lambda: rest(server, "/v1/models/fer/versions/2")[0] == 200)
    push(exports[-1], base_path, 3)
    until(lambda: server.version == 3)
    values, lines = page(server)
    count = ":tensorflow:serving:request_count"
    assert f"# TYPE {count} counter" in lines
    assert float(values[f'{count}{{model_name="fer",status="OK"}}']) >= 3  # questions for the status count too
    assert values[f'{count}{{model_name="fer",status="INVALID_ARGUMENT"}}'] == "1.0"
    # Of models that are not served there is no series: clients could make any number.
    assert values[f'{count}{{model_name="",status="NOT_FOUND"}}'] == "1.0"
    latency = ":tensorflow:serving:request_latency_count"
    assert values[f'{latency}{{API="Predict",entrypoint="GRPC",model_name="fer"}}'] == "1.0"
    assert values[f'{latency}{{API="predict",entrypoint="REST",model_name="fer"}}'] == "1.0"
    assert values[':fer_keras:serving:version_available{model_name="fer",version="3"}'] == "1.0"
    assert ':fer_keras:serving:version_available{model_name="fer",version="1"}' not in values
    assert float(values[':fer_keras:serving:refused_version_count{model_name="fer"}']) >= 1
    load = ":tensorflow:cc:saved_model:load_attempt_count"
    assert values[f'{load}{{model_path="{base_path}",status="success"}}'] == "2.0"
    assert not [line for line in lines if "_total" in line or "_created" in line]


def test_no_page_unless_asked_for(base_path):
    with Server(base_path, grpc_port=0, rest_port=0) as server:
        assert rest(server, PATH)[0] == 404


def test_health_ends_before_the_server_does(base_path):
    server = Server(base_path, grpc_port=0, rest_port=0)
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        # "ModelService" and "PredictionService" are TensorFlow Serving's (model_servers/server.cc).
        for service in ("", "ModelService", "PredictionService", "tensorflow.serving.PredictionService"):
            answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=20)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        watch = stub.Watch(health_pb2.HealthCheckRequest(), timeout=20)
        states = iter(watch)
        assert next(states).status == health_pb2.HealthCheckResponse.SERVING
        began = time.monotonic()
        server.stop(grace=60)  # who watches does not hold it up
        assert time.monotonic() - began < 30
        assert [answer.status for answer in states] == [health_pb2.HealthCheckResponse.NOT_SERVING]


def test_reflection(server):
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        (answer,) = stub.ServerReflectionInfo(iter([request]), timeout=20)
    names = {service.name for service in answer.list_services_response.service}
    assert {"tensorflow.serving.PredictionService", "tensorflow.serving.ModelService", "grpc.health.v1.Health"} <= names


@pytest.mark.parametrize("as_json", [False, True])
def test_the_http_servers_own_lines_are_in_the_same_form(server, capsys, as_json):
    with log_to_terminal(as_json), socket.create_connection(("127.0.0.1", server.rest_port), timeout=20) as connection:
        connection.sendall(b"nonsense\r\n\r\n")
        assert b"400" in connection.recv(1000)
    (line,) = capsys.readouterr().err.splitlines()
    if as_json:
        assert json.loads(line)["message"] == "Invalid HTTP request received."
    else:
        assert "WARNING Invalid HTTP request received." in line


def test_log_lines_are_json_without_the_picture(caplog):
    with caplog.at_level(logging.DEBUG, "serving.requests"):
        log_request("GRPC", "Predict", "fer" * 1000, Code.INVALID_ARGUMENT, 0.01, "x" * 9999)
    (record,) = caplog.records
    line = json.loads(JsonFormatter().format(record))
    assert (line["event"], line["code"], line["milliseconds"]) == ("request", "INVALID_ARGUMENT", 10.0)
    assert len(json.dumps(line)) < 1000
