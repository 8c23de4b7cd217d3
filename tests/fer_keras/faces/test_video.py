import os
import struct
import tracemalloc

import cv2
import numpy as np
import pytest

from fer_keras.corpora.motion_jpeg import encode_avi
from fer_keras.errors import InputError
from fer_keras.faces.image import encode_png
from fer_keras.faces.video import Video


def level(frame):
    """Tells the frames of `clip` apart: the number of the frame."""
    return round(float(frame.mean()) / 10)


def grey_frames(count, height=48, width=64):
    return [np.full((height, width), 10 * number, np.uint8) for number in range(count)]


def write_mp4(path, frames):
    """Most frames of this format say only what changed since the one before."""
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*"mp4v"), 25.0, (width, height))
    for frame in frames:
        writer.write(frame)
    writer.release()


@pytest.fixture
def clip(tmp_path):
    path = tmp_path / "clip.avi"
    path.write_bytes(encode_avi(grey_frames(12), 24))
    return path


def test_frames_in_order(clip):
    with Video(clip) as video:
        assert (video.size, video.fps, video.frame_count) == ((64, 48), 24.0, 12)
        frames = list(video)
    assert [level(frame) for frame in frames] == list(range(12))
    assert {(frame.shape, frame.dtype) for frame in frames} == {((48, 64, 3), np.dtype(np.uint8))}


def test_colours_are_rgb(tmp_path):
    blue = np.zeros((32, 32, 3), np.uint8)
    blue[..., 0] = 250  # of B, G, R
    (tmp_path / "blue.avi").write_bytes(encode_avi([blue], 24))
    red, green, blue = next(Video(tmp_path / "blue.avi")).reshape(-1, 3).mean(axis=0)
    assert max(red, green) < 10
    assert blue > 240


def test_a_video_is_read_once_and_closes(clip):
    video = Video(clip)
    assert iter(video) is video
    assert level(next(video)) == 0
    assert [level(frame) for frame in video] == list(range(1, 12))
    assert list(video) == []
    with Video(clip) as video:
        next(video)
    assert list(video) == []
    assert not video.skip()
    video.close()


def test_skip(clip):
    with Video(clip) as video:
        assert video.skip()
        assert level(next(video)) == 1
        assert [video.skip() for _ in range(8)] == [True] * 8
        assert level(next(video)) == 10
        assert [video.skip() for _ in range(2)] == [True, False]
        assert list(video) == []


@pytest.mark.parametrize("name", ["clip.avi", "clip.mp4"])
def test_the_time_of_a_frame(tmp_path, name):
    frames = [cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR) for frame in grey_frames(6)]
    write_mp4(tmp_path / "clip.mp4", frames)
    (tmp_path / "clip.avi").write_bytes(encode_avi(frames, 25))
    with Video(tmp_path / name) as video:
        next(video)
        assert video.seconds == pytest.approx(0.0, abs=1e-3)
        video.skip()
        next(video)
        assert video.seconds == pytest.approx(2 / 25, abs=1e-3)
    assert video.seconds is None


def test_frames_that_build_on_each_other(tmp_path):
    random = np.random.default_rng(0)
    sent = [cv2.resize(random.integers(0, 256, (6, 8, 3), np.uint8), (64, 48)) for _ in range(20)]
    write_mp4(tmp_path / "clip.mp4", sent)
    with Video(tmp_path / "clip.mp4") as video:
        assert (video.size, video.fps, video.frame_count) == ((64, 48), 25.0, 20)
        for frame, original in zip(video, sent, strict=True):
            assert np.abs(frame[..., ::-1].astype(int) - original).mean() < 12


@pytest.mark.parametrize(("matrix", "turns"), [((0, 1, -1, 0), 1), ((-1, 0, 0, -1), 2), ((0, -1, 1, 0), 3)])
def test_rotation_metadata_is_followed(tmp_path, matrix, turns):
    y, x = np.mgrid[:48, :64]
    write_mp4(tmp_path / "stored.mp4", [np.stack([x * 3, y * 4, x * 0], axis=-1).astype(np.uint8)] * 3)
    content = bytearray((tmp_path / "stored.mp4").read_bytes())
    place = content.index(b"tkhd") + 44  # of the transformation matrix in the track's header
    a, b, c, d = (value << 16 for value in matrix)
    content[place : place + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    (tmp_path / "phone.mp4").write_bytes(content)
    stored, upright = next(Video(tmp_path / "stored.mp4")), Video(tmp_path / "phone.mp4")
    assert upright.size == ((48, 64) if turns % 2 else (64, 48))
    np.testing.assert_array_equal(next(upright), np.rot90(stored, -turns))


def test_a_picture_is_a_clip_of_one_frame(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    (tmp_path / "picture.png").write_bytes(encode_png(pixels))
    with Video(tmp_path / "picture.png") as video:
        assert video.frame_count is None
        [frame] = video
    np.testing.assert_array_equal(frame, pixels)


@pytest.mark.parametrize(
    "name", ["größe 微笑 😀.avi".encode(), b"latin-\xe9\xff.avi", b"50%03d.avi", b"concat:a|b.avi", b"a"]
)
def test_any_file_name(clip, name, monkeypatch):
    monkeypatch.chdir(clip.parent)
    os.rename(clip, name)
    assert [level(frame) for frame in Video(os.fsdecode(name))] == list(range(12))
    assert level(next(Video(name))) == 0


def test_memory_does_not_grow_with_the_length(tmp_path):
    (tmp_path / "long.avi").write_bytes(encode_avi((np.zeros((240, 320), np.uint8) for _ in range(200)), 24))
    video = Video(tmp_path / "long.avi")
    tracemalloc.start()
    try:
        assert sum(1 for _ in video) == 200
        assert tracemalloc.get_traced_memory()[1] < 5 * 240 * 320 * 3
    finally:
        tracemalloc.stop()


def test_no_such_file_directory_pipe(tmp_path):
    with pytest.raises(InputError, match=r"none\.avi: no such file, expected a video file"):
        Video(tmp_path / "none.avi")
    with pytest.raises(InputError, match="is a directory, expected a video file"):
        Video(tmp_path)
    os.mkfifo(tmp_path / "pipe.avi")
    with pytest.raises(InputError, match=r"pipe\.avi: is not a regular file"):
        Video(tmp_path / "pipe.avi")
    (tmp_path / "loop.avi").symlink_to("loop.avi")
    with pytest.raises(InputError, match=r"loop\.avi: cannot be read"):
        Video(tmp_path / "loop.avi")
    with pytest.raises(InputError, match="cannot be read"):
        Video("nul\0.avi")
    with pytest.raises(InputError, match=r"bad-\\xff\.avi: no such file") as error:
        Video(tmp_path / os.fsdecode(b"bad-\xff.avi"))
    str(error.value).encode()


def without_frames():
    """An AVI file whose list of frames is empty."""
    content = encode_avi(grey_frames(1), 24)
    movie = content.index(b"movi")
    return content[: movie - 4] + struct.pack("<I", 4) + b"movi"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty, expected a video"),
        (b"subject,clip\n1,a.avi\n" * 30, "is not a video or is damaged, expected AVI, MP4 or the like"),
        (b"RIFF\x10\0\0\0AVI LIST", "is not a video or is damaged"),
        (encode_avi(grey_frames(3), 24)[:150], "is not a video|holds no frame"),
        (without_frames(), "is not a video|holds no frame"),
        (encode_avi([np.zeros((6, 60), np.uint8)], 24), "is 60×6 pixels, expected at least 8×8"),
        (encode_avi([np.zeros((8, 33_000), np.uint8)], 24), "is 33000×8 pixels, expected at most"),
    ],
)
def test_no_video(content, message, tmp_path, capfd):
    (tmp_path / "bad.avi").write_bytes(content)
    with pytest.raises(InputError, match=rf"bad\.avi: ({message})") as error:
        Video(tmp_path / "bad.avi")
    assert "\n" not in str(error.value)
    assert capfd.readouterr() == ("", "")


def test_a_clip_that_was_cut_off_gives_what_is_there(clip, capfd):
    content = clip.read_bytes()
    clip.write_bytes(content[: len(content) // 2])
    with Video(clip) as video:
        assert video.frame_count == 12
        found = [level(frame) for frame in video]
    assert 3 < len(found) < 9
    assert found == list(range(len(found)))
    assert capfd.readouterr() == ("", "")


def test_nothing_is_read_beyond_a_damaged_frame(clip):
    content = bytearray(clip.read_bytes())
    places = [place for place in range(len(content)) if content[place : place + 4] == b"00dc"][:12]
    content[places[5] + 8 : places[6]] = bytes(places[6] - places[5] - 8)
    clip.write_bytes(content)
    video = Video(clip)
    assert [level(frame) for frame in video] == [0, 1, 2, 3, 4]
    assert list(video) == []
    video = Video(clip)
    assert [video.skip() for _ in range(12)] == [True] * 5 + [False] * 7


@pytest.mark.parametrize(("stated", "found"), [(500, 500), (5, 5), (2**31 - 1, None), (0, 12)])
def test_the_stated_number_of_frames_does_not_bind(clip, stated, found):
    content = bytearray(clip.read_bytes())
    for name, place in ((b"avih", 24), (b"strh", 40)):
        start = content.index(name) + place
        content[start : start + 4] = struct.pack("<I", stated)
    clip.write_bytes(content)
    with Video(clip) as video:
        assert video.frame_count in (found, None)
        assert len(list(video)) == 12


@pytest.mark.parametrize("kind", ["avi", "mp4"])
def test_damaged_bytes_never_escape_as_another_error(tmp_path, kind):
    random = np.random.default_rng(1)
    frames = [random.integers(0, 256, (48, 64, 3), np.uint8) for _ in range(4)]
    path = tmp_path / f"clip.{kind}"
    if kind == "avi":
        path.write_bytes(encode_avi(frames, 24))
    else:
        write_mp4(path, frames)
    content = np.frombuffer(path.read_bytes(), np.uint8)
    for _ in range(60):
        damaged = content.copy()
        reach = random.choice([300, damaged.size])
        damaged[random.integers(0, min(reach, damaged.size), 4)] = random.integers(0, 256, 4)
        path.write_bytes(damaged.tobytes())
        try:
            with Video(path) as video:
                size = video.size
                assert {frame.shape[1::-1] for frame in video} == {size}
        except InputError:
            continue
