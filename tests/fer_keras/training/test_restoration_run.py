import json

import keras
import numpy as np
import pytest

from fer_keras import corpora
from fer_keras.errors import InputError
from fer_keras.models import AlexNetEmotion, FaceRestorer
from fer_keras.training import restoration
from fer_keras.training.restoration import RestorationConfig
from fer_keras.training.restoration_run import load_restorer, restoration_figures, train_restoration_run

CONFIG = RestorationConfig(image_size=32, width=0.1, epochs=3, warm_up_epochs=1, batch_size=16, learning_rate=2e-3)


@pytest.fixture(scope="module")
def corpus(tiny_ck_plus):
    return corpora.read("ck_plus", tiny_ck_plus, ["happiness", "fear"])


@pytest.mark.slow
def test_a_run_holds_grids_figures_and_a_restorer_and_resumes_where_it_was_killed(corpus, tmp_path, monkeypatch):
    pytest.importorskip("tensorboard")
    often = restoration.TrainingCheckpoint
    monkeypatch.setattr(restoration, "TrainingCheckpoint", lambda folder: often(folder, every_seconds=0))
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    results = train_restoration_run(corpus, whole, CONFIG, 3, grid_every=2, tensorboard=True)
    assert (results["faces"], results["test_faces"], results["test_subjects"]) == (12, 6, ["S005"])
    assert [row["name"] for row in results["conditions"]] == [
        *("sunglasses", "sunglasses_20", "sunglasses_30", "surgical_mask", "hand", "scarf"),
        *(f"random_block_{area}" for area in (10, 20, 30, 40, 50)),
    ]
    assert results["conditions"][7]["share"] == pytest.approx(0.2, abs=0.05)
    assert sorted(path.name for path in (whole / "grids").iterdir()) == ["epoch-00002.png", "epoch-00003.png"]
    assert list((whole / "tensorboard").rglob("events*"))
    with pytest.raises(InputError, match="add --resume"):
        train_restoration_run(corpus, whole, CONFIG, 3)

    class Killed:
        def update(self, name, done, total, note=""):
            if (name, done) == ("restorer", 3):
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_restoration_run(corpus, killed, CONFIG, 3, on_progress=Killed())
    assert not (killed / "restorer.keras").exists()
    again = train_restoration_run(corpus, killed, CONFIG, 3, resume=True)
    for one, other in zip(results["conditions"], again["conditions"], strict=True):
        assert one["given"] == pytest.approx(other["given"], rel=1e-4)
    rows = [json.loads(line) for line in (killed / "epochs.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2, 3]


@pytest.mark.slow
def test_without_folds_everyone_is_trained_on(corpus, tmp_path):
    results = train_restoration_run(corpus, tmp_path / "run", CONFIG, 0)
    assert (results["faces"], results["test_faces"], results["conditions"]) == (18, 0, [])


def test_figures_of_a_restorer_without_a_mask_head(toy_faces):
    restorer = FaceRestorer(width=0.1, blind=False)
    config = RestorationConfig(blind=False, occluders=("hand", "random_block"))
    rows = restoration_figures(restorer, toy_faces.select(np.arange(4)), config)
    assert [row["name"] for row in rows] == [f"random_block_{area}" for area in (10, 20, 30, 40, 50)]  # no landmarks
    assert all(row["blind"] is None and row["given"]["psnr_hole"] > 0 for row in rows)
    assert [row["share"] for row in rows] == [0.1, 0.2, 0.3, 0.4, 0.5]


def test_loading_something_else(tmp_path):
    with pytest.raises(InputError, match=r"restorer\.keras: no restorer found"):
        load_restorer(tmp_path)
    (tmp_path / "restorer.keras").write_text("x")
    with pytest.raises(InputError, match="cannot be loaded"):
        load_restorer(tmp_path)
    AlexNetEmotion(("fear", "anger"), width=0.1).save(tmp_path / "other.keras")
    with pytest.raises(InputError, match="holds a AlexNetEmotion; expected a FaceRestorer"):
        load_restorer(tmp_path / "other.keras")
    FaceRestorer(width=0.1, image_size=32).save(tmp_path / "restorer.keras")
    assert isinstance(load_restorer(tmp_path), FaceRestorer)
    keras.utils.clear_session()


def test_a_wrong_feature_model_claims_no_folder(corpus, tmp_path):
    config = RestorationConfig(feature_model=str(tmp_path / "nope"))
    with pytest.raises(InputError, match="nope"):
        train_restoration_run(corpus, tmp_path / "run", config, folds=2)
    assert not (tmp_path / "run").exists()
