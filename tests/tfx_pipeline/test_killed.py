"""The pipeline killed with signal 9 in the middle of components, and run again."""

import dataclasses
import pathlib
import signal
import subprocess
import sys

import pytest
import tensorflow as tf

from fer_keras.corpora.synthetic import SIZES, write_ck_plus

pytestmark = [pytest.mark.tfx, pytest.mark.slow, pytest.mark.long]

PROGRAM = """
from tfx_pipeline.commands import app
app()
"""
KILLED_IN_PUSHER = """
import os, shutil, types
import tfx_pipeline.pusher
def copy_and_die(source, target):
    shutil.copytree(source, target)
    (target / "saved_model.pb").unlink()
    os.kill(os.getpid(), 9)
tfx_pipeline.pusher.shutil = types.SimpleNamespace(copytree=copy_and_die)
"""


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    size = dataclasses.replace(SIZES["small"], subjects=4, frames=3)
    return write_ck_plus(tmp_path_factory.mktemp("corpus") / "ck_plus", size)


def run(people, out, until=None, patch=""):
    """Runs the command; kills it when a line begins with `until`. Returns its exit status and its lines."""
    options = ["--corpus", "ck_plus", "--data", people, "--folds", 4, "--epochs", 12, "--min-accuracy", 0]
    command = ["run", *options, "--cross-validate", "--out", out / "run", "--push-to", out / "fer"]
    process = subprocess.Popen(
        [sys.executable, "-c", patch + PROGRAM, *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines = []
    for line in process.stdout:
        lines.append(line.strip())
        if until and lines[-1].startswith(until):
            process.kill()  # the processes of the folds end with it
            break
    process.stdout.close()
    return process.wait(), lines


def test_killed_in_transform_in_a_fold_and_in_the_pusher(people, tmp_path):
    status, lines = run(people, tmp_path, until="DataGate (")
    assert status == -signal.SIGKILL, lines
    status, lines = run(people, tmp_path, until="fold 3: epoch 4")
    assert status == -signal.SIGKILL, lines
    assert "CorpusExampleGen (cached)" in lines
    assert any(line.startswith("Transform (") and "cached" not in line for line in lines)
    status, lines = run(people, tmp_path, patch=KILLED_IN_PUSHER)
    assert status == -signal.SIGKILL, lines
    assert "Transform (cached)" in lines
    assert any(line.startswith("fold 3: Trainer (") and "cached" not in line for line in lines)
    assert [path.name[0] for path in (tmp_path / "fer").iterdir()] == ["."]  # half a version, which nobody serves

    status, lines = run(people, tmp_path)
    assert status == 0, lines
    assert {f"fold {fold}: Trainer (cached)" for fold in range(4)} <= set(lines)
    (version,) = (tmp_path / "fer").iterdir()
    assert tf.saved_model.load(str(version)).signatures["serving_default"]
    assert pathlib.Path(version, "assets.extra", "figures.json").exists()

    status, lines = run(people, tmp_path)
    assert status == 0
    assert {line for line in lines if "(" in line and " s)" in line} == {
        line for line in lines if line.startswith(("loaded TFX", "DataGate", "Pusher"))
    }
    assert list((tmp_path / "fer").iterdir()) == [version]
