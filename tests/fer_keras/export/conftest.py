import cv2
import keras
import numpy as np
import pytest

from fer_keras.models import AlexNetEmotion

NAMES = ("neutral", "happiness", "surprise")


@pytest.fixture(scope="session")
def small_model():
    """A narrow AlexNet-Emotion whose answers are far from uniform."""
    keras.utils.set_random_seed(0)
    model = AlexNetEmotion(NAMES, width=0.25)
    for layer in model.backbone.layers:  # moving averages that are not the identity
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_mean.assign(keras.random.normal(layer.moving_mean.shape, stddev=0.1))
    model.head.kernel.assign(5 * model.head.kernel)
    return model


@pytest.fixture(scope="session")
def smooth_faces():
    """60 blurred random pictures, which are more alike than noise."""
    random = np.random.default_rng(0)
    faces = [cv2.GaussianBlur(face, (0, 0), 3) for face in random.uniform(0, 255, (60, 48, 48)).astype("float32")]
    faces = np.stack(faces)[..., None]
    lowest, highest = faces.min(axis=(1, 2, 3), keepdims=True), faces.max(axis=(1, 2, 3), keepdims=True)
    return np.round(255 * (faces - lowest) / (highest - lowest)).astype("uint8")


@pytest.fixture(scope="session")
def probabilities():
    """What a Keras model answers."""
    return lambda model, faces: keras.ops.softmax(model.predict(faces, verbose=0)).numpy()
