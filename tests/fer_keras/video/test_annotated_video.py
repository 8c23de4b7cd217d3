import cv2
import numpy as np
import pytest

from fer_keras.errors import InputError
from fer_keras.faces import Video
from fer_keras.video import AnnotatedVideo
from fer_keras.video.annotated_video import annotate

GREY = np.full((120, 160, 3), 128, np.uint8)
FACE = (1, (40.4, 50.0, 90.0, 100.0), "happiness", 0.934)


@pytest.mark.parametrize(("name", "codec"), [("copy.mp4", "FMP4"), ("copy.avi", "MJPG")])
def test_a_copy(tmp_path, name, codec):
    with AnnotatedVideo(tmp_path / name, 25.0) as copy:
        for level in range(6):
            copy.write(np.full((120, 160, 3), 40 * level, np.uint8), [FACE] if level else [])
        assert not (tmp_path / name).exists()
    capture = cv2.VideoCapture(str(tmp_path / name))
    number = int(capture.get(cv2.CAP_PROP_FOURCC))
    assert "".join(chr(number >> shift & 255) for shift in (0, 8, 16, 24)) == codec
    with Video(tmp_path / name) as video:
        assert (video.size, video.fps, video.frame_count) == ((160, 120), 25.0, 6)
        levels = [frame[-10:, -30:].mean() for frame in video]
    np.testing.assert_allclose(levels, 40 * np.arange(6), atol=6)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_what_is_drawn():
    before = GREY.copy()
    drawn = annotate(GREY, [FACE])
    np.testing.assert_array_equal(GREY, before)
    changed = np.argwhere((drawn != GREY).any(axis=-1))
    assert changed[:, 0].max() == pytest.approx(100, abs=2)
    assert (drawn[49:52, 60] == (217, 154, 0)).all(axis=-1).any()  # the upper edge, in the colour of happiness
    assert (drawn[54:96, 44:86] == 128).all()  # the face itself is left alone
    plate = drawn[:50]
    assert ((plate == (217, 154, 0)).all(axis=-1)).sum() > 500


def test_a_frame_without_a_face_says_so():
    drawn = annotate(GREY, [])
    plate = (drawn == 90).all(axis=-1)
    assert plate.sum() > 300
    assert plate[-1, 0]
    np.testing.assert_array_equal(drawn[:100], GREY[:100])


@pytest.mark.parametrize("box", [(-20, -30, 60, 40), (100, 90, 300, 250), (-5, -5, 400, 400), (0, 0, 0, 0)])
@pytest.mark.parametrize("shape", [(120, 160, 3), (16, 16, 3), (1080, 1920, 3)])
def test_the_plate_stays_in_the_picture(box, shape):
    drawn = annotate(np.full(shape, 128, np.uint8), [(12, box, "uncertain", 0.31)])
    assert drawn.shape == shape
    assert (drawn != 128).any()


def test_frames_of_other_sizes_and_without_a_picture(tmp_path):
    tall = np.full((240, 160, 3), 200, np.uint8)
    with AnnotatedVideo(tmp_path / "copy.avi", 25.0) as copy:
        for image in (None, GREY, tall, None):
            copy.write(image, [])
    frames = list(Video(tmp_path / "copy.avi"))
    assert {frame.shape for frame in frames} == {(120, 160, 3)}
    blank, first, fitted, last = frames
    assert (blank < 30).mean() > 0.8
    np.testing.assert_allclose(blank, last, atol=8)
    assert first[:90].mean() == pytest.approx(128, abs=3)
    assert fitted[:90, 60:100].mean() == pytest.approx(200, abs=5)
    assert fitted[:90, :35].mean() < 5


@pytest.mark.parametrize("fps", [0.3, 23.976, 30000 / 1001, 59.94, 1000.0, 5000.0])
@pytest.mark.parametrize("name", ["copy.mp4", "copy.avi"])
def test_rates_and_odd_sizes(tmp_path, fps, name):
    with AnnotatedVideo(tmp_path / name, fps) as copy:
        for _ in range(3):
            copy.write(np.full((121, 163, 3), 90, np.uint8), [FACE])
    with Video(tmp_path / name) as video:
        assert video.size == (162, 120)
        assert video.fps == pytest.approx(min(fps, 1000), rel=2e-3)


@pytest.mark.parametrize("error", [KeyboardInterrupt, InputError])
def test_nothing_half_written(tmp_path, error):
    (tmp_path / "copy.mp4").write_bytes(b"what was there before")

    def stopped():
        with AnnotatedVideo(tmp_path / "copy.mp4", 25.0) as copy:
            copy.write(GREY, [FACE])
            raise error

    with pytest.raises(error):
        stopped()
    assert (tmp_path / "copy.mp4").read_bytes() == b"what was there before"
    assert [path.name for path in tmp_path.iterdir()] == ["copy.mp4"]


def test_a_full_disk(tmp_path, monkeypatch):
    class Full:
        """OpenCV's writer on a full disk: it says nothing."""

        def __init__(self, path, *arguments):
            open(path, "wb").close()

        def isOpened(self):  # noqa: N802
            return True

        def write(self, frame):
            pass

        def release(self):
            pass

    monkeypatch.setattr(cv2, "VideoWriter", Full)
    monkeypatch.setattr(cv2, "VideoWriter_fourcc", lambda *letters: 0, raising=False)
    copy = AnnotatedVideo(tmp_path / "copy.mp4", 25.0)
    copy.write(GREY, [])
    copy.write(GREY, [])
    with pytest.raises(InputError, match=r"copy\.mp4: only 0 of 2 frames were written; is the disk full\?"):
        copy.__exit__(None, None, None)
    assert list(tmp_path.iterdir()) == []


def test_where_it_cannot_be_written(tmp_path):
    for name in ("copy.gif", "copy"):
        with pytest.raises(InputError, match=r"expected an annotated copy to end in \.mp4 or \.avi"):
            AnnotatedVideo(tmp_path / name, 25.0)
    with pytest.raises(InputError, match="OpenCV writes only where all names are UTF-8"):
        AnnotatedVideo(tmp_path / "bad-\udcff.mp4", 25.0)
    with (
        pytest.raises(InputError, match=r"copy\.mp4: OpenCV cannot write there a video of 160×120 pixels"),
        AnnotatedVideo(tmp_path / "nowhere" / "copy.mp4", 25.0) as copy,
    ):
        copy.write(GREY, [])


@pytest.mark.parametrize("name", ["größe 微笑 😀.mp4", "50%03d.mp4", "a [b] 'c'.avi"])
def test_any_file_name(tmp_path, name):
    with AnnotatedVideo(tmp_path / name, 25.0) as copy:
        copy.write(GREY, [FACE])
    assert [path.name for path in tmp_path.iterdir()] == [name]
