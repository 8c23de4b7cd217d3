import dataclasses

import cv2
import numpy as np
import pytest

from fer_keras import corpora
from fer_keras.corpora import prepare as prepare_module
from fer_keras.corpora import synthetic
from fer_keras.corpora.prepare import CROP_SIZE, face_record, prepare
from fer_keras.corpora.records import read_records
from fer_keras.errors import InputError
from fer_keras.faces.align import EYE_DISTANCE, EYE_LINE, landmarks_to_eyes


@pytest.fixture(scope="session")
def tiny_ck_plus(tmp_path_factory):
    size = dataclasses.replace(synthetic.SIZES["small"], subjects=3, frames=4)
    return synthetic.write_ck_plus(tmp_path_factory.mktemp("corpus") / "ck_plus", size=size)


@pytest.fixture
def faceless_folder(tmp_path):
    """One drawn face, one grey picture without a face, one file that is no picture."""
    size = synthetic.SIZES["small"]
    frame = list(synthetic.draw_sequence(size, 0, 0, 0, "happiness"))[-1]
    directory = tmp_path / "folder"
    directory.mkdir()
    cv2.imwrite(str(directory / "face.png"), frame.image)
    cv2.imwrite(str(directory / "grey.png"), np.full((120, 120, 3), 127, np.uint8))
    (directory / "broken.png").write_bytes(b"no picture at all")
    (directory / "labels.csv").write_text("path,subject,label\nface.png,a,happy\ngrey.png,b,sad\nbroken.png,c,sad\n")
    return directory


def test_records_are_aligned_crops(tiny_ck_plus, tmp_path):
    corpus = corpora.read("ck_plus", tiny_ck_plus)
    seen = []
    manifest = prepare(corpus, tmp_path, on_progress=lambda done, total: seen.append((done, total)))
    assert manifest["faces"] == len(corpus.samples) == 3 * 7 * 3
    assert seen[-1] == (63, 63)
    assert sum(manifest["faces_by_label"].values()) == 63
    records = list(read_records(manifest["shards"]).as_numpy_iterator())
    assert [record["sequence"].decode() for record in records] == [sample.sequence for sample in corpus.samples]
    for record in records:
        crop = cv2.imdecode(np.frombuffer(record["image/encoded"], np.uint8), cv2.IMREAD_COLOR)
        assert crop.shape == (CROP_SIZE, CROP_SIZE, 3)
        left, right = landmarks_to_eyes(record["landmarks"].reshape(68, 2))
        np.testing.assert_allclose(right - left, [EYE_DISTANCE, 0], atol=1e-4)
        np.testing.assert_allclose((left + right) / 2, [0.5, EYE_LINE], atol=1e-4)


def test_interrupted_run_continues_to_the_same_bytes(tiny_ck_plus, tmp_path, monkeypatch):
    monkeypatch.setattr(prepare_module, "_SHARD_SIZE", 20)
    corpus = corpora.read("ck_plus", tiny_ck_plus)
    whole = prepare(corpus, tmp_path / "whole")

    def interrupt(done, total):
        if done == 33:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(corpus, tmp_path / "cut", on_progress=interrupt)
    assert not (tmp_path / "cut" / "manifest.json").exists()
    done = []
    resumed = prepare(corpus, tmp_path / "cut", on_progress=lambda count, total: done.append(count))
    assert done[0] == 21  # the first shard was not made again
    for number in range(4):
        shard = f"faces-{number:05d}-of-00004.tfrecord.gz"
        assert (tmp_path / "whole" / shard).read_bytes() == (tmp_path / "cut" / shard).read_bytes()
    assert resumed["faces_by_label"] == whole["faces_by_label"]
    again = []
    prepare(corpus, tmp_path / "cut", on_progress=lambda *count: again.append(count))
    assert again == []


def test_pictures_without_a_face_are_skipped_with_a_reason(faceless_folder, tmp_path):
    manifest = prepare(corpora.read("folder", faceless_folder), tmp_path / "out")
    assert (manifest["pictures"], manifest["faces"]) == (3, 1)
    reasons = {path.rpartition("/")[2]: reason for path, reason in manifest["skipped"]}
    assert "no face found" in reasons["grey.png"]
    assert set(reasons) == {"grey.png", "broken.png"}
    # Subjects keep their folds whether or not their faces were found.
    assert manifest["subjects_by_label"]["sadness"] == ["b", "c"]


def test_strict_stops_at_the_first(faceless_folder, tmp_path):
    with pytest.raises(InputError, match=r"grey\.png: no face found"):
        prepare(corpora.read("folder", faceless_folder, strict=True), tmp_path / "out")


def test_no_face_at_all(faceless_folder, tmp_path):
    with pytest.raises(InputError, match="no face was found in 2 pictures"):
        prepare(corpora.read("folder", faceless_folder, labels=["sad"]), tmp_path / "out")


def test_another_corpus_in_the_folder_is_kept(tiny_ck_plus, faceless_folder, tmp_path):
    prepare(corpora.read("ck_plus", tiny_ck_plus, labels=["fear"]), tmp_path / "out")
    before = (tmp_path / "out" / "manifest.json").read_bytes()
    with pytest.raises(InputError, match="another or an older corpus"):
        prepare(corpora.read("folder", faceless_folder), tmp_path / "out")
    assert (tmp_path / "out" / "manifest.json").read_bytes() == before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="is not empty"):
        prepare(corpora.read("folder", faceless_folder), tmp_path / "mine")


def test_the_largest_face_counts(faceless_folder):
    sample = corpora.read("folder", faceless_folder).samples[0]

    class TwoFaces:
        def detect(self, images):
            from fer_keras.faces.face import Face

            small = Face((0, 0, 10, 10), 0.99, np.array([[2.0, 4.0], [8.0, 4.0]]))
            large = Face((20, 20, 120, 120), 0.6, np.array([[50.0, 60.0], [90.0, 60.0]]))
            return [[small, large]]

    from fer_keras.faces.align import align_face
    from fer_keras.faces.image import decode_image, read_image

    record = face_record(sample, TwoFaces())
    expected = align_face(read_image(sample.image), np.array([[50.0, 60.0], [90.0, 60.0]]), CROP_SIZE)
    crop = decode_image(record.features.feature["image/encoded"].bytes_list.value[0])
    np.testing.assert_array_equal(crop, expected)
