import os

import pytest

from fer_keras.corpora import Sample, SkipLog, class_folders
from fer_keras.errors import InputError


def test_samples(layouts, tmp_path):
    layouts["class_folders"](tmp_path)
    skips = SkipLog()
    expected = [
        ("surprise/b.jpg", "surprise", ""),
        ("surprise/c.webp", "surprise", ""),
        ("test/happy/a.png", "happiness", "test"),
        ("train/happy/a.png", "happiness", "train"),
        ("train/sad/a.png", "sadness", "train"),
    ]
    assert class_folders.read(tmp_path, skips) == [
        Sample("class_folders", name, name, tmp_path / name, label, split=split) for name, label, split in expected
    ]
    assert skips == []


@pytest.mark.parametrize(
    ("folder", "split"),
    [
        ("Train", "train"),
        ("val", "validation"),
        ("valid", "validation"),
        ("validation", "validation"),
        ("TEST", "test"),
    ],
)
def test_splits(write, tmp_path, folder, split):
    write.picture(tmp_path / folder / "Angry" / "a.png")
    assert [(one.label, one.split) for one in class_folders.read(tmp_path, SkipLog())] == [("anger", split)]


@pytest.mark.parametrize("ending", ["png", "jpg", "jpeg", "bmp", "tif", "tiff", "webp", "PNG"])
def test_endings(tmp_path, ending):
    (tmp_path / "sad").mkdir()
    (tmp_path / "sad" / f"a.{ending}").write_bytes(b"")
    (tmp_path / "sad" / "a.txt").write_bytes(b"")
    assert len(class_folders.read(tmp_path, SkipLog())) == 1


def test_what_is_left_out(layouts, write, tmp_path):
    layouts["class_folders"](tmp_path)
    write.picture(tmp_path / "bored" / "a.png")
    write.picture(tmp_path / "train" / "1" / "a.png")
    (tmp_path / "train" / "sad" / "b.png").mkdir()
    skips = SkipLog()
    assert len(class_folders.read(tmp_path, skips)) == 5
    assert [path.removeprefix(f"{tmp_path}/") for path, _ in skips] == ["bored", "train/1", "train/sad/b.png"]
    assert skips[0][1].startswith("unknown label 'bored'; expected one of neutral")
    assert skips[0][1].endswith("or train, val, test")
    assert skips[1][1].startswith("unknown label '1'")


def test_names_that_are_no_utf_8(layouts, tmp_path):
    layouts["class_folders"](tmp_path)
    os.rename(tmp_path / "surprise/b.jpg", os.fsencode(tmp_path / "surprise") + b"/\xff.jpg")
    names = [one.subject for one in class_folders.read(tmp_path, SkipLog())]
    assert names[:2] == ["surprise/c.webp", "surprise/\\xff.jpg"]


def test_no_class_folder(tmp_path):
    (tmp_path / "train" / "1").mkdir(parents=True)
    with pytest.raises(InputError, match="no folder is named like an emotion"):
        class_folders.read(tmp_path, SkipLog())


def test_links_that_lead_back_or_nowhere_are_left_out(layouts, tmp_path):
    layouts["class_folders"](tmp_path)
    links = {
        "sad": tmp_path,  # a class of its own, with everything in it
        "surprise/loop": tmp_path / "surprise",
        "surprise/self.png": tmp_path / "surprise" / "self.png",
        "surprise/gone": tmp_path / "nowhere",
    }
    for name, target in links.items():
        (tmp_path / name).symlink_to(target)
    skips = SkipLog()
    assert len(class_folders.read(tmp_path, skips)) == 5
    found = {path.removeprefix(f"{tmp_path}/"): reason for path, reason in skips}
    assert set(found) == set(links)
    assert found.pop("surprise/gone") == "is a link that leads nowhere; expected a file"
    assert set(found.values()) == {"is a link back to where it lies, which is not followed"}


def test_links_to_other_folders_are_followed(write, tmp_path):
    write.picture(tmp_path / "elsewhere" / "a.png")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "sad").symlink_to(tmp_path / "elsewhere")
    assert [one.label for one in class_folders.read(tmp_path / "data", SkipLog())] == ["sadness"]
