import dataclasses
import json

import pytest

from fer_keras.training.static import StaticConfig
from tfx_pipeline.config import PipelineConfig, Tuning

pytest.importorskip("keras_tuner")

pytestmark = pytest.mark.tfx


def row(trial, loss, accuracy=0.5, status="COMPLETED"):
    return {"trial": trial, "status": status, "val_loss": loss, "val_accuracy": accuracy}


def test_the_best_of_several_tables():
    from tfx_pipeline.best_trial import merge_trials

    tables = [[row(2, 1.0, 0.6), row(1, None, None, "FAILED")], [row(1, 0.5, 0.6), row(2, 3.0, 0.9, "RUNNING")]]
    best, rows = merge_trials(tables, "val_loss")
    assert best == 1
    assert [(one["tuner"], one["trial"]) for one in rows] == [(1, 1), (0, 2), (0, 1), (1, 2)]
    best, rows = merge_trials(tables, "val_accuracy")
    assert best == 0  # as good as the other's: the first one's
    assert [(one["tuner"], one["trial"]) for one in rows] == [(0, 2), (1, 1), (0, 1), (1, 2)]


@pytest.mark.slow
def test_tuners_that_share_a_search(ck_plus, tmp_path):
    from tfx_pipeline import run_local
    from tfx_pipeline.status import open_store, overhead, read_runs

    tuning = Tuning(3, "random", parameters=("learning_rate",), validation_share=0.5, parallel_trials=2)
    config = PipelineConfig(
        *("ck_plus", ck_plus, ("anger", "happiness", "surprise"), tmp_path / "run", tmp_path / "fer", 3),
        min_accuracy=0.0,
        tuning=tuning,
        training=StaticConfig(epochs=1, width=0.25),
    )
    lines = []
    result = run_local.run_local(config, lines.append)
    assert {"Tuner-0", "Tuner-1", "BestTrial", "Trainer"} <= set(result.seconds)
    (found,) = (tmp_path / "run" / "BestTrial" / "tuner_results").glob("*/tuner_results.json")
    rows = json.loads(found.read_text())
    assert sorted((one["tuner"], one["trial"]) for one in rows) == [(0, 1), (0, 2), (1, 1)]
    rates = [one["values"]["learning_rate"] for one in rows]
    assert len(set(rates)) == 3
    assert [one["val_loss"] for one in rows] == sorted(one["val_loss"] for one in rows)
    (best,) = (tmp_path / "run" / "BestTrial" / "best_hyperparameters").glob("*/best_hyperparameters.txt")
    assert json.loads(best.read_text())["values"]["learning_rate"] == rates[0]
    assert f"tuned: learning_rate {rates[0]:.3g}" in "\n".join(lines)

    with open_store(tmp_path / "run" / "metadata.sqlite") as store:
        rows = {row["name"]: row for row in overhead(read_runs(store, 1)[0])}
    assert 0 < rows["Tuner-0"]["training"] <= rows["Tuner-0"]["seconds"]
    assert rows["BestTrial"]["training"] == 0

    # The trials are those of this search only: a Tuner alone with the first share's seed finds its own again.
    (first,) = (tmp_path / "run" / "Tuner-0" / "tuner_results").glob("*/tuner_results.json")
    alone = dataclasses.replace(
        config, tuning=dataclasses.replace(tuning, trials=2, parallel_trials=1), pipeline_root=tmp_path / "alone"
    )
    run_local.run_local(alone)
    (again,) = (tmp_path / "alone" / "Tuner" / "tuner_results").glob("*/tuner_results.json")
    assert json.loads(again.read_text()) == json.loads(first.read_text())
