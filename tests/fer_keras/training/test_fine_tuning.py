import keras
import numpy as np
import pytest

from fer_keras.errors import InputError
from fer_keras.losses import ArcFace
from fer_keras.models import AlexNetEmotion, JointSupervision
from fer_keras.models.start_from import start_from
from fer_keras.training.fine_tuning import freeze_layers
from fer_keras.training.static import StaticConfig, train_static

NAMES = ("anger", "fear", "happiness")


@pytest.fixture(scope="module")
def source():
    keras.utils.set_random_seed(1)
    model = AlexNetEmotion(NAMES, width=0.25)
    for weight in model.backbone.weights:  # as training leaves none as it starts
        weight.assign(weight + 0.01)
    return model


def faces(count=4):
    return np.random.default_rng(0).integers(0, 256, (count, 48, 48, 1)).astype("float32")


def test_same_labels_same_answers(source):
    model = AlexNetEmotion(NAMES, width=0.25)
    copied = start_from(model, source)
    assert {"conv1", "conv5_bn", "fc7"} <= set(copied)
    np.testing.assert_array_equal(model.predict(faces(), verbose=0), source.predict(faces(), verbose=0))


def test_shared_labels_keep_their_logits_in_another_order(source):
    model = AlexNetEmotion(("happiness", "neutral", "anger"), width=0.25)
    own = model.head.get_weights()[0][:, 1].copy()
    start_from(model, source)
    got, theirs = model.predict(faces(), verbose=0), source.predict(faces(), verbose=0)
    np.testing.assert_allclose(got[:, [0, 2]], theirs[:, [2, 0]], rtol=1e-6)
    np.testing.assert_array_equal(model.head.get_weights()[0][:, 1], own)


def test_the_angle_map_starts_without_influence(source):
    model = AlexNetEmotion(NAMES, width=0.25, angle_map=True)
    start_from(model, source)
    landmarks = np.random.default_rng(1).uniform(0.2, 0.8, (4, 68, 2)).astype("float32")
    got = model.predict({"face": faces(), "landmarks": landmarks}, verbose=0)
    np.testing.assert_allclose(got, source.predict(faces(), verbose=0), rtol=1e-4, atol=1e-5)


def test_other_backbones_are_refused(source):
    layers = [keras.Input((48, 48, 1)), keras.layers.Flatten(name="flat"), keras.layers.Dense(4, name="own")]
    with pytest.raises(InputError, match="no layer of the same name and shape"):
        start_from(JointSupervision(keras.Sequential(layers), NAMES), source)
    with pytest.raises(InputError, match="same backbone and width"):
        start_from(AlexNetEmotion(NAMES, width=0.5), source)


def test_frozen_layers_do_not_move(source, toy_faces, tmp_path):
    source.save_to_preset(tmp_path / "preset")
    config = StaticConfig(
        epochs=1, width=0.25, pretrained=str(tmp_path / "preset"), layer_rates={"conv[12]*": 0.0, "conv*": 0.1}
    )
    model = train_static(toy_faces, config)
    for name in ("conv1", "conv2_bn"):
        for ours, theirs in zip(
            model.backbone.get_layer(name).get_weights(), source.backbone.get_layer(name).get_weights(), strict=True
        ):
            np.testing.assert_array_equal(ours, theirs)
    moved = model.backbone.get_layer("conv3").get_weights()[0] - source.backbone.get_layer("conv3").get_weights()[0]
    assert np.abs(moved).max() > 0
    model.save_to_preset(tmp_path / "tuned")
    again = AlexNetEmotion.from_preset(tmp_path / "tuned")
    assert all(layer.trainable for layer in again.backbone.layers)  # nothing is frozen for who tunes it next
    np.testing.assert_array_equal(again.predict(faces(), verbose=0), model.predict(faces(), verbose=0))


def test_freeze_takes_the_first_pattern_that_fits():
    model = AlexNetEmotion(NAMES, width=0.25)
    assert freeze_layers(model, {"conv1": 0.5, "conv*": 0.0})[0] == "conv1_bn"
    assert model.backbone.get_layer("conv1").trainable


def test_a_preset_for_other_labels(source, tmp_path):
    source.save_to_preset(tmp_path / "preset")
    model = AlexNetEmotion.from_preset(tmp_path / "preset", label_names=("happiness", "neutral", "anger", "disgust"))
    got, theirs = model.predict(faces(), verbose=0), source.predict(faces(), verbose=0)
    np.testing.assert_allclose(got[:, [0, 2]], theirs[:, [2, 0]], rtol=1e-5)
    assert model.metric_loss.num_classes == 4
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(faces(), np.array([0, 1, 2, 3]), verbose=0)
    model.save(tmp_path / "other.keras")
    assert keras.models.load_model(tmp_path / "other.keras").label_names == model.label_names


@pytest.mark.parametrize("names", ["happiness", (), ("fear",), ("fear", "fear"), {"fear", "anger"}, ("fear", None)])
def test_labels_that_are_none(source, names):
    with pytest.raises(InputError, match="label_names must be"):
        source.with_labels(names)


def test_a_synonym_keeps_what_its_class_has_learnt(source):
    model = source.with_labels(("surprise", "happy"))
    got, theirs = model.predict(faces(), verbose=0), source.predict(faces(), verbose=0)
    np.testing.assert_allclose(got[:, 1], theirs[:, 2], rtol=1e-5)


def test_a_margin_head_and_any_backbone_for_other_labels():
    layers = [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(4, name="own")]
    model = JointSupervision(keras.Sequential(layers), NAMES, head=ArcFace(3)).with_labels(("fear", "neutral"))
    assert model.predict(faces()[:, :8, :8], verbose=0).shape == (4, 2)
    own = JointSupervision(keras.Sequential(layers), NAMES, head=keras.Sequential([keras.layers.Dense(3)]))
    with pytest.raises(InputError, match="head Sequential cannot be made for other classes"):
        own.with_labels(("fear", "neutral"))
