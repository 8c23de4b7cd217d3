import os
import shutil
import sys
import time

import keras
import pytest

import fer_keras
from fer_keras.export import export_saved_model

pytest.importorskip("uvicorn")

pytestmark = [pytest.mark.tfx, pytest.mark.slow]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A model with an angle map, which takes landmarks, as Trainer writes it."""
    keras.utils.set_random_seed(0)
    model = fer_keras.AlexNetEmotion(("anger", "fear"), width=0.25, angle_map=True)
    folder = tmp_path_factory.mktemp("model") / "Format-Serving"
    export_saved_model(model, folder)
    return folder


def test_a_model_that_answers_is_fit(exported):
    from tfx_pipeline.serving_check import answer_fault

    assert answer_fault(exported) == ""


def test_labels_that_are_others(exported, tmp_path):
    from tfx_pipeline.serving_check import answer_fault

    folder = shutil.copytree(exported, tmp_path / "model")
    (folder / "assets.extra" / "labels.txt").write_text("fear\nanger\n")
    assert answer_fault(folder) == "the server answered with the labels anger, fear"
    (folder / "saved_model.pb").write_bytes(b"broken")
    assert answer_fault(folder).startswith("the server did not take it up: ")


@pytest.fixture
def stand_in(tmp_path):
    """A program that is started as `tensorflow_model_server` is, and notes how; what answers is the embedded server."""

    def program(body=""):
        path = tmp_path / "tensorflow_model_server"
        path.write_text(
            f"#!{sys.executable}\n"
            "import os, pathlib, sys, time\n"
            f"pathlib.Path({str(tmp_path / 'started')!r}).write_text(' '.join([str(os.getpid()), *sys.argv[1:]]))\n"
            f"{body}\n"
            "from serving.server.server import Server\n"
            "options = dict(one.removeprefix('--').split('=') for one in sys.argv[1:])\n"
            "with Server(options['model_base_path'], options['model_name'], int(options['port']), 0):\n"
            "    time.sleep(1000)\n"
        )
        path.chmod(0o755)
        return str(path)

    return program


def gone(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_tensorflow_model_server_is_asked_and_ended(exported, stand_in, tmp_path):
    from tfx_pipeline.serving_check import answer_fault

    # As TensorFlow Serving does, the stand-in takes no notice of SIGTERM.
    assert answer_fault(exported, stand_in("import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)")) == ""
    process, *arguments = (tmp_path / "started").read_text().split()
    assert [one.partition("=")[0] for one in arguments] == ["--port", "--model_name", "--model_base_path"]
    assert gone(int(process))


def test_what_a_wrapper_has_started_is_ended_too(exported, stand_in, tmp_path):
    from tfx_pipeline.serving_check import answer_fault

    wrapper = tmp_path / "wrapper"
    wrapper.write_text(f'#!/bin/sh\n{stand_in()} "$@"\necho over\n')
    wrapper.chmod(0o755)
    assert answer_fault(exported, str(wrapper)) == ""
    process = int((tmp_path / "started").read_text().split()[0])
    for _ in range(100):  # it is not ours to wait for
        if gone(process):
            break
        time.sleep(0.1)
    else:
        pytest.fail("it goes on")


def test_a_tensorflow_model_server_that_does_not_come_up(exported, stand_in, tmp_path, monkeypatch):
    from tfx_pipeline import serving_check

    ending = stand_in("print('Failed to start server. Error: it is broken'); sys.exit(1)")
    assert serving_check.answer_fault(exported, ending) == (
        "the server did not take it up: it ended with status 1: Failed to start server. Error: it is broken"
    )
    monkeypatch.setattr(serving_check, "_SECONDS", 2)
    message = "the server did not take it up: it was not ready within 2 s"
    assert serving_check.answer_fault(exported, stand_in("time.sleep(1000)")) == message
    assert gone(int((tmp_path / "started").read_text().split()[0]))
    assert "No such file" in serving_check.answer_fault(exported, str(tmp_path / "missing"))
