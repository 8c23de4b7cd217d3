import functools
import inspect

import keras
import numpy as np
import pytest

from fer_keras.layers import IslandLoss
from fer_keras.losses import ArcFace
from fer_keras.models import JointSupervision, backbones
from fer_keras.models.model_size import count_multiply_adds
from fer_keras.testing import check_classifier

DEEP = ("mobile_face_net", "googlenet_style")
OURS = ("alexnet_emotion", "vgg_style", *DEEP)
BIG = ("mobile_net_v2", "mobile_net_v3_large", "efficient_net_v2_b0", "conv_next_tiny")
NAMES = ("anger", "fear", "sadness")


def faces(count=16, shape=(48, 48, 1)):
    """Noisy faces, of which a bright column tells the class."""
    labels = np.arange(count) % 3
    pictures = np.random.default_rng(0).integers(0, 100, (count, *shape))
    for picture, label in zip(pictures, labels, strict=True):
        picture[:, 12 * label + 6 : 12 * label + 12] += 120
    return pictures.astype("uint8"), labels


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vgg_style", *(pytest.param(name, marks=pytest.mark.long) for name in DEEP)])
def test_ours_pass_the_contract(name):
    def make():
        backbone = backbones.get(name, (32, 32, 1), width=0.1, feature_dim=8)
        return JointSupervision(backbone, NAMES, metric_loss=IslandLoss(3))

    check_classifier(make, *faces(shape=(32, 32, 1)), batch_size=8, learning_rate=0.05, epochs=6, exact=False)


@pytest.mark.parametrize("name", OURS)
def test_ours_are_in_the_budget(name):
    backbone = backbones.get(name)
    assert backbone.input_shape == (None, 48, 48, 1)
    assert backbone.output_shape == (None, 128)
    assert count_multiply_adds(backbone) < 20.05e6


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.long if name in BIG else ()) for name in backbones.BACKBONES]
)
def test_every_backbone_trains_is_kept_and_exported(name, tmp_path):
    import tensorflow as tf

    keras.utils.set_random_seed(0)
    pictures, labels = faces(8)
    model = JointSupervision(backbones.get(name, (48, 48, 1)), NAMES, head=ArcFace(3))
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=False)
    before = model.head.get_weights()
    model.fit(pictures, labels, batch_size=8, verbose=0)
    assert not np.allclose(before[0], model.head.get_weights()[0])
    answers = model.predict(pictures, verbose=0)
    assert np.isfinite(answers).all()

    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(pictures, verbose=0), answers)
    model.export(tmp_path / "export", verbose=False)
    signature = tf.saved_model.load(str(tmp_path / "export")).signatures["serving_default"]
    (given,) = signature.structured_input_signature[1].items()
    exported = next(iter(signature(**{given[0]: tf.cast(pictures, given[1].dtype)}).values()))
    np.testing.assert_allclose(exported, answers, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", backbones.BACKBONES)
def test_every_backbone_works_in_mixed_precision(name):
    from fer_keras.testing.policy import dtype_policy

    with dtype_policy("mixed_float16"):
        backbone = backbones.get(name, (48, 48, 1))
    features = backbone(faces(4)[0], training=True)
    assert keras.backend.standardize_dtype(features.dtype) == "float32"
    assert np.isfinite(features).all()


@pytest.mark.parametrize("name", backbones.APPLICATIONS)
def test_applications_take_raw_pixels_of_any_size_and_colour(name):
    grey = backbones.get(name, (48, 64, 1), resize_to=64, feature_dim=None)
    assert grey.input_shape == (None, 48, 64, 1)
    assert grey.output_shape[-1] > 500
    assert backbones.get(name, (48, 48, 3)).input_shape == (None, 48, 48, 3)


def test_grey_and_equal_colours_are_the_same_face():
    keras.utils.set_random_seed(0)
    grey = backbones.get("mobile_net_v3_small")
    colour = backbones.get("mobile_net_v3_small", (48, 48, 3))
    colour.set_weights(grey.get_weights())
    pictures, _ = faces(2)
    np.testing.assert_allclose(colour(np.repeat(pictures, 3, axis=-1)), grey(pictures), rtol=1e-4, atol=1e-5)


def test_normalisation_follows_a_short_training():
    def momenta(model):
        own = [layer.momentum for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
        return own + [each for layer in model.layers if isinstance(layer, keras.Model) for each in momenta(layer)]

    for name in backbones.BACKBONES:
        found = momenta(backbones.get(name))
        assert found
        assert set(found) == {0.9}


def test_options_are_checked():
    with pytest.raises(ValueError, match=r"mobile_face_net.*Received: name='resnet'"):
        backbones.get("resnet")
    with pytest.raises(ValueError, match=r"one of mobile_net_v2.*Received"):
        backbones.application("resnet")
    with pytest.raises(ValueError, match="square"):
        backbones.get("alexnet_emotion", (48, 64, 1))
    for shape in ((48, 48), (16, 48, 1), (48, 48, 2), (None, None, 1)):
        for name in ("vgg_style", "mobile_net_v2"):
            with pytest.raises(ValueError, match="input_shape"):
                backbones.get(name, shape)


def test_a_users_own_model_is_a_backbone():
    own = keras.Sequential(
        [keras.Input((48, 48, 1)), keras.layers.Rescaling(1 / 255), keras.layers.Flatten(), keras.layers.Dense(8)]
    )
    model = JointSupervision(own, NAMES)
    assert model.predict(faces(4)[0], verbose=0).shape == (4, 3)


def test_every_backbone_says_what_it_is():
    for make in backbones.BACKBONES.values():
        function = make.func if isinstance(make, functools.partial) else make
        assert "input_shape" in inspect.signature(function).parameters
