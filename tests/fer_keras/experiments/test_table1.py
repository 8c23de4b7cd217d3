import json

import numpy as np
import pytest

from fer_keras import corpora
from fer_keras.errors import InputError
from fer_keras.experiments import table1
from fer_keras.experiments.table1 import run_table1, systems
from fer_keras.models import AlexNetEmotion

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    """An untrained preset in the default size."""
    folder = tmp_path_factory.mktemp("preset") / "start"
    AlexNetEmotion(("neutral", "happiness", "surprise")).save_to_preset(folder)
    return folder


def test_groups_differ_in_the_part_that_is_named():
    by_name = {system.name: system.config for system in systems(5, seed=3, pretrained="start")}
    assert list(by_name) == list(table1.PRINTED)[5:] + list(table1.PRINTED)[:5]
    assert {config.epochs for config in by_name.values()} == {5}
    assert {config.seed for config in by_name.values()} == {3}
    groups = {name: by_name[name] for name in ("init", "softmax", "without_angles", "pre")}
    assert [bool(config.pretrained) for config in groups.values()] == [False, True, True, True]
    assert [bool(config.metric_weight) for config in groups.values()] == [True, False, True, True]
    assert [config.angle_map for config in groups.values()] == [True, True, False, True]


def test_two_systems_on_the_same_folds_and_again_without_work(tiny_ck_plus, pretrained, tmp_path):
    options = {"folds": 3, "epochs": 1, "names": ["pre", "derl"], "pretrained": pretrained, "workers": 0}
    results, faces = run_table1("ck_plus", tiny_ck_plus, tmp_path / "out", **options)
    assert results["built_in"]  # it bears the mark of a drawn corpus, whatever its layout
    assert "neutral" not in faces.label_names  # but DeRL got neutral faces
    assert [row["name"] for row in results["systems"]] == ["pre", "derl"]
    assert results["systems"][0]["printed"] == {"ck_plus": 97.14, "mmi": 78.68}
    with np.load(tmp_path / "out" / "answers.npz") as answers:
        for row in results["systems"]:
            hits = answers[row["name"]].argmax(axis=1) == faces.labels
            by_fold = [hits[answers["fold_of"] == fold].mean() for fold in range(3)]
            assert row["mean"]["frame"]["accuracy"] == pytest.approx(np.mean(by_fold))
    folds = corpora.assign_folds(faces.subjects, 3)
    np.testing.assert_array_equal(
        np.load(tmp_path / "out" / "answers.npz")["fold_of"], [folds[subject] for subject in faces.subjects]
    )
    assert [(pair["a"], pair["b"]) for pair in results["comparisons"]] == [("pre", "derl")]

    with pytest.raises(InputError, match="holds a run already"):
        run_table1("ck_plus", tiny_ck_plus, tmp_path / "out", **options)
    with pytest.raises(InputError, match="another value of epochs"):
        run_table1("ck_plus", tiny_ck_plus, tmp_path / "out", resume=True, **{**options, "epochs": 2})
    again, _ = run_table1("ck_plus", tiny_ck_plus, tmp_path / "out", resume=True, **options)
    assert json.loads(json.dumps(again)) == json.loads(json.dumps(results))


def test_unknown_system():
    with pytest.raises(InputError, match="unknown system 'resnet'"):
        run_table1("synthetic", "nowhere", "out", names=["resnet"])
