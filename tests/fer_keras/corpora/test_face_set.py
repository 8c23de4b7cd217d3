import dataclasses

import numpy as np
import pytest

from fer_keras import corpora
from fer_keras.corpora.face_set import FaceSet, join_faces, load_faces
from fer_keras.corpora.prepare import prepare
from fer_keras.corpora.records import make_record, write_records
from fer_keras.emotions import EMOTIONS
from fer_keras.errors import InputError
from fer_keras.faces.image import encode_png

NAMES = ("happiness", "sadness")


def record(label, subject="s1", landmarks=None, votes=(), **attributes):
    sample = corpora.Sample(
        "mine", subject, "q1", "picture.png", label=label, votes=votes, split="train", attributes=attributes
    )
    return make_record(encode_png(np.full((60, 60, 3), 50, np.uint8)), sample, landmarks)


@pytest.fixture
def shard(tmp_path):
    votes = np.zeros(len(EMOTIONS))
    votes[[EMOTIONS.index(name) for name in ("happiness", "sadness", "fear")]] = 0.2, 0.6, 0.2
    landmarks = np.linspace(0, 1, 136, dtype="float32").reshape(68, 2)
    records = [
        record("happiness", pose="left", age="30"),
        record("fear"),
        record("sadness", "s2", landmarks, votes.tolist(), pose="right"),
    ]
    write_records(tmp_path / "faces.tfrecord.gz", records)
    return tmp_path / "faces.tfrecord.gz"


def test_everything_known_of_a_face_is_loaded(shard):
    faces = load_faces([shard], NAMES, 48, 1)
    assert faces.images.shape == (2, 48, 48, 1)
    assert faces.labels.tolist() == [0, 1]
    assert faces.sequences.tolist() == ["s1/q1", "s2/q1"]
    assert not faces.landmarks[0].any()
    np.testing.assert_allclose(faces.landmarks[1].ravel(), np.linspace(0, 1, 136), rtol=1e-6)
    np.testing.assert_allclose(faces.votes, [[0, 0], [0.25, 0.75]], rtol=1e-6)
    assert {name: values.tolist() for name, values in faces.attributes.items()} == {
        "split": ["train", "train"],
        "occlusion": ["none", "none"],
        "pose": ["left", "right"],
        "age": ["30", ""],
    }


def test_select_keeps_rows_together(shard):
    second = load_faces([shard], NAMES, 48, 1).select([1])
    assert len(second) == 1
    assert second.subjects.tolist() == ["s2"]
    assert second.landmarks[0, 67, 1] == 1.0
    assert second.votes[0].argmax() == 1
    assert second.attributes["pose"].tolist() == ["right"]


def test_unknown_is_zero():
    two = np.zeros(2, "int32")
    faces = FaceSet(np.zeros((2, 48, 48, 1), "uint8"), two, two.astype(str), two.astype(str), NAMES)
    assert faces.landmarks.shape == (2, 68, 2)
    assert faces.votes.shape == (2, 2)
    assert not faces.landmarks.any()
    assert not faces.votes.any()


def test_no_face_with_a_label(shard):
    with pytest.raises(InputError, match="no face carries one of the labels anger"):
        load_faces([shard], ("anger",), 48, 1)


def test_prepared_landmarks_lie_in_the_crop(tiny_ck_plus, tmp_path):
    manifest = prepare(corpora.read("ck_plus", tiny_ck_plus), tmp_path / "records", workers=1)
    faces = load_faces(manifest["shards"], EMOTIONS, 48, 1)
    known = faces.landmarks.any(axis=(1, 2))
    assert known.mean() > 0.9
    eyes = faces.landmarks[known][:, 36:48].mean(axis=1)
    np.testing.assert_allclose(eyes, np.tile([0.5, 0.26], (len(eyes), 1)), atol=0.03)


def test_the_damaged_file_is_named(shard, tmp_path):
    (tmp_path / "cut.tfrecord.gz").write_bytes(shard.read_bytes()[:-60])
    with pytest.raises(InputError, match=r"cut\.tfrecord\.gz: is damaged"):
        load_faces([shard, tmp_path / "cut.tfrecord.gz"], NAMES, 48, 1)


def test_a_record_that_holds_no_picture(tmp_path):
    sample = corpora.Sample("mine", "s1", "q1", "picture.png", label="happiness")
    write_records(tmp_path / "faces", [make_record(b"no picture", sample)])
    with pytest.raises(InputError, match="faces, or a file beside it, holds a picture that cannot be decoded"):
        load_faces([tmp_path / "faces"], NAMES, 48, 1)


def test_joined_faces_keep_what_all_of_them_have(shard):
    faces = load_faces([shard], NAMES, 48, 1)
    less = dataclasses.replace(faces, attributes={"pose": faces.attributes["pose"]}).select([1])
    both = join_faces([faces, less])
    assert len(both) == 3
    assert both.subjects.tolist() == ["s1", "s2", "s2"]
    assert {name: values.tolist() for name, values in both.attributes.items()} == {"pose": ["left", "right", "right"]}
    np.testing.assert_array_equal(both.landmarks[2], faces.landmarks[1])
