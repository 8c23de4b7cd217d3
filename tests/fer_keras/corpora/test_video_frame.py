import os
import pickle
import threading

import cv2
import numpy as np
import pytest

from fer_keras.corpora import video_frame
from fer_keras.corpora.corpus import Sample
from fer_keras.corpora.motion_jpeg import encode_avi
from fer_keras.corpora.video_frame import VideoFrame
from fer_keras.errors import InputError
from fer_keras.faces.video import Video


@pytest.fixture
def clip(tmp_path):
    """A clip in a format whose frames build on each other, so that seeking is inexact; each is recognisable."""
    path = tmp_path / "clip.mp4"
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*"mp4v"), 25.0, (64, 48))
    random = np.random.default_rng(0)
    for _ in range(30):
        writer.write(cv2.resize(random.integers(0, 256, (3, 4, 3), np.uint8), (64, 48)))
    writer.release()
    return path


@pytest.fixture
def frames(clip):
    with Video(clip) as video:
        return list(video)


@pytest.fixture
def opened(monkeypatch):
    """The clips that were opened."""
    paths = []

    def open_clip(path):
        paths.append(path)
        return Video(path)

    monkeypatch.setattr(video_frame, "Video", open_clip)
    return paths


def test_frames_do_not_depend_on_the_order_of_reading(clip, frames):
    random = np.random.default_rng(1)
    assert len({frame.tobytes() for frame in frames}) == 30
    for order in (range(30), range(29, -1, -1), random.permutation(30), random.integers(0, 30, 30)):
        for index in order:
            np.testing.assert_array_equal(VideoFrame(int(index)).read(clip), frames[index])


def test_reading_forward_opens_a_clip_once(clip, tmp_path, opened):
    for index in (0, 1, 2, 2, 5, 29):
        VideoFrame(index).read(clip)
    assert len(opened) == 1
    VideoFrame(3).read(clip)
    assert len(opened) == 2
    other = tmp_path / "other.mp4"
    other.write_bytes(clip.read_bytes())
    VideoFrame(4).read(other)
    assert len(opened) == 3


def test_threads_do_not_disturb_each_other(clip, frames, opened):
    wrong = []
    start = threading.Barrier(4)

    def read_all():
        start.wait()
        wrong.extend(index for index in range(30) if not np.array_equal(VideoFrame(index).read(clip), frames[index]))

    threads = [threading.Thread(target=read_all) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(opened) == 4


def test_each_thread_keeps_a_clip_of_its_own(clip, tmp_path, opened):
    other = tmp_path / "other.mp4"
    other.write_bytes(clip.read_bytes())
    VideoFrame(5).read(clip)
    thread = threading.Thread(target=lambda: VideoFrame(0).read(other))
    thread.start()
    thread.join()
    VideoFrame(6).read(clip)
    assert opened == [clip, other]


def test_a_forked_process_reads_on_its_own(tmp_path):
    path = tmp_path / "clip.avi"
    random = np.random.default_rng(0)
    # Far more than is read ahead: the two processes would else have all of the clip in memory.
    path.write_bytes(encode_avi((random.integers(0, 256, (240, 320), np.uint8) for _ in range(40)), 24))
    with Video(path) as video:
        sums = [int(frame.sum()) for frame in video]

    def read(indices):
        return [int(VideoFrame(index).read(path).sum()) for index in indices]

    read(range(4))
    child = os.fork()
    if child == 0:
        is_same = False
        try:
            is_same = read(range(4, 20)) == sums[4:20]
        finally:
            os._exit(0 if is_same else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert read(range(4, 40)) == sums[4:]


def test_a_clip_that_was_replaced_is_read_anew(tmp_path):
    path = tmp_path / "clip.avi"
    for grey in (50, 200):
        path.write_bytes(encode_avi([np.full((16, 16), grey, np.uint8)] * (2 + grey // 50), 24))
        assert abs(int(VideoFrame(1).read(path).mean()) - grey) <= 1


def test_what_was_read_may_be_changed(clip, frames):
    VideoFrame(2).read(clip)[:] = 0
    np.testing.assert_array_equal(VideoFrame(2).read(clip), frames[2])


@pytest.mark.parametrize("turns", range(-1, 5))
def test_quarter_turns_are_clockwise(clip, frames, turns):
    picture = VideoFrame(7, quarter_turns=turns).read(clip)
    np.testing.assert_array_equal(picture, np.rot90(frames[7], -turns))
    assert picture.flags.c_contiguous
    if turns == 1:
        np.testing.assert_array_equal(picture[0, -1], frames[7][0, 0])  # top left becomes top right


def test_region_is_cut_from_the_turned_frame(clip, frames):
    right = VideoFrame(0, region=(0.5, 0.0, 1.0, 1.0)).read(clip)
    np.testing.assert_array_equal(right, frames[0][:, 32:])
    turned = VideoFrame(0, quarter_turns=1, region=(0.25, 0.5, 0.75, 1.0)).read(clip)
    np.testing.assert_array_equal(turned, np.rot90(frames[0], -1)[32:, 12:36])


def test_as_a_part_of_a_sample(clip, frames):
    sample = Sample("mmi", "1", "1", clip, part=VideoFrame(12))
    assert sample.name == "clip.mp4: frame 12"
    np.testing.assert_array_equal(sample.read(), frames[12])
    part = VideoFrame(12, 1, (0.0, 0.0, 0.5, 1.0))
    assert pickle.loads(pickle.dumps(part)) == part
    assert hash(part) == hash(VideoFrame(12, 1, (0.0, 0.0, 0.5, 1.0)))


def test_a_frame_that_is_not_there(clip, frames):
    VideoFrame(29).read(clip)
    with pytest.raises(InputError, match=r"clip\.mp4: frame 30: decoding ends after 30 frames"):
        VideoFrame(30).read(clip)
    np.testing.assert_array_equal(VideoFrame(29).read(clip), frames[29])
    with pytest.raises(InputError, match=r"none\.avi: no such file"):
        VideoFrame(0).read(clip.with_name("none.avi"))
    clip.unlink()
    with pytest.raises(InputError, match="no such file"):
        VideoFrame(29).read(clip)


@pytest.mark.parametrize(
    "region", [(0.5, 0, 0.5, 1), (0, 0.6, 1, 0.4), (-0.1, 0, 1, 1), (0, 0, 1, 1.1), (0, 0, float("nan"), 1)]
)
def test_impossible_regions(region):
    with pytest.raises(InputError, match="a region needs"):
        VideoFrame(0, region=region)


def test_other_bad_input(clip):
    with pytest.raises(InputError, match="index=-1"):
        VideoFrame(-1)
    with pytest.raises(InputError, match=r"clip\.mp4: frame 0: is 6×48 pixels, expected at least 8×8"):
        VideoFrame(0, region=(0.0, 0.0, 0.1, 1.0)).read(clip)
