import dataclasses
import os
import socket
import subprocess
import sys

import pytest

from fer_keras.errors import InputError
from fer_keras.training.static import StaticConfig
from tfx_pipeline.config import PipelineConfig, Tuning

pytest.importorskip("keras_tuner")

pytestmark = [pytest.mark.tfx, pytest.mark.slow]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def test_a_search_on_the_training_splits(fn_args, tmp_path, monkeypatch):
    from tfx_pipeline import tuner
    from tfx_pipeline.trainer import training_config

    tuning = Tuning(trials=2, tuner="random", parameters=("learning_rate",), validation_share=0.5)
    args = fn_args(1, fold=1, tuning=dataclasses.asdict(tuning))
    parameters, trials = tuner.search_splits(args, tmp_path / "search")
    assert len(trials) == 2
    best = training_config(args.custom_config, parameters)
    base = StaticConfig(**args.custom_config["training"])
    assert best == dataclasses.replace(base, learning_rate=trials[0]["values"]["learning_rate"])
    assert best.learning_rate != base.learning_rate

    # What was done is not done again.
    monkeypatch.setattr(tuner.StaticHyperModel, "fit", None)
    assert tuner.search_splits(args, tmp_path / "search") == (parameters, trials)


CHIEF = {"KERASTUNER_ORACLE_IP": "127.0.0.1", "KERASTUNER_TUNER_ID": "chief"}


@pytest.mark.parametrize(
    ("function", "variables", "options", "message"),
    [
        ("run_local", CHIEF, {}, "received no tuning"),
        ("run_local", CHIEF, {"tuning": Tuning(), "cross_validate": True}, "received cross_validate"),
        ("run_local", {**CHIEF, "KERASTUNER_TUNER_ID": "tuner0"}, {"tuning": Tuning()}, "or `pipeline tune`"),
        ("run_local", CHIEF, {"tuning": Tuning(parallel_trials=2)}, "received tuning.parallel_trials"),
        ("tune_local", {}, {"tuning": Tuning()}, "expected KERASTUNER_ORACLE_IP"),
        ("tune_local", CHIEF, {"tuning": Tuning()}, "received 'chief'"),
        ("tune_local", {**CHIEF, "KERASTUNER_TUNER_ID": "tuner0"}, {}, "received no tuning"),
        ("tune_local", {**CHIEF, "KERASTUNER_TUNER_ID": "tuner0"}, {"tuning": Tuning()}, "ORACLE_PORT is missing"),
    ],
)
def test_what_cannot_be_searched_together(function, variables, options, message, tmp_path, monkeypatch):
    from tfx_pipeline import run_local

    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    config = PipelineConfig("ck_plus", tmp_path, ("anger", "fear"), tmp_path / "run", tmp_path / "fer", **options)
    with pytest.raises(InputError, match=message):
        getattr(run_local, function)(config)
    assert not (tmp_path / "run").exists()


def test_a_worker_gives_up_without_a_chief(ck_plus, tmp_path, monkeypatch):
    from tfx_pipeline import run_local

    for name, value in {**CHIEF, "KERASTUNER_TUNER_ID": "tuner0", "KERASTUNER_ORACLE_PORT": free_port()}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(run_local, "_CHIEF_SECONDS", 2)
    monkeypatch.setattr(run_local, "_run_data", lambda *arguments: ({}, {}))
    options = {"folds": 3, "tuning": Tuning()}
    config = PipelineConfig("ck_plus", ck_plus, ("anger", "fear"), tmp_path / "run", tmp_path / "fer", **options)
    lines = []
    with pytest.raises(InputError, match=r"no chief answers at 127\.0\.0\.1:\d+"):
        run_local.tune_local(config, lines.append)
    assert any(line.startswith("waiting for the chief at 127.0.0.1:") for line in lines)


@pytest.mark.long
def test_a_chief_and_a_worker_search_together(ck_plus, tmp_path):
    file, port = tmp_path / "pipeline.yaml", free_port()
    file.write_text(
        f"{{corpus: {{name: ck_plus, data: {ck_plus}}}, folds: 3, training: {{epochs: 1, width: 0.25}}, "
        "tuning: {trials: 2, tuner: random, parameters: [learning_rate], validation_share: 0.5}, "
        f"thresholds: {{accuracy: 0}}, push_to: {tmp_path / 'fer'}}}"
    )

    def start(name, command):
        variables = {"KERASTUNER_TUNER_ID": name, "KERASTUNER_ORACLE_IP": "127.0.0.1", "KERASTUNER_ORACLE_PORT": port}
        program = "from tfx_pipeline.commands import app; app()"
        asked = [command, "--config", str(file), "--out", str(tmp_path / name)]
        return subprocess.Popen(
            [sys.executable, "-c", program, *asked], env={**os.environ, **variables}, stdout=subprocess.PIPE, text=True
        )

    chief, worker = start("chief", "run"), start("tuner0", "tune")
    of_chief, of_worker = chief.communicate()[0], worker.communicate()[0]
    assert (chief.returncode, worker.returncode) == (0, 0), of_chief + of_worker
    assert "trial 1: " not in of_chief
    assert "trial 1: " in of_worker
    assert "tuned: learning_rate" in of_chief
    assert len(list((tmp_path / "fer").iterdir())) == 1
