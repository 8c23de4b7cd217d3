import numpy as np
import pytest
import tensorflow as tf

from fer_keras import AlexNetEmotion, Recognizer
from fer_keras.faces import Face
from fer_keras.models import VideoEmotion

from .conftest import NAMES, PaintedFaces


def test_sequences_are_answered_as_the_model_does(sequences, film):
    """While a face was seen in no more frames than the window, a stream's answer is the model's to the whole clip."""
    model, stream = sequences.model, sequences.stream(window=32)
    crops, state = [], model.initial_state(1, 32)
    for image in film:
        (face, *_) = stream.push(image)
        found = sequences.detector.detect([image])[0][0]
        crops.append(sequences.inputs([_crop(image, found)])[0])
        whole = model.attend({"frames": np.stack(crops)[None], "lengths": [len(crops)]})
        expected = tf.nn.softmax(whole["logits"])[0].numpy()
        np.testing.assert_allclose(list(face.probabilities.values()), expected, atol=1e-5)
        np.testing.assert_allclose(face.attention, whole["attention"][0], atol=1e-5)
        assert face.track_probabilities == face.probabilities
        logits, _, state = model.step(model.encode(crops[-1][None]), state)
        np.testing.assert_allclose(tf.nn.softmax(logits)[0], expected, atol=1e-5)
    assert np.ptp(face.attention) > 0.02


def test_the_window_forgets(sequences, film):
    """The answer is that to the last frames alone, whatever came before."""
    long, short = sequences.stream(window=3), sequences.stream(window=3)
    for image in film[:8]:
        long.push(image)
    for image in film[8:]:
        first, second = long.push(image)[0], short.push(image)[0]
    assert len(first.attention) == 3
    assert first.probabilities == pytest.approx(second.probabilities, abs=1e-6)


def _crop(image, face):
    from fer_keras.faces import align_face

    return align_face(image, face.eyes)


def test_a_picture_is_a_clip_of_one_frame(sequences, film):
    (picture,) = sequences(film[6])
    (frame,) = sequences.stream().push(film[6])
    assert picture.probabilities == pytest.approx(frame.probabilities, abs=1e-6)


class WithLandmarks(PaintedFaces):
    """Painted faces whose landmarks are not found in the first frame, and differ from frame to frame."""

    def __init__(self):
        self.calls = 0

    def _detect(self, image):
        self.calls += 1
        points = None if self.calls == 1 else np.random.default_rng(self.calls).uniform(40, 70, (68, 2))
        return [Face(face.box, face.score, face.eyes, points) for face in super()._detect(image)]


def test_angles_are_compared_with_the_first_landmarks_of_the_track(film):
    frame_model = AlexNetEmotion(NAMES, width=0.25, angle_map=True)
    model = VideoEmotion.from_frame_model(frame_model, angle_reference="first", units=8)
    recognizer = Recognizer(model, 0.4, WithLandmarks())
    seen = []
    encode = recognizer.clip_model.encode
    recognizer.clip_model.encode = lambda *inputs: seen.append(inputs) or encode(*inputs)
    stream = recognizer.stream()
    for image in film[5:9]:
        stream.push(image)
    _, landmarks, references = zip(*seen[1:], strict=True)  # the first call makes it ready
    assert not np.any(landmarks[0])
    assert not np.any(references[0])
    for own, reference in zip(landmarks[1:], references[1:], strict=True):
        np.testing.assert_array_equal(reference[0], landmarks[1][0])
        assert np.any(own)
    assert np.any(landmarks[2][0] != references[2][0])


def test_why_the_state_is_not_carried_on(shipped, drawn):
    """The figures of docs/guides/video.md: the norm of an IRNN's state that is carried on over a face that stays."""
    model = VideoEmotion.from_frame_model(shipped.model)
    recognizer = Recognizer(model)
    image = drawn()[0]
    face = recognizer.detector.detect([image])[0][0]
    features = model.encode(recognizer.inputs([_crop(image, face)]))
    state, norms, certain = model.initial_state(1, 32), {}, {}
    step = tf.function(model.step)
    for count in range(1, 1001):
        logits, _, state = step(features, state)
        norms[count], certain[count] = (
            float(tf.norm(state["recurrent"][0])),
            float(tf.reduce_max(tf.nn.softmax(logits))),
        )
    stream = recognizer.stream(window=32)
    for _ in range(100):
        (reading,) = stream.push(image)
    told = {count: (round(norms[count], 1), round(certain[count], 3)) for count in (16, 32, 64, 128, 1000)}
    print(f"norm and probability after so many frames: {told}; window 32: {max(reading.probabilities.values()):.3f}")
    assert norms[1000] > 20 * norms[32]
    assert max(reading.probabilities.values()) == pytest.approx(certain[32], abs=1e-3)
