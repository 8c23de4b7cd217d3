import pathlib
import types

import pytest
import typer.testing

from fer_keras.errors import InputError
from tfx_pipeline import run_local
from tfx_pipeline.commands import app


def run(*arguments):
    return typer.testing.CliRunner().invoke(app, ["run", *map(str, arguments)])


def test_help_has_an_example():
    assert "Example: fer-keras pipeline run" in run("--help").output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--corpus", "folder"], "--data is missing"),
        (["--corpus", "ck_plus", "--data", "/no/such"], "/no/such: no such folder"),
        (["--corpus", "nothing", "--data", "/no/such"], "unknown corpus"),
    ],
)
def test_bad_input_is_an_input_error(arguments, message, tmp_path):
    result = run(*arguments, "--out", tmp_path / "run")
    assert isinstance(result.exception, InputError)
    assert message in str(result.exception)


def test_more_folds_than_people(ck_plus, tmp_path):
    result = run("--corpus", "ck_plus", "--data", ck_plus, "--out", tmp_path)
    assert "3 labelled subjects, fewer than the 10 folds" in str(result.exception)


@pytest.mark.parametrize(("version", "code"), [(None, 2), (pathlib.Path("saved_models/fer/1"), 0)])
def test_exit_status_says_whether_a_model_was_pushed(version, code, ck_plus, tmp_path, monkeypatch):
    reason = "" if version else "not blessed: accuracy 0.250 < threshold 0.500"
    result = types.SimpleNamespace(
        version=version, reason=reason, accuracy=0.25, faces=63, skipped=0, log=tmp_path / "log"
    )
    monkeypatch.setattr(run_local, "run_local", lambda config, on_progress: result)
    outcome = run("--corpus", "ck_plus", "--data", ck_plus, "--out", tmp_path, "--folds", 3)
    assert outcome.exit_code == code
    assert "0.250" in outcome.output


def test_a_failed_component_is_one_line(ck_plus, tmp_path, monkeypatch, capfd):
    def fail(config, on_progress):
        raise run_local.PipelineError("Trainer failed: OSError: disk full; the log is here")

    monkeypatch.setattr(run_local, "run_local", fail)
    outcome = run("--corpus", "ck_plus", "--data", ck_plus, "--out", tmp_path, "--folds", 3)
    assert outcome.exit_code == 1
    assert "error: Trainer failed: OSError: disk full; the log is here\n" in capfd.readouterr().out
