import json

import keras
import numpy as np
import pytest

from fer_keras.errors import InputError
from fer_keras.layers import IslandLoss
from fer_keras.models import AlexNetEmotion, JointSupervision
from fer_keras.models.preset import load_preset
from fer_keras.testing import check_classifier

NAMES = ("neutral", "happiness", "surprise")


@pytest.fixture
def model():
    return AlexNetEmotion(NAMES, width=0.25)


def test_raw_pixels_to_logits(model):
    faces = np.random.default_rng(0).integers(0, 256, (4, 48, 48, 1), dtype="uint8")
    logits = model.predict(faces, verbose=0)
    assert logits.shape == (4, 3)
    assert logits.dtype == np.float32
    np.testing.assert_allclose(model.predict(faces.astype("float32"), verbose=0), logits, atol=1e-5)


def test_features_are_linear_and_of_128_dimensions(model):
    features = model.backbone.predict(np.random.default_rng(0).integers(0, 256, (64, 48, 48, 1)), verbose=0)
    assert features.shape == (64, 128)
    assert features.min() < 0 < features.max()


def test_light_and_contrast_do_not_matter(model):
    faces = np.random.default_rng(0).uniform(60, 120, (4, 48, 48, 1)).astype("float32")
    np.testing.assert_allclose(
        model.predict(faces, verbose=0), model.predict(faces * 1.5 + 20, verbose=0), rtol=1e-3, atol=1e-4
    )


@pytest.mark.parametrize("options", [{"channels": 3}, {"image_size": 64}, {"metric_loss": None}, {"angle_map": True}])
def test_config_round_trip(options):
    model = AlexNetEmotion(NAMES, width=0.25, **options)
    again = AlexNetEmotion.from_config(json.loads(json.dumps(model.get_config())))
    first, second = model.get_config(), again.get_config()
    for config in (first, second):  # tuples of shapes become lists in JSON
        for part in ("metric_loss", "head"):
            (config[part] or {}).pop("build_config", None)
    assert first == second
    assert (again.face_shape, again.takes_landmarks) == (model.face_shape, model.takes_landmarks)
    assert (again.metric_loss is None) == (model.metric_loss is None)


def test_any_metric_loss_is_kept():
    model = AlexNetEmotion(NAMES, width=0.25, metric_loss=IslandLoss(3, threshold=7.0), metric_weight=0.5)
    again = AlexNetEmotion.from_config(model.get_config())
    assert (again.metric_loss.threshold, again.metric_weight) == (7.0, 0.5)


def test_small_faces_are_refused():
    with pytest.raises(ValueError, match=r"at least 32.*16"):
        AlexNetEmotion(NAMES, image_size=16)


def test_preset_round_trip(model, tmp_path):
    faces = np.random.default_rng(0).integers(0, 256, (4, 48, 48, 1), dtype="uint8")
    model.save_to_preset(tmp_path / "preset", {"corpus": "ck_plus"})
    model.save_to_preset(tmp_path / "preset", {"corpus": "mmi"})  # replaces the first
    assert [child.name for child in tmp_path.iterdir()] == ["preset"]
    again = AlexNetEmotion.from_preset(tmp_path / "preset")
    np.testing.assert_array_equal(again.predict(faces, verbose=0), model.predict(faces, verbose=0))
    np.testing.assert_array_equal(again.metric_loss.centers, model.metric_loss.centers)
    assert again.label_names == NAMES
    _, about = load_preset(tmp_path / "preset" / "model.keras")
    assert (about["corpus"], about["label_names"]) == ("mmi", list(NAMES))


@pytest.fixture
def inputs_with_landmarks():
    """24 faces of three classes; brightness and the lower half of the landmarks tell the class."""
    random = np.random.default_rng(0)
    labels = np.arange(24) % 3
    faces = random.uniform(0, 255, (24, 32, 32, 1)).astype("float32")
    faces[:, 12:20] = 100 * labels[:, None, None, None]
    landmarks = random.uniform(0.1, 0.9, (1, 68, 2)) + 0.02 * random.normal(size=(24, 68, 2))
    landmarks[:, 34:] += 0.2 * labels[:, None, None]
    landmarks[::5] = 0  # none found
    return {"face": faces, "landmarks": landmarks.astype("float32")}, labels


def model_with_map(landmarks):
    model = AlexNetEmotion(NAMES, image_size=32, width=0.25, angle_map=True)
    model.backbone.get_layer("angles").adapt(landmarks)
    return model


@pytest.mark.slow
def test_contract_with_an_angle_map(inputs_with_landmarks):
    inputs, labels = inputs_with_landmarks
    check_classifier(lambda: model_with_map(inputs["landmarks"]), inputs, labels, epochs=8, exact=False)


def test_preset_round_trip_with_an_angle_map(inputs_with_landmarks, tmp_path):
    inputs, _ = inputs_with_landmarks
    model = model_with_map(inputs["landmarks"])
    model.save_to_preset(tmp_path / "preset")
    again = AlexNetEmotion.from_preset(tmp_path / "preset")
    assert again.takes_landmarks
    assert again.face_shape == (32, 32, 1)
    logits = model.predict(inputs, verbose=0)
    np.testing.assert_array_equal(again.predict(inputs, verbose=0), logits)
    without = again.predict({**inputs, "landmarks": 0 * inputs["landmarks"]}, verbose=0)
    changed = np.abs(without - logits).max(axis=1) > 1e-4
    assert changed.tolist() == inputs["landmarks"].any(axis=(1, 2)).tolist()


def test_preset_never_replaces_other_files(model, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="is no preset"):
        model.save_to_preset(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_preset_errors(tmp_path):
    with pytest.raises(InputError, match="no model found"):
        AlexNetEmotion.from_preset(tmp_path)
    (tmp_path / "model.keras").write_bytes(b"no model")
    with pytest.raises(InputError, match="cannot be loaded"):
        AlexNetEmotion.from_preset(tmp_path)
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)]).save(tmp_path / "model.keras")
    with pytest.raises(InputError, match="no label_names"):
        JointSupervision.from_preset(tmp_path)
