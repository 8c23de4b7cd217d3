import socket
import time

import grpc
import pytest
from serving_testing import LABELS, png

from fer_keras.errors import InputError
from serving.client import Client, RequestError


def test_predict(server):
    with Client(f"127.0.0.1:{server.grpc_port}") as client:
        answers = client.predict([png(250), png(0)])
        assert client.predict([]) == []
    assert [answer["label"] for answer in answers] == ["anger", "anger"]
    assert list(answers[0]["probabilities"]) == list(LABELS)
    assert sum(answers[0]["probabilities"].values()) == pytest.approx(1.0)
    assert answers[1]["probabilities"]["sadness"] == pytest.approx(1 / 3)


def test_refused(server):
    address = f"127.0.0.1:{server.grpc_port}"
    with Client(address) as client, pytest.raises(RequestError, match=f"{address}: Unknown image file") as caught:
        client.predict([b"no image"])
    assert caught.value.code == grpc.StatusCode.INVALID_ARGUMENT
    assert isinstance(caught.value, InputError)
    with Client(address, model_name="dog") as client, pytest.raises(RequestError, match=r"Latest\(dog\) \(NOT_FOUND\)"):
        client.predict([png(1)])


def test_no_server_there():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with Client(address) as client, pytest.raises(RequestError, match="no server answers there, start one with"):
        client.predict([png(1)])


def test_deadline():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        began = time.monotonic()
        with Client(address, timeout=0.3) as client, pytest.raises(RequestError, match=r"no answer within 0\.3 s"):
            client.predict([png(1)])
    assert time.monotonic() - began < 5
