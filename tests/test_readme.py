"""What the README shows runs as written."""

import pathlib
import re

import pytest

TOP = pathlib.Path(__file__).parent.parent
BLOCKS = re.findall(r"^```python\n(.*?)^```", (TOP / "README.md").read_text(), re.M | re.S)


@pytest.mark.slow
def test_ten_lines_of_keras(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    scope = {}
    exec(compile(BLOCKS[0], "README.md", "exec"), scope)
    assert scope["model"].history.history["loss"][-1] < scope["model"].history.history["loss"][0]
    printed = capsys.readouterr().out.splitlines()[-1]
    assert all(name in printed for name in scope["info"].label_names)


@pytest.mark.slow
def test_recogniser_and_server(tmp_path, monkeypatch, capsys):
    pytest.importorskip("grpc")
    import cv2

    import fer_keras
    from fer_keras.corpora.synthetic import SIZES, draw_sequence
    from fer_keras.export import export_version
    from serving.server.server import Server

    monkeypatch.chdir(tmp_path)
    names = ("neutral", "happiness")
    model = fer_keras.AlexNetEmotion(names, width=0.25)
    model.save_to_preset("runs/mine/model")
    export_version(model, "saved_models/fer")
    *_, apex = draw_sequence(SIZES["small"], 0, 0, 0, "happiness")
    cv2.imwrite("photo.jpg", apex.image)

    exec(compile(BLOCKS[1], "README.md", "exec"), {"fer_keras": fer_keras})
    with Server("saved_models/fer", grpc_port=0, rest_port=0) as server:
        exec(compile(BLOCKS[2].replace("127.0.0.1:8500", f"127.0.0.1:{server.grpc_port}"), "README.md", "exec"), {})
    by_hand, served = capsys.readouterr().out.splitlines()
    assert by_hand.count("neutral") >= 1
    assert "happiness" in served


def test_every_python_block_is_run():
    assert len(BLOCKS) == 3
