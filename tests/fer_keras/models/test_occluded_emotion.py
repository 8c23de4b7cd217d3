import keras
import numpy as np
import pytest
import tensorflow as tf

from fer_keras.export import export_saved_model
from fer_keras.faces.image import encode_png
from fer_keras.layers import IslandLoss
from fer_keras.models import AlexNetEmotion, FaceRestorer, OccludedEmotion, RestorationGAN
from fer_keras.models.preset import load_preset
from fer_keras.recognizer import Recognizer
from fer_keras.testing import check_classifier

pytestmark = pytest.mark.slow

NAMES = ("neutral", "happiness", "surprise")


def restorer(least_area=0.0, **options):
    return FaceRestorer(32, width=0.15, fill="mean", least_area=least_area, **options)


def classifier(**options):
    return AlexNetEmotion(NAMES, image_size=32, width=0.15, dropout=0.0, **options)


@pytest.fixture
def labels():
    return np.arange(16) % 3


@pytest.mark.parametrize("metric_loss", [None, "island"])
def test_contract(occluded_faces, labels, metric_loss):
    def factory():
        keras.utils.set_random_seed(0)
        return OccludedEmotion.from_classifier(restorer(), classifier(metric_loss=metric_loss))

    check_classifier(factory, occluded_faces["face"].astype("float32"), labels, exact=False, epochs=6, tolerance=1e-4)


def test_it_reads_the_restored_face(occluded_faces):
    first, second = restorer(), classifier()
    model = OccludedEmotion.from_classifier(first, second)
    faces = occluded_faces["face"]
    restored = first(faces)
    assert restored["mask"].numpy().any()
    np.testing.assert_allclose(model(faces), second(restored["restored"]), atol=1e-5)
    np.testing.assert_array_equal(model.restorer(faces)["restored"], restored["restored"])
    assert model.face_shape == (32, 32, 1)
    assert model.label_names == NAMES


def test_an_open_face_is_read_as_it_is(occluded_faces):
    # Nothing is covered enough for this restorer.
    model = OccludedEmotion.from_classifier(restorer(least_area=1.0, mask_threshold=0.999), second := classifier())
    np.testing.assert_allclose(model(occluded_faces["face"]), second(occluded_faces["face"]), atol=1e-6)
    np.testing.assert_array_equal(model.restorer(occluded_faces["face"])["restored"], occluded_faces["face"])


def test_fine_tuning_goes_through_to_the_generator_and_leaves_the_parts_it_was_made_of(occluded_faces, labels):
    first, second = restorer(), classifier()
    model = OccludedEmotion.from_classifier(first, second)
    before = first.get_weights()
    head, read = model.restorer.mask_head.get_weights(), second.backbone.get_weights()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss, metrics=["accuracy"])
    losses = model.fit(occluded_faces["face"], labels, epochs=8, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    moved = zip(model.restorer.generator.get_weights(), first.generator.get_weights(), strict=True)
    assert all(abs(one - other).max() > 0 for one, other in moved)
    for kept, now in ((before, first), (head, model.restorer.mask_head), (read, second.backbone)):
        for one, other in zip(kept, now.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("average_decay", [0.9, 0])
def test_a_gan_whose_restorer_it_takes_learns_on(occluded_faces, average_decay):
    gan = RestorationGAN(restorer(), (), average_decay=average_decay)
    counts = [len(model.trainable_variables) for model in (gan, gan.restorer, gan.inference_restorer)]
    model = OccludedEmotion(gan.inference_restorer, classifier().backbone, NAMES)
    assert counts == [len(model.trainable_variables) for model in (gan, gan.restorer, gan.inference_restorer)]
    assert (model.restorer.generator.trainable, model.restorer.mask_head.trainable) == (True, False)
    faces = occluded_faces["face"]
    np.testing.assert_array_equal(model.restorer(faces)["restored"], gan.inference_restorer(faces)["restored"])


def test_preset_recognizer_and_saved_model(occluded_faces, tmp_path):
    model = OccludedEmotion.from_classifier(restorer(), classifier(metric_loss=IslandLoss(3)))
    faces = occluded_faces["face"]
    expected = keras.ops.softmax(model.predict(faces, verbose=0)).numpy()
    model.save_to_preset(tmp_path / "preset", {"corpus": "drawn"})
    loaded, about = load_preset(tmp_path / "preset")
    assert about["corpus"] == "drawn"
    np.testing.assert_array_equal(loaded.predict(faces, verbose=0), model.predict(faces, verbose=0))
    assert isinstance(OccludedEmotion.from_preset(tmp_path / "preset"), OccludedEmotion)
    crops = [np.repeat(face, 3, axis=-1) for face in faces]
    np.testing.assert_allclose(Recognizer(loaded).classify(crops), expected, atol=1e-5)

    export_saved_model(loaded, tmp_path / "served")
    served = tf.saved_model.load(str(tmp_path / "served"))
    answer = served.signatures["serving_default"](image=tf.constant([encode_png(crop) for crop in crops]))
    np.testing.assert_allclose(answer["probabilities"], expected, atol=1e-5)
    answer = served.signatures["serve_tensor"](face=tf.constant(faces, tf.float32))
    np.testing.assert_allclose(answer["probabilities"], expected, atol=1e-5)


def test_a_recogniser_with_landmarks(occluded_faces, labels):
    second = classifier(angle_map=True, metric_loss=None)
    model = OccludedEmotion.from_classifier(restorer(least_area=1.0, mask_threshold=0.999), second)
    assert model.takes_landmarks
    landmarks = np.random.default_rng(0).uniform(0.2, 0.8, (16, 68, 2)).astype("float32")
    inputs = {"face": occluded_faces["face"], "landmarks": landmarks}
    np.testing.assert_allclose(model(inputs), second(inputs), atol=1e-6)


def test_wrong_parts():
    with pytest.raises(ValueError, match="must have a mask head"):
        OccludedEmotion.from_classifier(restorer(blind=False), classifier())
    with pytest.raises(ValueError, match="takes faces of shape"):
        OccludedEmotion.from_classifier(FaceRestorer(48, width=0.1), classifier())
    for wrong in (None, RestorationGAN(restorer(), ())):
        with pytest.raises(ValueError, match="must be a FaceRestorer; of a RestorationGAN give `inference_restorer`"):
            OccludedEmotion.from_classifier(wrong, classifier())
