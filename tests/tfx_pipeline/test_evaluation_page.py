import types

import pytest

pytestmark = pytest.mark.tfx

BUCKETS = [(0.0, 0.0, 0.0), (2.0, 0.1, 0.0), (1.0, 0.55, 1.0), (1.0, 1.0, 1.0)]
"""Records, sum of probabilities, records of the class: TFMA's buckets have such figures."""


@pytest.fixture
def details(monkeypatch):
    """What TFMA's files say of four records of two classes, three of them answered rightly."""
    from tfx_pipeline import evaluation

    names = ("numWeightedExamples", "totalWeightedRefinedPrediction", "totalWeightedLabel")
    buckets = {"buckets": [dict(zip(names, row, strict=True)) for row in BUCKETS]}
    entries = [
        {"numWeightedExamples": 2.0},  # zeros are left out
        {"actualClassId": 1, "numWeightedExamples": 1.0},
        {"actualClassId": 1, "predictedClassId": 1, "numWeightedExamples": 1.0},
    ]
    plots = {"": {"multiClassConfusionMatrixAtThresholds": {"matrices": [{"entries": entries}]}}}
    plots |= {f"classId:{number}": {"calibrationHistogramBuckets": buckets} for number in range(2)}

    def metrics(accuracy, count):
        return {"": {"": {"accuracy": {"doubleValue": accuracy}, "example_count": {"doubleValue": count}}}}

    found = types.SimpleNamespace(
        slicing_metrics=[
            ((("label", "fear"),), metrics(0.5, 2.0)),
            ((("label", "anger"),), metrics(1.0, 2.0)),
            ((), metrics(0.75, 4.0)),
        ],
        plots=[((), {"": plots})],
    )
    monkeypatch.setattr(evaluation.eval_config_writer, "load_eval_run", lambda uri: (0, 0, 0, {"": "file"}))
    monkeypatch.setattr(evaluation.tfma, "load_eval_result", lambda uri, model_name: found)
    return evaluation.read_details("evaluation", 2)


def test_figures_are_read_from_the_files(details):
    assert details["slices"] == {"": [("", 4, 0.75)], "label": [("anger", 2, 1.0), ("fear", 2, 0.5)]}
    assert details["confusion"].tolist() == [[2, 0], [1, 1]]
    bins = details["calibration"][0]
    assert bins.shape == (10, 3)
    assert [bins[place].tolist() for place in (0, 5, 9)] == [[2, 0.1, 0], [1, 0.55, 1], [1, 1, 1]]


def test_the_page_says_what_was_measured(details, tmp_path):
    pytest.importorskip("matplotlib")
    from tfx_pipeline.evaluation_page import page_of
    from tfx_pipeline.status import Run

    run = Run("2026-01-02T03:04:05.000", [], 60.0, False, "")
    about = {"corpus": "synthetic", "folds": 5, "test_fold": 2}
    figures = {"accuracy": 0.75, "baseline_accuracy": 0.8}
    trials = [
        {"status": "COMPLETED", "val_loss": 0.5, "val_accuracy": 0.875, "values": {"alpha": 0.25}},
        {"status": "FAILED", "val_loss": None, "val_accuracy": None, "values": {}},
    ]
    page_of(run, figures, details, ["anger", "fear"], about, trials).write(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "4 records (faces, or clips) of fold 2 of 5 of synthetic" in page
    assert "say nothing about people" in page
    assert "Always answering " in page
    assert "The model was not blessed." in page
    assert "The model that was served before: 80.0 %" in page.replace("\N{NO-BREAK SPACE}", " ")
    assert "All classes together" in page
    assert "2 trials, 1 completed" in page
    assert "87.5" in page
    assert "0.25" in page
