"""`demo` as a process: what a person at a terminal gets."""

import json
import re
import signal
import urllib.request

import pytest
from demo_testing import TinyFace
from serving_testing import start_command

from fer_keras.errors import InputError
from serving.demo.server import DemoServer
from serving.demo_command import demo
from serving.server.model_config import ModelConfig


def run(*arguments):
    return start_command("serving.demo_command", "demo", *arguments)


def line_of(process, start):
    """Waits for the line that begins so, and returns it."""
    line = ""
    while not line.startswith(start):
        line = process.stdout.readline()
        assert line or process.poll() is None, process.stderr.read()
    return line


@pytest.mark.slow
def test_the_preset_is_offered_until_a_signal_comes(tmp_path):
    TinyFace().save(tmp_path / "drawn" / "1")
    process = run("--model", "alexnet_emotion_fer2013", "--base-path", str(tmp_path / "drawn"), "--port", "0")
    line_of(process, "Exporting alexnet_emotion_fer2013 …")
    url = re.match(r"Open (http://127\.0\.0\.1:\d+) ", line_of(process, "Open "))[1]
    with urllib.request.urlopen(f"{url}/api/models") as response:
        models = json.load(response)["models"]
    assert [model["name"] for model in models] == ["drawn", "alexnet_emotion_fer2013"]
    assert models[1]["explains"]
    with urllib.request.urlopen(f"{url}/card/alexnet_emotion_fer2013") as response:
        assert b"Known failures" in response.read()
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_export(tmp_path, monkeypatch, stop):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    process = run("--model", "alexnet_emotion_fer2013", "--model", "never_comes_to_be_looked_for", "--port", "0")
    line_of(process, "Exporting alexnet_emotion_fer2013 …")
    process.send_signal(stop)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (0, ""), errors
    assert "Traceback" not in errors
    assert not list(tmp_path.iterdir())


@pytest.fixture
def handlers():
    before = {stop: signal.getsignal(stop) for stop in (signal.SIGINT, signal.SIGTERM)}
    yield
    for stop, handler in before.items():
        signal.signal(stop, handler)


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"address": "127.0.0.1:1", "model": ["x"]}, "--address is for models that are served already"),
        ({"model_name": ["fer"]}, "--model-name is for --address"),
        ({"address": "127.0.0.1:1"}, "127.0.0.1:1: no server answers there"),
        ({"model": ["nothing"]}, "nothing: no model found"),
    ],
    ids=str,
)
def test_options_that_do_not_fit(options, message):
    with pytest.raises(InputError, match=message):
        demo(**options, port=0)


@pytest.mark.usefixtures("handlers")
def test_paths_that_do_not_fit(tmp_path):
    for name in ("one", "two"):
        TinyFace().save(tmp_path / name / "fer" / "1")
    with pytest.raises(InputError, match="told apart by the last part of their path; received fer, fer"):
        demo(base_path=[tmp_path / "one" / "fer", tmp_path / "two" / "fer"], port=0)
    with pytest.raises(InputError, match="absent: no such directory"):
        demo(base_path=[tmp_path / "absent"], port=0)
    with (
        DemoServer([ModelConfig("fer", tmp_path / "one" / "fer")], port=0) as running,
        pytest.raises(InputError, match=r"for the page: port \d+ is in use"),
    ):
        demo(base_path=[tmp_path / "one" / "fer"], port=int(running.url.rpartition(":")[2]))


def test_help_has_an_example():
    process = run("--help")
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert "Example: fer-keras demo" in output
    for option in ("--model", "--base-path", "--address", "--model-name", "--host", "--port", "--open"):
        assert option in output
