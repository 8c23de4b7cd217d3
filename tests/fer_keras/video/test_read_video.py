import os
import pathlib
import struct
import sys
import tracemalloc

import cv2
import numpy as np
import pytest

from fer_keras.errors import InputError
from fer_keras.video import Frame, read_video

from .conftest import paint

MODULE = sys.modules[read_video.__module__]


def test_a_clip(painted, film, write_clip):
    calls = []
    timeline = painted.read_video(write_clip(film), on_progress=lambda *numbers: calls.append(numbers))
    assert timeline.source.endswith("clip.avi")
    assert timeline.frames.tolist() == list(range(12))
    np.testing.assert_allclose(timeline.seconds, np.arange(12) / 25, atol=1e-3)
    assert timeline.duration == pytest.approx(12 / 25, abs=1e-3)
    assert [track.frames.tolist() for track in timeline.tracks] == [list(range(12)), [0, 1, 2, 3, 4, 9, 10, 11]]
    assert timeline.gaps == []
    assert calls == [(12, 12)]
    for track in timeline.tracks:
        np.testing.assert_allclose(track.answer, track.probabilities.mean(axis=0), atol=1e-6)
        assert track.attention is None
        assert track.boxes.shape == (len(track.frames), 4)
        assert len(track.labels) == len(track.face_scores) == len(track.frames)


def test_the_answer_of_a_model_of_sequences_to_a_track(sequences, film, write_clip):
    timeline = sequences.read_video(write_clip(film))
    for track in timeline.tracks:
        np.testing.assert_allclose(track.answer, track.probabilities[-1], atol=1e-5)
        assert track.attention.shape == track.frames.shape
        assert track.attention.sum() == pytest.approx(1, abs=1e-5)
    pieces = sequences.read_video(write_clip(film), window=5)
    whole = pieces.tracks[0]
    assert whole.attention.sum() == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose([whole.attention[:5].sum(), whole.attention[10:].sum()], [5 / 12, 2 / 12], atol=1e-5)
    # The pieces' answers are those of streams that begin with them.
    ends = []
    for start in (0, 5, 10):
        stream = sequences.stream()
        for image in film[start : start + 5]:
            face = stream.push(image)[0]
        ends.append(list(face.probabilities.values()))
    np.testing.assert_allclose(whole.answer, np.average(ends, axis=0, weights=[5, 5, 2]), atol=5e-3)  # JPEG


def test_every_max_frames_and_max_seconds(painted, film, write_clip):
    clip = write_clip(film)
    timeline = painted.read_video(clip, every=3)
    assert timeline.frames.tolist() == [0, 3, 6, 9]
    assert timeline.step == pytest.approx(3 / 25)
    assert timeline.duration == pytest.approx(12 / 25, abs=1e-3)
    assert [summary["frames_missed"] for summary in timeline.summaries()] == [0, 1]
    assert painted.read_video(clip, max_frames=2).frames.tolist() == [0, 1]
    assert painted.read_video(clip, every=5, max_frames=2).frames.tolist() == [0, 5]
    assert painted.read_video(clip, max_seconds=0.15).frames.tolist() == [0, 1, 2, 3]
    assert painted.read_video(clip, every=100).frames.tolist() == [0]
    totals = []
    painted.read_video(clip, every=5, on_progress=lambda done, total: totals.append(total))
    painted.read_video(clip, max_frames=2, on_progress=lambda done, total: totals.append(total))
    assert totals == [3, 2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"every": 0}, "received every=0; expected a number of frames"),
        ({"max_frames": 0}, "received max_frames=0"),
        ({"max_frames": 2.5}, "received max_frames=2.5"),
        ({"max_seconds": 0}, "received 0 seconds to read up to; expected more than 0"),
        ({"window": 0}, "received window=0"),
        ({"max_gap": -1}, "received max_gap=-1"),
        ({"annotate": "copy.gif"}, r"copy\.gif: expected an annotated copy to end in \.mp4 or \.avi"),
    ],
)
def test_wrong_arguments(painted, film, write_clip, options, message):
    with pytest.raises(InputError, match=message):
        painted.read_video(write_clip(film), **options)


def test_the_clip_itself_is_not_written_over(painted, film, write_clip):
    clip = write_clip(film)
    before = pathlib.Path(clip).read_bytes()
    with pytest.raises(InputError, match="is the clip that is read; expected another name"):
        painted.read_video(clip, annotate=clip)
    assert pathlib.Path(clip).read_bytes() == before


def test_a_folder_has_no_seconds(painted, film, write_folder):
    folder = write_folder(film)
    assert painted.read_video(folder).seconds is None
    assert painted.read_video(folder).duration is None
    with pytest.raises(InputError, match="frames have no times, so that it cannot be read up to some seconds"):
        painted.read_video(folder, max_seconds=1)


@pytest.mark.parametrize("source", [None, True, 1.5, np.zeros((0, 8, 8, 3), np.uint8), ["a.mp4"]])
def test_what_is_no_source(painted, source):
    with pytest.raises(InputError, match=f"received {type(source).__name__}; expected the path of a video file"):
        painted.read_video(source)


def test_empty_pictures(painted):
    for shape in ((0, 8, 3), (8, 0, 3), (0, 0, 3)):
        empty = np.zeros(shape, np.uint8)
        for read in (painted, painted.stream().push):
            with pytest.raises(InputError, match=r"expected a (picture|frame) as uint8 \(height, width, 3\); received"):
                read(empty)


def test_a_clip_that_cannot_be_decoded(painted, film, write_clip, tmp_path):
    (tmp_path / "noise.mp4").write_bytes(os.urandom(1000))
    with pytest.raises(InputError, match=r"noise\.mp4: is not a video or is damaged"):
        painted.read_video(tmp_path / "noise.mp4")
    clip = write_clip(film)
    clip.write_bytes(clip.read_bytes()[:600])
    with pytest.raises(InputError, match=r"clip\.avi: (holds no frame|is not a video)"):
        painted.read_video(clip)


def test_a_clip_that_was_cut_off_says_how_much_is_missing(painted, film, write_clip):
    clip = write_clip(film * 3)
    content = clip.read_bytes()
    clip.write_bytes(content[: content.index(b"00dc", len(content) // 2)])
    timeline = painted.read_video(clip)
    assert 10 < len(timeline.frames) < 30
    assert timeline.missing == 36 - len(timeline.frames)
    assert painted.read_video(clip, max_frames=3).missing == 0


def test_no_frame(painted, tmp_path):
    with pytest.raises(InputError, match="holds no picture, expected a folder of frames"):
        painted.read_video(tmp_path)


def test_no_picture_that_can_be_read(painted, write_folder, tmp_path):
    with pytest.raises(InputError, match=r"frames: no frame of 2 can be read; the first: .*f0\.png: is not"):
        painted.read_video(write_folder([None, None]), annotate=tmp_path / "copy.mp4")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["frames"]


@pytest.mark.parametrize("kind", ["painted", "sequences"])
def test_one_frame(request, film, write_clip, write_folder, kind):
    recognizer = request.getfixturevalue(kind)
    for source in (write_clip(film[:1]), write_folder(film[:1])):
        timeline = recognizer.read_video(source)
        assert [track.frames.tolist() for track in timeline.tracks] == [[0], [0]]
        np.testing.assert_allclose(timeline.tracks[0].answer, timeline.tracks[0].probabilities[0], atol=1e-6)


def test_a_gap_without_a_face(painted, write_clip):
    empty = np.zeros((120, 160, 3), np.uint8)
    film = [paint((40, 40))] * 4 + [empty] * 5 + [paint((42, 40))] * 3 + [empty] * 2
    timeline = painted.read_video(write_clip(film))
    assert [track.frames.tolist() for track in timeline.tracks] == [[0, 1, 2, 3, 9, 10, 11]]
    assert timeline.gaps == [
        {"first_frame": 4, "last_frame": 8, "reason": "no face"},
        {"first_frame": 12, "last_frame": 13, "reason": "no face"},
    ]
    assert len(painted.read_video(write_clip(film), max_gap=0.1).tracks) == 2
    nobody = painted.read_video(write_clip([empty] * 3))
    assert nobody.tracks == ()
    assert nobody.gaps == [{"first_frame": 0, "last_frame": 2, "reason": "no face"}]


def test_pictures_of_other_sizes_and_gaps_among_them(painted, write_folder):
    small, large = paint((40, 40)), paint((80, 80), size=(240, 320), side=60)
    timeline = painted.read_video(write_folder([small, None, large, small, large]))
    assert [track.frames.tolist() for track in timeline.tracks] == [[0, 2, 3, 4]]
    np.testing.assert_allclose(timeline.tracks[0].boxes[:2], [[40, 40, 70, 70], [80, 80, 140, 140]])
    assert timeline.gaps == [{"first_frame": 1, "last_frame": 1, "reason": "no picture"}]
    assert list(timeline.problems) == [1]


def test_a_clip_filmed_with_the_phone_held_upright(painted, film, tmp_path):
    path = tmp_path / "phone.mp4"
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*"mp4v"), 25.0, (120, 160))
    for image in film:
        writer.write(np.rot90(image))
    writer.release()
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 44  # of the transformation matrix in the track's header
    content[place : place + 36] = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    timeline = painted.read_video(path, annotate=tmp_path / "copy.mp4")
    np.testing.assert_allclose(timeline.tracks[0].boxes[0], [10, 40, 40, 70], atol=3)


def test_reading_does_not_depend_on_the_chunks(painted, film, write_folder, monkeypatch):
    folder = write_folder(film)
    expected = painted.read_video(folder)
    for name, size in (("_CHUNK_FRAMES", 1), ("_CHUNK_FRAMES", 5), ("_CHUNK_BYTES", 100_000)):
        with monkeypatch.context() as patch:
            patch.setattr(MODULE, name, size)
            again = painted.read_video(folder)
        for track, other in zip(expected.tracks, again.tracks, strict=True):
            np.testing.assert_array_equal(track.frames, other.frames)
            np.testing.assert_allclose(track.probabilities, other.probabilities, atol=1e-6)


def test_a_webcam_is_read_frame_by_frame(painted, film, monkeypatch):
    class Live:
        name, fps, frame_count, is_live, has_times = "webcam 0", None, None, True, True

        def __init__(self):
            self.given = 0

        def __next__(self):
            if self.given == len(film):
                raise StopIteration
            self.given += 1
            return Frame(self.given - 1, 0.1 * self.given, film[self.given - 1])

        def close(self):
            self.is_closed = True

    live, progress = Live(), []
    monkeypatch.setattr(MODULE, "open_source", lambda source: live)
    timeline = painted.read_video(0, max_seconds=0.75, on_progress=lambda *numbers: progress.append(numbers))
    assert progress == [(number, None) for number in range(1, 8)]
    assert (len(timeline.frames), timeline.step, live.is_closed) == (7, None, True)


@pytest.mark.parametrize("annotates", [False, True])
def test_memory_does_not_grow_with_the_length(painted, write_clip, annotates, tmp_path):
    clips = [write_clip([paint((40, 40), size=(480, 640))] * count, f"{count}.avi") for count in (40, 400)]
    peaks = []
    for clip in clips:
        tracemalloc.start()
        try:
            painted.read_video(clip, annotate=tmp_path / "copy.mp4" if annotates else None)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[1] - peaks[0] < 400_000  # some hundred bytes a face and frame; a frame has 921,600
    assert peaks[1] < 60e6
