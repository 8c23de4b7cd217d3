"""`fer-keras export` for the formats of one file; `tests/fer_keras/test_cli.py` has the SavedModel."""

import subprocess
import sys
import zipfile

import pytest

from fer_keras import cli
from fer_keras.corpora.corpus import Sample
from fer_keras.corpora.records import make_record, write_records
from fer_keras.faces.image import encode_png

pytestmark = pytest.mark.slow


@pytest.fixture
def run(monkeypatch, capfd):
    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["fer-keras", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "200")
        capfd.readouterr()
        with pytest.raises(SystemExit) as stop:
            cli.main()
        return (stop.value.code or 0, *capfd.readouterr())

    return run


@pytest.fixture(scope="module")
def trained(small_model, smooth_faces, tmp_path_factory):
    """A folder in the form of a run: a model and 30 records."""
    directory = tmp_path_factory.mktemp("run")
    small_model.save_to_preset(directory / "model")
    (directory / "records").mkdir()
    rows = [
        make_record(encode_png(face[..., 0]), Sample("folder", "s", str(number), None, label="happiness"))
        for number, face in enumerate(smooth_faces[:30])
    ]
    write_records(directory / "records" / "faces-00000-of-00001.tfrecord.gz", rows)
    return directory


@pytest.mark.parametrize("export_format", ["tflite", "tflite_dynamic", "tflite_int8", "onnx"])
def test_files_are_checked_on_the_run_s_faces(run, trained, tmp_path, export_format):
    if export_format == "onnx":
        pytest.importorskip("tf2onnx")
        pytest.importorskip("onnxruntime")
    file = tmp_path / "new" / "fer"
    status, out, _ = run("export", "--model", trained, "--format", export_format, "--out", file)
    assert status == 0
    assert f"Exported: {file}, {file.stat().st_size:,} bytes" in out
    assert "Checked against Keras on 30 faces: probabilities differ by at most" in out
    if export_format != "onnx":
        assert zipfile.ZipFile(file).read("labels.txt") == b"neutral\nhappiness\nsurprise\n"


def test_a_model_alone_is_checked_on_noise_or_on_given_records(run, trained, tmp_path):
    model = trained / "model"
    status, out, _ = run("export", "--model", model, "--format", "tflite", "--out", tmp_path / "a")
    assert status == 0
    assert "on 16 faces of noise" in out
    given = ("--format", "tflite_int8", "--data", trained / "records")
    status, out, _ = run("export", "--model", model, *given, "--out", tmp_path / "b")
    assert status == 0
    assert "on 30 faces: " in out


def test_a_corpus_gives_the_faces(run, trained, tiny_ck_plus, tmp_path):
    corpus = ("--corpus", "ck_plus", "--data", tiny_ck_plus)
    status, out, _ = run("export", "--model", trained, "--format", "tflite", *corpus, "--out", tmp_path / "a")
    assert status == 0
    # Three subjects, three frames each of happiness and of surprise; none is neutral.
    assert "on 18 faces: " in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "{run}", "--format", "tflite"], "--out is missing; expected the name of a file"),
        (
            ["--model", "{run}", "--format", "torch"],
            "--format torch: expected one of saved_model, tflite, tflite_dynamic, tflite_int8, onnx",
        ),
        (["--model", "{run}/model", "--format", "tflite_int8", "--out", "x"], "has no face records to calibrate on"),
        (["--model", "{run}", "--format", "tflite", "--out", "{run}"], "is a folder; expected the name of a file"),
        (["--model", "{run}", "--format", "tflite", "--out", "x", "--tolerance", "0"], "expected at most 0"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(run, trained, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    status, out, err = run("export", *(part.format(run=trained) for part in arguments))
    assert status == 1
    assert err.splitlines()[-1].startswith("error: ")
    assert message in err.splitlines()[-1]
    assert out == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("tolerance", "lines"), [("1", 0), ("0", 1)])
def test_installed_command_keeps_the_converters_quiet(trained, tmp_path, tolerance, lines):
    command = [sys.executable, "-m", "fer_keras", "export", "--model", trained, "--format", "tflite_int8"]
    command += ["--out", tmp_path / "fer.tflite", "--tolerance", tolerance]
    answer = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert answer.returncode == lines
    assert len(answer.stderr.splitlines()) == lines, answer.stderr
