"""The server as clients see it, over gRPC and REST."""

import base64
import gzip
import http.client
import json
import logging
import math
import re
import socket
import threading
import time
import tracemalloc

import grpc
import numpy as np
import pytest
import tensorflow as tf
from serving_testing import LABELS, SIZE, example, grpc_request, png, push, rest, until
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from fer_keras.errors import InputError
from serving.server.errors import Code, ServingError
from serving.server.limits import Limits
from serving.server.loaded_model import load_model
from serving.server.logs import JsonFormatter
from serving.server.predict import predict
from serving.server.request_body import uncompress
from serving.server.server import Server

PREDICT = "/v1/models/fer:predict"
OLD, NEW = 1700000000, 1700000001


def b64(data):
    return {"b64": base64.b64encode(data).decode()}


def test_grpc_predict(stub):
    response = stub.Predict(grpc_request({"image": [png(250), png(10), png(250, size=9)]}), timeout=20)
    assert response.model_spec.name == "fer"
    assert response.model_spec.version.value == NEW
    assert response.model_spec.signature_name == "serving_default"
    outputs = {name: tf.make_ndarray(proto) for name, proto in response.outputs.items()}
    assert sorted(outputs) == ["label", "label_names", "probabilities"]
    assert outputs["label"].tolist() == [b"anger"] * 3
    assert outputs["label_names"].tolist() == [[name.encode() for name in LABELS]] * 3
    np.testing.assert_allclose(outputs["probabilities"].sum(axis=1), 1.0, rtol=1e-6)
    # Typed fields, not tensor_content, as TensorFlow Serving answers.
    assert len(response.outputs["probabilities"].float_val) == 9


def test_grpc_output_filter(stub):
    request = grpc_request({"image": [png(250)]})
    request.output_filter.append("label")
    assert list(stub.Predict(request, timeout=20).outputs) == ["label"]


def test_grpc_keeps_every_type_and_shape(stub):
    inputs = {"n": np.array([3, -4], np.int32), "up": np.array(True)}
    outputs = stub.Predict(grpc_request(inputs, "odd"), timeout=20).outputs
    assert tf.make_ndarray(outputs["n"]).tolist() == [4, -3]
    assert tf.make_ndarray(outputs["up"]).shape == ()
    assert tf.make_ndarray(outputs["raw_bytes"]).tolist() == [b"3", b"-4"]


def test_grpc_and_rest_agree_row_and_column(server, stub):
    images = [png(value) for value in (0, 90, 200)]
    response = stub.Predict(grpc_request({"image": images}), timeout=20)
    expected = tf.make_ndarray(response.outputs["probabilities"])
    for rows in ([b64(image) for image in images], [{"image": b64(image)} for image in images]):
        status, answer = rest(server, PREDICT, {"instances": rows})
        assert status == 200
        assert list(answer) == ["predictions"]
        assert [row["label"] for row in answer["predictions"]] == ["anger"] * 3
        assert answer["predictions"][0]["label_names"] == list(LABELS)
        got = np.array([row["probabilities"] for row in answer["predictions"]], np.float32)
        np.testing.assert_array_equal(got, expected)
    for columns in ([b64(image) for image in images], {"image": [b64(image) for image in images]}):
        status, answer = rest(server, PREDICT, {"inputs": columns})
        assert status == 200
        assert sorted(answer["outputs"]) == ["label", "label_names", "probabilities"]
        np.testing.assert_array_equal(np.array(answer["outputs"]["probabilities"], np.float32), expected)


@pytest.mark.parametrize("signature", ["serve_tensor", "serve_examples"])
def test_other_signatures_agree(server, stub, signature):
    if signature == "serve_tensor":
        faces = np.random.default_rng(0).uniform(0, 255, (2, SIZE, SIZE, 1)).astype(np.float32)
        sent, as_json, output = {"face": faces}, faces.tolist(), "probabilities"
    else:
        sent, as_json, output = {"inputs": [example(png(99)).SerializeToString()] * 2}, None, "scores"
        as_json = [b64(data) for data in sent["inputs"]]
    response = stub.Predict(grpc_request(sent, signature), timeout=20)
    status, answer = rest(server, PREDICT, {"signature_name": signature, "instances": as_json})
    assert status == 200
    got = np.array([row[output] for row in answer["predictions"]], np.float32)
    np.testing.assert_array_equal(got, tf.make_ndarray(response.outputs[output]))


def test_rest_conventions(server):
    # One output: no name. Shortest decimals, not those of the float64 beside the float32. NaN and infinity pass.
    request = b'{"signature_name": "single", "instances": [1, 2.5, NaN, -Infinity]}'
    _, answer = rest(server, PREDICT, request)
    assert answer["predictions"][:2] == [0.1, 0.25]
    assert math.isnan(answer["predictions"][2])
    assert answer["predictions"][3] == -math.inf
    _, answer = rest(server, PREDICT, {"signature_name": "single", "inputs": {"x": [1.0]}})
    assert answer == {"outputs": [0.1]}
    # Names that end in _bytes are base64; a scalar has no row.
    request = {"signature_name": "odd", "inputs": {"n": [7], "up": True}}
    status, answer = rest(server, PREDICT, request)
    assert (status, answer) == (200, {"outputs": {"n": [8], "raw_bytes": [b64(b"7")], "up": True}})


def test_rest_version_in_path(server):
    body = {"instances": [b64(png(250))]}
    assert rest(server, f"/v1/models/fer/versions/{NEW}:predict", body)[0] == 200
    status, answer = rest(server, f"/v1/models/fer/versions/{OLD}:predict", body)
    assert (status, answer) == (404, {"error": f"Servable not found for request: Specific(fer, {OLD})"})


@pytest.mark.parametrize("path", ["/v1/models/fer", f"/v1/models/fer/versions/{NEW}"])
def test_rest_status(server, path):
    status = {"error_code": "OK", "error_message": ""}
    expected = {"model_version_status": [{"version": str(NEW), "state": "AVAILABLE", "status": status}]}
    assert rest(server, path) == (200, expected)


@pytest.mark.parametrize("path", ["/v1/models/fer/metadata", f"/v1/models/fer/versions/{NEW}/metadata"])
def test_metadata_agrees(server, stub, path):
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = "fer"
    response = stub.GetModelMetadata(request, timeout=20)
    assert (response.model_spec.name, response.model_spec.version.value) == ("fer", NEW)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    face = signatures.signature_def["serve_tensor"].inputs["face"]
    assert face.dtype == tf.float32.as_datatype_enum
    assert [dim.size for dim in face.tensor_shape.dim] == [-1, SIZE, SIZE, 1]

    status, answer = rest(server, path)
    assert status == 200
    assert answer["model_spec"] == {"name": "fer", "signature_name": "", "version": str(NEW)}
    as_json = answer["metadata"]["signature_def"]["signature_def"]
    assert sorted(as_json) == sorted(signatures.signature_def)
    assert as_json["serve_tensor"]["inputs"]["face"]["dtype"] == "DT_FLOAT"
    assert as_json["serve_tensor"]["inputs"]["face"]["tensor_shape"]["dim"][0] == {"size": "-1", "name": ""}
    assert as_json["serving_default"]["method_name"] == "tensorflow/serving/predict"


FACE = np.zeros((1, SIZE, SIZE, 1), np.float32)
IMAGE = {"image": [png(1)]}


@pytest.mark.parametrize(
    ("kwargs", "code", "message"),
    [
        ({"name": "dog"}, "NOT_FOUND", "Servable not found for request: Latest(dog)"),
        ({"name": ""}, "INVALID_ARGUMENT", "ModelSpec has no name specified."),
        ({"version": 5}, "NOT_FOUND", "Servable not found for request: Specific(fer, 5)"),
        ({"version": OLD}, "NOT_FOUND", f"Servable not found for request: Specific(fer, {OLD})"),
        ({"signature": "x"}, "FAILED_PRECONDITION", 'Serving signature key "x" not found.'),
        ({"signature": "__saved_model_init_op"}, "FAILED_PRECONDITION", "not found."),
        ({"inputs": {}}, "INVALID_ARGUMENT", "input size does not match signature: 0!=1 len({}) != len({image})"),
        ({"inputs": {**IMAGE, "y": 1.0}}, "INVALID_ARGUMENT", "Sent extra: {y}. Missing but required: {}."),
        ({"inputs": {"face": FACE}}, "INVALID_ARGUMENT", "Signature input alias: image(feed name: "),
        ({"inputs": {"image": [1.0]}}, "INVALID_ARGUMENT", "Expects arg[0] to be string but float is provided"),
        ({"inputs": {"image": png(1)}}, "INVALID_ARGUMENT", "Expects input image to have shape [?] but got []"),
        (
            {"inputs": {"face": FACE[..., 0]}, "signature": "serve_tensor"},
            "INVALID_ARGUMENT",
            f"Expects input face to have shape [?,{SIZE},{SIZE},1] but got [1,{SIZE},{SIZE}]",
        ),
        ({"inputs": {"image": [b"not an image"]}}, "INVALID_ARGUMENT", "Unknown image file format. One of JPEG"),
        ({"inputs": {"image": [png(1)[:40]]}}, "INVALID_ARGUMENT", "Invalid PNG"),
        ({"inputs": {"image": [b""]}}, "INVALID_ARGUMENT", "Input is empty."),
        ({"inputs": {"inputs": [b"x"]}, "signature": "serve_examples"}, "INVALID_ARGUMENT", ""),
    ],
)
def test_grpc_errors(stub, kwargs, code, message):
    with pytest.raises(grpc.RpcError) as caught:
        stub.Predict(grpc_request(**{"inputs": IMAGE, **kwargs}), timeout=20)
    assert caught.value.code().name == code
    assert message in caught.value.details()
    for trace in ("node", "[[", "Graph execution error", "Traceback", "\n", "[Op:"):
        assert trace not in caught.value.details()


def test_grpc_errors_of_the_message_itself(stub):
    def details(request, call=stub.Predict):
        with pytest.raises(grpc.RpcError) as caught:
            call(request, timeout=20)
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        return caught.value.details()

    assert details(predict_pb2.PredictRequest()) == "Missing ModelSpec"
    request = grpc_request({})
    request.model_spec.version_label = "canary"
    assert details(request) == "Unrecognized servable version label: canary"
    request = grpc_request(IMAGE)
    request.output_filter.append("age")
    assert "output tensor alias not found in signature: age Outputs expected to be in the set {label," in details(
        request
    )
    request.output_filter[:] = ["label", "label"]
    assert details(request) == "duplicate output tensor alias: label"

    for dims in ([10**9, 10**9], [-1], [10**12]):  # a few bytes that announce a huge tensor
        request = grpc_request({})
        proto = request.inputs["face"]
        proto.dtype = tf.float32.as_datatype_enum
        proto.float_val.append(1.0)
        for size in dims:
            proto.tensor_shape.dim.add().size = size
        assert details(request) == "tensor parsing error: face"
    for dtype, content in ((tf.float32.as_datatype_enum, b"123"), (0, b""), (21, b"")):
        request = grpc_request({})
        request.inputs["face"].dtype = dtype
        request.inputs["face"].tensor_content = content
        assert details(request) == "tensor parsing error: face"
    request = grpc_request({})
    request.inputs["image"].dtype = tf.string.as_datatype_enum  # strings that are announced and missing are empty
    request.inputs["image"].tensor_shape.dim.add().size = 3
    assert "empty" in details(request)

    request = get_model_metadata_pb2.GetModelMetadataRequest()
    request.model_spec.name = "fer"
    assert "at least one metadata_field" in details(request, stub.GetModelMetadata)
    request.metadata_field.append("weights")
    assert details(request, stub.GetModelMetadata) == "Metadata field weights is not supported"


def test_classify_answers_as_predict_does(server, stub):
    request = classification_pb2.ClassificationRequest()
    request.model_spec.name, request.model_spec.signature_name = "fer", "serve_examples"
    request.input.example_list.examples.extend([example(png(250)), example(png(0))])
    result = stub.Classify(request, timeout=20).result
    faces = stub.Predict(grpc_request({"image": [png(250), png(0)]}), timeout=20).outputs["probabilities"]
    scores = [[one.score for one in row.classes] for row in result.classifications]
    np.testing.assert_array_equal(scores, tf.make_ndarray(faces))
    assert [one.label for one in result.classifications[0].classes] == list(LABELS)
    body = {"signature_name": "serve_examples", "examples": [{"image/encoded": b64(png(250))}]}
    status, answer = rest(server, "/v1/models/fer:classify", body)
    assert status == 200
    assert [label for label, _ in answer["results"][0]] == list(LABELS)
    assert [score for _, score in answer["results"][0]] == pytest.approx(scores[0])


ONE = [b64(png(1))]


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        ("/v1/models/dog:predict", {"instances": ONE}, 404, "Servable not found for request: Latest(dog)"),
        ("/v1/models/fer/versions/5:predict", {"instances": ONE}, 404, "Specific(fer, 5)"),
        (f"/v1/models/fer/versions/{2**63}:predict", {"instances": ONE}, 400, "Failed to convert version"),
        (f"/v1/models/fer/versions/{'9' * 5000}:predict", {"instances": ONE}, 400, "to numeric."),
        (f"/v1/models/fer/versions/{'0' * 5000}5:predict", {"instances": ONE}, 404, "Specific(fer, 5)"),
        (
            "/v1/models/fer/labels/canary:predict",
            {"instances": ONE},
            400,
            "Unrecognized servable version label: canary",
        ),
        (PREDICT, {"signature_name": "x", "instances": ONE}, 400, 'Serving signature name: "x" not found in'),
        (PREDICT, {"signature_name": 3, "instances": ONE}, 400, "'signature_name' key must be a string value."),
        (PREDICT, {}, 400, "Missing 'inputs' or 'instances' key"),
        (PREDICT, {"instances": ONE, "inputs": ONE}, 400, "expecting only one of 'inputs' or 'instances'"),
        (PREDICT, {"instances": "x"}, 400, "Expecting 'instances' to be an list/array"),
        (PREDICT, {"instances": []}, 400, "No values in 'instances' array"),
        (PREDICT, {"instances": [{}]}, 400, "keys must be equal to: image"),
        (PREDICT, {"instances": [{"image": ONE[0], "y": 1}]}, 400, "JSON object: does not have named input: y"),
        (PREDICT, {"instances": [{"image": ONE[0]}, ONE[0]]}, 400, "Expecting object but got list at item 1"),
        (PREDICT, {"instances": [ONE[0], {"image": ONE[0]}]}, 400, "Expecting value/list but got object at item 1"),
        (PREDICT, {"inputs": {"y": 1}}, 400, "Missing named input: image in 'inputs' object."),
        (PREDICT, {"instances": [1]}, 400, "JSON Value: 1 Type: Number is not of expected type: string"),
        (PREDICT, {"instances": [None]}, 400, "Type: Null is not of expected type: string"),
        (PREDICT, {"instances": [{"b64": "?!"}]}, 400, "Unable to base64 decode"),
        (PREDICT, {"instances": [{"b64": "Ö"}]}, 400, "Unable to base64 decode"),
        (PREDICT, {"inputs": [{"b64": 3}]}, 400, "not formatted correctly for base64 data"),
        (PREDICT, {"inputs": "abc"}, 400, "Expects input image to have shape [?] but got []"),
        (PREDICT, {"instances": [b64(b"not an image")]}, 400, "Unknown image file format"),
        (PREDICT, b'{"instances": ["\\ud800"]}', 400, "is not of expected type: string"),
        (PREDICT, {"signature_name": "single", "instances": ["1"]}, 400, "is not of expected type: float"),
        (PREDICT, {"signature_name": "single", "instances": [True]}, 400, "Type: True is not of expected type"),
        (PREDICT, {"signature_name": "single", "instances": [10**400]}, 400, "is not of expected type: float"),
        (PREDICT, {"signature_name": "single", "instances": [[1], [1, 2]]}, 400, "Expecting tensor size: 1 but got: 2"),
        (PREDICT, {"signature_name": "single", "instances": [[1, 2], [[1], [2]]]}, 400, "Expecting shape [2] but got"),
        (PREDICT, {"signature_name": "single", "inputs": [[1], [1, 2]]}, 400, "list at unexpected size: 2 at level: 1"),
        (PREDICT, {"signature_name": "single", "inputs": [[1], 2]}, 400, "found at incorrect level: 2"),
        (PREDICT, {"signature_name": "single", "inputs": [1, [2]]}, 400, "Encountered list at unexpected level: 1"),
        (PREDICT, {"signature_name": "odd", "instances": [1]}, 400, "instances is a plain list"),
        (PREDICT, {"signature_name": "odd", "inputs": [1]}, 400, "inputs is a plain value/list"),
        (PREDICT, {"signature_name": "odd", "inputs": {"n": [2**31], "up": True}}, 400, "not of expected type: int32"),
        (PREDICT, {"signature_name": "odd", "inputs": {"n": [1.0], "up": True}}, 400, "not of expected type: int32"),
        (PREDICT, {"signature_name": "odd", "inputs": {"n": [1], "up": 1}}, 400, "not of expected type: bool"),
        (PREDICT, b"", 400, "JSON Parse error: The document is empty"),
        (PREDICT, b"{", 400, "JSON Parse error: "),
        (PREDICT, b"[1]", 400, "Is not object"),
        (PREDICT, b'{"instances": [' + b"[]," * 2_000_000 + b"1]}", 400, "more than 2000000 lists and objects"),
        (PREDICT, b"\xff\xfe\xfd", 400, "JSON Parse error: "),
        (PREDICT, json.dumps({"instances": ONE}).encode("utf-8-sig"), 400, "JSON Parse error: "),
        (PREDICT, json.dumps({"instances": ONE}).encode("utf-16"), 400, "JSON Parse error: "),
        (PREDICT, json.dumps({"instances": ONE}).encode("utf-16-le"), 400, "JSON Parse error: "),
        (PREDICT, json.dumps({"instances": ONE}).encode("utf-32-be"), 400, "JSON Parse error: "),
        (PREDICT, b'{"instances": ' + b"9" * 5000 + b"}", 400, ""),
        (PREDICT, b'{"instances": ' + b"[" * 100_000, 400, "JSON Parse error: "),
        (PREDICT, b'{"inputs": ' + b"[" * 500 + b"]" * 500 + b"}", 400, ""),
        ("/v1/models/fer", {}, 400, "Malformed request: POST /v1/models/fer"),
        ("/v1/models/fer:predict", None, 400, "Malformed request: GET /v1/models/fer:predict"),
        ("/v1/models/dog", None, 404, "Could not find any versions of model dog"),
        ("/v1/models/fer/versions/7", None, 404, "Could not find version 7 of model fer"),
        ("/v1/models/dog/metadata", None, 404, "Servable not found for request: Latest(dog)"),
    ],
)
def test_rest_errors(server, path, body, status, message):
    got, answer = rest(server, path, body)
    assert got == status, answer
    assert list(answer) == ["error"]
    assert message in answer["error"]
    for trace in ("{{node", "Graph execution error", "Traceback", "[Op:"):
        assert trace not in answer["error"]


GZIP = {"Content-Encoding": "gzip"}


def test_rest_takes_gzip(server):
    body = json.dumps({"instances": ONE}).encode()
    assert rest(server, PREDICT, gzip.compress(body), GZIP) == rest(server, PREDICT, body)
    for broken in (body, gzip.compress(body)[:-1], gzip.compress(body) + b"more", b""):
        status, answer = rest(server, PREDICT, broken, GZIP)
        assert (status, answer) == (400, {"error": "Failed to uncompress the gzipped body"})


def test_a_bomb_is_refused_without_being_uncompressed():
    body = gzip.compress(b" " * 10_000_000)
    assert uncompress(body, 10_000_000) == b" " * 10_000_000
    tracemalloc.start()
    with pytest.raises(ServingError, match="larger than 1000 bytes when uncompressed"):
        uncompress(body, 1000)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 1_000_000


@pytest.mark.parametrize("rest_of_it", [b"", b"zz\r\n"])
def test_a_client_that_breaks_off_is_no_fault_of_the_server(base_path, caplog, rest_of_it):
    caplog.set_level(logging.INFO, "serving.requests")
    with Server(base_path, grpc_port=0, rest_port=0) as server:
        with socket.create_connection(("127.0.0.1", server.rest_port), timeout=20) as connection:
            connection.sendall(
                f"POST {PREDICT} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode() + rest_of_it
            )
        counted = {"model_name": "fer", "status": "CANCELLED"}
        until(lambda: server.metrics.registry.get_sample_value(":tensorflow:serving:request_count_total", counted) == 1)
    assert not [record for record in caplog.records if record.exc_info]
    assert "REST predict of fer: CANCELLED" in caplog.text


def test_the_log_says_why_a_request_is_refused_and_nothing_of_the_picture(server, stub, caplog):
    caplog.set_level(logging.INFO, "serving.requests")
    picture = b64(png(1))
    for path, body in (
        ("/v1/models/fer:regress", {"instances": [picture]}),
        ("/v1/models/fer:classify", {"examples": [{picture["b64"]: None}]}),
        (PREDICT, {"signature_name": 1, "instances": [picture]}),
        (PREDICT, {"signature_name": picture["b64"], "instances": [picture]}),
        (PREDICT, {"signature_name": "serve_tensor", "instances": [picture]}),
        (PREDICT, {"instances": [{picture["b64"]: picture}]}),
        (PREDICT, {"inputs": {picture["b64"]: picture}}),
        (PREDICT, {"inputs": picture, "instances": [picture]}),
        (f"/v1/models/fer/labels/{picture['b64'].replace('/', '')}:predict", {"instances": [picture]}),
    ):
        status, answer = rest(server, path, body)
        assert status in (400, 404), answer
    with pytest.raises(grpc.RpcError, match="Could not parse example input, value: ") as caught:
        stub.Predict(grpc_request({"inputs": [b"iVBORw" + png(1)]}, "serve_examples"), timeout=20)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    lines = [record.getMessage() for record in caplog.records] + [JsonFormatter().format(one) for one in caplog.records]
    assert len(lines) == 20
    for line in lines:
        assert "iVBORw" not in line
    assert re.search(r"REST regress of fer: INVALID_ARGUMENT in [\d.]+ ms \(When method is classify, key", lines[0])
    assert "Error: Type: Object is not of expected type: float)" in lines[4]


def test_an_empty_batch_is_named_where_the_model_cannot_use_it(stub, exports, base_path):
    outputs = stub.Predict(grpc_request({"x": np.zeros(0, np.float32)}, "single"), timeout=20).outputs
    assert tf.make_ndarray(outputs["y"]).shape == (0,)
    model = load_model("fer", 1, base_path / "1")

    def fails(**tensors):
        tf.reshape(tensors["x"], [1])

    model.functions["single"] = fails
    with pytest.raises(ServingError, match=r"Input x has shape \[0\]: the model cannot use it") as caught:
        predict(model, {"x": np.zeros(0, np.float32)}, "single")
    assert caught.value.code == Code.INVALID_ARGUMENT
    with pytest.raises(ServingError, match="Input to reshape"):
        predict(model, {"x": np.zeros(2, np.float32)}, "single")


def test_rest_answers_without_delay_on_one_connection(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.rest_port, timeout=20)
    seconds = []
    for _ in range(10):
        began = time.perf_counter()
        connection.request("GET", "/v1/models/fer")
        connection.getresponse().read()
        seconds.append(time.perf_counter() - began)
    connection.close()
    assert min(seconds[2:]) < 0.03  # 0.04 is what Nagle's algorithm and a delayed ACK cost


def test_rest_refuses_a_body_too_large_before_reading_it(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.rest_port, timeout=20)
    connection.putrequest("POST", PREDICT)
    connection.putheader("Content-Length", str(10**10))
    connection.endheaders()
    response = connection.getresponse()
    assert response.status == 413
    assert b"larger than" in response.read()
    connection.close()


def test_hot_swap_fails_no_request(base_path, exports):
    with Server(base_path, grpc_port=0, rest_port=0, poll_seconds=0.05) as server:
        stop, failures, versions = threading.Event(), [], []
        label_of = {1: b"anger", 2: b"sadness", 4: b"sadness"}

        def ask():
            with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
                stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
                seen = []
                while not stop.is_set():
                    try:
                        response = stub.Predict(grpc_request({"image": [png(250)]}), timeout=20)
                        seen.append(response.model_spec.version.value)
                        if response.outputs["label"].string_val[0] != label_of[seen[-1]]:
                            failures.append(response)
                        status, answer = rest(server, PREDICT, {"instances": ONE})
                        if status != 200:
                            failures.append(answer)
                    except Exception as error:
                        failures.append(error)
                versions.append(seen)

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        push(exports[-1], base_path, 2)
        until(lambda: server.version == 2)
        (base_path / "3").mkdir()
        (base_path / "3" / "saved_model.pb").write_bytes(b"broken")
        until(lambda: rest(server, "/v1/models/fer/versions/3")[0] == 200)
        push(exports[-1], base_path, 4)
        until(lambda: server.version == 4)
        stop.set()
        for thread in threads:
            thread.join()
        assert failures == []
        for seen in versions:
            assert seen == sorted(seen)
            assert 3 not in seen
        states = {one["version"]: one for one in rest(server, "/v1/models/fer")[1]["model_version_status"]}
        assert {version: one["state"] for version, one in states.items()} == {
            "4": "AVAILABLE",
            "3": "END",
            "2": "END",
            "1": "END",
        }
        assert states["3"]["status"]["error_code"] == "UNKNOWN"


@pytest.mark.parametrize("what", ["gRPC", "REST"])
def test_port_in_use_by_a_server(server, base_path, what):
    ports = {"grpc_port": server.grpc_port, "rest_port": 0} if what == "gRPC" else {"rest_port": server.rest_port}
    port = max(ports.values())
    with pytest.raises(InputError, match=f"127.0.0.1:{port} for {what}: port {port} is in use; .* --.*port ") as caught:
        Server(base_path, **{"grpc_port": 0, **ports}).start()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("what", ["grpc_port", "rest_port"])
def test_port_in_use_by_another_program(base_path, what):
    with socket.socket() as taken:
        # A socket that would share: the server must not.
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=str(port)):
            Server(base_path, **{"grpc_port": 0, "rest_port": 0, what: port}).start()
    # Nothing was left behind: the same ports can be taken now.
    with Server(base_path, **{"grpc_port": 0, "rest_port": 0, what: port}) as server:
        assert getattr(server, what) == port


def test_unknown_host(base_path):
    with pytest.raises(InputError, match=r"no-such-host\.invalid:.*\(--host\)"):
        Server(base_path, grpc_port=0, rest_port=0, host="no-such-host.invalid").start()


@pytest.mark.slow
def test_stop_lets_requests_finish(base_path, tmp_path):
    server = Server(base_path, grpc_port=0, rest_port=0, limits=Limits(rest_timeout=100))
    server.start()
    answers, begun = {}, {name: tmp_path / name for name in ("grpc", "rest")}
    turns = 1_500_000  # a few seconds

    def ask_grpc():
        with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            request = grpc_request({"turns": [turns], "begun": [str(begun["grpc"])]}, "slow")
            answers["grpc"] = list(stub.Predict(request, timeout=100).outputs["turns"].int_val)

    def ask_rest():
        inputs = {"turns": [turns], "begun": [str(begun["rest"])]}
        answers["rest"] = rest(server, PREDICT, {"signature_name": "slow", "inputs": inputs}, timeout=100)

    threads = [threading.Thread(target=ask) for ask in (ask_grpc, ask_rest)]
    for thread in threads:
        thread.start()
    until(lambda: all(file.exists() for file in begun.values()))
    assert answers == {}, "the requests were to be under way: raise `turns`"
    server.stop(grace=100)
    for thread in threads:
        thread.join()
    assert answers == {"grpc": [turns], "rest": (200, {"outputs": turns})}
    with pytest.raises(ConnectionRefusedError):
        rest(server, "/v1/models/fer")


def test_stop_frees_the_ports_and_may_be_said_twice(base_path):
    server = Server(base_path, grpc_port=0, rest_port=0)
    server.start()
    assert rest(server, PREDICT, {"instances": ONE})[0] == 200
    server.stop()
    server.stop()
    with Server(base_path, grpc_port=server.grpc_port, rest_port=server.rest_port) as again:
        assert rest(again, PREDICT, {"instances": ONE})[0] == 200


def test_binds_to_loopback_unless_told_otherwise(server):
    with socket.socket() as outside:
        outside.settimeout(5)
        # 127.0.0.2 is loopback too, but not the address asked for.
        with pytest.raises(ConnectionRefusedError):
            outside.connect(("127.0.0.2", server.rest_port))


def test_ipv6(base_path):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with Server(base_path, grpc_port=0, rest_port=0, host="::1") as server:
        connection = http.client.HTTPConnection("::1", server.rest_port, timeout=20)
        connection.request("GET", "/v1/models/fer")
        assert connection.getresponse().status == 200
        with grpc.insecure_channel(f"[::1]:{server.grpc_port}") as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            assert stub.Predict(grpc_request(IMAGE), timeout=20).outputs
