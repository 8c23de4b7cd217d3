import keras
import numpy as np
import pytest

from fer_keras.layers import FrameEncoder
from fer_keras.layers.frame_encoder import first_landmarks
from fer_keras.models import AlexNetEmotion

NAMES = ("neutral", "happiness")


@pytest.fixture
def frames():
    return np.random.default_rng(0).integers(0, 256, (3, 4, 48, 48, 1)).astype("float32")


LENGTHS = np.array([4, 1, 2])
MASK = np.arange(4) < LENGTHS[:, None]


def test_every_frame_as_the_network_alone(frames):
    network = AlexNetEmotion(NAMES, width=0.25).backbone
    features = keras.ops.convert_to_numpy(FrameEncoder(network)(frames, MASK))
    alone = network.predict(frames.reshape(-1, 48, 48, 1), verbose=0).reshape(3, 4, 128)
    np.testing.assert_allclose(features[MASK], alone[MASK], atol=1e-5)
    assert not features[~MASK].any()


def test_runs_as_in_inference_while_others_train(frames):
    network = AlexNetEmotion(NAMES, width=0.25, dropout=0.5).backbone
    encoder = FrameEncoder(network)
    before = [weight.numpy() for weight in network.non_trainable_weights]
    first, second = (keras.ops.convert_to_numpy(encoder(frames, MASK, training=True)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    for old, new in zip(before, network.non_trainable_weights, strict=True):
        np.testing.assert_array_equal(old, new.numpy())


def test_first_landmarks():
    points = np.random.default_rng(0).random((3, 4, 68, 2)).astype("float32")
    points[0, :2] = 0  # the face was not found at first
    points[2] = 0
    np.testing.assert_array_equal(first_landmarks(points), [points[0, 2], points[1, 0], points[2, 0]])


def test_reference_is_the_first_frame(frames):
    from fer_keras.models import VideoEmotion

    points = np.random.default_rng(0).random((3, 4, 68, 2)).astype("float32")
    model = VideoEmotion.from_frame_model(AlexNetEmotion(NAMES, width=0.25, angle_map=True), angle_reference="first")
    features = keras.ops.convert_to_numpy(model.backbone.get_layer("frame_encoder")(frames, MASK, points))
    for clip, frame in ((0, 3), (2, 1)):
        face = {
            "face": frames[clip, frame][None],
            "landmarks": points[clip, frame][None],
            "reference": points[clip, 0][None],
        }
        np.testing.assert_allclose(features[clip, frame], model.encode(face)[0], atol=1e-5)
        other = {**face, "reference": points[clip, 1][None]}
        assert np.abs(features[clip, frame] - model.encode(other)[0]).max() > 1e-3 or frame == 1
