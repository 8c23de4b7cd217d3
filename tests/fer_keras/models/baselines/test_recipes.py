"""What every peer of Table 1 does alike."""

import dataclasses
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from fer_keras.errors import InputError
from fer_keras.models import JointSupervision, baselines
from fer_keras.models.model_size import count_multiply_adds
from fer_keras.testing import check_classifier

PEERS = list(baselines.RECIPES)
SHORT = {
    "audn": {"epochs": 10, "machine_epochs": 10, "learning_rate": 5e-3},
    "derl": {"epochs": 20, "generator_epochs": 6, "width": 0.5},
    "il_cnn": {"epochs": 30, "batch_size": 24, "width": 0.5},
    "inception": {"epochs": 12, "batch_size": 16, "dropout": 0.2},
    "iacnn": {"epochs": 20, "batch_size": 24, "width": 0.5},
}
TINY = {
    "audn": {"filters": 6, "groups": 5, "members": 8, "units": (6, 4), "machine_epochs": 2},
    "derl": {"generator_epochs": 2},
    "il_cnn": {},
    "inception": {},
    "iacnn": {},
}


def tiny(name, **options):
    options = {"epochs": 2, "batch_size": 16, **TINY[name], **options}
    return baselines.get(name, **({} if name == "audn" else {"width": 0.1}), **options)


def logs_of(recipe, *args, **options):
    logs = []
    callback = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, found: logs.append(dict(found)))
    return recipe.fit(*args, callbacks=[callback], **options), logs


def by_subject(faces, count):
    """The faces of the first subjects, and those of the others."""
    first = np.isin(faces.subjects, sorted(set(faces.subjects))[:count])
    return faces.select(first), faces.select(~first)


@pytest.mark.slow
@pytest.mark.parametrize("name", PEERS)
def test_contract(name):
    labels = np.arange(16) % 3
    pictures = np.random.default_rng(0).integers(0, 100, (16, 32, 32, 1))
    for picture, label in zip(pictures, labels, strict=True):
        picture[:, 8 * label + 4 : 8 * label + 12] += 120
    recipe = tiny(name, **({"dropout": 0.0} if name != "audn" else {}))

    def make():
        return recipe.build(("anger", "fear", "sadness"), (32, 32, 1))

    check_classifier(make, pictures.astype("uint8"), labels, learning_rate=0.02, epochs=8, exact=False)


@pytest.mark.slow
@pytest.mark.parametrize("name", PEERS)
def test_it_learns(name, drawn_faces):
    faces, neutral = drawn_faces
    known, unknown = by_subject(faces, 16)
    recipe = baselines.get(name, **SHORT[name])
    model, logs = logs_of(recipe, known, validation=unknown, neutral=neutral)
    assert logs[-1]["loss"] < 0.9 * logs[0]["loss"]

    def accuracy_on(some):
        return np.mean(model.predict(some.images, verbose=0).argmax(axis=-1) == some.labels)

    # a third would be chance
    assert accuracy_on(known) > 0.6
    accuracy = accuracy_on(unknown)
    assert accuracy > 0.45
    np.testing.assert_allclose(logs[-1]["val_accuracy"], accuracy, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", PEERS)
def test_what_it_returns_is_a_classifier_of_faces_alone(name, drawn_faces, tmp_path):
    from fer_keras.export import export_saved_model

    faces, neutral = (one.select(slice(0, 18)) for one in drawn_faces)
    model = tiny(name).fit(faces, neutral=neutral)
    assert type(model) is JointSupervision
    assert not model.compiled
    assert model.label_names == faces.label_names
    assert len(model.inference_model().inputs) == 1
    assert all(layer.trainable for layer in model.backbone.layers)
    logits = model.predict(faces.images, verbose=0)

    model.save_to_preset(tmp_path / "preset")
    again = JointSupervision.from_preset(tmp_path / "preset")
    np.testing.assert_array_equal(again.predict(faces.images, verbose=0), logits)
    export_saved_model(again, tmp_path / "export")
    served = tf.saved_model.load(str(tmp_path / "export")).signatures["serve_tensor"]
    assert list(served.structured_input_signature[1]) == ["face"]
    probabilities = served(face=tf.constant(faces.images, tf.float32))["probabilities"]
    np.testing.assert_allclose(probabilities, keras.ops.softmax(logits), atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", PEERS)
def test_it_trains_in_mixed_precision(name, drawn_faces):
    from fer_keras.testing.policy import dtype_policy

    faces, neutral = (one.select(slice(0, 18)) for one in drawn_faces)
    with dtype_policy("mixed_float16"):
        model, logs = logs_of(tiny(name, epochs=1), faces, neutral=neutral)
    assert np.isfinite(logs[0]["loss"])
    assert np.isfinite(model.predict(faces.images, verbose=0)).all()
    assert {weight.dtype for weight in model.trainable_weights} == {"float32"}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["audn", "derl", "iacnn"])
def test_the_seed_decides(name, drawn_faces):
    faces, neutral = (one.select(slice(0, 18)) for one in drawn_faces)
    first, second = (tiny(name, epochs=1).fit(faces, neutral=neutral).get_weights() for _ in range(2))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)
    third = tiny(name, epochs=1, seed=1).fit(faces, neutral=neutral).get_weights()
    assert not np.array_equal(first[0], third[0])


@pytest.mark.parametrize("name", PEERS)
def test_it_is_in_the_budget(name):
    model = baselines.get(name).build([f"label {number}" for number in range(7)], (48, 48, 1))
    assert count_multiply_adds(model) < 20e6
    assert model.predict(np.zeros((2, 48, 48, 1), "uint8"), verbose=0).shape == (2, 7)


@pytest.mark.parametrize("name", PEERS)
def test_it_takes_colours_and_says_what_it_follows(name):
    recipe = tiny(name)
    assert recipe.build(("anger", "fear"), (48, 64, 3)).backbone.input_shape == (None, 48, 64, 3)
    assert recipe.paper.split(" et al.")[0] in {"Cai", "Mollahosseini", "Meng", "Yang", "Liu"}
    assert recipe.needs_neutral == (name == "derl")


def test_recipes_are_plain_data():
    recipe = baselines.get("iacnn", epochs=3)
    assert dataclasses.replace(recipe, seed=5) == baselines.get("iacnn", epochs=3, seed=5)
    assert dataclasses.asdict(recipe)["epochs"] == 3
    with pytest.raises(ValueError, match=r"audn, derl, il_cnn, inception, iacnn.*Received"):
        baselines.get("resnet")
    with pytest.raises(InputError, match="learning_rate must be from"):
        baselines.get("il_cnn", learning_rate=float("nan"))
    with pytest.raises(NotImplementedError, match="build"):
        baselines.Recipe().build(("a", "b"))


def test_faces_are_checked(drawn_faces):
    faces, neutral = drawn_faces
    recipe = tiny("il_cnn")
    with pytest.raises(InputError, match="at least 2 classes, received 72 faces of disgust"):
        recipe.fit(faces.select(faces.labels == 0))
    with pytest.raises(InputError, match="subject 'S00' is in training and in validation"):
        recipe.fit(faces, validation=faces)
    small = dataclasses.replace(neutral, images=neutral.images[:, ::2, ::2])
    with pytest.raises(InputError, match="neutral faces are 24×24×1; expected 48×48×1"):
        recipe.fit(faces, neutral=small)


def test_every_epoch_has_its_own_order():
    recipe = tiny("il_cnn", epochs=3, batch_size=4)
    rows = recipe.shuffled_rows(10)
    assert rows.shape == (6, 4)
    epochs = rows.reshape(3, 8)
    assert all(len(set(epoch)) == 8 for epoch in epochs)
    assert all(not np.array_equal(one, other) for one, other in itertools.combinations(epochs, 2))
    np.testing.assert_array_equal(rows, recipe.shuffled_rows(10))
    assert recipe.shuffled_rows(3).shape == (3, 3)


def test_pictures_of_a_tuple_are_varied_alike():
    recipe = tiny("il_cnn")
    pictures = np.random.default_rng(0).integers(0, 256, (8, 48, 48, 1), dtype="uint8")
    ((one, other), targets), *_ = recipe.batches((pictures, pictures), np.arange(8), recipe.shuffled_rows(8))
    np.testing.assert_array_equal(one, other)
    plain = dataclasses.replace(recipe, augment=False)
    (same, again), *_ = plain.batches(pictures, np.arange(8), recipe.shuffled_rows(8))
    np.testing.assert_array_equal(same, pictures[again.numpy()])
    assert not np.allclose(one, same)
    np.testing.assert_array_equal(targets, again)


@pytest.mark.slow
def test_a_diverging_training_stops(drawn_faces):
    faces, _ = drawn_faces
    broken = dataclasses.replace(faces, images=np.full(faces.images.shape, np.nan, "float32"))
    with pytest.raises(InputError, match="the loss is nan after epoch 1; try a smaller learning_rate"):
        tiny("inception", augment=False).fit(broken)
