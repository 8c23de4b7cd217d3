import dataclasses
import os
import pathlib
import subprocess
import sys

import pytest
import typer.testing

from fer_keras.errors import InputError
from fer_keras.training.static import StaticConfig
from fer_keras.training.video import VideoConfig
from tfx_pipeline import run_local
from tfx_pipeline.commands import app


def run(*arguments):
    return typer.testing.CliRunner().invoke(app, ["run", *map(str, arguments)])


def test_help_has_an_example_and_the_defaults():
    output = run("--help").output
    assert "Example: fer-keras pipeline run" in output
    for default in ("synthetic", "runs/pipeline", "saved_models/fer", "10", "0.5", "static"):
        assert f"[{default}]" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--corpus", "folder"], "corpus.data, is missing"),
        (["--corpus", "ck_plus", "--data", "/no/such"], "/no/such: no such folder"),
        (["--corpus", "nothing", "--data", "/no/such"], "unknown corpus"),
        (["--task", "video", "--frame-model", "/no/such"], "/no/such: no model found"),
        (["--frames", "4"], "--frames is for --task video"),
        (["--config", "/no/such"], "/no/such: No such file"),
        (["--task", "audio"], "task must be one of static, video, occluded, received 'audio'"),
        (["--folds", "3", "--test-fold", "3"], "test_fold must be in 0 ... 2, received 3"),
        (["--cross-validate", "--no-cross-validate"], "expected one of them, or neither"),
    ],
)
def test_bad_input_is_an_input_error(arguments, message, tmp_path):
    result = run(*arguments, "--out", tmp_path / "run")
    assert isinstance(result.exception, InputError)
    assert message in str(result.exception)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "option", [("--folds", "1"), ("--test-fold", "-1"), ("--min-accuracy", "1.5"), ("--max-drop", "-0.1")]
)
def test_an_option_out_of_its_range_is_named(option, tmp_path):
    result = run(*option, "--out", tmp_path / "run")
    assert result.exit_code == 2
    assert f"Invalid value for '{option[0]}'" in result.output
    assert not (tmp_path / "run").exists()


def test_a_push_that_could_not_be_done_stops_before_the_work(ck_plus, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    (tmp_path / "closed").mkdir(0o500)
    may_write = os.access  # a test that root runs may write anywhere
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path / "closed" and may_write(path, mode))
    for push_to, message in {
        tmp_path / "file": "file is a file; expected a folder",
        tmp_path / "file" / "fer": "file is a file; expected a folder",
        tmp_path / "closed" / "fer": "closed may not be written; expected a folder",
        ck_plus: "is in the corpus",
        ck_plus / "fer": "is in the corpus",
    }.items():
        result = run("--corpus", "ck_plus", "--data", ck_plus, "--out", tmp_path / "run", "--push-to", push_to)
        assert isinstance(result.exception, InputError)
        assert str(result.exception).startswith(f"push_to {push_to}: ")
        assert message in str(result.exception)
        assert not (tmp_path / "run").exists()
    result = run("--push-to", tmp_path / "run" / "corpus" / "fer", "--out", tmp_path / "run")
    assert "is in the corpus" in str(result.exception)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("out: {file}", "out {file}: {file} is a file; expected a folder"),
        ("serving_check: {folder}", "serving_check {folder}: is no program that may be run"),
        ("serving_check: {folder}/missing", "serving_check {folder}/missing: no such file"),
        ("data_gate: {{schema: {file}}}", "data_gate.schema {file}: is no schema as text (.pbtxt): "),
    ],
)
def test_what_is_not_there_is_found_before_the_run(text, message, ck_plus, tmp_path):
    file, places = tmp_path / "pipeline.yaml", {"file": tmp_path / "file", "folder": tmp_path}
    places["file"].write_text("no schema")
    corpus = f"corpus: {{name: ck_plus, data: {ck_plus}}}\nfolds: 3\n"
    file.write_text(corpus + text.format(**places))
    result = run("--config", file, "--push-to", tmp_path / "fer", *(() if "out" in text else ("--out", tmp_path / "r")))
    assert isinstance(result.exception, InputError)
    assert str(result.exception).startswith(message.format(**places))
    assert not (tmp_path / "r").exists()


def test_why_nothing_was_pushed_is_shown_as_it_is(ck_plus, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    reason = "not blessed: the server did not take it up: cannot load [bold]x[/bold]"
    result = run_local.PipelineResult(None, reason, 0.5, {}, 63, 0, {}, tmp_path / "log")
    monkeypatch.setattr(run_local, "run_local", lambda config, on_progress: result)
    outcome = run("--corpus", "ck_plus", "--data", ck_plus, "--out", tmp_path / "run", "--folds", 3)
    assert outcome.exit_code == 3
    assert f"nothing: {reason}" in outcome.output


def test_an_interrupt_says_how_to_go_on(ck_plus, tmp_path, monkeypatch, capfd):
    def interrupted(config, on_progress):
        raise KeyboardInterrupt

    monkeypatch.setattr(run_local, "run_local", interrupted)
    outcome = run("--corpus", "ck_plus", "--data", ck_plus, "--out", tmp_path / "run", "--folds", 3)
    assert outcome.exit_code == 130
    assert "interrupted; the same command goes on where it was" in capfd.readouterr().out


def test_a_rerun_says_that_nothing_was_pushed(ck_plus, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    for version in "5", "6":
        (tmp_path / "fer" / version).mkdir(parents=True)
    (tmp_path / "fer" / "5" / "saved_model.pb").touch()
    result = run_local.PipelineResult(
        tmp_path / "fer" / "5", "", 0.5, {}, 63, 0, {}, tmp_path / "log", newly_pushed=False
    )
    monkeypatch.setattr(run_local, "run_local", lambda config, on_progress: result)
    command = ("--corpus", "ck_plus", "--data", ck_plus, "--out", tmp_path / "run", "--folds", 3)
    outcome = run(*command, "--push-to", tmp_path / "fer")
    assert outcome.exit_code == 0
    assert "nothing: version 5 with this model is served already" in outcome.output
    (tmp_path / "fer" / "6" / "saved_model.pb").touch()
    outcome = run(*command, "--push-to", tmp_path / "fer")
    assert "nothing: version 5 holds this model, and version 6 is served" in outcome.output


@pytest.mark.parametrize(("skipped", "end"), [(0, "skipped: 0 pictures"), (1, "skipped: 1 picture, see ")])
def test_infer_names_what_lists_the_skipped_pictures(skipped, end, tmp_path, monkeypatch):
    answers = tmp_path / "answers.csv"
    monkeypatch.setattr(run_local, "infer_local", lambda *arguments: (answers, 7, skipped))
    result = typer.testing.CliRunner().invoke(app, ["infer", "--data", str(tmp_path), "--out", str(tmp_path)])
    expected = end + (str(tmp_path / "skipped.txt") if skipped else "")
    assert f"7 answers in {answers}; {expected}\n" in result.output


def test_the_commands_are_there_without_the_extra():
    """The command line imports them all, in an environment without the extra `pipeline` and on Windows too."""
    missing = "import sys; sys.modules.update(dict.fromkeys(['yaml', 'tfx', 'fcntl']));"
    subprocess.run([sys.executable, "-c", f"{missing} import tfx_pipeline.commands"], check=True)


def test_what_is_wrong_shows_before_the_libraries_are_loaded(tmp_path, monkeypatch):
    from fer_keras import console
    from tfx_pipeline.run_lock import one_run

    def load_libraries():
        raise AssertionError("they take seconds")

    monkeypatch.setattr(console, "load_libraries", load_libraries)

    def refused(*options):
        return str(typer.testing.CliRunner().invoke(app, [*map(str, options)]).exception)

    file, out = tmp_path / "pipeline.yaml", tmp_path / "run"
    file.write_text("corpus: [")
    for options in (("run",), ("compile",), ("tune", "--out", out)):
        assert refused(*options, "--config", file).startswith(f"{file}: is not YAML")
    file.write_text(f"{{corpus: {{name: synthetic}}, out: {out}}}")
    with one_run(out):
        for options in (
            ("run", "--config", file),
            ("run", "--out", out),
            ("tune", "--config", file, "--out", out),
            ("infer", "--data", tmp_path, "--out", out),
        ):
            assert refused(*options).startswith(f"{out}: another run is under way there")
    assert refused("run", "--config", file) == "they take seconds"


def test_compile_names_the_file_and_what_does_not_run_on_kubeflow(ck_plus, tmp_path):
    pytest.importorskip("kfp")
    file = tmp_path / "pipeline.yaml"
    file.write_text(f"""
corpus: {{name: ck_plus, data: {ck_plus}}}
folds: 3
serving_check: tensorflow/serving:2.16.1
push_to: {ck_plus}
kubeflow: {{image: a, pipeline_root: gs://b/c, data: /d, push_to: /e}}
""")
    command = ["compile", "--config", str(file), "--to", str(tmp_path / "fer.yaml")]
    result = typer.testing.CliRunner().invoke(app, command)
    assert str(result.exception).startswith(f"{file}: serving_check must be embedded, empty or the path of")
    assert not (tmp_path / "fer.yaml").exists()


def test_options_win_over_a_file(ck_plus, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(run_local, "run_local", lambda config, on_progress: asked.append(config))
    file = tmp_path / "pipeline.yaml"
    file.write_text(f"corpus: {{name: ck_plus, data: {ck_plus}}}\ncross_validate: true\nfolds: 3\n")
    command = ("--config", file, "--out", tmp_path / "run")
    run(*command)
    run(*command, "--no-cross-validate", "--folds", 2)
    assert [(one.cross_validate, one.folds) for one in asked] == [(True, 3), (False, 2)]


def test_options_and_file_of_a_training_on_clips(ck_plus, tmp_path, monkeypatch):
    asked = []

    def note(config, on_progress):
        asked.append(config.training)
        raise run_local.PipelineError("enough")

    monkeypatch.setattr(run_local, "run_local", note)
    file = tmp_path / "config.json"
    file.write_text('{"units": 32, "frames": 9, "seed": 3, "encoder": {"epochs": 5, "width": 0.5}}')
    command = ("--task", "video", "--corpus", "ck_plus", "--data", ck_plus, "--folds", 3, "--config", file)
    run(*command, "--out", tmp_path / "one")
    run(*command, "--out", tmp_path / "two", "--frames", 4, "--encoder-epochs", 2, "--sampling", "all", "--seed", 7)
    run(*command, "--out", tmp_path / "three", "--frame-model", "alexnet_emotion_fer2013")
    encoder = StaticConfig(epochs=5, width=0.5)
    config = VideoConfig(units=32, frames=9, seed=3, encoder=encoder)
    more = {"frames": 4, "seed": 7, "sampling": "all", "encoder": dataclasses.replace(encoder, epochs=2)}
    assert asked == [
        config,
        dataclasses.replace(config, **more),
        dataclasses.replace(config, frame_model="alexnet_emotion_fer2013"),
    ]


def test_more_folds_than_people(ck_plus, tmp_path):
    result = run("--corpus", "ck_plus", "--data", ck_plus, "--out", tmp_path)
    assert "3 labelled subjects, fewer than the 10 folds" in str(result.exception)


@pytest.mark.parametrize(("version", "code"), [(None, 3), (pathlib.Path("saved_models/fer/1"), 0)])
def test_exit_status_says_whether_a_model_was_pushed(version, code, ck_plus, tmp_path, monkeypatch):
    reason = "" if version else "not blessed: accuracy 0.250 < threshold 0.500"
    result = run_local.PipelineResult(version, reason, 0.25, {}, 63, 0, {}, tmp_path / "log")
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
