"""Drawn and real faces, found by the real detector and read by the shipped preset."""

import os
import pathlib

import numpy as np
import pytest

from fer_keras.corpora.clip_set import ClipSet
from fer_keras.experiments.film_strip import draw_film_strip
from fer_keras.faces import BlazeFace, align_face
from fer_keras.faces.decode import decode_faces
from fer_keras.models.crop_inputs import encode_crops
from fer_keras.recognizer import Recognizer
from fer_keras.training.static import StaticConfig
from fer_keras.training.video import VideoConfig, train_video
from fer_keras.video import ClipFrames

pytestmark = pytest.mark.slow


def test_drawn_faces(shipped, drawn, write_clip, tmp_path):
    """Two people side by side, one of them hidden for a while."""
    film = [np.concatenate(pair, axis=1) for pair in zip(drawn(4), drawn(9, "surprise"), strict=True)]
    film = film + film[::-1] + film
    for image in film[4:8]:
        image[:, 160:] = 0
    timeline = shipped.read_video(write_clip(film), annotate=tmp_path / "copy.avi")
    assert [track.number for track in timeline.tracks] == [1, 2]
    left, right = sorted(timeline.tracks, key=lambda track: track.boxes[0, 0])
    assert left.frames.tolist() == list(range(18))
    assert set(range(18)) - set(right.frames.tolist()) >= {4, 5, 6, 7}
    assert len(right.frames) >= 12
    assert (left.boxes[:, 2] < 180).all()
    assert (right.boxes[:, 0] > 140).all()
    frames = [frame.image for frame in ClipFrames(tmp_path / "copy.avi")]
    assert len(frames) == 18
    faces = shipped(next(ClipFrames(tmp_path / "clip.avi")).image)
    for face, track in zip(sorted(faces, key=lambda face: face.box[0]), (left, right), strict=True):
        np.testing.assert_allclose(track.probabilities[0], list(face.probabilities.values()), atol=1e-5)
        np.testing.assert_allclose(track.boxes[0], face.box, atol=1e-3)


def test_a_smile(shipped, smile, write_clip):
    happier = []
    for subject in ("001", "003", "004", "014", "022"):
        film = smile(subject)
        timeline = shipped.read_video(write_clip(film))
        (track,) = timeline.tracks
        assert track.frames.tolist() == list(range(24))
        happiness = track.probabilities[:, timeline.label_names.index("happiness")]
        happier.append(happiness[-6:].mean() > happiness[:6].mean() + 0.2)
        stream = shipped.stream()
        for place, frame in enumerate(ClipFrames(write_clip(film))):
            (face,) = stream.push(frame.image, frame.seconds)
            np.testing.assert_allclose(track.probabilities[place], list(face.probabilities.values()), atol=1e-5)
        np.testing.assert_allclose(track.answer, list(face.track_probabilities.values()), atol=1e-5)
    assert sum(happier) >= 4


def test_a_smile_by_a_model_of_clips(smile, write_clip, tmp_path):
    """A VideoEmotion learns the morphs of 45 people and answers those of 15 others."""
    learnt, others = smile.subjects[:45], smile.subjects[45:]
    encoder = StaticConfig(image_size=48, channels=1)
    paper = {"scaled_attention": False, "frame_model": "alexnet_emotion_fer2013"}
    config = VideoConfig(encoder=encoder, units=64, epochs=100, batch_size=8, **paper)
    model = train_video(clips_of(smile, learnt), config)
    recognizer, right = Recognizer(model), {}
    for kind, films in (("happiness", smiles), ("neutral", still)):
        answers = []
        for subject in others:
            (track,) = recognizer.read_video(write_clip(films(smile, subject))).tracks
            answers.append(model.label_names[track.answer.argmax()])
        right[kind] = answers.count(kind)
    assert right["happiness"] >= 10, right  # of 15; smiles with closed lips are what is missed, as in single faces
    assert right["neutral"] >= 13, right

    strip = clips_of(smile, others[:1]).clip(0)
    weights = np.asarray(model.attend(strip.inputs())["attention"])[0]
    assert weights.sum() == pytest.approx(1, abs=1e-4)
    folder = pathlib.Path(os.environ.get("FER_TEST_PICTURES", tmp_path))  # to look at
    (folder / "smile.png").write_bytes(draw_film_strip(strip, weights))


def smiles(smile, subject):
    return smile(subject, 16)


def still(smile, subject):
    """A face that keeps neutral while the camera sways and the light changes."""
    first = smile(subject, 2)[0].astype("float32")
    film = [
        np.roll(first, (round(3 * np.sin(step)), step % 4), axis=(0, 1)) * (0.9 + 0.01 * step) for step in range(16)
    ]
    return [frame.clip(0, 255).astype("uint8") for frame in film]


def clips_of(smile, subjects):
    """A smile and a neutral clip of every subject, as training takes them."""
    detector, images = BlazeFace(), []
    for subject in subjects:
        for films in (smiles, still):
            film = films(smile, subject)
            crops = [align_face(frame, found[0].eyes) for frame, found in zip(film, detector.detect(film), strict=True)]
            images.append(decode_faces(encode_crops(crops), 48, 48, 1).numpy())
    count = len(images)
    return ClipSet(
        images=np.concatenate(images),
        offsets=np.arange(count + 1) * 16,
        labels=np.tile([1, 0], count // 2).astype("int32"),
        subjects=np.repeat(subjects, 2),
        sequences=np.array([f"{number}" for number in range(count)]),
        label_names=("neutral", "happiness"),
    )
