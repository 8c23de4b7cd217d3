import numpy as np
import pytest

from fer_keras.errors import InputError
from fer_keras.faces.image import encode_png
from fer_keras.video import FolderFrames


def grey(level, shape=(20, 30, 3)):
    return np.full(shape, level, np.uint8)


def test_in_the_order_of_the_numbers(tmp_path):
    names = ["shot2.png", "shot10.png", "shot1.png", "Shot003.png"]
    for level, name in enumerate(names):
        (tmp_path / name).write_bytes(encode_png(grey(50 * level)))
    for other in ("labels.csv", ".hidden.png", "notes"):
        (tmp_path / other).write_bytes(b"?")
    (tmp_path / "more.png").mkdir()
    source = FolderFrames(tmp_path)
    assert (source.frame_count, source.fps, source.has_times) == (4, None, False)
    frames = list(source)
    assert [frame.number for frame in frames] == [0, 1, 2, 3]
    assert [int(frame.image[0, 0, 0]) for frame in frames] == [100, 0, 150, 50]
    assert {frame.seconds for frame in frames} == {None}


def test_skip(write_folder):
    source = FolderFrames(write_folder([grey(10 * number) for number in range(12)]))
    assert source.skip()
    frame = next(source)
    assert (frame.number, frame.image[0, 0, 0]) == (1, 10)
    assert sum(1 for _ in source) == 10
    assert not source.skip()


def test_a_picture_that_cannot_be_read_is_a_gap(write_folder):
    frames = list(FolderFrames(write_folder([grey(1), None, grey(2, (40, 50, 3))])))
    assert frames[1].image is None
    assert "f1.png: is not an image or is damaged" in frames[1].problem
    assert [frame.image.shape for frame in frames if frame.image is not None] == [(20, 30, 3), (40, 50, 3)]


def test_no_folder_or_nothing_in_it(tmp_path):
    with pytest.raises(InputError, match=r"holds no picture, expected a folder of frames such as 0001\.png"):
        FolderFrames(tmp_path)
    with pytest.raises(InputError, match="gone: cannot be read"):
        FolderFrames(tmp_path / "gone")
