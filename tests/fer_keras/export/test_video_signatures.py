import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf

from fer_keras.corpora.records import bytes_feature
from fer_keras.export import export_saved_model
from fer_keras.export.video_signatures import STREAM_WINDOW
from fer_keras.models import AlexNetEmotion, VideoEmotion

pytestmark = pytest.mark.slow

NAMES = ("neutral", "happiness", "surprise")
LENGTHS = np.array([4, 2, 1], "int32")


def new_model(recurrence, angle_map=False):
    keras.utils.set_random_seed(0)
    frame_model = AlexNetEmotion(NAMES, width=0.25, angle_map=angle_map)
    reference = "first" if angle_map else "training"
    model = VideoEmotion.from_frame_model(frame_model, angle_reference=reference, recurrence=recurrence, units=8)
    kernel = model.temporal.get_layer("pooling").kernel
    kernel.assign(np.random.default_rng(0).normal(size=kernel.shape) * 0.1)
    return model


@pytest.fixture(scope="module", params=["irnn", "lstm", "none"])
def model(request):
    return new_model(request.param)


@pytest.fixture(scope="module")
def served(model, tmp_path_factory):
    directory = tmp_path_factory.mktemp("export") / "model"
    export_saved_model(model, directory)
    return tf.saved_model.load(str(directory)).signatures


@pytest.fixture(scope="module")
def frames():
    return np.random.default_rng(0).integers(0, 256, (3, 4, 48, 48, 1), dtype="uint8")


def png(face):
    return cv2.imencode(".png", face)[1].tobytes()


def encoded(frames):
    return tf.constant(
        [
            [png(face) if place < length else b"" for place, face in enumerate(clip)]
            for clip, length in zip(frames, LENGTHS, strict=True)
        ]
    )


def test_clips_get_the_model_s_answer(model, served, frames):
    expected = model.attend({"frames": frames.astype("float32"), "lengths": LENGTHS})
    probabilities = keras.ops.softmax(expected["logits"])
    for name in ("serving_default", "serve_video"):
        answer = served[name](frames=encoded(frames), lengths=tf.constant(LENGTHS))
        np.testing.assert_allclose(answer["probabilities"], probabilities, atol=1e-5)
        np.testing.assert_allclose(answer["attention"], expected["attention"], atol=1e-5)
        assert answer["label_names"].numpy().tolist() == [[name.encode() for name in NAMES]] * 3
    tensors = served["serve_tensor"](frames=tf.constant(frames, tf.float32), lengths=tf.constant(LENGTHS))
    np.testing.assert_allclose(tensors["probabilities"], probabilities, atol=1e-5)


def test_what_is_behind_a_clip_is_not_looked_at(served, frames):
    whole = encoded(frames).numpy()
    expected = served["serve_video"](frames=tf.constant(whole), lengths=tf.constant(LENGTHS))
    whole[1, 2:], whole[2, 1:] = b"no picture", whole[0, 0]
    answer = served["serve_video"](frames=tf.constant(whole), lengths=tf.constant(LENGTHS))
    np.testing.assert_allclose(answer["probabilities"], expected["probabilities"], atol=1e-6)
    with pytest.raises(tf.errors.InvalidArgumentError):
        served["serve_video"](frames=tf.constant(whole), lengths=tf.constant([4, 3, 1]))


@pytest.mark.parametrize("lengths", [[4, 2, 0], [4, -1, 1], [5, 2, 1]])
def test_lengths_that_are_none_are_refused(served, frames, lengths):
    clips = {"serve_video": encoded(frames), "serve_tensor": tf.constant(frames, tf.float32)}
    for name, given in clips.items():
        with pytest.raises(tf.errors.InvalidArgumentError, match="lengths must be from 1 to the number of frames"):
            served[name](frames=given, lengths=tf.constant(lengths))


def test_fewer_lengths_than_clips_are_refused(served, frames):
    with pytest.raises(tf.errors.InvalidArgumentError, match="one a clip"):
        served["serve_video"](frames=encoded(frames), lengths=tf.constant([1]))


def test_an_empty_frame_is_refused(served, frames):
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"must not be empty within the length.*\[1 2\]"):
        served["serve_video"](frames=encoded(frames), lengths=tf.constant([4, 3, 1]))
    stream = served["serve_stream"]
    specs = stream.structured_input_signature[1]
    state = {
        name: tf.zeros([1, *spec.shape[1:]], spec.dtype) for name, spec in specs.items() if name.startswith("state_")
    }
    with pytest.raises(tf.errors.InvalidArgumentError):
        stream(image=tf.constant([b""]), **state)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("state_count", lambda one: one - 5, "state_count: expected frames so far, 0 or more"),
        ("state_count", lambda one: tf.zeros([2], one.dtype), "expected one of every stream"),
        ("state_window", lambda one: one * np.nan, "expected finite numbers"),
        ("state_window", lambda one: one[:0], "expected one of every stream"),
    ],
)
def test_a_state_that_is_none_is_refused(served, frames, name, change, message):
    stream = served["serve_stream"]
    specs = stream.structured_input_signature[1]
    state = {
        name: tf.zeros([1, *spec.shape[1:]], spec.dtype) for name, spec in specs.items() if name.startswith("state_")
    }
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        stream(image=tf.constant([png(frames[0, 0])]), **{**state, name: change(state[name])})


def test_stream_by_the_client_s_state(model, served, frames):
    stream = served["serve_stream"]
    specs = stream.structured_input_signature[1]
    state = {
        name: tf.zeros([3, *spec.shape[1:]], spec.dtype) for name, spec in specs.items() if name.startswith("state_")
    }
    assert state["state_window"].shape[1] == STREAM_WINDOW
    for place in range(4):
        answer = stream(image=tf.constant([png(face) for face in frames[:, place]]), **state)
        state = {name: tensor for name, tensor in answer.items() if name.startswith("state_")}
        expected = model.attend({"frames": frames.astype("float32"), "lengths": np.full(3, place + 1, "int32")})
        np.testing.assert_allclose(answer["probabilities"], keras.ops.softmax(expected["logits"]), atol=1e-5)
        np.testing.assert_allclose(
            answer["attention"][:, STREAM_WINDOW - place - 1 :], expected["attention"][:, : place + 1], atol=1e-5
        )


def test_records_of_clips_get_the_clips_answer(served, frames):
    batch = encoded(frames).numpy()
    examples = [
        tf.train.Example(features=tf.train.Features(feature={"image/encoded": bytes_feature(*clip[:length])}))
        for clip, length in zip(batch, LENGTHS, strict=True)
    ]
    records = served["serve_examples"](inputs=tf.constant([one.SerializeToString() for one in examples]))
    clips = served["serve_video"](frames=encoded(frames), lengths=tf.constant(LENGTHS))
    np.testing.assert_allclose(records["scores"], clips["probabilities"], atol=1e-6)
    assert records["classes"].numpy().tolist() == [[name.encode() for name in NAMES]] * 3


def test_with_landmarks(frames, tmp_path):
    model = new_model("irnn", angle_map=True)
    export_saved_model(model, tmp_path / "model")
    served = tf.saved_model.load(str(tmp_path / "model")).signatures
    points = np.random.default_rng(0).random((3, 4, 68, 2)).astype("float32")
    expected = model.attend({"frames": frames.astype("float32"), "lengths": LENGTHS, "landmarks": points})
    answer = served["serve_video"](frames=encoded(frames), lengths=tf.constant(LENGTHS), landmarks=tf.constant(points))
    np.testing.assert_allclose(answer["probabilities"], keras.ops.softmax(expected["logits"]), atol=1e-5)

    stream = served["serve_stream"]
    specs = stream.structured_input_signature[1]
    state = {
        name: tf.zeros([1, *spec.shape[1:]], spec.dtype) for name, spec in specs.items() if name.startswith("state_")
    }
    for place in range(4):
        answer = stream(
            image=tf.constant([png(frames[0, place])]),
            landmarks=tf.constant(points[:1, place]),
            reference=tf.constant(points[:1, 0]),
            **state,
        )
        state = {name: tensor for name, tensor in answer.items() if name.startswith("state_")}
    np.testing.assert_allclose(answer["probabilities"][0], keras.ops.softmax(expected["logits"])[0], atol=1e-5)
