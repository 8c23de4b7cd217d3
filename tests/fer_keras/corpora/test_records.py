import numpy as np
import pytest

from fer_keras.corpora.corpus import Sample
from fer_keras.corpora.records import make_record, named_fault, read_records, write_records
from fer_keras.errors import InputError

SAMPLE = Sample(
    corpus="ck_plus", subject="S005", sequence="S005_001", image=None, label="disgust", frame=11,
    action_units=("AU9:3", "AU17:0"),
)  # fmt: skip


def test_round_trip(tmp_path):
    landmarks = np.random.default_rng(0).random((68, 2)).astype("float32")
    path = tmp_path / "faces.tfrecord.gz"
    assert write_records(path, [make_record(b"png", SAMPLE, landmarks), make_record(b"jpeg", SAMPLE)]) == 2
    first, second = read_records([path]).as_numpy_iterator()
    assert (first["image/encoded"], second["image/encoded"]) == (b"png", b"jpeg")
    assert (first["label"], first["subject"], first["sequence"], first["frame"]) == (
        b"disgust", b"S005", b"S005_001", 11,
    )  # fmt: skip
    assert first["occlusion"] == b"none"
    np.testing.assert_array_equal(first["landmarks"].reshape(68, 2), landmarks)
    np.testing.assert_array_equal(second["landmarks"], np.zeros(136))
    assert list(first["action_units"]) == [b"AU9:3", b"AU17:0"]


def test_same_records_same_bytes(tmp_path):
    for name in ("a", "b"):
        write_records(tmp_path / name, [make_record(b"png", SAMPLE)])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_failed_write_leaves_nothing_and_keeps_what_was_there(tmp_path):
    path = tmp_path / "faces"
    write_records(path, [make_record(b"old", SAMPLE)])
    before = path.read_bytes()

    def records():
        yield make_record(b"new", SAMPLE)
        raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError):
        write_records(path, records())
    assert path.read_bytes() == before
    assert [child.name for child in tmp_path.iterdir()] == ["faces"]


def test_no_files():
    with pytest.raises(InputError, match="no record files"):
        read_records([])


def test_some_features_alone(tmp_path):
    write_records(tmp_path / "faces", [make_record(b"png", SAMPLE)])
    (record,) = read_records([tmp_path / "faces"], ("subject", "frame")).as_numpy_iterator()
    assert record == {"subject": b"S005", "frame": 11}


@pytest.mark.parametrize("harm", ["cut", "other", "flipped", "gone", "folder", "text"])
def test_the_file_at_fault_is_named(tmp_path, harm):
    noise = np.random.default_rng(0)
    paths = [tmp_path / name for name in ("first", "second", "third")]
    for path in paths:
        write_records(path, [make_record(noise.bytes(300), SAMPLE) for _ in range(5)])
    whole = paths[1].read_bytes()
    paths[1].unlink()
    if harm == "cut":
        paths[1].write_bytes(whole[: len(whole) // 2])
    elif harm == "flipped":
        paths[1].write_bytes(whole[:900] + bytes([whole[900] ^ 255]) + whole[901:])
    elif harm == "other":
        write_records(paths[1], [b"no record"])
    elif harm == "folder":
        paths[1].mkdir()
    elif harm == "text":
        paths[1].write_text("path,label")
    expected = "no such file" if harm == "gone" else "is damaged or holds something else"
    with pytest.raises(InputError, match=f"second: {expected}"), named_fault(paths, read_records):
        list(read_records(paths))


def test_other_faults_are_not_blamed_on_a_file(tmp_path):
    write_records(tmp_path / "faces", [make_record(b"png", SAMPLE)])
    with pytest.raises(ZeroDivisionError), named_fault([tmp_path / "faces"], read_records):
        1 / 0  # noqa: B018
