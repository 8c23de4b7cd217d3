"""The commands as a person types them, in this process: starting TensorFlow for every one would take minutes."""

import csv
import json
import re
import subprocess
import sys

import cv2
import numpy as np
import pytest

from fer_keras import cli
from fer_keras.corpora.motion_jpeg import encode_avi
from fer_keras.corpora.synthetic import SIZES, draw_sequence
from fer_keras.models import VideoEmotion
from fer_keras.models.preset import load_preset

TINY = ["--epochs", "2", "--batch-size", "8"]


@pytest.fixture
def run(monkeypatch, capfd):
    """Runs a command line; returns exit status, standard output and standard error."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["fer-keras", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "200")
        capfd.readouterr()
        try:
            cli.main()
            status = 0
        except SystemExit as stop:
            status = stop.code or 0
        return (status, *capfd.readouterr())

    return run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Four drawn people, happy and surprised, in the form of a `labels.csv` folder."""
    directory = tmp_path_factory.mktemp("folder")
    rows = [("path", "subject", "label", "pose")]
    for person in range(4):
        for sequence, emotion in enumerate(("happiness", "surprise")):
            *_, apex = draw_sequence(SIZES["small"], 0, person, sequence, emotion)
            name = f"{person}_{emotion}.png"
            cv2.imwrite(str(directory / name), apex.image)
            rows.append((name, f"p{person}", emotion, "left" if person % 2 else "right"))
    with (directory / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return directory


@pytest.fixture(scope="module")
def trained(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "mine"
    command = ["train", "--corpus", "folder", "--data", str(folder), "--out", str(out), "--folds", "2", *TINY]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["fer-keras", *command])
        with pytest.raises(SystemExit) as stop:
            cli.main()
    assert not stop.value.code
    return out


@pytest.mark.parametrize(
    "command",
    [
        *("prepare", "train", "tune", "evaluate", "predict", "export", "serve", "pipeline", "pipeline run"),
        *("experiment table1", "experiment ablation", "experiment video", "experiment occlusion"),
    ],
)
def test_every_command_has_help_with_an_example(run, command):
    status, out, _ = run(*command.split(), "--help")
    assert status == 0
    if command != "pipeline":
        assert f"fer-keras {command} " in out


@pytest.mark.slow
def test_train_reports_mean_and_deviation_over_folds(run, folder, tmp_path):
    status, out, _ = run(
        "train", "--corpus", "folder", "--data", folder, "--out", tmp_path / "r", "--folds", "2", *TINY
    )
    assert status == 0
    assert "folder, 2 subject-wise folds, seed 0, mean ± std over folds" in out
    results = json.loads((tmp_path / "r" / "results.json").read_text())
    mean, std = (results["cross_validation"][key]["frame"]["accuracy"] for key in ("mean", "std"))
    assert f"accuracy {mean:.3f} ± {std:.3f}" in out
    assert results["subjects_by_fold"] == [2, 2]


@pytest.mark.slow
def test_a_finished_run_is_not_overwritten_but_resumed(run, folder, trained):
    before = (trained / "model" / "model.keras").read_bytes()
    same = ("train", "--corpus", "folder", "--data", folder, "--out", trained, "--folds", "2", *TINY)
    status, _, err = run(*same)
    assert (status, len(err.splitlines())) == (1, 1)
    assert "add --resume to continue it" in err
    assert run(*same, "--resume")[0] == 0
    assert (trained / "model" / "model.keras").read_bytes() == before
    status, _, err = run(*same, "--resume", "--seed", "5")
    assert status == 1
    assert "was started with another value of seed" in err


@pytest.mark.slow
def test_predict_names_expressions_and_skips_what_it_cannot_read(run, folder, trained, tmp_path):
    grey = tmp_path / "grey.png"
    cv2.imwrite(str(grey), np.full((100, 100, 3), 127, np.uint8))
    status, out, err = run("predict", "--model", trained, folder / "0_surprise.png", grey, tmp_path / "gone.png")
    assert status == 0
    assert "0_surprise.png" in out
    assert "happiness" in out
    assert len(err.splitlines()) == 2
    assert "grey.png: no face found" in err
    assert "gone.png" in err
    assert run("predict", "--model", trained, "--strict", folder / "0_surprise.png", grey)[0] == 1
    status, _, err = run("predict", "--model", trained, grey)
    assert status == 1
    assert "no face found" in err


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Twelve drawn frames at 24 a second, black from the fifth to the seventh."""
    path = tmp_path_factory.mktemp("clips") / "film.avi"
    frames = [frame.image for frame in draw_sequence(SIZES["small"], 0, 4, 1, "happiness", offset=True)] * 2
    frames[4:7] = [np.zeros_like(frames[0])] * 3
    path.write_bytes(encode_avi(frames, 24))
    return path


@pytest.mark.slow
def test_predict_reads_a_clip_into_files(run, clip, tmp_path):
    pytest.importorskip("matplotlib", reason="needs the extra report")
    status, out, err = run("predict", clip, "--out", tmp_path / "read", "--annotate")
    assert (status, err) == (0, "")
    assert "film.avi: 12 frames, 0.5 s" in out
    assert "0-11" in out
    assert "9 frames" in out
    assert "no face: frames 4-6" in out
    assert "× real time" in out
    assert f"Timeline: {tmp_path}/read/film.csv, {tmp_path}/read/film.json, {tmp_path}/read/film.png" in out
    assert f"Annotated copy, without sound: {tmp_path}/read/film.annotated.mp4" in out
    names = ["film.annotated.mp4", "film.csv", "film.json", "film.png"]
    assert sorted(path.name for path in (tmp_path / "read").iterdir()) == names
    with (tmp_path / "read" / "film.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["gap"] for row in rows] == [""] * 4 + ["no face"] * 3 + [""] * 5
    assert len(json.loads((tmp_path / "read" / "film.json").read_text())["rows"]) == 12


@pytest.mark.slow
def test_predict_reads_a_part_of_a_clip(run, clip, folder):
    status, out, err = run("predict", clip, "--every", "2", "--max-frames", "3")
    assert (status, err) == (0, "")
    assert "film.avi: 3 frames (every 2), 0.2 s" in out
    assert "film.avi: 5 frames, 0.2 s" in run("predict", clip, "--seconds", "0.2")[1]
    status, _, err = run("predict", folder, "--seconds", "1")
    assert status == 1
    assert "frames have no times" in err


@pytest.mark.slow
def test_predict_takes_pictures_clips_and_folders_and_goes_on_after_bad_ones(run, clip, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.mp4").write_bytes(b"no clip")
    bad = ("empty", "broken.mp4", "gone.mp4", "97")
    status, out, err = run("predict", folder / "0_surprise.png", *bad, folder, clip)
    assert status == 0
    assert f"{folder}: 8 frames" in out
    assert "film.avi: 12 frames" in out
    assert "0_surprise.png" in out
    for line, message in zip(
        err.splitlines(),
        ("empty: holds no picture", "broken.mp4: is not a video", "gone.mp4: no such file", "webcam 97: cannot be"),
        strict=True,
    ):
        assert line.startswith(f"skipped {message}")
    for one in bad:
        status, out, err = run("predict", one)
        assert (status, out.strip(), len(err.splitlines())) == (1, "", 1)
    status, _, err = run("predict", "--strict", "empty", clip)
    assert status == 1
    assert err.startswith("error: empty: holds no picture")


@pytest.mark.slow
def test_predict_says_which_frames_are_gaps(run, folder, tmp_path):
    frames = tmp_path / "frames"
    frames.mkdir()
    picture = (folder / "0_surprise.png").read_bytes()
    for number, content in enumerate((picture, b"?", picture)):
        (frames / f"{number}.png").write_bytes(content)
    cv2.imwrite(str(frames / "3.png"), cv2.resize(cv2.imread(str(folder / "0_surprise.png")), (240, 240)))
    status, out, _ = run("predict", frames, "--out", tmp_path / "read", "--annotate")
    assert status == 0
    assert f"no picture: frame 1: {frames}/1.png: is not an image" in out
    assert "4 frames in" in out
    nobody = tmp_path / "nobody"
    nobody.mkdir()
    cv2.imwrite(str(nobody / "0.png"), np.full((100, 100, 3), 127, np.uint8))
    status, out, _ = run("predict", nobody)
    assert status == 0
    assert "no face found" in out
    assert "no face: frame 0" in out


@pytest.mark.slow
def test_clips_of_one_name_go_into_files_of_their_own(run, clip, tmp_path):
    (tmp_path / "film.avi").write_bytes(clip.read_bytes())
    assert run("predict", clip, tmp_path / "film.avi", "--max-frames", "1", "--out", tmp_path / "read")[0] == 0
    assert {path.stem for path in (tmp_path / "read").iterdir()} == {"1-film", "2-film"}


def test_predict_options_that_do_not_go_together(run, clip, folder, tmp_path):
    status, _, err = run("predict", clip, "--annotate")
    assert (status, err.strip()) == (1, "error: --annotate: expected --out as well, the folder to write to")
    status, _, err = run("predict", folder / "0_surprise.png", "--out", tmp_path / "read")
    assert status == 1
    assert "--out: is for clips" in err
    assert not (tmp_path / "read").exists()


@pytest.mark.slow
def test_ctrl_c_leaves_nothing_half_written(run, clip, tmp_path, monkeypatch):
    from fer_keras.video.frame_reader import FrameReader

    read, calls = FrameReader.read, []

    def interrupted(self, frames):
        calls.append(frames)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return read(self, frames)

    monkeypatch.setattr(FrameReader, "read", interrupted)
    (tmp_path / "long.avi").write_bytes(encode_avi([np.full((120, 160, 3), 90, np.uint8)] * 60, 24))
    status, _, err = run("predict", tmp_path / "long.avi", "--out", tmp_path / "read", "--annotate")
    assert status != 0
    assert "Traceback" not in err
    assert list((tmp_path / "read").iterdir()) == []


@pytest.mark.slow
def test_evaluate_says_when_the_people_were_trained_on(run, folder, trained, tmp_path):
    status, out, _ = run(
        "evaluate", "--model", trained, "--corpus", "folder", "--data", folder, "--out", tmp_path / "e.json"
    )
    assert status == 0
    assert "trained on 4 of these 4 subjects" in out
    assert 0 <= json.loads((tmp_path / "e.json").read_text())["frame"]["accuracy"] <= 1


@pytest.mark.slow
def test_export_writes_a_version(run, trained, tmp_path):
    status, out, _ = run("export", "--model", trained, "--out", tmp_path / "fer")
    (version,) = (tmp_path / "fer").iterdir()
    assert status == 0
    assert version.name in out.replace("\n", "")
    assert (version / "saved_model.pb").exists()


def test_prepare_selects(run, folder, tmp_path):
    status, out, _ = run(
        "prepare", "--corpus", "folder", "--data", folder, "--where", "pose=left", "--labels", "surprised",
        "--out", tmp_path / "records",
    )  # fmt: skip
    assert status == 0
    assert "2 faces of 2 pictures (surprise 2)" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--corpus", "folder", "--data", "{folder}/nowhere"], "nowhere: no such folder"),
        (["train", "--corpus", "folder", "--data", "{tmp}"], "no labels.csv found"),
        (["train", "--corpus", "folder"], "--data is missing"),
        (["train", "--corpus", "ferplus", "--data", "{folder}"], "unknown corpus 'ferplus'; expected one of"),
        (
            ["train", "--corpus", "folder", "--data", "{folder}", "--folds", "10"],
            "4 labelled subjects, fewer than the 10",
        ),
        (["train", "--corpus", "folder", "--data", "{folder}", "--labels", "bored"], "unknown label 'bored'"),
        (["train", "--corpus", "folder", "--data", "{folder}", "--where", "pose"], "expected KEY=VALUE"),
        (["train", "--corpus", "folder", "--data", "{folder}", "--learning-rate", "nan"], "learning_rate must be from"),
        (["train", "--corpus", "folder", "--data", "{folder}", "--image-size", "8"], "image_size must be from 32"),
        (["train", "--corpus", "folder", "--data", "{folder}", "--labels", "happy"], "at least 2 labels"),
        (
            ["train", "--corpus", "folder", "--data", "{folder}", "--folds", "2", "--out", "{tmp}/gone", "--resume"],
            "no run to resume",
        ),
        (
            ["train", "--corpus", "folder", "--data", "{folder}", "--folds", "2", "--out", "{folder}/labels.csv/x"],
            "Not a directory",
        ),
        (["prepare", "--corpus", "folder", "--data", "{folder}", "--out", "{folder}/labels.csv"], "File exists"),
        (["pipeline", "run", "--corpus", "folder", "--data", "{folder}", "--out", "{folder}"], "holds no pipeline"),
        (["train", "--corpus", "folder", "--data", "{folder}", "--epochs", "0"], "epochs must be from 1 to"),
        (["predict", "--model", "{tmp}", "x.png"], "no model found"),
        (["export", "--model", "{tmp}/gone"], "no model found"),
        (["serve", "--model-base-path", "{tmp}/gone", "--port", "0", "--rest-api-port", "0"], "gone"),
        (["pipeline", "run", "--corpus", "folder", "--data", "{tmp}/gone", "--out", "{tmp}/p"], "no such folder"),
    ],
)
def test_bad_input_is_one_line_and_no_traceback(run, folder, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    status, out, err = run(*(part.format(folder=folder, tmp=tmp_path) for part in arguments))
    assert status == 1
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert "Traceback" not in out + err


@pytest.mark.slow
def test_installed_command_keeps_the_libraries_quiet(trained, folder):
    command = [sys.executable, "-m", "fer_keras", "predict", "--model", trained, folder / "0_surprise.png"]
    answer = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    assert answer.stderr == ""
    assert answer.stdout.lstrip().startswith("┏")


@pytest.mark.slow
def test_prepare_draws_the_built_in_corpus(run, tmp_path):
    for _ in range(2):
        status, out, _ = run("prepare", "--corpus", "synthetic", "--labels", "fear", "--out", tmp_path / "records")
        assert status == 0
        assert "60 faces of 60 pictures (fear 60)" in out


@pytest.mark.slow
def test_file_names_are_shown_as_they_are(run, folder, trained, tmp_path):
    name = tmp_path / "a [red]b[bold].png"
    name.write_bytes((folder / "0_surprise.png").read_bytes())
    status, out, err = run("predict", "--model", trained, name, tmp_path / "no [/b].png")
    assert status == 0
    assert "a [red]b[bold].png" in out
    assert "no [/b].png" in err


@pytest.mark.slow
def test_damaged_run_is_named(run, folder, trained, tmp_path):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(trained, copy)
    again = ("train", "--corpus", "folder", "--data", folder, "--out", copy, "--folds", "2", *TINY, "--resume")
    (copy / "folds" / "fold-1.npz").write_bytes(b"")
    status, _, err = run(*again)
    assert status == 1
    assert "fold-1.npz: is damaged; remove it and resume" in err
    (copy / "run.json").write_text("")
    assert "run.json: is damaged" in run(*again)[2]


@pytest.mark.slow
def test_tune_finds_a_configuration_that_train_takes(run, folder, tmp_path):
    pytest.importorskip("keras_tuner", reason="the extra tuner is not installed")
    base, out = tmp_path / "base.json", tmp_path / "tune"
    base.write_text('{"width": 0.25, "batch_size": 4, "augmentation": null}')
    command = ["tune", "--corpus", "folder", "--data", folder, "--out", out, "--config", base, "--epochs", "1"]
    command += ["--parameters", "learning_rate,alpha", "--tuner", "random", "--validation-share", "0.3"]
    status, text, err = run(*command, "--trials", "1", "--resume")
    assert (status, "holds no search to resume" in err) == (1, True)
    status, text, err = run(*command, "--trials", "1")
    assert status == 0, err
    assert "Trials by val_loss" in text
    assert "partly the luckiest" in text
    assert f"Next: fer-keras train --config {out}/best.json --corpus folder --data {folder}" in text
    assert run(*command, "--trials", "2")[0] == 1
    status, text, err = run(*command, "--trials", "2", "--resume")
    assert status == 0, err
    best, rows = json.loads((out / "best.json").read_text()), json.loads((out / "results.json").read_text())["trials"]
    assert (best["width"], best["epochs"], best["seed"], len(rows)) == (0.25, 1, 0, 2)
    trained = tmp_path / "trained"
    status, _, err = run(
        *("train", "--corpus", "folder", "--data", folder, "--out", trained, "--folds", "0"),
        *("--config", out / "best.json", "--epochs", "2"),
    )
    assert status == 0, err
    config = json.loads((trained / "run.json").read_text())["config"]
    assert config == {**best, "epochs": 2}


def test_a_configuration_with_an_unknown_key(run, folder, tmp_path):
    file = tmp_path / "config.json"
    file.write_text('{"learning_rat": 0.1}')
    status, _, err = run("train", "--corpus", "folder", "--data", folder, "--out", tmp_path / "r", "--config", file)
    assert (status, len(err.splitlines())) == (1, 1)
    assert "unknown key learning_rat; did you mean learning_rate?" in err


@pytest.mark.parametrize("missing", ["tfx", "kfp", "ml_metadata", "tensorflow_model_analysis"])
def test_the_pipeline_without_its_extra_says_what_to_install(run, missing, monkeypatch):
    def command():
        raise ModuleNotFoundError(f"No module named '{missing}.proto'", name=f"{missing}.proto")

    monkeypatch.setattr(cli, "app", command)
    monkeypatch.setattr(cli, "_add_commands", lambda: None)
    status, _, err = run("pipeline", "status")
    assert status == 1
    assert err.splitlines() == [f"error: {missing} is not installed; run: pip install 'fer-keras[pipeline]'"]


def test_no_help_is_taken_for_markup():
    import typer.main
    from rich.text import Text

    cli._add_commands()
    commands, seen = [typer.main.get_command(cli.app)], 0
    while commands:
        command = commands.pop()
        commands += getattr(command, "commands", {}).values()
        for help_text in filter(None, (command.help, *(getattr(option, "help", None) for option in command.params))):
            seen += 1
            assert Text.from_markup(help_text).plain == help_text.replace("\\[", "["), "write \\\\[ for a bracket"
    assert seen > 100


def test_tune_without_its_extra_says_what_to_install(run, folder, tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "fer_keras.training.search", raising=False)
    monkeypatch.setitem(sys.modules, "keras_tuner", None)
    status, _, err = run("tune", "--corpus", "folder", "--data", folder, "--out", tmp_path / "r")
    assert status == 1
    assert err.splitlines() == ["error: keras_tuner is not installed; run: pip install 'fer-keras[tuner]'"]


@pytest.mark.slow
def test_train_and_evaluate_on_clips(run, tiny_mmi, tmp_path):
    data = ["--corpus", "mmi", "--data", tiny_mmi]
    few = ["--labels", "happiness,fear", "--folds", "2", "--epochs", "1", "--encoder-epochs", "1", "--frames", "4"]
    command = ("--task", "video", *data, *few, "--width", "0.25", "--workers", "0", "--out", tmp_path / "run")
    status, out, err = run("train", *command)
    assert status == 0, err
    assert "clips of" in out
    assert re.search(r"clip: accuracy [01]\.\d+ ± ", out)
    assert not re.search("(frame|sequence): accuracy", out)
    assert "intervals of the figures over all test clips together" in out
    assert re.search(r"predict --model .*run CLIP\n", out)
    model, about = load_preset(tmp_path / "run")
    assert isinstance(model, VideoEmotion)
    assert about["config"]["frames"] == 4
    status, out, err = run("evaluate", "--model", tmp_path / "run", *data)
    assert status == 0, err
    assert re.search(r"Measured on \d+ clips: the model does not know", out)
    assert "clip: accuracy" in out
    assert "The model was trained on" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--frame-model", "nothing"], "nothing: no model found"),
        (
            ["--frame-model", "alexnet_emotion_fer2013", "--image-size", "32"],
            "takes faces of shape (48, 48, 1); the clips have (32, 32, 1)",
        ),
        (
            ["--frame-model", "alexnet_emotion_fer2013", "--encoder-epochs", "3"],
            "--encoder-epochs is for an encoder that learns here; --frame-model brings one as it is",
        ),
        (
            ["--frame-model", "alexnet_emotion_fer2013", "--layer-rate", "conv*=0.1"],
            "--layer-rate is for an encoder that learns here",
        ),
    ],
)
def test_a_wrong_frame_model_is_noticed_before_anything_is_drawn(run, tmp_path, arguments, message):
    status, _, err = run(
        *("train", "--task", "video", "--corpus", "synthetic_mmi", "--out", tmp_path / "run", *arguments)
    )
    assert (status, len(err.splitlines())) == (1, 1)
    assert message in err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--frames", "4"], "--frames is for --task video"),
        (["--task", "video", "--patience", "4"], "--patience is for --task static"),
        (["--occluders", "hand"], "--occluders is for --task restoration"),
        (["--tensorboard"], "--tensorboard is for --task restoration"),
        (["--task", "restoration", "--layer-rate", "conv*=0"], "--layer-rate is for --task static or video"),
        (["--task", "restoration", "--occluders", "hat"], "occluders must be some of sunglasses"),
        (["--task", "audio"], "--task audio: expected static, video, restoration"),
        (["--task", "video"], "folder is a corpus of single pictures; expected one of clips: ck_plus, mmi, oulu_casia"),
    ],
)
def test_options_of_another_task_are_refused(run, folder, tmp_path, arguments, message):
    status, _, err = run("train", "--corpus", "folder", "--data", folder, "--out", tmp_path / "run", *arguments)
    assert status == 1
    assert message in err


@pytest.mark.slow
def test_train_a_restorer(run, folder, tmp_path):
    config = tmp_path / "config.json"
    config.write_text(
        '{"image_size": 32, "width": 0.1, "epochs": 1, "occluders": ["random_block"], "coverage": [0.2, 0.3]}'
    )
    command = ("train", "--task", "restoration", "--corpus", "folder", "--data", folder, "--folds", "2")
    command = (*command, "--config", config, "--discriminators", "none", "--out", tmp_path / "run")
    status, out, err = run(*command)
    assert status == 0, err
    assert "4 faces of 2 subjects, trained on 4 faces of 2 others, seed 0" in out
    assert "random_block_30" in out
    assert json.loads((tmp_path / "run" / "run.json").read_text())["config"]["discriminators"] == []
    status, _, err = run(*command)
    assert (status, "add --resume to continue it" in err) == (1, True)
    assert run(*command, "--resume")[0] == 0
    config.write_text('{"occluders": ["hand", 3]}')
    status, _, err = run(*command, "--resume")
    assert (status, "occluders[1] must be a text, received 3" in err) == (1, True)


@pytest.mark.parametrize("experiment", ["table1", "video", "occlusion"])
def test_a_wrong_preset_is_noticed_before_anything_is_drawn(run, tmp_path, experiment):
    status, _, err = run("experiment", experiment, "--pretrained", "alexnet_emotion", "--out", tmp_path / "run")
    assert (status, len(err.splitlines())) == (1, 1)
    assert "alexnet_emotion: no model found" in err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("experiment", ["table1", "video", "occlusion"])
def test_experiments_ask_for_the_reports_packages_first(run, tmp_path, monkeypatch, experiment):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    status, _, err = run("experiment", experiment, "--out", tmp_path / "run")
    assert (status, err.splitlines()) == (1, ["error: reports need jinja2; run: pip install 'fer-keras[report]'"])
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--also", "my_faces"], "--also my_faces: expected CORPUS=DIR, such as folder=my_faces"),
        (["--config", "{tmp}/epochs.json"], "epochs.json: epochs is the experiment's own; leave it out"),
        (["--config", "{tmp}/gone.json"], "gone.json: No such file"),
        (["--real", "{folder}"], "is given twice; nobody who is tested on may be learnt from"),
        (["--real", "{tmp}/gone"], "gone: no such folder"),
    ],
)
def test_wrong_options_of_the_occlusion_experiment(run, folder, tmp_path, arguments, message):
    (tmp_path / "epochs.json").write_text('{"epochs": 3}')
    given = [part.format(folder=folder, tmp=tmp_path) for part in arguments]
    command = ("experiment", "occlusion", "--corpus", "folder", "--data", folder, "--out", tmp_path / "run")
    status, _, err = run(*command, *given)
    assert (status, len(err.strip().splitlines())) == (1, 1)
    assert message in err
