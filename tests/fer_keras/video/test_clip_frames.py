import struct

import cv2
import numpy as np
import pytest

from fer_keras.errors import InputError
from fer_keras.video import ClipFrames

FRAMES = [np.full((48, 64, 3), 10 * number, np.uint8) for number in range(8)]


def test_numbers_and_times(write_clip):
    clip = ClipFrames(write_clip(FRAMES))
    assert (clip.fps, clip.frame_count, clip.is_live) == (25.0, 8, False)
    frames = list(clip)
    assert [frame.number for frame in frames] == list(range(8))
    np.testing.assert_allclose([frame.seconds for frame in frames], np.arange(8) / 25, atol=1e-3)
    assert [round(frame.image.mean() / 10) for frame in frames] == list(range(8))


def test_skipped_frames_count(write_clip):
    clip = ClipFrames(write_clip(FRAMES))
    assert clip.skip()
    assert clip.skip()
    frame = next(clip)
    assert (frame.number, round(frame.image.mean() / 10)) == (2, 2)
    assert frame.seconds == pytest.approx(2 / 25, abs=1e-3)
    assert len(list(clip)) == 5
    assert not clip.skip()


class Untimed:
    """A clip whose format has no times, or wrong ones."""

    fps, frame_count = 10.0, None

    def __init__(self, seconds):
        self._seconds = iter(seconds)

    def __next__(self):
        self.seconds = next(self._seconds)
        return FRAMES[0]


@pytest.mark.parametrize("stated", [[0.0] * 4, [None] * 4, [0.0, -1.0, 0.0, float("-inf")]])
def test_times_are_counted_where_the_clip_has_none(monkeypatch, stated):
    monkeypatch.setattr("fer_keras.video.clip_frames.Video", lambda path: Untimed(stated))
    np.testing.assert_allclose([frame.seconds for frame in ClipFrames("clip")], [0.0, 0.1, 0.2, 0.3])


def test_the_first_frame_is_at_zero(monkeypatch):
    monkeypatch.setattr("fer_keras.video.clip_frames.Video", lambda path: Untimed([5.0, 5.04, 5.2]))
    np.testing.assert_allclose([frame.seconds for frame in ClipFrames("clip")], [0.0, 0.04, 0.2])


def test_a_phone_held_upright(tmp_path):
    """The rotation of the metadata is followed: frames come as the person held the phone."""
    stored = np.zeros((48, 64, 3), np.uint8)
    stored[:, :32] = 200  # bright on the left of what is stored
    writer = cv2.VideoWriter(
        str(tmp_path / "phone.mp4"), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*"mp4v"), 25.0, (64, 48)
    )
    for _ in range(3):
        writer.write(stored)
    writer.release()
    content = bytearray((tmp_path / "phone.mp4").read_bytes())
    place = content.index(b"tkhd") + 44  # of the transformation matrix in the track's header
    content[place : place + 36] = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
    (tmp_path / "phone.mp4").write_bytes(content)
    for frame in ClipFrames(tmp_path / "phone.mp4"):
        assert frame.image.shape == (64, 48, 3)
        assert frame.image[:28].mean() > 150 > 50 > frame.image[36:].mean()


def test_no_clip(tmp_path):
    (tmp_path / "clip.mp4").write_bytes(b"no clip at all")
    with pytest.raises(InputError, match=r"clip\.mp4: is not a video or is damaged"):
        ClipFrames(tmp_path / "clip.mp4")
    with pytest.raises(InputError, match=r"gone\.mp4: no such file"):
        ClipFrames(tmp_path / "gone.mp4")
