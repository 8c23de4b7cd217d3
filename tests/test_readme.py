"""What the README shows runs as written."""

import os
import pathlib
import re
import socket
import subprocess
import sys

import pytest

TOP = pathlib.Path(__file__).parent.parent
README = (TOP / "README.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", README, re.M | re.S)
COMMANDS = re.findall(r"^```bash\n(.*?)^```", README, re.M | re.S)

# What a reader has already: a photograph, a clip, pictures of people with a table.
BELONGINGS = """
import csv, pathlib
import cv2
from fer_keras.corpora.synthetic import SIZES, draw_sequence

def draw(person, sequence, expression):
    return [frame.image for frame in draw_sequence(SIZES["small"], 0, person, sequence, expression)]

cv2.imwrite("photo.jpg", draw(0, 1, "happiness")[-1])
clip = cv2.VideoWriter("clip.mp4", cv2.VideoWriter_fourcc(*"mp4v"), 25, (160, 160))
for image in draw(5, 1, "surprise"):
    clip.write(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR))  # a grey one would be left out without a word
clip.release()
for name, people in (("my_faces", range(5)), ("other_faces", range(5, 10))):
    folder = pathlib.Path(name)
    folder.mkdir()
    with open(folder / "labels.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "subject", "label"])
        for person in people:
            for number, expression in enumerate(("happiness", "surprise", "anger"), 1):
                for take in range(2):
                    picture = f"{person}-{expression}-{take}.png"
                    cv2.imwrite(str(folder / picture), draw(person, number + 10 * take, expression)[-1])
                    table.writerow([picture, f"P{person}", expression])
"""


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


def test_every_block_is_run():
    assert len(BLOCKS) == 3
    assert len(COMMANDS) == 1
    fences = re.findall(r"^```(\w*)$", README, re.M)
    assert sorted(fences) == sorted(["", "python"] * 3 + ["", "bash"])


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_commands(tmp_path):
    """As written, but for free ports, and a wait for the server before it is asked."""
    pytest.importorskip("tfx")
    grpc, rest = free_port(), free_port()
    wait = f"curl -s -o /dev/null --retry 120 --retry-delay 1 --retry-connrefused http://127.0.0.1:{rest}/v1/models/fer"
    text = COMMANDS[0].replace("fer-keras serve ", f"fer-keras serve --port {grpc} --rest-api-port {rest} ")
    text = text.replace("fer-keras client ", f"fer-keras client --address 127.0.0.1:{grpc} ")
    text = re.sub(r"&$", f"&\n{wait}", text, flags=re.M)
    text = text.replace("# or: not good enough", '|| [ $? = 3 ] && echo "pipeline ended"')
    script = (
        f"set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\npython - <<'END'\n{BELONGINGS}END\n{text}"
    )
    path = f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore"}
    ran = subprocess.run(["bash", "-c", script], cwd=tmp_path, env=env, capture_output=True, text=True)
    print(ran.stdout)
    assert ran.returncode == 0, f"{ran.stdout[-3000:]}\n{ran.stderr[-5000:]}"
    assert "Traceback" not in ran.stderr
    assert "pipeline ended" in ran.stdout
    for made in ("runs/read/clip.annotated.mp4", "runs/explained", "runs/mine/results.json", "saved_models/fer"):
        assert (tmp_path / made).exists(), made
