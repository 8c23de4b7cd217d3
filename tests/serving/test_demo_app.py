"""The demo's answers, without a browser."""

import base64
import dataclasses
import http.client
import io
import json
import os
import pathlib
import struct
import urllib.parse
import zlib

import cv2
import numpy as np
import pytest
import tensorflow as tf
from demo_testing import FRAMES, LABELS, TinyClip, TinyFace, clip, draw, no_face, one_face, png, two_faces

from fer_keras.corpora.motion_jpeg import encode_avi
from fer_keras.errors import InputError
from serving.demo.card import find_card
from serving.demo.offer import Offer
from serving.demo.server import DemoServer
from serving.demo.web_app import PAGE
from serving.server.limits import Limits
from serving.server.model_config import ModelConfig
from serving.server.server import Server

LIMITS = Limits(message_bytes=2**22, image_bytes=2**20, image_pixels=10**6)


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    base = tmp_path_factory.mktemp("demo")
    for name, model in (("faces", TinyFace()), ("clips", TinyClip())):
        model.save(base / name / "1")
    return [ModelConfig(name, base / name) for name in ("faces", "clips")]


@dataclasses.dataclass
class Answer:
    status: int
    headers: dict
    content: bytes

    @property
    def text(self):
        return self.content.decode()

    def json(self):
        return json.loads(self.content)


class Ask:
    """Asks a demo over HTTP. Starlette's own test client asks for another package with every other release."""

    def __init__(self, url):
        self.url = url
        self.host = url.partition("//")[2]

    def get(self, path, headers=None):
        return self._ask("GET", path, None, headers)

    def post(self, path, content, headers=None):
        return self._ask("POST", path, content if isinstance(content, bytes) else json.dumps(content).encode(), headers)

    def _ask(self, method, path, body, headers):
        connection = http.client.HTTPConnection(self.host, timeout=60)
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        answer = Answer(
            response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
        )
        connection.close()
        return answer


@pytest.fixture(scope="module")
def ask(bases):
    with DemoServer(bases, cards={"faces": find_card("alexnet_emotion_fer2013")}, port=0, limits=LIMITS) as demo:
        yield Ask(demo.url)


def read(ask, content, model="faces", **query):
    return ask.post(f"/api/read?{urllib.parse.urlencode({'model': model, **query})}", content)


def pixels(data):
    kind, encoded = data.split(",")
    assert kind in ("data:image/png;base64", "data:image/jpeg;base64")
    return cv2.imdecode(np.frombuffer(base64.b64decode(encoded), np.uint8), cv2.IMREAD_COLOR)


def test_models_and_limits(ask):
    answer = ask.get("/api/models").json()
    faces, clips = answer["models"]
    assert faces == {
        "name": "faces",
        "version": 1,
        "labels": list(LABELS),
        "colours": faces["colours"],
        "clips": False,
        "explains": True,
        "restores": True,
    }
    assert set(faces["colours"]) == set(LABELS)
    assert (clips["clips"], clips["explains"], clips["restores"]) == (True, False, False)
    assert answer["address"] is None
    assert answer["limits"] == {"picture_bytes": 2**20, "picture_pixels": 10**6, "clip_bytes": 2**22, "frames": 150}


def test_a_picture_of_two(ask):
    answer = read(ask, two_faces()).json()
    assert (answer["kind"], answer["size"]) == ("picture", [480, 240])
    first, second = answer["faces"]
    assert first["box"][2] < 0.55 < second["box"][2]  # from left to right
    for face in (first, second):
        left, top, right, bottom = face["box"]
        assert 0 < left < right < 1
        assert 0 < top < bottom < 1
        assert sum(face["probabilities"]) == pytest.approx(1, abs=1e-3)
        assert face["label"] in (*LABELS, "uncertain")
        assert pixels(face["crop"]).shape == (112, 112, 3)
        assert face["landmarks"] is None
        restored = pixels(face["restored"])
        assert face["covered"] == 0.5
        assert (restored[:48] == 255).all()  # at the border both are mixed, as the crop is larger than the model's face
        grey = cv2.cvtColor(pixels(face["crop"]), cv2.COLOR_BGR2GRAY)
        assert np.abs(restored[56:, :, 0].astype(int) - grey[56:]).max() <= 1  # the rest is the face itself
    assert pixels(answer["picture"]).shape == (240, 480, 3)
    assert "picture" not in read(ask, two_faces(), picture="no").json()


def test_faces_of_a_group_are_in_reading_order(ask):
    one = cv2.imdecode(np.frombuffer(one_face(), np.uint8), cv2.IMREAD_COLOR)
    rows = [np.hstack([one, np.roll(one, 25, axis=0)]), np.hstack([np.roll(one, 25, axis=0), one])]  # none is level
    boxes = [face["box"] for face in read(ask, png(np.vstack(rows))).json()["faces"]]
    middles = [((left + right) / 2 > 0.5, (top + bottom) / 2 > 0.5) for left, top, right, bottom in boxes]
    assert middles == [(False, False), (True, False), (False, True), (True, True)]


def test_the_answer_is_the_server_s(ask, bases):
    """What the page shows of a crop is what any client is answered."""
    from serving.client import Client

    face = read(ask, one_face()).json()["faces"][0]
    with (
        Server(models=bases, grpc_port=0, rest_port=0) as server,
        Client(f"127.0.0.1:{server.grpc_port}", "faces") as client,
    ):
        (answer,) = client.predict([base64.b64decode(face["crop"].split(",")[1])])
    assert face["probabilities"] == pytest.approx(list(answer["probabilities"].values()), abs=1e-4)


def test_no_face(ask):
    assert read(ask, no_face()).json()["faces"] == []


@pytest.mark.parametrize("model", ["faces", "clips"])
def test_a_clip(ask, model):
    answer = read(ask, clip(), model).json()
    assert (answer["kind"], answer["size"], answer["every"], answer["seconds"]) == ("clip", [240, 240], 1, 1.0)
    assert answer["whole"]
    assert [frame["seconds"] for frame in answer["frames"]] == pytest.approx(
        [n / FRAMES for n in range(FRAMES)], abs=1e-3
    )
    assert pixels(answer["frames"][0]["picture"]).shape == (240, 240, 3)
    (track,) = answer["tracks"]
    assert track["frames"] == list(range(FRAMES))
    assert np.shape(track["rows"]) == (FRAMES, len(LABELS))
    assert sum(track["probabilities"]) == pytest.approx(1, abs=1e-3)
    if model == "faces":
        assert track["attention"] is None
        assert track["probabilities"] == pytest.approx(np.mean(track["rows"], axis=0), abs=1e-3)
    else:
        assert track["attention"] == pytest.approx([n / 36 for n in range(1, FRAMES + 1)], abs=1e-4)
        assert track["rows"][-1] == pytest.approx(track["probabilities"], abs=1e-3)


@pytest.mark.parametrize(
    ("rate", "count", "every", "whole"),
    [
        (30, 40, 3, False),
        (30, 19, 3, False),
        (30, 18, 3, True),
        (25, 40, 2, False),
        (10, 7, 1, False),
        (10, 6, 1, True),
    ],
)
def test_a_long_clip_is_read_from_its_start_in_steps(ask, monkeypatch, rate, count, every, whole):
    monkeypatch.setattr("serving.demo.readings.MOST_FRAMES", 6)
    image = cv2.imdecode(np.frombuffer(one_face(), np.uint8), cv2.IMREAD_COLOR)
    answer = read(ask, encode_avi([image] * count, rate)).json()
    assert (answer["every"], answer["whole"]) == (every, whole)
    assert [frame["seconds"] for frame in answer["frames"]] == pytest.approx(
        [n * every / rate for n in range(6)], abs=1e-3
    )
    assert answer["tracks"][0]["frames"] == list(range(6))
    assert answer["seconds"] == pytest.approx(count / rate, abs=0.1)


def test_where_the_model_looked(ask):
    face = read(ask, one_face()).json()["faces"][0]
    asked = {"model": "faces", "crop": face["crop"], "landmarks": None, "label": "surprise"}
    answer = ask.post("/api/explain", asked).json()
    overlay = pixels(answer["overlay"]).astype(int)
    red_over_blue = overlay[..., 2] - overlay[..., 0]
    assert not answer["empty"]
    assert red_over_blue[:100].max() == 0  # the upper half is grey
    assert red_over_blue[124:].min() > 50  # the lower one orange
    assert ask.post("/api/explain", {**asked, "label": "neutral"}).json()["empty"]
    for wrong in (
        {**asked, "label": "joy"},
        {**asked, "model": "clips"},
        {"model": "faces"},
        [],
        {**asked, "crop": "!"},
    ):
        response = ask.post("/api/explain", wrong)
        assert (response.status, response.json()["error"]["code"]) == (400, "request")


def announce_png(width, height):
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", len(header) - 4) + header + struct.pack(">I", zlib.crc32(header))


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 422, "undecodable"),
        (b"not a picture" * 100, 422, "undecodable"),
        (b"\x89PNG\r\n\x1a\n" + bytes(500), 422, "undecodable"),
        (b"\xff\xd8\xff\xe0" + bytes(500), 422, "undecodable"),
        (announce_png(60_000, 60_000), 413, "too_large"),
        (b"\x89PNG\r\n\x1a\n" + bytes(2**20), 413, "too_large"),
        (bytes(2**22 + 1), 413, "too_large"),
    ],
    ids=["empty", "text", "broken png", "broken jpeg", "bomb", "large picture", "large body"],
)
def test_what_is_not_read(ask, content, status, code):
    response = read(ask, content)
    assert (response.status, response.json()["error"]["code"]) == (status, code)
    assert "Traceback" not in response.text
    assert "/proc" not in response.text


def test_large_frames_of_a_clip(ask):
    frame = np.zeros((1000, 1100, 3), np.uint8)
    response = read(ask, encode_avi([frame] * 2, 10))
    assert (response.status, response.json()["error"]["code"]) == (413, "too_large")


def test_another_model(ask):
    response = read(ask, one_face(), "nobody")
    assert (response.status, response.json()["error"]["message"]) == (
        400,
        "no model is called nobody; expected one of faces, clips",
    )


def test_a_server_that_is_gone(bases):
    server = Server(models=bases[:1], grpc_port=0, rest_port=0)
    server.start()
    address = f"127.0.0.1:{server.grpc_port}"
    with DemoServer(address=address, names=["faces"], port=0) as demo:
        ask = Ask(demo.url)
        assert ask.get("/api/models").json()["address"] == address
        server.stop()
        response = read(ask, one_face())
        assert (response.status, response.json()["error"]["code"]) == (503, "model_server")
        (model,) = ask.get("/api/models").json()["models"]
        assert "no server answers" in model["problem"]


def test_a_new_version_is_taken_up(tmp_path):
    TinyFace().save(tmp_path / "1")
    with Server(tmp_path, grpc_port=0, rest_port=0, poll_seconds=0.1) as server:
        offer = Offer(f"127.0.0.1:{server.grpc_port}", ["fer"])
        assert offer.describe()[0]["version"] == 1
        TinyClip().save(tmp_path / ".2.tmp")
        (tmp_path / ".2.tmp").rename(tmp_path / "2")
        server.store.poll()
        assert (offer.describe()[0]["version"], offer.describe()[0]["clips"]) == (2, True)
        offer.close()


@pytest.mark.parametrize("count", [1, FRAMES])
def test_gifs_are_clips(ask, count):
    image = pytest.importorskip("PIL.Image")
    first, *more = [image.fromarray(frame[..., ::-1]) for frame in draw(frames=FRAMES)[:count]]
    file = io.BytesIO()
    first.save(file, "GIF", save_all=True, append_images=more, duration=125)
    answer = read(ask, file.getvalue()).json()
    assert (answer["kind"], len(answer["frames"]), len(answer["tracks"])) == ("clip", count, 1)


class Foreign(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image")])
    def names_nothing(self, image):
        return {"length": tf.strings.length(image)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def takes_numbers(self, x):
        return {"y": x / 2}


@pytest.mark.parametrize(
    ("signature", "message"),
    [("names_nothing", "does not name its classes"), ("takes_numbers", "takes neither face crops")],
)
def test_models_of_others(tmp_path, signature, message):
    model = Foreign()
    tf.saved_model.save(model, str(tmp_path / "1"), signatures={"serving_default": getattr(model, signature)})
    with pytest.raises(InputError, match=message), DemoServer([ModelConfig("half", tmp_path)], port=0):
        pass


@pytest.mark.parametrize("ending", [".jpg", ".webp"])
def test_kinds_of_pictures(ask, ending):
    image = cv2.imdecode(np.frombuffer(one_face(), np.uint8), cv2.IMREAD_COLOR)
    answer = read(ask, cv2.imencode(ending, image)[1].tobytes()).json()
    assert (answer["kind"], len(answer["faces"])) == ("picture", 1)


# Who may ask, and what the browser may do ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://elsewhere.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},
        {"origin": "https://{host}"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"host": "elsewhere.example:8502", "origin": "http://elsewhere.example:8502", "sec-fetch-site": "same-origin"},
    ],
    ids=str,
)
def test_other_pages_are_refused(ask, headers):
    headers = {name: value.replace("{host}", ask.host) for name, value in headers.items()}
    response = ask.post("/api/read?model=faces", one_face(), headers)
    assert (response.status, response.json()["error"]["code"]) == (403, "refused")


def test_another_name_of_this_machine_s_address_gets_no_page(ask):
    assert ask.get("/api/models", headers={"host": "elsewhere.example"}).status == 403
    for host in ("localhost:8502", "127.0.0.1:8502", "[::1]:8502", "192.168.1.7:8502"):
        assert ask.get("/", headers={"host": host}).status == 200


def test_links_from_elsewhere_lead_to_the_page_and_to_nothing_else(ask):
    headers = {"sec-fetch-site": "cross-site"}
    assert ask.get("/", headers=headers).status == 200
    for path in ("/api/models", "/api/sample/clip"):
        assert ask.get(path, headers=headers).status == 403


def test_its_own_page_and_programs_are_answered(ask):
    for headers in ({}, {"origin": ask.url, "sec-fetch-site": "same-origin"}):
        assert ask.post("/api/read?model=faces", no_face(), headers).status == 200


@pytest.mark.parametrize("path", ["/", "/page/app.js", "/api/models", "/card/faces", "/nothing"])
def test_headers(ask, path):
    headers = ask.get(path).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["permissions-policy"].startswith("camera=(self)")


def test_the_page_names_nothing_from_outside():
    files = list(PAGE.iterdir())
    assert len(files) > 5
    for file in files:
        text = file.read_text().replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in text, file
        assert "https://" not in text, file
        assert "innerHTML" not in text, file


def test_no_file_outside_of_the_page(ask):
    for path in ("/page/../web_app.py", "/page/%2e%2e/web_app.py", "/page/", "/card/nobody"):
        assert ask.get(path).status in (404, 405)


def test_nothing_is_stored_or_logged(ask, tmp_path, monkeypatch, caplog):
    written = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    real = os.open
    monkeypatch.setattr(
        os,
        "open",
        lambda path, flags, *more, **named: written.append((path, flags)) or real(path, flags, *more, **named),
    )
    with caplog.at_level("DEBUG", "serving"):
        for content in (one_face(), clip(), b"not a picture"):
            read(ask, content)
    assert list(tmp_path.iterdir()) == []
    assert not [path for path, flags in written if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)]
    assert "base64" not in caplog.text


# Cards and samples --------------------------------------------------------------------------------------------------


def test_cards(ask):
    card = ask.get("/card/faces").text
    assert "<h2>Known failures</h2>" in card
    assert '<div class="wide" tabindex="0" role="group" aria-label="Table"><table>' in card
    assert "<th></th>" not in card
    assert "style=" not in card
    assert "came without a card" in ask.get("/card/clips").text


def test_a_card_cannot_bring_scripts(tmp_path):
    from serving.demo.card import card_page

    file = tmp_path / "README.md"
    file.write_text("# Card\n\n<script>alert(1)</script>\n\n[x](javascript:alert(1))\n")
    page = card_page("<b>", file)
    assert "<script>" not in page
    assert 'href="javascript' not in page
    assert "&lt;b&gt;: model card" in page


def test_where_cards_are_looked_for(tmp_path):
    assert find_card("alexnet_emotion_fer2013").parent.name == "alexnet_emotion_fer2013"
    assert find_card(tmp_path) is None
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.keras").write_text("")
    assert find_card(tmp_path) is None
    (tmp_path / "model" / "README.md").write_text("card")
    assert find_card(tmp_path) == tmp_path / "model" / "README.md"


def test_samples_are_read(ask):
    for kind in ("picture", "clip"):
        drawn = ask.get(f"/api/sample/{kind}")
        answer = read(ask, drawn.content).json()
        assert answer["kind"] == kind
        assert answer["faces" if kind == "picture" else "tracks"]
    assert ask.get("/api/sample/person").status == 404


def test_files_in_memory():
    from serving.demo.memory_file import memory_file

    with memory_file(b"content") as path:
        assert pathlib.Path(path).read_bytes() == b"content"
        assert "memfd" in os.readlink(path)
    assert not pathlib.Path(path).exists()
