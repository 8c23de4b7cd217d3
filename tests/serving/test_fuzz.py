"""Malformed requests: client errors only, no traceback to the client, and the memory comes back.

`make test` sends some hundreds; the `long` test sends 5,000, and weighs the server's process before and after.
"""

import base64
import http.client
import json
import pathlib
import random
import re
import subprocess
import sys

import grpc
import numpy as np
import pytest
import tensorflow as tf
from serving_testing import SIZE, example, png, push
from tensorflow_serving.apis import (
    classification_pb2,
    inference_pb2,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

SERVE = """
import signal, sys
from serving.server.server import Server
server = Server(sys.argv[1], grpc_port=0, rest_port=0)
server.start()
print(server.grpc_port, server.rest_port, flush=True)
signal.sigwait([signal.SIGTERM])
server.stop()
"""

CLIENT_ERRORS = {
    "INVALID_ARGUMENT",
    "NOT_FOUND",
    "FAILED_PRECONDITION",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "RESOURCE_EXHAUSTED",
}
# Parts of a traceback, or of TensorFlow's own lists of nodes and source files.
# TensorFlow names nodes `{{node name}}`, in a list `[[{{node name}}]]`; a message may repeat the `[[` of a request.
TRACE = re.compile(r'Traceback|File "|\.py[:"]|\{\{node|0x[0-9a-f]{8}')


@pytest.fixture(scope="module")
def process(tmp_path_factory, exports):
    """A server in a process of its own: its id and ports."""
    base = tmp_path_factory.mktemp("fuzzed") / "fer"
    base.mkdir()
    push(exports[1], base, 1)
    log = (base.parent / "log").open("w+")
    running = subprocess.Popen([sys.executable, "-c", SERVE, str(base)], stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        grpc_port, rest_port = map(int, running.stdout.readline().split())
        yield running.pid, grpc_port, rest_port
    finally:
        running.terminate()
        running.wait(timeout=60)
        log.seek(0)
        assert "Traceback" not in log.read()
        log.close()


def broken_picture(draw):
    whole = png(draw.randrange(256), size=draw.choice([1, 6, 40]))
    if draw.random() < 0.3:
        whole = tf.io.encode_jpeg(tf.fill((40, 40, 3), np.uint8(9))).numpy()
    kind = draw.randrange(5)
    if kind == 0:
        return whole[: draw.randrange(len(whole) * 3 // 4)]
    if kind == 1:  # a bomb: a header that announces 60,000 x 60,000
        return b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (60_000).to_bytes(4, "big") * 2 + b"\x08\0\0\0\0abcd" + whole[33:]
    if kind == 2:
        return draw.randbytes(draw.randrange(200))
    if kind == 3:
        return b""
    return b"GIF89a" + draw.randbytes(20)


def broken_grpc(draw):
    """Returns the method's name and a request that must fail."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "fer"
    kind = draw.randrange(10)
    if kind == 0:
        request.inputs["image"].CopyFrom(
            tf.make_tensor_proto([broken_picture(draw) for _ in range(draw.randrange(1, 4))])
        )
    elif kind == 1:  # wrong type
        value = draw.choice([1.0, 7, True, [1, 2], np.float64([3.0])])
        request.inputs["image"].CopyFrom(tf.make_tensor_proto(value))
    elif kind == 2:  # wrong shape
        shape = [draw.randrange(3) for _ in range(draw.choice([0, 1, 2, 3, 5, 6]))]
        request.model_spec.signature_name = "serve_tensor"
        request.inputs["face"].CopyFrom(tf.make_tensor_proto(np.zeros(shape, np.float32)))
    elif kind == 3:  # wrong name
        request.inputs[draw.choice(["", "face", "imag", "image\0", "é" * 50])].CopyFrom(tf.make_tensor_proto([b"x"]))
    elif kind == 4:  # giant dimensions
        proto = request.inputs["image"]
        proto.dtype = draw.choice([1, 2, 3, 7, 9])
        for _ in range(draw.randrange(1, 5)):
            proto.tensor_shape.dim.add().size = draw.choice([-1, 10**9, 2**40, 2**62, 65536])
        proto.float_val.append(1.0)
    elif kind == 5:  # content that does not fit
        proto = request.inputs["face"]
        request.model_spec.signature_name = "serve_tensor"
        proto.dtype = draw.choice([0, 1, 2, 20, 21, 99])
        proto.tensor_content = draw.randbytes(draw.randrange(1, 70))
        proto.tensor_shape.dim.add().size = draw.randrange(1, 9)
    elif kind == 6:
        request.model_spec.name = draw.choice(["", "dog", "fer/..", "f" * 5000])
    elif kind == 7:
        request.model_spec.signature_name = draw.choice(["x", "__saved_model_init_op", "serving_default "])
        request.inputs["image"].CopyFrom(tf.make_tensor_proto([png(1)]))
    elif kind == 8:
        request.model_spec.version.value = draw.choice([-1, 2, 2**62])
    else:
        return broken_examples(draw)
    return "Predict", request


def broken_examples(draw):
    method = draw.choice(["Classify", "Regress", "MultiInference"])
    if method == "MultiInference":
        request = inference_pb2.MultiInferenceRequest()
        task = request.tasks.add(
            method_name=draw.choice(["tensorflow/serving/classify", "tensorflow/serving/regress", ""])
        )
        spec = task.model_spec
    else:
        request = {
            "Classify": classification_pb2.ClassificationRequest,
            "Regress": regression_pb2.RegressionRequest,
        }[method]()
        spec = request.model_spec
    spec.name = "fer"
    spec.signature_name = draw.choice(["serve_examples", "serving_default", "none"])
    for _ in range(draw.randrange(3)):
        record = example(broken_picture(draw))
        if draw.random() < 0.3:
            record.features.feature["image/encoded"].float_list.value.append(1.0)
        request.input.example_list.examples.append(record)
    return method, request


def deep(draw):
    depth = draw.choice([10, 300, 900, 990, 5000, 100_000])
    opening, closing = draw.choice([(b"[", b"]"), (b'{"a":', b"}")])
    return opening * depth + (b"1" + closing * depth if draw.random() < 0.5 else b"")


def broken_rest(draw):
    """Returns path and body of a request that must fail."""
    predict = "/v1/models/fer:predict"
    kind = draw.randrange(9)
    if kind == 0:
        pictures = [{"b64": base64.b64encode(broken_picture(draw)).decode()} for _ in range(draw.randrange(1, 3))]
        return predict, {draw.choice(["instances", "inputs"]): pictures}
    if kind == 1:
        return predict, {"instances": [{"b64": draw.choice(["?!", "A", "====A", "é", "A" * 1001])}]}
    if kind == 2:
        value = draw.choice([1, None, True, [], {}, [[]], {"b64": 1}, [None, "x"], float("nan"), 10**400])
        return predict, {
            draw.choice(["instances", "inputs"]): draw.choice([value, [value], {"image": value}, [{"image": value}]])
        }
    if kind == 3:
        return predict, b'{"instances": ' + deep(draw) + b"}"
    if kind == 4:
        return predict, draw.randbytes(draw.randrange(60))
    if kind == 5:
        whole = json.dumps({"instances": [{"b64": base64.b64encode(png(3)).decode()}]}).encode()
        return predict, whole[: draw.randrange(len(whole))]
    if kind == 6:
        path = draw.choice(
            ["/v1/models/dog:predict", "/v1/models/fer/versions/7:predict", "/v1/models/fer:dance", "/v1/x"]
        )
        return path, {"instances": ["x"]}
    if kind == 7:
        shape = [draw.randrange(1, 4) for _ in range(draw.randrange(4))]
        return predict, {"signature_name": "serve_tensor", "instances": np.full(shape, float("nan")).tolist()}
    examples = draw.choice([None, [], [1], [{}], [{"image/encoded": [1, "a"]}], [{"image/encoded": {"b64": "AAAA"}}]])
    return f"/v1/models/fer:{draw.choice(['classify', 'regress'])}", {
        "signature_name": draw.choice(["serve_examples", "single"]),
        "examples": examples,
    }


def fuzz(process, count, seed):
    """Sends `count` malformed requests, half over gRPC, half over REST."""
    draw = random.Random(seed)
    _, grpc_port, rest_port = process
    connection = http.client.HTTPConnection("127.0.0.1", rest_port, timeout=60)
    codes = {}
    with grpc.insecure_channel(f"127.0.0.1:{grpc_port}") as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        for number in range(count):
            if number % 2:
                method, request = broken_grpc(draw)
                try:
                    getattr(stub, method)(request, timeout=60)
                except grpc.RpcError as error:
                    code, message = error.code().name, error.details()
                else:
                    code, message = "OK", ""
                assert code in CLIENT_ERRORS | {"OK"}, (number, request, code, message)
            else:
                path, body = broken_rest(draw)
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                connection.request("POST", path, data)
                response = connection.getresponse()
                code, message = response.status, response.read().decode()
                assert code == 200 or 400 <= code < 500 or code == 501, (number, path, data[:200], code, message)
                assert code == 200 or list(json.loads(message)) == ["error"]
            assert code in ("OK", 200) or not TRACE.search(message), (number, message)
            codes[code] = codes.get(code, 0) + 1
    connection.close()
    return codes


def resident(pid):
    """Bytes of memory of a process."""
    return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


def answers(process):
    """The server still answers."""
    with grpc.insecure_channel(f"127.0.0.1:{process[1]}") as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        request = predict_pb2.PredictRequest()
        request.model_spec.name = "fer"
        request.model_spec.signature_name = "serve_tensor"
        request.inputs["face"].CopyFrom(tf.make_tensor_proto(np.full((1, SIZE, SIZE, 1), 250, np.float32)))
        return stub.Predict(request, timeout=60).outputs["label"].string_val[0] == b"anger"


def test_some_malformed_requests(process):
    codes = fuzz(process, 300, seed=1)
    # Now and then what is drawn is no fault at all.
    assert codes.get("OK", 0) + codes.get(200, 0) < 30, codes
    assert answers(process)


@pytest.mark.long
def test_5000_malformed_requests_and_the_memory_comes_back(process):
    fuzz(process, 1000, seed=2)  # caches of TensorFlow and the allocator fill
    before = resident(process[0])
    codes = fuzz(process, 5000, seed=3)
    after = resident(process[0])
    print(f"5,000 malformed requests: {codes}; memory {before / 2**20:.0f} -> {after / 2**20:.0f} MiB")
    assert codes.get("OK", 0) + codes.get(200, 0) < 500, codes
    assert after < 1.1 * before
    assert answers(process)
