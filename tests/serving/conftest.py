import pathlib
import sys

import grpc
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_service_pb2_grpc

from serving.server.server import Server

# pytest's importlib mode leaves a test's own directory off the path, and these tests share a module.
sys.path.insert(0, str(pathlib.Path(__file__).parent))
from serving_testing import TinyModel, push


@pytest.fixture(scope="session")
def exports(tmp_path_factory):
    """Two tiny SavedModels, `{sign: path}`."""
    paths = {}
    for sign in (1, -1):
        paths[sign] = tmp_path_factory.mktemp("export") / "model"
        model = TinyModel(sign)
        names = ("serving_default", "serve_tensor", "serve_examples", "odd", "single", "clip", "slow")
        tf.saved_model.save(model, str(paths[sign]), signatures={name: getattr(model, name) for name in names})
    return paths


@pytest.fixture
def base_path(tmp_path, exports):
    base = tmp_path / "fer"
    base.mkdir()
    push(exports[1], base, 1)
    return base


@pytest.fixture(scope="session")
def server(tmp_path_factory, exports):
    base = tmp_path_factory.mktemp("saved_models") / "fer"
    base.mkdir()
    push(exports[-1], base, 1700000000)
    push(exports[1], base, 1700000001)
    with Server(base, grpc_port=0, rest_port=0) as running:
        yield running


@pytest.fixture(scope="session")
def stub(server):
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        yield prediction_service_pb2_grpc.PredictionServiceStub(channel)
