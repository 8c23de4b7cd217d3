"""A model with a key-point angle map behind the server: the landmarks travel beside the picture."""

import base64

import grpc
import keras
import numpy as np
import pytest
from serving_testing import grpc_request, rest
from tensorflow_serving.apis import prediction_service_pb2_grpc

from fer_keras.errors import InputError
from fer_keras.export import export_version
from fer_keras.faces import encode_png
from fer_keras.models import AlexNetEmotion
from serving.client import Client, RequestError
from serving.server.server import Server

pytestmark = pytest.mark.slow

NAMES = ("neutral", "happiness", "surprise")
PREDICT = "/v1/models/fer:predict"


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return AlexNetEmotion(NAMES, width=0.25, angle_map=True)


@pytest.fixture(scope="module")
def server(model, tmp_path_factory):
    base = tmp_path_factory.mktemp("with_map") / "fer"
    export_version(model, base)
    with Server(base, grpc_port=0, rest_port=0) as running:
        yield running


@pytest.fixture(scope="module")
def problem(model):
    """Three crops as PNG, their landmarks, and what Keras says of them with and without."""
    random = np.random.default_rng(0)
    faces = random.integers(0, 256, (3, 48, 48, 1), dtype="uint8")
    landmarks = random.uniform(0.1, 0.9, (3, 68, 2)).astype("float32")
    answers = [
        keras.ops.softmax(model.predict({"face": faces, "landmarks": known * landmarks}, verbose=0)).numpy()
        for known in (1, 0)
    ]
    assert np.abs(answers[0] - answers[1]).max() > 1e-3
    return [encode_png(face[..., 0]) for face in faces], landmarks, *answers


def probabilities(answers):
    return np.array([[answer["probabilities"][name] for name in NAMES] for answer in answers])


def test_client_sends_landmarks(server, problem):
    images, landmarks, known, unknown = problem
    with Client(f"127.0.0.1:{server.grpc_port}") as client:
        np.testing.assert_allclose(probabilities(client.predict(images, landmarks)), known, atol=1e-5)
        zeros = [np.zeros((68, 2))] * 3
        np.testing.assert_allclose(probabilities(client.predict(images, zeros)), unknown, atol=1e-5)
        with pytest.raises(RequestError, match=r"Missing but required: \{landmarks\}") as caught:
            client.predict(images)
        assert caught.value.code == grpc.StatusCode.INVALID_ARGUMENT
        for wrong in (landmarks[:2], landmarks.reshape(3, 136)):
            with pytest.raises(InputError, match=r"received landmarks of shape .*; expected \(3, 68, 2\)"):
                client.predict(images, wrong)


def test_rest_takes_landmarks_in_rows_and_columns(server, problem):
    images, landmarks, known, _ = problem
    images = [{"b64": base64.b64encode(image).decode()} for image in images]
    rows = [{"image": image, "landmarks": one.tolist()} for image, one in zip(images, landmarks, strict=True)]
    status, answer = rest(server, PREDICT, {"instances": rows})
    assert status == 200
    np.testing.assert_allclose([row["probabilities"] for row in answer["predictions"]], known, atol=1e-5)
    status, answer = rest(server, PREDICT, {"inputs": {"image": images, "landmarks": landmarks.tolist()}})
    assert status == 200
    np.testing.assert_allclose(answer["outputs"]["probabilities"], known, atol=1e-5)


def test_rest_names_missing_landmarks(server, problem):
    image = {"b64": base64.b64encode(problem[0][0]).decode()}
    for body, message in (
        ({"instances": [{"image": image}]}, "keys must be equal to: image,landmarks"),
        ({"inputs": {"image": [image]}}, "Missing named input: landmarks in 'inputs' object."),
    ):
        status, answer = rest(server, PREDICT, body)
        assert status == 400
        assert message in answer["error"]


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((3, 68), "Expects input landmarks to have shape [?,68,2] but got [3,68]"),
        ((3, 67, 2), "Expects input landmarks to have shape [?,68,2] but got [3,67,2]"),
        ((2, 68, 2), ""),  # of fewer faces than pictures
        ((1, 68, 2), ""),  # nor is one face's given to all
    ],
)
def test_landmarks_that_do_not_fit_are_invalid(server, problem, shape, message):
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            stub.Predict(grpc_request({"image": problem[0], "landmarks": np.full(shape, 0.5, "float32")}), timeout=20)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert message in caught.value.details()
