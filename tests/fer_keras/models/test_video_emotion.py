import functools
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from fer_keras.layers import IslandLoss
from fer_keras.models import AlexNetEmotion, VideoEmotion
from fer_keras.models.preset import load_preset
from fer_keras.models.video_emotion import POOLINGS, RECURRENCES
from fer_keras.testing import check_classifier

NAMES = ("neutral", "happiness", "surprise")
KINDS = [(recurrence, pooling) for recurrence in RECURRENCES for pooling in POOLINGS]


def small_encoder():
    inputs = keras.Input((8, 8, 1), name="face")
    features = keras.layers.Dense(6, activation="tanh")(keras.layers.Flatten()(inputs / 255.0))
    return keras.Model(inputs, features)


def new_model(recurrence="irnn", pooling="attention", seed=0, **options):
    keras.utils.set_random_seed(seed)
    model = VideoEmotion(small_encoder(), NAMES, recurrence, pooling, units=5, **options)
    if pooling == "attention":  # else it is the mean still
        kernel = model.temporal.get_layer("pooling").kernel
        kernel.assign(np.random.default_rng(seed).normal(size=kernel.shape))
    return model


def clips(count=6, frames=5, seed=0):
    draws = np.random.default_rng(seed)
    return {
        "frames": draws.integers(0, 256, (count, frames, 8, 8, 1)).astype("float32"),
        "lengths": np.arange(count).astype("int32") % frames + 1,
    }


@pytest.mark.parametrize(("recurrence", "pooling"), KINDS)
def test_padding_changes_nothing(recurrence, pooling):
    model, inputs = new_model(recurrence, pooling), clips()
    answers = model.predict(inputs, verbose=0)
    for garbage in (np.nan, 255.0, -1e6):
        other = inputs["frames"].copy()
        for row, length in enumerate(inputs["lengths"]):
            other[row, length:] = garbage
        other = np.concatenate([other, np.full_like(other[:, :3], garbage)], axis=1)
        padded = model.predict({**inputs, "frames": other}, verbose=0)
        np.testing.assert_allclose(padded, answers, atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(
    garbage=arrays.arrays("float32", (3, 8, 8, 1), elements=st.floats(allow_nan=True, width=32)),
    length=st.integers(1, 4),
    seed=st.integers(0, 100),
)
def test_any_garbage_behind_a_clip_changes_nothing(garbage, length, seed):
    model = model_of_all_examples()
    frames = np.random.default_rng(seed).integers(0, 256, (1, length, 8, 8, 1)).astype("float32")
    lengths = np.array([length], "int32")
    alone = model.attend({"frames": frames, "lengths": lengths})
    padded = model.attend({"frames": np.concatenate([frames, garbage[None]], axis=1), "lengths": lengths})
    np.testing.assert_allclose(padded["logits"], alone["logits"], atol=1e-6)
    np.testing.assert_allclose(padded["attention"][:, :length], alone["attention"], atol=1e-6)
    assert not np.any(padded["attention"][:, length:])


@functools.cache
def model_of_all_examples():
    return new_model()


@pytest.mark.parametrize(
    ("recurrence", "pooling", "options"),
    [*((*kind, {}) for kind in KINDS), ("irnn", "attention", {"scaled_attention": False})],
)
def test_stream_answers_as_the_clip_so_far(recurrence, pooling, options):
    model, inputs = new_model(recurrence, pooling, **options), clips(count=2, frames=7)
    features = keras.ops.convert_to_numpy(model.encode(inputs["frames"].reshape(-1, 8, 8, 1))).reshape(2, 7, 6)
    state = model.initial_state(2, window=7)
    for frame in range(7):
        logits, attention, state = model.step(features[:, frame], state)
        lengths = np.full(2, frame + 1, "int32")
        whole = model.attend({"frames": inputs["frames"], "lengths": lengths})
        np.testing.assert_allclose(logits, whole["logits"], atol=1e-5)
        np.testing.assert_allclose(np.asarray(attention)[:, 6 - frame :], whole["attention"][:, : frame + 1], atol=1e-5)
        assert not np.any(np.asarray(attention)[:, : 6 - frame])


def test_stream_beyond_its_window_keeps_its_size():
    model = new_model()
    state = model.initial_state(1, window=3)
    shapes = [tuple(tensor.shape) for tensor in keras.tree.flatten(state)]
    for frame in range(10):
        _, attention, state = model.step(np.full((1, 6), frame / 10, "float32"), state)
        assert [tuple(tensor.shape) for tensor in keras.tree.flatten(state)] == shapes
        assert float(np.sum(attention)) == pytest.approx(1, abs=1e-6)
    assert int(state["count"][0]) == 3


def test_features_kept_give_the_same_answers():
    model, inputs = new_model(), clips()
    whole = model.attend(inputs)
    np.testing.assert_allclose(whole["logits"], model.predict(inputs, verbose=0), atol=1e-5)
    features = model.encode(inputs["frames"].reshape(-1, 8, 8, 1))
    logits, attention = model.classify_features(keras.ops.reshape(features, (6, 5, 6)), inputs["lengths"])
    np.testing.assert_allclose(logits, whole["logits"], atol=1e-5)
    np.testing.assert_allclose(attention, whole["attention"], atol=1e-5)
    np.testing.assert_allclose(np.sum(attention, axis=1), 1, atol=1e-5)


def test_feature_model_trains_this_model():
    model, inputs = new_model(metric_loss=IslandLoss(3)), clips()
    features = keras.ops.convert_to_numpy(model.encode(inputs["frames"].reshape(-1, 8, 8, 1))).reshape(6, 5, 6)
    part = model.feature_model()
    part.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    held = {"features": features, "lengths": inputs["lengths"]}
    before, encoder = model.predict(inputs, verbose=0), [weight.numpy() for weight in model.encoder.weights]
    part.fit(held, np.arange(6) % 3, epochs=3, verbose=0)
    after = model.predict(inputs, verbose=0)
    assert np.abs(after - before).max() > 1e-3
    np.testing.assert_allclose(after, part.predict(held, verbose=0), atol=1e-5)
    for old, new in zip(encoder, model.encoder.weights, strict=True):
        np.testing.assert_array_equal(old, new.numpy())


def test_encoder_trains_only_when_fine_tuned():
    counts = [len(new_model(fine_tune=fine_tune).trainable_variables) for fine_tune in (False, True)]
    assert counts[1] == counts[0] + 2


@pytest.mark.slow
@pytest.mark.parametrize(("recurrence", "pooling"), [("irnn", "attention"), ("gru", "last"), ("none", "mean")])
def test_contract(recurrence, pooling):
    inputs = clips(count=32)
    labels = np.arange(32) % 3
    inputs["frames"] = (inputs["frames"] / 8 + labels[:, None, None, None, None] * 70).astype("float32")

    def factory():
        return VideoEmotion(
            small_encoder(), NAMES, recurrence, pooling, units=5, dropout=0.0, fine_tune=True, metric_loss=IslandLoss(3)
        )

    check_classifier(factory, inputs, labels, learning_rate=0.05)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"recurrence": "gru", "pooling": "mean"},
        {"recurrence": "none", "fine_tune": True},
        {"units": 7, "scaled_attention": False},
    ],
)
def test_config_round_trip(options):
    model = VideoEmotion(small_encoder(), NAMES, **options)
    if options.get("pooling") != "mean":
        assert model.temporal.get_layer("pooling").scaled == options.get("scaled_attention", True)
    again = VideoEmotion.from_config(json.loads(json.dumps(model.get_config())))
    assert again._options == model._options
    assert (again.face_shape, again.takes_landmarks, again.label_names) == ((8, 8, 1), False, NAMES)
    again.set_weights(model.get_weights())
    np.testing.assert_allclose(again.predict(clips(), verbose=0), model.predict(clips(), verbose=0), atol=1e-6)


def test_from_frame_model_copies(tmp_path):
    frame_model = AlexNetEmotion(NAMES, width=0.25, angle_map=True)
    model = VideoEmotion.from_frame_model(frame_model, units=8)
    assert (model.label_names, model.face_shape, model.takes_landmarks) == (NAMES, (48, 48, 1), True)
    assert frame_model.backbone.trainable
    faces = np.random.default_rng(0).integers(0, 256, (2, 48, 48, 1)).astype("float32")
    face = {"face": faces, "landmarks": np.random.default_rng(0).random((2, 68, 2)).astype("float32")}
    np.testing.assert_allclose(model.encode(face), frame_model.backbone(face, training=False), atol=1e-6)
    model.encoder.get_layer("fc7").kernel.assign(np.zeros((192 // 4, 128)))
    assert frame_model.backbone.get_layer("fc7").kernel.numpy().any()

    model.save_to_preset(tmp_path / "preset", {"corpus": "mmi"})
    again, about = load_preset(tmp_path / "preset")
    assert isinstance(again, VideoEmotion)
    assert about["corpus"] == "mmi"


def test_a_model_saved_before_there_were_scaled_scores():
    config = json.loads(json.dumps(new_model().get_config()))
    del config["scaled_attention"]
    assert not VideoEmotion.from_config(config).temporal.get_layer("pooling").scaled


WRONG_LENGTHS = [[0, 3], [-1, 3], [2, 6], [3], [1, 2, 3]]


@pytest.mark.parametrize("lengths", WRONG_LENGTHS)
def test_lengths_that_are_none(lengths):
    model = model_of_all_examples()
    with pytest.raises(ValueError, match="lengths"):
        model.attend({"frames": clips(count=2)["frames"], "lengths": np.array(lengths)})
    with pytest.raises(ValueError, match="lengths"):
        model.classify_features(np.zeros((2, 5, 6), "float32"), np.array(lengths))


@pytest.mark.parametrize("lengths", WRONG_LENGTHS[:3])
def test_lengths_that_are_none_in_a_graph(lengths):
    with pytest.raises(tf.errors.InvalidArgumentError, match="lengths must be from 1 to the number of frames"):
        model_of_all_examples().predict({**clips(count=2), "lengths": np.array(lengths)}, verbose=0)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, r"inputs must have `frames`. Received: none"),
        ({"frames": np.zeros((2, 5, 8, 8, 1))}, r"inputs must have `lengths`. Received: frames"),
        ({"frames": np.zeros((2, 0, 8, 8, 1)), "lengths": [1, 1]}, r"`frames` must be of shape .*\(2, 0, 8, 8, 1\)"),
        ({"frames": np.zeros((2, 5, 9, 8, 1)), "lengths": [1, 1]}, r"`frames` must be of shape .*\(2, 5, 9, 8, 1\)"),
        ({"frames": np.zeros((2, 8, 8, 1)), "lengths": [1, 1]}, r"`frames` must be of shape"),
        ({"frames": np.zeros((2, 5, 8, 8, 1)), "lengths": [1.0, 1.0]}, r"`lengths` must be whole numbers .*float32"),
        ({"frames": np.zeros((2, 5, 8, 8, 1)), "lengths": [[1], [1]]}, r"`lengths` must be of shape \(None,\)"),
    ],
)
def test_inputs_that_are_none(inputs, message):
    with pytest.raises(ValueError, match=message):
        model_of_all_examples().attend(inputs)


def test_frame_models_that_are_none():
    sequential = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(6)])
    for model in (new_model(), sequential, "alexnet_emotion_fer2013"):
        with pytest.raises(ValueError, match=r"`model` must be a JointSupervision of single faces"):
            VideoEmotion.from_frame_model(model)
    assert VideoEmotion(sequential, NAMES, units=5).predict(clips(), verbose=0).shape == (6, 3)
    with pytest.raises(ValueError, match="functional or Sequential model from faces"):
        VideoEmotion(keras.Sequential([keras.Input((8,)), keras.layers.Dense(6)]), NAMES)


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"`recurrence` must be one of irnn.*transformer"):
        new_model(recurrence="transformer")
    with pytest.raises(ValueError, match=r"`pooling` must be one of attention.*max"):
        new_model(pooling="max")
    with pytest.raises(ValueError, match=r"features of shape \(n, d\)"):
        VideoEmotion(keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(2, 3)]), NAMES)
    with pytest.raises(ValueError, match="angle_map=True"):
        VideoEmotion.from_frame_model(AlexNetEmotion(NAMES, width=0.25), angle_reference="first")
    with pytest.raises(ValueError, match="at least 1"):
        new_model().initial_state(window=0)
