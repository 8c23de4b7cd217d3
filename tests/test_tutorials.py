"""Tutorials run as they are written, every block of a page one after the other, in an empty folder.

A page of Python alone is run here; one with `bash` blocks as a script of bash, in which a Python block is a program
of its own. Only the ports are replaced, by free ones.
"""

import os
import pathlib
import re
import socket
import subprocess
import sys

import pytest

TUTORIALS = pathlib.Path(__file__).parent.parent / "docs" / "tutorials"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)
PAGES = {page.stem: BLOCK.findall(page.read_text()) for page in sorted(TUTORIALS.glob("*.md"))}
NEEDS = {"pipeline": "tfx", "serving": "grpc", "tuning": "keras_tuner"}


def test_every_block_is_run():
    assert {language for blocks in PAGES.values() for language, _ in blocks} == {"python", "bash"}
    assert all(blocks for page, blocks in PAGES.items() if page != "index")


@pytest.mark.slow
def test_keras(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    scope = {}
    for number, (_, block) in enumerate(PAGES["keras"], 1):
        exec(compile(block, f"keras.md, block {number}", "exec"), scope)
    losses = scope["history"].history["loss"]
    assert losses[-1] < losses[0]
    assert not set(scope["info"].subjects[scope["test"]]) & set(scope["info"].subjects[~scope["test"]])
    assert set(scope["face"].probabilities) == set(scope["info"].label_names)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    "page", [page for page, blocks in PAGES.items() if any(language == "bash" for language, _ in blocks)]
)
def test_tutorial(page, tmp_path):
    if page in NEEDS:
        pytest.importorskip(NEEDS[page])
    script = ["set -euo pipefail", "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT"]
    for language, block in PAGES[page]:
        script.append(block if language == "bash" else f"python - <<'END_OF_BLOCK'\n{block}END_OF_BLOCK")
    text = "\n".join(script)
    for port in ("8500", "8501"):
        text = re.sub(rf"\b{port}\b", free_port(), text)
    env = {
        **os.environ,
        "PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "PYTHONWARNINGS": "ignore",
    }
    ran = subprocess.run(["bash", "-c", text], cwd=tmp_path, env=env, capture_output=True, text=True)
    print(ran.stdout)
    assert ran.returncode == 0, f"{ran.stdout[-3000:]}\n{ran.stderr[-5000:]}"
    assert "Traceback" not in ran.stderr
