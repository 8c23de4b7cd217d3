import keras
import numpy as np
import pytest
import tensorflow as tf

from fer_keras.augmentation import AugmentationStrength, FaceAugmentation, augment_faces
from fer_keras.errors import InputError
from fer_keras.testing import check_config
from fer_keras.testing.policy import dtype_policy
from fer_keras.training.reseed import Reseed

STILL = {"flip": 0.0, "rotation": 0.0, "scale": 0.0, "shift": 0.0}


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (8, 48, 48, 1), np.uint8)


@pytest.fixture
def landmarks():
    return np.random.default_rng(1).uniform(0.2, 0.8, (8, 68, 2)).astype("float32")


def test_configuration():
    layer = FaceAugmentation(seed=3, brightness=0.2, rotation=5, name="vary")
    assert check_config(layer).strength == AugmentationStrength(brightness=0.2, rotation=5.0)
    assert layer.name == "vary"


def test_nothing_happens_outside_training(images, landmarks):
    layer = FaceAugmentation(seed=0, noise=0.2)
    for options in ({}, {"training": False}):
        same, marks = layer(images, landmarks, **options)
        np.testing.assert_array_equal(same, images)
        np.testing.assert_array_equal(marks, landmarks)
        np.testing.assert_array_equal(layer(images, **options), images)


def test_training_draws_from_the_seed(images, landmarks):
    layer, twin = FaceAugmentation(seed=5, blur=0.02), FaceAugmentation(seed=5, blur=0.02)
    first, marks = layer(images, landmarks, training=True)
    second = layer(images, training=True)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(twin(images, training=True), first)
    np.testing.assert_array_equal(twin(images, training=True), second)
    expected, expected_marks = augment_faces(images, tf.constant([5, 0], tf.int64), landmarks, layer.strength)
    np.testing.assert_array_equal(first, expected)
    np.testing.assert_array_equal(marks, expected_marks)


@pytest.mark.parametrize("with_landmarks", [False, True])
def test_in_a_model_that_is_saved(tmp_path, images, landmarks, with_landmarks):
    faces, marks = keras.Input((48, 48, 1)), keras.Input((68, 2))
    vary = FaceAugmentation(seed=1, contrast=0.5)
    model = keras.Model([faces, marks], vary(faces, marks)) if with_landmarks else keras.Model(faces, vary(faces))
    inputs = [images, landmarks] if with_landmarks else images
    shapes = [tuple(output.shape) for output in model.outputs]
    assert shapes == [(None, 48, 48, 1), (None, 68, 2)][: len(shapes)]
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for one, other in zip(model(inputs, training=True), loaded(inputs, training=True), strict=True):
        np.testing.assert_array_equal(one, other)
    model.export(str(tmp_path / "export"), verbose=False)
    exported = tf.saved_model.load(str(tmp_path / "export"))
    served = exported.serve(*([[tf.cast(images, tf.float32), landmarks]] if with_landmarks else [images.astype("f4")]))
    np.testing.assert_array_equal(served[0] if with_landmarks else served, images)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_fit(images, policy, jit_compile):
    options = STILL if jit_compile else {}
    with dtype_policy(policy):
        layers = [FaceAugmentation(seed=0, noise=0.1, **options), keras.layers.Rescaling(1 / 255)]
        model = keras.Sequential([*layers, keras.layers.Flatten(), keras.layers.Dense(2)])
    varied = model.layers[0](images, training=True)
    assert varied.dtype == tf.float32
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=jit_compile)
    history = model.fit(images, np.arange(8) % 2, epochs=2, batch_size=4, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


def test_keras_leaves_models_uncompiled_that_xla_has_no_kernel_for():
    assert FaceAugmentation(**STILL).supports_jit
    assert not FaceAugmentation(rotation=5).supports_jit


def test_reseeded_epochs_are_reproducible(images):
    model = keras.Sequential([FaceAugmentation(seed=9)])
    runs = []
    for _ in range(2):
        reseed = Reseed(4)
        reseed.set_model(model)
        reseed.on_epoch_begin(7)
        runs.append(model(images, training=True))
    np.testing.assert_array_equal(*runs)


def test_bad_strength():
    with pytest.raises(InputError, match="shift must be from 0 to 1, received 2"):
        FaceAugmentation(shift=2)
