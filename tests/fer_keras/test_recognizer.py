import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf

from fer_keras.errors import InputError
from fer_keras.faces import Face, align_face, alignment_matrix, transform_points
from fer_keras.faces.decode import decode_faces
from fer_keras.models import AlexNetEmotion
from fer_keras.recognizer import Recognizer

NAMES = ("neutral", "happiness", "surprise")


class TwoFaces:
    """Finds two faces in every picture, the second without landmarks."""

    def __init__(self, random):
        eyes = np.array([[90.0, 100.0], [150.0, 110.0]])
        self.faces = [
            Face((60.0, 70.0, 180.0, 190.0), 0.9, eyes, random.uniform(70, 180, (68, 2))),
            Face((10.0, 20.0, 90.0, 100.0), 0.8, eyes - 40),
        ]

    def detect(self, images):
        return [self.faces for _ in images]


@pytest.fixture
def picture():
    noise = np.random.default_rng(0).integers(0, 256, (240, 260, 3), dtype="uint8")
    return cv2.GaussianBlur(noise, (0, 0), 3)


def recognise(recognizer, picture):
    return np.array([list(face.probabilities.values()) for face in recognizer(picture)])


def pixels(recognizer, crops):
    encoded = [cv2.imencode(".png", crop[..., ::-1])[1].tobytes() for crop in crops]
    return decode_faces(tf.constant(encoded), *recognizer.model.face_shape)


def test_the_model_gets_the_landmarks_in_the_crop(picture):
    detector = TwoFaces(np.random.default_rng(1))
    recognizer = Recognizer(AlexNetEmotion(NAMES, width=0.25, angle_map=True), 0, detector)
    crops = [align_face(picture, face.eyes) for face in detector.faces]
    first = transform_points(detector.faces[0].landmarks, alignment_matrix(detector.faces[0].eyes, 112)) / 112
    landmarks = np.stack([first, np.zeros((68, 2))]).astype("float32")
    logits = recognizer.model({"face": pixels(recognizer, crops), "landmarks": landmarks})
    expected = keras.ops.softmax(logits).numpy()
    np.testing.assert_allclose(recognise(recognizer, picture), expected, atol=1e-5)
    np.testing.assert_allclose(recognizer.classify(crops, landmarks), expected, atol=1e-5)
    without = recognizer.classify(crops)
    assert np.abs(without[0] - expected[0]).max() > 1e-3
    np.testing.assert_allclose(without[1], expected[1], atol=1e-5)


def test_a_model_of_faces_alone_does_without(picture):
    detector = TwoFaces(np.random.default_rng(1))
    recognizer = Recognizer(AlexNetEmotion(NAMES, width=0.25), 0, detector)
    crops = [align_face(picture, face.eyes) for face in detector.faces]
    expected = keras.ops.softmax(recognizer.model(pixels(recognizer, crops))).numpy()
    np.testing.assert_allclose(recognise(recognizer, picture), expected, atol=1e-5)


def test_landmarks_of_another_shape(picture):
    recognizer = Recognizer(AlexNetEmotion(NAMES, width=0.25, angle_map=True), detector=TwoFaces(np.random))
    with pytest.raises(InputError, match=r"landmarks of shape \(2, 68, 2\); expected \(1, 68, 2\)"):
        recognizer.classify([picture[:112, :112]], np.zeros((2, 68, 2)))
