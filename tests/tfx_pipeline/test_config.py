import pathlib

import pytest

from fer_keras.errors import InputError
from fer_keras.training.video import VideoConfig
from tfx_pipeline.config import PipelineConfig, Tuning


def make(**changes):
    return PipelineConfig(**{"corpus": "ck_plus", "data_dir": "corpus", "label_names": ("anger", "happy"), **changes})


def test_labels_are_canonical_paths_absolute_and_the_test_fold_held_out():
    config = make(folds=3, test_fold=1, pipeline_root="runs/x")
    assert config.label_names == ("anger", "happiness")
    assert config.data_dir == pathlib.Path.cwd() / "corpus"
    assert config.metadata == str(pathlib.Path.cwd() / "runs/x/metadata.sqlite")
    assert config.test_split == "fold-1"
    assert config.train_splits == ["fold-0", "fold-2"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"corpus": "ck-plus"}, "unknown corpus 'ck-plus'"),
        ({"label_names": ("anger",)}, "two or more"),
        ({"label_names": ("anger", "angry")}, "distinct"),
        ({"label_names": ("anger", "bored")}, "bored"),
        ({"folds": 1}, "folds must be at least 2"),
        ({"test_fold": 10}, "0 ... 9, received 10"),
        ({"min_accuracy": 1.01}, "0 ... 1, received 1.01"),
        ({"max_drop": -0.1}, "max_drop must be in 0 ... 1"),
        ({"slices": ("frames",)}, r"slices\[0\] must be one of label, corpus"),
        ({"slices": ("action_units",), "training": VideoConfig()}, "received 'action_units'"),
        ({"serving_check": "docker"}, "must be empty, embedded, the absolute path of a tensorflow_model_server or an"),
        ({"replicas": 0}, "replicas must be at least 1"),
        ({"fold_workers": -1}, "runner.workers must be at least 0"),
        ({"tuning": Tuning(), "training": VideoConfig()}, "tuning is for the task static"),
        ({"beam_workers": 0}, "beam_workers"),
        ({"training": VideoConfig(sampling="apex")}, "must be uniform or all in a pipeline, received apex"),
    ],
)
def test_what_cannot_work_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        make(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": -1}, "tuning.seed must be at least 0, received -1"),
        ({"parameters": ("alpha", "alpha")}, r"tuning.parameters\[1\]: alpha stands there twice"),
        ({"parallel_trials": 0}, r"tuning.parallel_trials must be in 1 ... tuning.trials \(4\), received 0"),
        ({"parallel_trials": 5}, "received 5"),
        ({"parallel_trials": 2, "tuner": "hyperband"}, "must be 1 with the tuner hyperband"),
    ],
)
def test_searches_that_cannot_work(changes, message):
    with pytest.raises(InputError, match=message):
        Tuning(trials=4, **changes)


def test_trials_are_shared_out_between_tuners():
    asked = Tuning(trials=8, tuner="random", seed=3, parallel_trials=3)
    shares = asked.shares()
    assert [share.trials for share in shares] == [3, 3, 2]
    assert len({share.seed for share in shares}) == 3
    assert shares[0].seed == asked.seed
    assert {share.parallel_trials for share in shares} == {1}
    assert {share.tuner for share in shares} == {"random"}
    alone = Tuning(trials=8)
    assert alone.shares() == [alone]
