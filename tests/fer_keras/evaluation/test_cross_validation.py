import numpy as np
import pytest

from fer_keras.corpora import assign_folds
from fer_keras.errors import InputError
from fer_keras.evaluation import cross_validation
from fer_keras.evaluation.cross_validation import cross_validate
from fer_keras.training.static import StaticConfig

pytestmark = pytest.mark.slow

CONFIG = StaticConfig(epochs=2, batch_size=16, width=0.25)


def test_no_subject_is_tested_by_a_model_that_saw_it(toy_faces, tmp_path, monkeypatch):
    seen = []
    train = cross_validation.train_static

    def spy(faces, config, **kwargs):
        seen.append(set(faces.subjects))
        return train(faces, config, **kwargs)

    monkeypatch.setattr(cross_validation, "train_static", spy)
    folds = assign_folds(toy_faces.subjects, 5)
    results = cross_validate(toy_faces, folds, CONFIG, tmp_path)
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

    again = cross_validate(toy_faces, folds, CONFIG, tmp_path)
    assert len(seen) == 5  # finished folds are not trained again
    assert again == results


def test_unknown_subject(toy_faces, tmp_path):
    folds = assign_folds(toy_faces.subjects[:35], 5)
    with pytest.raises(InputError, match="'s5' has no fold"):
        cross_validate(toy_faces, folds, CONFIG, tmp_path)


def test_empty_fold(toy_faces, tmp_path):
    folds = {**assign_folds(toy_faces.subjects, 5), "absent": 5}
    with pytest.raises(InputError, match="fold 5 has no face"):
        cross_validate(toy_faces, folds, CONFIG, tmp_path)
