import dataclasses

import pytest

from fer_keras.errors import InputError
from fer_keras.training.static import StaticConfig
from tfx_pipeline.config import Tuning

pytest.importorskip("keras_tuner")

pytestmark = [pytest.mark.tfx, pytest.mark.slow]


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


def test_a_search_of_several_processes_is_refused(fn_args, tmp_path, monkeypatch):
    from tfx_pipeline import tuner

    monkeypatch.setenv("KERASTUNER_ORACLE_IP", "127.0.0.1")
    with pytest.raises(InputError, match="KERASTUNER_ORACLE_IP is set"):
        tuner.search_splits(fn_args(1, fold=1, tuning=dataclasses.asdict(Tuning())), tmp_path)
