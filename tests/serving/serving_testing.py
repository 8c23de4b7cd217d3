"""A stand-in for an export, and short ways to ask a server: what the tests of `serving` share."""

import http.client
import json
import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2

LABELS = ("anger", "happiness", "sadness")
SIZE = 4


def decode(encoded):
    pixels = tf.io.decode_image(encoded, channels=1, expand_animations=False)
    return tf.image.resize(pixels, (SIZE, SIZE))


class TinyModel(tf.Module):
    """Has the signatures of an export; bright faces are the first label if `sign` is 1, the last if it is -1."""

    def __init__(self, sign):
        super().__init__()
        self.weights = tf.Variable([1.0 * sign, 0.0, -1.0 * sign])

    def answer(self, faces):
        probabilities = tf.nn.softmax(tf.reduce_mean(faces, axis=(1, 2)) / 100.0 * self.weights)
        labels = tf.constant(LABELS)
        return {
            "probabilities": probabilities,
            "label": tf.gather(labels, tf.argmax(probabilities, axis=-1)),
            "label_names": tf.repeat(labels[None], tf.shape(probabilities)[0], axis=0),
        }

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image")])
    def serving_default(self, image):
        return self.answer(tf.map_fn(decode, image, fn_output_signature=tf.TensorSpec((SIZE, SIZE, 1), tf.float32)))

    @tf.function(input_signature=[tf.TensorSpec([None, SIZE, SIZE, 1], tf.float32, name="face")])
    def serve_tensor(self, face):
        return self.answer(face)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def serve_examples(self, inputs):
        features = tf.io.parse_example(inputs, {"image/encoded": tf.io.FixedLenFeature([], tf.string)})
        answer = self.serving_default(features["image/encoded"])
        return {"classes": answer["label_names"], "scores": answer["probabilities"]}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32, name="n"), tf.TensorSpec([], tf.bool, name="up")])
    def odd(self, n, up):
        """What the real signatures do not have: several inputs, integers, a scalar, bytes, one per batch."""
        return {"n": n + 1, "up": up, "raw_bytes": tf.strings.as_string(n)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def single(self, x):
        return {"y": x / 10.0}

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.float32, name="clip")])
    def clip(self, clip):
        """Rows of any length, as those of clips."""
        with tf.control_dependencies([tf.debugging.assert_non_negative(clip, "negative")]):
            return {"sum": tf.reduce_sum(clip, axis=1)}

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.int32, name="turns"), tf.TensorSpec([None], tf.string, name="begun")]
    )
    def slow(self, turns, begun):
        """Says by the file `begun` that it has begun, and counts for a while."""
        with tf.control_dependencies([tf.io.write_file(begun[0], "")]):
            start = tf.identity(turns[0]) * 0
        return {"turns": tf.while_loop(lambda i: i < turns[0], lambda i: [i + 1], [start], parallel_iterations=1)[0]}


def png(value, size=6):
    return tf.io.encode_png(tf.fill((size, size, 1), np.uint8(value))).numpy()


def push(export, base_path, version):
    """Pushes as the pipeline does: written aside, then renamed."""
    aside = base_path / f".{version}.tmp"
    shutil.copytree(export, aside)
    aside.rename(base_path / str(version))


def grpc_request(inputs, signature="", name="fer", version=None):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = name
    request.model_spec.signature_name = signature
    if version is not None:
        request.model_spec.version.value = version
    for key, value in inputs.items():
        request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
    return request


def example(encoded):
    record = tf.train.Example()
    record.features.feature["image/encoded"].bytes_list.value.append(encoded)
    return record


def rest(server, path, body=None, headers=None, timeout=20):
    """Returns status and parsed answer; sends bytes as they are, anything else as JSON."""
    connection = http.client.HTTPConnection("127.0.0.1", server.rest_port, timeout=timeout)
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    connection.request("GET" if body is None else "POST", path, data, headers or {})
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.close()
    return response.status, answer


def until(condition, seconds=15):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail("did not happen in time")
        time.sleep(0.02)


# As the main command line does it: one line for an InputError, and exit code 1.
_MAIN = """
import sys, typer
from fer_keras.errors import InputError
from {module} import {command}
app = typer.Typer()
app.command("{command}")({command})
app.callback()(lambda: None)
try:
    app()
except InputError as error:
    sys.exit(f"error: {{error}}")
"""


def start_command(module, command, *arguments):
    """Starts a command of `serving` in a process of its own, with wide plain output."""
    return subprocess.Popen(
        [sys.executable, "-c", _MAIN.format(module=module, command=command), command, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"},
    )
