"""Rules of the house that ruff has no rule for; CONTRIBUTING.md gives the reasons."""

import pathlib
import re
import subprocess
import sys

import pytest

TOP = pathlib.Path(__file__).parent.parent
LIBRARY = [file for package in ("fer_keras", "tfx_pipeline", "serving") for file in (TOP / package).rglob("*.py")]
CODE = LIBRARY + [file for folder in ("tests", "benchmarks", "scripts") for file in (TOP / folder).rglob("*.py")]

FORBIDDEN = {
    r"\btf\.keras\b": "importing tensorflow_transform turns it into Keras 2",
    r"from tensorflow import keras|from tensorflow\.keras|import tensorflow\.keras": "the same",
    r"\bkeras\.src\b": "private",
    r"\bcv2\.data\b|\bCascadeClassifier\b": "OpenCV 5's wheels have no cascades",
}


@pytest.mark.parametrize("pattern", FORBIDDEN)
def test_forbidden(pattern):
    # Documentation may name what is forbidden, in backquotes.
    hits = [
        f"{file.relative_to(TOP)}:{number}: {line.strip()}"
        for file in CODE
        if file != pathlib.Path(__file__)
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if re.search(pattern, re.sub(r"`[^`]*`", "", line))
    ]
    assert not hits, f"{FORBIDDEN[pattern]}: {hits}"


def test_there_is_code_to_check():
    assert len(LIBRARY) > 30


@pytest.mark.slow
@pytest.mark.parametrize(
    "package",
    ["fer_keras", "fer_keras.cli", "serving", "serving.commands", "serving.demo_command", "tfx_pipeline.commands"],
)
def test_imports_are_light_and_go_one_way(package):
    """`fer_keras` imports neither of its sisters, and no command waits for TensorFlow before it is run."""
    program = (
        f"import sys, {package}\n"
        "heavy = {'tensorflow', 'keras', 'tfx', 'apache_beam', 'grpc', 'starlette', 'cv2'} & set(sys.modules)\n"
        f"sisters = {{'serving', 'tfx_pipeline'}} - {{{package.partition('.')[0]!r}}}\n"
        "print(sorted(heavy | (sisters & set(sys.modules))))"
    )
    answer = subprocess.run([sys.executable, "-c", program], cwd=TOP, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


@pytest.mark.slow
def test_the_library_imports_neither_tfx_nor_the_server():
    program = (
        "import sys, fer_keras.recognizer, fer_keras.training.run, fer_keras.export\n"
        "not_here = {'tfx', 'apache_beam', 'grpc', 'tensorflow_serving', 'serving', 'tfx_pipeline'}\n"
        "print(sorted(not_here & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", program], cwd=TOP, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_imports_within_the_library_go_downwards():
    order = [
        ("errors", "emotions", "landmarks", "console", "json_file", "plural", "report"),
        ("layers", "losses", "corpora", "faces", "occlusion", "augmentation"),
        ("models",),
        ("training", "evaluation", "explain", "export", "recognizer", "testing", "video"),
        ("experiments",),
        ("cli_options",),
        ("cli_experiment",),
        ("cli",),
    ]
    rank = {name: level for level, names in enumerate(order) for name in names}
    wrong = []
    for file in (TOP / "fer_keras").rglob("*.py"):
        here = file.relative_to(TOP / "fer_keras").parts[0].removesuffix(".py")
        for name in re.findall(r"(?:from|import) fer_keras\.(\w+)", file.read_text()):
            if not here.startswith("__") and rank[name] > rank[here]:
                wrong.append(f"{file.relative_to(TOP)} imports fer_keras.{name}")
    assert not wrong
