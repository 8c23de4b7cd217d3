import asyncio
import pathlib
import socket
import threading
import time

import grpc
import numpy as np
import pytest
from serving_testing import LABELS, png

from fer_keras.errors import InputError
from serving.client import AsyncClient, Client, RequestError, Retries
from serving.client.messages import clip_inputs, face_inputs
from serving.load_test import run_load_test
from serving.server.server import Server


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


def test_one_picture_is_no_list_of_them():
    with Client("127.0.0.1:1") as client:
        for single in ("face.png", pathlib.Path("face.png"), png(1)):
            for ask in (client.predict, client.predict_clip):
                with pytest.raises(InputError, match="received a single picture; expected a list"):
                    ask(single)


def test_version_and_label_exclude_each_other():
    with pytest.raises(InputError, match="version 1 and label x: expected one of them"):
        Client("127.0.0.1:1", version=1, version_label="x")


def test_deadline():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        began = time.monotonic()
        with Client(address, timeout=0.3) as client, pytest.raises(RequestError, match=r"no answer within 0\.3 s"):
            client.predict([png(1)])
    assert time.monotonic() - began < 5


def test_images_as_bytes_files_and_arrays(server, tmp_path):
    pixels = np.full((6, 6), 250, np.uint8)
    file = tmp_path / "face.png"
    file.write_bytes(png(250))
    images = [png(250), file, str(file), pixels, pixels[..., None], np.repeat(pixels[..., None], 3, axis=2)]
    with Client(f"127.0.0.1:{server.grpc_port}") as client:
        answers = client.predict(images)
    assert answers == [answers[0]] * len(images)
    assert answers[0]["label"] == "anger"


def test_clips_are_padded_to_a_batch_of_one():
    clip = clip_inputs([png(1), png(2)], np.zeros((2, 68, 2)))
    assert clip["frames"].shape == (1, 2)
    assert clip["landmarks"].shape == (1, 2, 68, 2)
    assert clip["lengths"].tolist() == [2]


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((4, 4)), r"image 0: received an array of float64 and shape \(4, 4\); expected uint8"),
        (np.zeros((4, 4, 4), np.uint8), r"shape \(4, 4, 4\)"),
        ("gone.png", r"gone\.png: cannot be read \(No such file"),
    ],
)
def test_what_is_no_image(image, message):
    with pytest.raises(InputError, match=message):
        face_inputs([image])
    with pytest.raises(InputError, match="a clip without a frame"):
        clip_inputs([])


def test_other_signatures_and_versions(server):
    with Client(f"127.0.0.1:{server.grpc_port}") as client:
        assert client.predict_arrays({"x": [1.0, 2.0]}, "single")["y"].tolist() == pytest.approx([0.1, 0.2])
        assert client.versions() == {1700000001: "AVAILABLE"}
        taken = client.signatures()
        assert (taken["serving_default"], taken["serve_tensor"]) == ({"image": (-1,)}, {"face": (-1, 4, 4, 1)})
    with Client(f"127.0.0.1:{server.grpc_port}", version=1700000000) as client, pytest.raises(RequestError) as caught:
        client.predict([png(1)])
    assert caught.value.code == grpc.StatusCode.NOT_FOUND
    with (
        Client(f"127.0.0.1:{server.grpc_port}", version_label="x") as client,
        pytest.raises(RequestError, match="label: x"),
    ):
        client.predict([png(1)])


def test_another_model_is_named(server, monkeypatch):
    monkeypatch.setattr("serving.client.messages.OUTPUTS", ("label", "emotion"))
    with Client(f"127.0.0.1:{server.grpc_port}") as client, pytest.raises(RequestError, match="gave no emotion"):
        client.predict([png(1)])


def test_asyncio(server):
    async def ask():
        async with AsyncClient(f"127.0.0.1:{server.grpc_port}") as client:
            answers = await asyncio.gather(*(client.predict([png(value)]) for value in (0, 100, 250)))
            arrays = await client.predict_arrays({"x": [1.0]}, "single")
            with pytest.raises(RequestError, match="Unknown image file"):
                await client.predict([b"no image"])
            return answers, arrays, await client.versions(), await client.predict([]), await client.signatures()

    answers, arrays, versions, nothing, taken = asyncio.run(ask())
    assert taken["serving_default"] == {"image": (-1,)}
    with Client(f"127.0.0.1:{server.grpc_port}") as client:
        assert [one for (one,) in answers] == client.predict([png(value) for value in (0, 100, 250)])
    assert arrays["y"].tolist() == pytest.approx([0.1])
    assert (list(versions.values()), nothing) == (["AVAILABLE"], [])


class Refusal(grpc.RpcError):
    def __init__(self, code, details=""):
        self._code, self._details = code, details

    def code(self):
        return self._code

    def details(self):
        return self._details


def test_retries_wait_longer_and_longer_within_the_deadline():
    retries = Retries(attempts=4, wait=0.1, longest_wait=0.3)
    busy = Refusal(grpc.StatusCode.UNAVAILABLE)
    for attempt, longest in ((1, 0.1), (2, 0.2), (3, 0.3)):
        assert longest / 2 <= retries.pause(attempt, busy, left=10.0) <= longest
    assert retries.pause(4, busy, left=10.0) is None
    assert retries.pause(1, busy, left=0.01) is None
    assert Retries(1).pause(1, busy, left=10.0) is None
    assert retries.pause(1, Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED), left=10.0)
    too_large = Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "Received message larger than max (9 vs. 4)")
    assert retries.pause(1, too_large, left=10.0) is None
    for code in set(grpc.StatusCode) - {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED}:
        assert retries.pause(1, Refusal(code), left=10.0) is None


def test_asks_again_until_a_server_is_there(exports, base_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Server(base_path, grpc_port=port, rest_port=0)
    late = threading.Timer(0.5, server.start)
    late.start()
    try:
        with Client(f"127.0.0.1:{port}", timeout=30, retries=Retries(100, longest_wait=0.2)) as client:
            assert client.predict([png(250)])[0]["label"] == "anger"
    finally:
        late.join()
        server.stop()


def test_load_test(server):
    address = f"127.0.0.1:{server.grpc_port}"
    result = run_load_test(address, [png(1), png(2)], clients=3, seconds=20, batch=2, requests=30)
    assert len(result.latencies) == 30
    assert result.failures == {}
    assert result.faces_per_second == pytest.approx(60 / result.seconds)
    assert 0 < result.percentile(50) <= result.percentile(99) <= result.percentile(100) < 20
    assert run_load_test(address, [png(1)], clients=1, seconds=0.3).seconds < 5
    for wrong in ({"clients": 0}, {"clients": 257}, {"seconds": 601}, {"batch": 0}):
        with pytest.raises(InputError):
            run_load_test(address, [png(1)], **wrong)
    with pytest.raises(RequestError):
        run_load_test(address, [png(1)], model_name="dog")
