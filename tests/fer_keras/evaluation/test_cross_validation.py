import dataclasses

import numpy as np
import pytest

from fer_keras.corpora import assign_folds
from fer_keras.errors import InputError
from fer_keras.evaluation import cross_validation
from fer_keras.evaluation.cross_validation import cross_validate, fold_numbers, untrained_classes
from fer_keras.models import baselines
from fer_keras.training.static import StaticConfig

pytestmark = pytest.mark.slow

CONFIG = StaticConfig(epochs=2, batch_size=16, width=0.25)


def test_no_subject_is_tested_by_a_model_that_saw_it(toy_faces, tmp_path, monkeypatch):
    seen = []
    train = cross_validation.train_static

    def spy(faces, config, *args, **kwargs):
        seen.append(set(faces.subjects))
        return train(faces, config, *args, **kwargs)

    monkeypatch.setattr(cross_validation, "train_static", spy)
    folds = assign_folds(toy_faces.subjects, 5)
    results = cross_validate(toy_faces, folds, CONFIG, tmp_path, workers=0)
    for fold, subjects in enumerate(seen):
        tested = {subject for subject, number in folds.items() if number == fold}
        assert tested
        assert not tested & subjects
        assert tested | subjects == set(toy_faces.subjects)
    assert np.sum(results["pooled"]["frame"]["confusion"]) == len(toy_faces)
    accuracies = [result["frame"]["accuracy"] for result in results["folds"]]
    assert results["mean"]["frame"]["accuracy"] == pytest.approx(np.mean(accuracies))
    assert results["std"]["frame"]["accuracy"] == pytest.approx(np.std(accuracies, ddof=1))
    confidence = results["pooled"]["confidence"]
    assert confidence["subjects"] == 10
    for level in ("frame", "sequence"):
        interval = confidence[level]["accuracy"]
        assert interval["low"] <= results["pooled"][level]["accuracy"] <= interval["high"]

    assert [len(history) for history in results["histories"]] == [2] * 5
    assert {"epoch", "loss", "accuracy", "test_accuracy"} <= set(results["histories"][0][1])

    again = cross_validate(toy_faces, folds, CONFIG, tmp_path, workers=0)
    assert len(seen) == 5  # finished folds are not trained again
    np.testing.assert_array_equal(again.pop("probabilities"), results.pop("probabilities"))
    assert again == results


def test_processes_side_by_side_give_the_same_as_one(toy_faces, tmp_path):
    folds, done = assign_folds(toy_faces.subjects, 3), []
    one = cross_validate(toy_faces, folds, CONFIG, tmp_path / "one", workers=1)
    two = cross_validate(
        toy_faces, folds, CONFIG, tmp_path / "two", workers=2, on_fold=lambda fold, figures: done.append(fold)
    )
    np.testing.assert_array_equal(one.pop("probabilities"), two.pop("probabilities"))
    assert one.pop("seconds") > 0
    assert two.pop("seconds") > 0
    assert one == two
    assert sorted(done) == [0, 1, 2]


def test_early_stopping_holds_out_whole_training_subjects(toy_faces, tmp_path, monkeypatch):
    seen = []
    train = cross_validation.train_static

    def spy(faces, config, validation, *args, **kwargs):
        seen.append((set(faces.subjects), set(validation.subjects)))
        return train(faces, config, validation, *args, **kwargs)

    monkeypatch.setattr(cross_validation, "train_static", spy)
    folds = assign_folds(toy_faces.subjects, 2)
    cross_validate(toy_faces, folds, dataclasses.replace(CONFIG, patience=1), tmp_path, workers=0)
    for fold, (training, validation) in enumerate(seen):
        tested = {subject for subject, number in folds.items() if number == fold}
        assert training
        assert validation
        assert not training & validation
        assert not tested & (training | validation)


def test_recipes_are_cross_validated_with_neutral_faces_of_training_subjects(toy_faces, tmp_path, monkeypatch):
    seen = []

    @dataclasses.dataclass(frozen=True)
    class Spy(baselines.ILCNNRecipe):
        def train(self, model, faces, validation, neutral, callbacks):
            seen.append((set(faces.subjects), set(neutral.subjects)))
            super().train(model, faces, validation, neutral, callbacks)

    folds = assign_folds(toy_faces.subjects, 2)
    results = cross_validate(toy_faces, folds, Spy(epochs=1, width=0.25), tmp_path, neutral=toy_faces, workers=0)
    assert [neutral == training for training, neutral in seen] == [True, True]
    assert len(results["folds"]) == 2
    assert "test_accuracy" in results["histories"][1][0]


def test_unknown_subject(toy_faces, tmp_path):
    folds = assign_folds(toy_faces.subjects[:35], 5)
    with pytest.raises(InputError, match="'s5' has no fold"):
        cross_validate(toy_faces, folds, CONFIG, tmp_path)


def test_empty_fold(toy_faces, tmp_path):
    folds = {**assign_folds(toy_faces.subjects, 5), "absent": 5}
    with pytest.raises(InputError, match="fold 5 has no face"):
        cross_validate(toy_faces, folds, CONFIG, tmp_path)


def test_a_class_that_is_tested_and_never_trained_on_is_named(toy_faces):
    subjects = np.where(toy_faces.labels == 2, "s0", toy_faces.subjects)  # all of disgust is one person's
    faces = dataclasses.replace(toy_faces, subjects=subjects)
    fold_of = fold_numbers(faces, {subject: int(subject != "s0") for subject in set(subjects)})
    assert untrained_classes(faces, fold_of) == [
        "fold 0 has all of the class disgust: nothing is trained on it there",
    ]
    assert untrained_classes(toy_faces, fold_numbers(toy_faces, assign_folds(toy_faces.subjects, 2))) == []
