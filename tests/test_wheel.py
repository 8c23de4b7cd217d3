"""The wheel: what is in it, and that it works in an empty environment, offline, with no extra. `make test-wheel`."""

import json
import pathlib
import shutil
import subprocess
import zipfile

import pytest

TOP = pathlib.Path(__file__).parent.parent
PYTHONS = ("3.10", "3.11", "3.12", "3.13")

DRAW = """
import cv2
from fer_keras.corpora.synthetic import SIZES, draw_sequence

*_, apex = draw_sequence(SIZES["small"], 0, 0, 1, "happiness")
cv2.imwrite("photo.png", apex.image)
"""

IMPORT = """
import json, sys, time

def clock():
    return time.perf_counter(), time.process_time()

start = clock()
import tensorflow
middle = clock()
import fer_keras
fer_keras.Recognizer, fer_keras.AlexNetEmotion
end = clock()
print(json.dumps({
    "tensorflow": [b - a for a, b in zip(start, middle)],
    "fer_keras": [b - a for a, b in zip(middle, end)],
    "not_here": sorted({"tfx", "apache_beam", "grpc", "tensorflow_serving", "starlette"} & set(sys.modules)),
}))
"""


def find_uv():
    for found in (shutil.which("uv"), TOP / ".tools" / "uv" / "bin" / "uv"):
        if found and pathlib.Path(found).exists():
            return str(found)
    uv = pytest.importorskip("uv")
    return uv.find_uv_bin()


def find_python(version):
    """A Python that uv or pyenv has, as scripts/setup looks for it."""
    command = [find_uv(), "python", "find", "--system", "--no-project", "--no-python-downloads", version]
    found = subprocess.run(command, capture_output=True, text=True)
    if found.returncode == 0:
        return found.stdout.strip()
    inactive = sorted(pathlib.Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    return str(inactive[-1]) if inactive else None


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([find_uv(), "build", "--wheel", "--quiet", "--out-dir", folder, TOP], check=True)
    (file,) = folder.glob("*.whl")
    return file


@pytest.mark.slow
def test_holds_what_is_needed_and_no_more(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tracked = subprocess.run(["git", "ls-files", "fer_keras", "serving", "tfx_pipeline"], cwd=TOP, capture_output=True)
    if tracked.returncode == 0:  # a clone; weights, pages and configuration files are all there
        assert set(tracked.stdout.decode().split()) <= set(names)
    for file in ("presets/alexnet_emotion_fer2013/model.keras", "presets/alexnet_emotion_fer2013/README.md"):
        assert f"fer_keras/{file}" in names
    for name in names:
        assert name.startswith(("fer_keras/", "serving/", "tfx_pipeline/", "fer_keras-")), name
        assert "__pycache__" not in name
        assert "test_" not in name
        assert not name.endswith(("py.typed", ".pyc")), f"{name}: the code has no type annotations"
    metadata = zipfile.ZipFile(wheel).read(next(name for name in names if name.endswith("METADATA"))).decode()
    assert "Requires-Python: <3.14,>=3.10" in metadata
    assert wheel.stat().st_size < 5e6


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("version", PYTHONS)
def test_predicts_offline_from_an_empty_environment(wheel, version, tmp_path):
    python = find_python(version)
    if not python:
        pytest.skip(f"no Python {version} here")
    uv, env = find_uv(), tmp_path / "env"
    clean = {"PATH": f"{env}/bin:/usr/bin:/bin", "HOME": str(tmp_path), "TF_CPP_MIN_LOG_LEVEL": "3"}

    def run(*command, offline=True, check=True):
        offline = ["unshare", "--map-root-user", "--net"] if offline and can_unshare() else []
        ran = subprocess.run([*offline, *command], cwd=tmp_path, env=clean, capture_output=True, text=True)
        assert not check or ran.returncode == 0, ran.stdout + ran.stderr
        return ran

    subprocess.run([uv, "venv", "--quiet", "--python", python, env], check=True)
    subprocess.run(
        [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", env / "bin/python", wheel], check=True
    )
    run("python", "-c", DRAW)
    answer = run("fer-keras", "predict", "photo.png").stdout
    assert "happiness" in answer, answer

    assert "serve" in run("fer-keras", "--help").stdout
    (tmp_path / "fer.yaml").write_text("corpus: {name: synthetic}")
    commands = {
        "serving": ("serve", "demo", "client photo.png"),
        "pipeline": ("pipeline run --corpus synthetic", "pipeline status", "pipeline compile --config fer.yaml"),
        "tuner": ("tune --corpus synthetic",),
    }
    for extra, lines in commands.items():
        for line in lines:
            refused = run("fer-keras", *line.split(), check=False)
            assert refused.returncode == 1, line
            assert f"pip install 'fer-keras[{extra}]'" in refused.stderr, (line, refused.stderr)
            assert "Traceback" not in refused.stderr

    runs = [json.loads(run("python", "-c", IMPORT).stdout.splitlines()[-1]) for _ in range(3)]
    assert all(one["not_here"] == [] for one in runs)
    times = {name: [min(one[name][clock] for one in runs) for clock in (0, 1)] for name in ("tensorflow", "fer_keras")}
    print(f"Python {version}: seconds by the clock and of the processor, the least of 3: {times}")
    assert times["fer_keras"][1] < 3.0  # processor time: the machine may be busy


def can_unshare():
    """Whether a process may be started without a network."""
    return (
        bool(shutil.which("unshare"))
        and not subprocess.run(["unshare", "--map-root-user", "--net", "true"], capture_output=True).returncode
    )
