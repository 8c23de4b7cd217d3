import dataclasses
import json

import numpy as np
import pytest

keras_tuner = pytest.importorskip("keras_tuner", reason="the extra tuner is not installed")

from fer_keras.augmentation import AugmentationStrength  # noqa: E402
from fer_keras.errors import InputError  # noqa: E402
from fer_keras.training import search as search_module  # noqa: E402
from fer_keras.training.config_file import read_config  # noqa: E402
from fer_keras.training.search import (  # noqa: E402
    SPACE,
    StaticHyperModel,
    check_search_folder,
    default_space,
    search,
    validation_splits,
)
from fer_keras.training.static import StaticConfig, train_static  # noqa: E402

BASE = StaticConfig(epochs=2, batch_size=16, width=0.25, augmentation=None)
TINY = {**SPACE, "width": {"values": [0.25, 0.3]}}
RATE = {"learning_rate": SPACE["learning_rate"]}


def hyperparameters(**values):
    hp = keras_tuner.HyperParameters()
    for name, value in values.items():
        hp.Fixed(name, value)
    return hp


def test_every_parameter_reaches_the_configuration(toy_faces):
    values = dict(threshold=3.0, metric_weight=0.02, pair_weight=5.0, alpha=0.3, learning_rate=0.004, width=0.3)
    config = StaticHyperModel(toy_faces.label_names, BASE).config_of(hyperparameters(**values, augmentation=0.5))
    assert {name: getattr(config, name) for name in values} == values
    assert config.augmentation == AugmentationStrength(0.25, 6.0, 0.05, 0.03, cutout=0.125)
    assert (config.epochs, config.batch_size) == (BASE.epochs, BASE.batch_size)
    assert (
        StaticHyperModel(toy_faces.label_names, BASE).config_of(hyperparameters(augmentation=0.0)).augmentation is None
    )


def test_stronger_augmentation_mirrors_no_more_and_stays_in_range():
    strong = AugmentationStrength(rotation=100, cutout=0.7).scaled(2)
    assert (strong.flip, strong.rotation, strong.scale, strong.cutout) == (0.5, 180, 0.2, 1)


def test_space_has_only_what_the_base_can_use():
    assert set(default_space(BASE)) == set(SPACE)
    assert set(default_space(dataclasses.replace(BASE, metric_weight=0.0))) == {
        "learning_rate",
        "augmentation",
        "width",
    }
    assert "width" not in default_space(StaticConfig(backbone="mobile_net_v2"))


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"treshold": {"min_value": 0, "max_value": 1}}, "names 'treshold'; did you mean threshold"),
        ({"alpha": {"min_value": 0, "max_value": 2}}, "alpha must be from 0 to 1, received 2"),
        ({"alpha": {"max_value": 1}}, "alpha must be from 0 to 1, received nan"),
    ],
)
def test_a_wrong_space_is_refused(space, message):
    with pytest.raises(InputError, match=message):
        StaticHyperModel(("anger", "fear"), BASE, space)


@pytest.mark.parametrize("folds", [1, 3])
def test_validation_subjects_are_never_trained_on(toy_faces, folds):
    splits = validation_splits(toy_faces, folds)
    held_out = [set(held.subjects) for _, held in splits]
    for training, held in splits:
        assert not set(training.subjects) & set(held.subjects)
        assert len(training) + len(held) == len(toy_faces)
    assert len(set().union(*held_out)) == sum(map(len, held_out)) == 2 * folds


@pytest.mark.slow
def test_a_trial_is_a_training(toy_faces):
    hypermodel = StaticHyperModel(toy_faces.label_names, BASE, TINY)
    hp = hyperparameters(learning_rate=0.003, width=0.25, augmentation=0.5, threshold=2.0)
    ((training, held_out),) = validation_splits(toy_faces)
    model, alike, logs = hypermodel.build(hp), hypermodel.build(hp), []
    figures = hypermodel.fit(hp, model, toy_faces)
    assert hypermodel.fit(hp, alike, training, held_out) == figures
    whole = train_static(training, hypermodel.config_of(hp), held_out, on_epoch=lambda _, found: logs.append(found))
    for one, other in zip(model.weights, whole.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy(), err_msg=one.path)
    logits = whole.predict(held_out.images, verbose=0)
    logits -= logits.max(axis=1, keepdims=True)
    softmax = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(held_out)), held_out.labels]
    assert figures["val_accuracy"] == pytest.approx(logs[-1]["val_accuracy"])
    assert figures["val_loss"] == pytest.approx(softmax.mean(), rel=1e-4)
    assert figures["val_loss"] < logs[-1]["val_loss"]  # which has the Island loss in it


@pytest.mark.slow
def test_native_random_search(toy_faces, tmp_path):
    hypermodel = StaticHyperModel(toy_faces.label_names, BASE, TINY)
    tuner = keras_tuner.RandomSearch(hypermodel, objective="val_loss", max_trials=2, directory=tmp_path, seed=1)
    tuner.search(toy_faces, verbose=0)
    best, other = tuner.oracle.get_best_trials(2)
    assert best.score <= other.score
    assert {*best.hyperparameters.values} == set(SPACE)
    assert tuner.get_best_models()[0].predict(toy_faces.images[:2], verbose=0).shape == (2, 7)
    with pytest.raises(InputError, match="'s1' is in training and in validation"):
        hypermodel.fit(
            best.hyperparameters, tuner.hypermodel.build(best.hyperparameters), toy_faces, toy_faces.select([9])
        )


@pytest.mark.slow
def test_hyperband_goes_on_where_a_trial_stopped(toy_faces, tmp_path, monkeypatch):
    seen, fit_static = [], search_module.fit_static

    def watch(model, *arguments, first_epoch, epochs, **options):
        rate = float(np.asarray(model.optimizer.learning_rate)) / arguments[1].learning_rate
        seen.append((first_epoch, epochs, rate))
        fit_static(model, *arguments, first_epoch=first_epoch, epochs=epochs, **options)

    monkeypatch.setattr(search_module, "fit_static", watch)
    found = search(toy_faces, BASE, 4, tmp_path, tuner="hyperband", space=RATE)
    assert {epochs for _, epochs, _ in seen} <= {1, 2}
    assert [row["trial"] for row in sorted(found["trials"], key=lambda row: row["trial"])] == [1, 2, 3, 4][: len(seen)]
    for first, _, rate in seen:
        assert rate == pytest.approx((1 + np.cos(np.pi * first / BASE.epochs)) / 2, abs=1e-3)


@pytest.mark.slow
def test_search_gives_a_table_and_a_configuration(toy_faces, tmp_path):
    rows, epochs = [], []
    found = search(
        toy_faces,
        BASE,
        2,
        tmp_path,
        tuner="random",
        space=RATE,
        validation_folds=2,
        on_trial=rows.append,
        on_epoch=lambda trial, epoch, logs: epochs.append((trial, epoch)),
    )
    assert epochs == [(trial, epoch) for trial in (1, 2) for epoch in (1, 2, 3, 4)]
    losses = [row["val_loss"] for row in found["trials"]]
    assert losses == sorted(losses)
    assert sorted(rows, key=lambda row: row["val_loss"]) == found["trials"]
    config = StaticConfig(**read_config(tmp_path / "best.json"))
    assert config == dataclasses.replace(BASE, learning_rate=found["trials"][0]["values"]["learning_rate"])
    assert json.loads((tmp_path / "results.json").read_text()) == found


def stub_fit(self, hp, model, faces, verbose, callbacks, on_epoch=None):
    """Instead of a training: the loss is the distance from one learning rate."""
    for epoch in (1, 2):
        if on_epoch:
            on_epoch(epoch, {})
    return {"val_loss": abs(np.log10(hp.get("learning_rate")) + 2.5), "val_accuracy": 0.5}


@pytest.mark.slow
def test_a_killed_search_goes_on(toy_faces, tmp_path, monkeypatch):
    monkeypatch.setattr(StaticHyperModel, "fit", stub_fit)
    arguments = {"tuner": "random", "space": RATE}
    whole = search(toy_faces, BASE, 3, tmp_path / "whole", **arguments)

    class KilledError(BaseException):
        pass

    def kill(trial, epoch, logs):
        if (trial, epoch) == (2, 2):
            raise KilledError

    with pytest.raises(KilledError):
        search(toy_faces, BASE, 3, tmp_path / "killed", **arguments, on_epoch=kill)
    (tmp_path / "killed" / "trials" / "oracle.json").write_text("{")  # amid a write
    done = []
    resumed = search(toy_faces, BASE, 3, tmp_path / "killed", **arguments, on_trial=done.append)
    assert [row["trial"] for row in done] == [2, 3]
    assert resumed == whole
    more = search(toy_faces, BASE, 4, tmp_path / "killed", **arguments)
    assert len(more["trials"]) == 4
    with pytest.raises(InputError, match="started with another epochs; choose another folder"):
        search(toy_faces, dataclasses.replace(BASE, epochs=3), 4, tmp_path / "killed", **arguments)


@pytest.mark.slow
def test_trials_that_fail_end_the_search_in_one_line(toy_faces, tmp_path, monkeypatch):
    def fail(*arguments, **options):
        raise InputError("the loss is nan after epoch 1; try a smaller learning_rate")

    monkeypatch.setattr(search_module, "fit_static", fail)
    with pytest.raises(InputError, match=r"three failed trials; the last: .*the loss is nan after epoch 1"):
        search(toy_faces, BASE, 5, tmp_path / "five", tuner="random", space=RATE)
    with pytest.raises(InputError, match=r"no trial was completed: .*the loss is nan"):
        search(toy_faces, BASE, 1, tmp_path / "one", tuner="random", space=RATE)


@pytest.mark.slow
def test_bayesian_search_uses_what_it_has_seen(toy_faces, tmp_path, monkeypatch):
    monkeypatch.setattr(StaticHyperModel, "fit", stub_fit)
    found = search(toy_faces, BASE, 12, tmp_path, space=RATE)
    best = found["trials"][0]
    assert best["trial"] > 7
    assert best["val_loss"] < 0.05


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"tuner": "grid"}, "tuner must be one of bayesian, random, hyperband, received 'grid'"),
        ({"objective": "loss"}, "objective must be one of val_loss, val_accuracy"),
        ({"trials": 0}, "trials must be at least 1"),
        ({"validation_folds": 11}, "fewer than the 11 folds"),
        ({"validation_folds": 0}, "validation_folds must be at least 1"),
        ({"validation_share": 0.7}, "at most 0.5"),
        ({"base": StaticConfig(angle_map=True)}, "angle_map needs landmarks"),
    ],
)
def test_wrong_arguments(toy_faces, tmp_path, wrong, message):
    with pytest.raises(InputError, match=message):
        search(toy_faces, directory=tmp_path / "none", **wrong)
    assert not (tmp_path / "none").exists()


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    for name in ("corpus", "records", ".corpus.1.tmp"):
        (tmp_path / name).mkdir()
    check_search_folder(tmp_path, False)
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(InputError, match="not empty and holds no search"):
        check_search_folder(tmp_path, False)
    with pytest.raises(InputError, match="holds no search to resume"):
        check_search_folder(tmp_path, True)
