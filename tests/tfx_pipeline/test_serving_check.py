import shutil

import keras
import pytest

import fer_keras
from fer_keras.export import export_saved_model

pytest.importorskip("uvicorn")

pytestmark = [pytest.mark.tfx, pytest.mark.slow]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A model with an angle map, which takes landmarks, as Trainer writes it."""
    keras.utils.set_random_seed(0)
    model = fer_keras.AlexNetEmotion(("anger", "fear"), width=0.25, angle_map=True)
    folder = tmp_path_factory.mktemp("model") / "Format-Serving"
    export_saved_model(model, folder)
    return folder


def test_a_model_that_answers_is_fit(exported):
    from tfx_pipeline.serving_check import answer_fault

    assert answer_fault(exported) == ""


def test_labels_that_are_others(exported, tmp_path):
    from tfx_pipeline.serving_check import answer_fault

    folder = shutil.copytree(exported, tmp_path / "model")
    (folder / "assets.extra" / "labels.txt").write_text("fear\nanger\n")
    assert answer_fault(folder) == "the server answered with the labels anger, fear"
    (folder / "saved_model.pb").write_bytes(b"broken")
    assert answer_fault(folder).startswith("the server did not take it up: ")
