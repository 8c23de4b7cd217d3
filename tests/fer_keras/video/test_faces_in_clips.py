"""Drawn and real faces, found by the real detector and read by the shipped preset."""

import numpy as np
import pytest

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
