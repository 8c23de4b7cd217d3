import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf

from fer_keras.explain import grad_cam
from fer_keras.export import export_saved_model
from fer_keras.models import AlexNetEmotion, FaceRestorer, JointSupervision, OccludedEmotion

pytestmark = pytest.mark.slow

NAMES = ("neutral", "happiness", "surprise")


def served(model, directory):
    export_saved_model(model, directory)
    return tf.saved_model.load(str(directory)).signatures


@pytest.fixture(scope="module")
def faces():
    return np.random.default_rng(0).integers(0, 256, (3, 32, 32, 1), dtype="uint8")


@pytest.fixture(scope="module")
def images(faces):
    return tf.constant([cv2.imencode(".png", face)[1].tobytes() for face in faces])


@pytest.mark.parametrize("angle_map", [False, True])
def test_grad_cam_is_that_of_the_library(faces, images, tmp_path, angle_map):
    model = AlexNetEmotion(NAMES, image_size=32, width=0.25, angle_map=angle_map)
    points = np.random.default_rng(1).uniform(0.2, 0.8, (3, 68, 2)).astype("float32")
    more = {"landmarks": points} if angle_map else {}
    inputs = {"face": faces, **more} if angle_map else faces
    grad_cam_of = served(model, tmp_path / "model")["serve_grad_cam"]
    for index in ([-1, -1, -1], [2, 0, 1]):
        answer = grad_cam_of(image=images, class_index=tf.constant(index), **more)
        expected = grad_cam(model, inputs, class_index=None if index[0] < 0 else index)
        assert expected.any()
        np.testing.assert_allclose(answer["heat"], expected, atol=1e-4)


def test_a_network_without_maps_has_no_such_signature(tmp_path):
    face = keras.Input((32, 32, 1), name="face")
    backbone = keras.Model(face, keras.layers.Dense(8)(keras.layers.Flatten()(face)))
    assert set(served(JointSupervision(backbone, NAMES), tmp_path / "model")) == {
        "serving_default",
        "serve_tensor",
        "serve_examples",
    }


def test_the_restored_face_is_the_one_that_is_read(faces, images, tmp_path):
    restorer = FaceRestorer(32, width=0.15, least_area=0.0)
    model = OccludedEmotion.from_classifier(restorer, AlexNetEmotion(NAMES, image_size=32, width=0.15))
    signatures = served(model, tmp_path / "model")
    answer, expected = signatures["serve_restored"](image=images), restorer(faces)
    np.testing.assert_array_equal(answer["mask"], expected["mask"])
    np.testing.assert_allclose(answer["restored"], expected["restored"], atol=1e-2)
    assert "serve_grad_cam" in signatures
