import os
import re

import cv2
import numpy as np
import pytest

from fer_keras import corpora
from fer_keras.corpora import SkipLog, folder
from fer_keras.corpora.records import make_record
from fer_keras.errors import InputError


@pytest.fixture
def make_folder(tmp_path):
    def make(text, pictures=("a.png", "b.png")):
        for name in pictures:
            cv2.imwrite(str(tmp_path / name), np.zeros((16, 16, 3), np.uint8))
        (tmp_path / "labels.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path

    return make


def test_all_columns(make_folder):
    directory = make_folder(
        "path,subject,sequence,frame,label,occlusion,pose\na.png,ann,s1,3,Happy,sunglasses,left\nb.png,bob,,,sad,,\n"
    )
    first, second = folder.read(directory, SkipLog())
    assert (first.subject, first.sequence, first.frame, first.label, first.occlusion, first.attributes) == (
        "ann", "s1", 3, "happiness", "sunglasses", {"pose": "left"},
    )  # fmt: skip
    assert (second.sequence, second.frame, second.label, second.occlusion) == ("b.png", -1, "sadness", "none")
    assert first.image == directory / "a.png"


def test_pictures_without_subject_are_their_own(make_folder):
    samples = folder.read(make_folder("path,label\na.png,happy\nb.png,happy\n"), SkipLog())
    assert len({sample.subject for sample in samples}) == 2


def test_missing_picture_is_skipped_and_named(make_folder):
    skips = SkipLog()
    samples = folder.read(make_folder("path,label\na.png,happy\ngone.png,sad\n"), skips)
    assert [sample.image.name for sample in samples] == ["a.png"]
    ((path, reason),) = skips
    assert path.endswith("gone.png")
    assert "line 3" in reason
    with pytest.raises(InputError, match=r"gone\.png"):
        folder.read(make_folder("path,label\ngone.png,sad\n"), SkipLog(strict=True))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,emotion\na.png,happy\n", r"line 1: column 'label' is missing; found 'path', 'emotion'"),
        ("path,label,Label\na.png,happy,sad\n", r"line 1: column 'label' occurs twice"),
        ("path,label,age,age\na.png,happy,1,2\n", r"line 1: column 'age' occurs twice"),
        ("", r"labels\.csv: is empty; expected .* the columns \('path', 'label'\)"),
    ],
)
def test_what_is_no_such_table_is_refused(make_folder, text, message):
    with pytest.raises(InputError, match=message):
        folder.read(make_folder(text), SkipLog())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label\nb.png,bored\na.png,happy\n", r"line 2: unknown label 'bored'"),
        ("path,label,frame\nb.png,happy,one\na.png,happy,1\n", r"line 2: frame is 'one'; expected a whole number"),
        (f"path,label,frame\nb.png,happy,{'9' * 30}\na.png,happy,\n", r"line 2: frame is '999999.*expected a whole"),
        ("path,label\n,happy\na.png,happy\n", r"line 2: the path is empty"),
        ("path,label,landmarks\nb.png,sad,b.txt\na.png,happy,\n", r"line 2: b\.txt: expected a file of 68 landmarks"),
        ("path,label,landmarks\nb.png,sad,b.png\na.png,happy,\n", r"line 2: b\.png: expected a file of 68 landmarks"),
        ("path,label,subject\nb.png\na.png,happy,ann\n", "line 2: has 1 fields; expected 3"),
        ("path,label\nb.png,happy,\na.png,happy\n", "line 2: has 3 fields; expected 2"),
        ("path,label\nb\0.png,happy\na.png,happy\n", "line 2: holds a NUL byte"),
        ('path,label\n"b.png,happy\na.png,happy\n', r"line 2: cannot be read \(unexpected end of data\)"),
        ('path,label,subject\nb.png,happy,"ann\na.png,happy,ann\n', r"line 2: cannot be read \(unexpected end of data"),
    ],
)
def test_a_bad_row_is_skipped_by_its_line(make_folder, text, message):
    directory, skips = make_folder(text), SkipLog()
    assert [sample.image.name for sample in folder.read(directory, skips)] == ["a.png"]
    ((path, reason),) = skips
    assert path.endswith("labels.csv")
    assert re.match(message, reason)
    with pytest.raises(InputError, match=r"labels\.csv: " + message):
        folder.read(directory, SkipLog(strict=True))


@pytest.mark.parametrize("mask", ["gone.png", "m" * 300, "."])
def test_a_missing_mask_is_named(make_folder, mask):
    directory, skips = make_folder(f"path,label,mask\nb.png,happy,{mask}\na.png,happy,b.png\n"), SkipLog()
    (sample,) = folder.read(directory, skips)
    assert (sample.image, sample.mask) == (directory / "a.png", directory / "b.png")
    assert skips == [(str(directory / mask), "no such file; named in labels.csv, line 2")]


def test_a_name_that_is_not_utf8_is_found(make_folder):
    directory = make_folder(b"path,label,place,\xe9\ncaf\xe9.png,happy,K\xf6ln,1\na.png,sad,,\n")
    os.rename(directory / "b.png", os.fsencode(directory) + b"/caf\xe9.png")
    first, second = folder.read(directory, SkipLog(strict=True))
    assert first.read().shape == (16, 16, 3)
    assert (first.subject, first.attributes) == ("caf\\xe9.png", {"place": "K\\xf6ln", "\\xe9": "1"})
    make_record(b"", first)
    assert second.subject == "a.png"


def test_known_columns_are_known_in_any_case(make_folder):
    """A column `Subject` that was taken for something else would let one person into two folds."""
    directory = make_folder("Path, LABEL ,Subject,Pose\na.png,happy,ann,Left\n")
    (sample,) = folder.read(directory, SkipLog(strict=True))
    assert (sample.subject, sample.label, sample.attributes) == ("ann", "happiness", {"Pose": "Left"})


def test_landmarks(make_folder):
    directory = make_folder("path,label,landmarks\na.png,happy,68.txt\nb.png,sad,189.csv\n")
    points = np.random.default_rng(0).uniform(0, 16, (189, 2))
    np.savetxt(directory / "68.txt", points[:68])
    np.savetxt(directory / "189.csv", points, delimiter=",")
    first, second = folder.read(directory, SkipLog(strict=True))
    np.testing.assert_allclose(first.landmarks, points[:68])
    assert second.landmarks is None  # another markup: the face is searched for
    for rows in (0, 68):  # no points, and no eyes
        np.savetxt(directory / "189.csv", np.ones((rows, 2)))
        with pytest.raises(InputError, match=r"line 3: 189\.csv: expected a file of 68 landmarks"):
            folder.read(directory, SkipLog(strict=True))


def test_byte_order_mark_is_no_part_of_a_column(make_folder):
    assert len(folder.read(make_folder(b"\xef\xbb\xbfpath,label\na.png,happy\n"), SkipLog())) == 1


def test_read_selects_labels_and_attributes(make_folder):
    directory = make_folder("path,label,pose\na.png,happy,left\nb.png,sad,right\n")
    assert [s.label for s in corpora.read("folder", directory, labels=["sad"]).samples] == ["sadness"]
    assert [s.label for s in corpora.read("folder", directory, where={"pose": "left"}).samples] == ["happiness"]
    with pytest.raises(InputError, match="no picture is labelled fear"):
        corpora.read("folder", directory, labels=["fear"])
    with pytest.raises(InputError, match="no labelled picture has pose=up"):
        corpora.read("folder", directory, where={"pose": "up"})


def test_read_names_what_is_missing(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        corpora.read("folder", tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"no labels\.csv found"):
        corpora.read("folder", tmp_path)
    with pytest.raises(InputError, match=r"unknown corpus 'ck'; expected one of ck_plus"):
        corpora.read("ck", tmp_path)
