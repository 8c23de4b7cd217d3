import cv2
import numpy as np
import pytest

from fer_keras.errors import InputError
from fer_keras.video import CameraFrames, ClipFrames, FolderFrames, is_picture, open_source

GREY = np.full((48, 64, 3), 90, np.uint8)


def test_by_what_is_there(write_clip, write_folder, monkeypatch, tmp_path):
    assert isinstance(open_source(write_clip([GREY])), ClipFrames)
    assert isinstance(open_source(write_folder([GREY])), FolderFrames)
    monkeypatch.chdir(tmp_path)
    write_folder([GREY], "7")
    assert isinstance(open_source("7"), FolderFrames)
    with pytest.raises(InputError, match="gone: no such file, expected a video file, a folder of frames or the number"):
        open_source("gone")


@pytest.mark.parametrize("index", [97, "97", -1])
def test_a_webcam_that_is_not_there(index, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"webcam 97: cannot be opened|webcam -1: expected the number"):
        open_source(index)


class Camera:
    """What OpenCV gives for a webcam, three frames long."""

    def __init__(self, index):
        self.index, self.taken, self.is_open = index, 0, True

    def isOpened(self):  # noqa: N802
        return self.is_open

    def get(self, key):
        return 30.0

    def grab(self):
        self.taken += 1
        return self.taken <= 4  # one to see that it works

    def retrieve(self):
        return True, np.dstack([np.full((4, 4), 10 * self.taken), *np.zeros((2, 4, 4))]).astype(np.uint8)

    def release(self):
        self.is_open = False


def test_a_webcam(monkeypatch):
    monkeypatch.setattr(cv2, "VideoCapture", Camera)
    camera = CameraFrames(0)
    assert (camera.fps, camera.frame_count, camera.is_live) == (30.0, None, True)
    frames = list(camera)
    assert [frame.number for frame in frames] == [0, 1, 2]
    assert [frame.image[0, 0].tolist() for frame in frames] == [[0, 0, 20], [0, 0, 30], [0, 0, 40]]
    times = [frame.seconds for frame in frames]
    assert times == sorted(times)
    assert 0 <= times[0] < 1


def test_pictures_and_what_else_there_is(write_clip, write_folder, tmp_path):
    folder = write_folder([GREY], "folder.png")
    (tmp_path / "upload").write_bytes((folder / "f0.png").read_bytes())
    assert is_picture(folder / "f0.png")
    assert is_picture(tmp_path / "gone.JPG")
    assert is_picture(tmp_path / "upload")
    assert not is_picture(folder)
    assert not is_picture(write_clip([GREY]))
    assert not is_picture(write_clip([GREY], "film"))
    jpeg = cv2.imencode(".jpg", GREY)[1].tobytes()
    (tmp_path / "film.MJPEG").write_bytes(3 * jpeg)  # begins as a picture does
    assert not is_picture(tmp_path / "film.MJPEG")
    assert len(list(open_source(tmp_path / "film.MJPEG"))) == 3
    assert not is_picture(tmp_path / "gone")
    assert not is_picture("0")
    assert not is_picture("nul\0")
