import json
import pathlib

import numpy as np
import pytest

from fer_keras.corpora.face_set import FaceSet
from fer_keras.errors import InputError

pytestmark = pytest.mark.tfx

ABOUT = {"corpus": "ck_plus", "label_names": ["anger", "fear"], "fold_count": 2}


def faces(fold):
    labels = np.array([0, 1, 0, 1], "int32")
    subjects = np.array([f"p{fold}{place // 2}" for place in range(4)])
    sequences = np.array([f"{name}/{place}" for place, name in enumerate(subjects)])
    return FaceSet(np.zeros((4, 48, 48, 1), np.uint8), labels, subjects, sequences, ("anger", "fear"))


@pytest.fixture
def folds(tmp_path, monkeypatch):
    """Two folds as Trainer and Evaluator leave them: three of four faces right, then all."""
    from tfx_pipeline import cross_validation

    answers = [np.array([[1, 0], [0, 1], [1, 0], [1, 0]], "float32"), np.eye(2, dtype="float32")[[0, 1, 0, 1]]]
    for fold, rows in enumerate(answers):
        (tmp_path / str(fold)).mkdir()
        history = json.dumps([{"epoch": 1, "loss": 0.5, "accuracy": 0.5}])
        np.savez(tmp_path / str(fold) / f"fold-{fold}.npz", probabilities=rows, history=history, seconds=2.0)
    monkeypatch.setattr(cross_validation, "read_evaluation", lambda uri: {"accuracy": [0.75, 1.0][int(uri[-1])]})
    return [(tmp_path / str(fold), f"evaluation/{fold}") for fold in range(2)]


def test_folds_are_gathered(folds):
    from tfx_pipeline.cross_validation import fold_properties, gather

    figures, sets, answers = gather(folds, ("anger", "fear"), faces)
    assert figures["mean"]["frame"]["accuracy"] == 0.875
    assert figures["pooled"]["frame"]["confusion"] == [[4, 0], [1, 3]]
    assert figures["evaluated"] == [0.75, 1.0]
    assert figures["seconds"] == 4.0
    assert [one[0]["epoch"] for one in figures["histories"]] == [1, 1]
    assert "probabilities" not in figures
    assert len(sets) == len(answers) == 2
    properties = fold_properties(figures)
    assert (properties["fold_0_accuracy"], properties["fold_1_uar"]) == (0.75, 1.0)
    assert len(properties) == 6


def test_answers_of_other_faces_are_refused(folds):
    from tfx_pipeline.cross_validation import gather

    with pytest.raises(InputError, match="holds answers to 4 faces, but the fold has 2"):
        gather(folds, ("anger", "fear"), lambda fold: faces(fold).select([0, 1]))


@pytest.fixture
def served(tmp_path):
    """Puts a version with figures below the base path of a served model."""

    def push(version, accuracy, **about):
        extra = tmp_path / "fer" / str(version) / "assets.extra"
        extra.mkdir(parents=True)
        figures = {**ABOUT, "mean": {"frame": {"accuracy": accuracy}}, **about}
        (extra / "figures.json").write_text(json.dumps(figures))
        (extra.parent / "saved_model.pb").write_bytes(b"%d" % version)
        return tmp_path / "fer"

    return push


@pytest.fixture
def candidate(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "saved_model.pb").write_bytes(b"3")
    return tmp_path / "model"


def test_the_latest_release_with_such_figures_is_the_baseline(served, candidate):
    from tfx_pipeline.cross_validation import baseline_figures

    assert baseline_figures(candidate.parent / "fer", candidate, ABOUT) is None
    base_path = served(1, 0.5)
    served(2, 0.6)
    served(3, 0.9)  # the candidate, pushed before
    served(4, 0.9, corpus="mmi")
    (base_path / "5").mkdir()  # pushed by another way
    found = baseline_figures(base_path, candidate, ABOUT)
    assert (found["version"], found["mean"]["frame"]["accuracy"]) == ("2", 0.6)


@pytest.mark.parametrize(
    ("baseline", "min_accuracy", "reason"),
    [
        (None, 0.5, ""),
        (None, 0.9, "accuracy 0.800 < threshold 0.900"),
        (0.8, 0.5, ""),
        (0.85, 0.5, "accuracy 0.800 < 0.850 of the model that is served"),
    ],
)
def test_a_release_is_blessed_on_its_figures(baseline, min_accuracy, reason, served, candidate, tmp_path):
    from tfx.types import standard_artifacts

    from tfx_pipeline.cross_validation import BlessingExecutor, CrossValidation

    if baseline is not None:
        served(1, baseline)
    (tmp_path / "cv").mkdir()
    mean = {"frame": {"accuracy": 0.8}}
    (tmp_path / "cv" / "results.json").write_text(json.dumps({**ABOUT, "mean": mean, "std": mean, "folds": []}))
    artifacts = {}
    for name, kind, folder in (
        ("model", standard_artifacts.Model, "artifact"),
        ("cross_validation", CrossValidation, "cv"),
        ("blessing", standard_artifacts.ModelBlessing, "blessing"),
    ):
        artifacts[name] = kind()
        artifacts[name].uri = str(tmp_path / folder)
        (tmp_path / folder).mkdir(exist_ok=True)
    candidate.rename(pathlib.Path(artifacts["model"].uri, "Format-Serving"))
    properties = {"about": json.dumps(ABOUT), "push_dir": str(tmp_path / "fer"), "max_drop": 0.0}
    BlessingExecutor().Do(
        {name: [artifacts[name]] for name in ("model", "cross_validation")},
        {"blessing": [artifacts["blessing"]]},
        {**properties, "min_accuracy": min_accuracy},
    )
    blessing = artifacts["blessing"]
    assert blessing.get_int_custom_property("blessed") == (not reason)
    assert blessing.get_string_custom_property("reason") == reason
    assert {path.name for path in (tmp_path / "blessing").iterdir()} == {
        "figures.json",
        "NOT_BLESSED" if reason else "BLESSED",
    }


def test_the_page_says_what_was_measured(folds, tmp_path):
    pytest.importorskip("matplotlib")
    from tfx_pipeline.cross_validation import gather
    from tfx_pipeline.cross_validation_page import write_page

    figures, sets, answers = gather(folds, ("anger", "fear"), faces)
    about = {**ABOUT, "task": "static", "built_in": True, "faces": 8, "subjects": 4, "sequences": 8, "config": {}}
    write_page({**about, "remarks": [], **figures}, sets[0], np.concatenate(answers)[:4], tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "2-fold cross-validation over whole subjects: 8 faces of 4 subjects" in page
    assert "87.5" in page
    assert "say nothing about people" in page
