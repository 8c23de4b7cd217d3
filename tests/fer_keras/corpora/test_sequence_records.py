import pathlib
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from fer_keras import corpora
from fer_keras.corpora import sequence_records
from fer_keras.corpora.prepare import prepare
from fer_keras.corpora.records import make_record, read_records, write_records
from fer_keras.corpora.sequence_records import clip_label, read_sequences, write_sequences
from fer_keras.emotions import EMOTIONS
from fer_keras.errors import InputError


def face(subject, sequence, frame, label="anger", landmarks=None, split="", occlusion="none", **attributes):
    """A face record whose picture is its own name."""
    sample = corpora.Sample(
        "mine", subject, sequence, None, label, frame=frame, split=split, occlusion=occlusion, attributes=attributes
    )
    return make_record(f"{subject} {sequence} {frame}".encode(), sample, landmarks)


def write(directory, *files):
    """Writes lists of face records as one file each."""
    directory.mkdir()
    paths = [directory / f"faces-{number}.gz" for number in range(len(files))]
    for path, records in zip(paths, files, strict=True):
        write_records(path, records)
    return paths


def read(manifest):
    return list(read_sequences(manifest["shards"]).as_numpy_iterator())


def pictures(clip):
    return [picture.decode() for picture in clip["image/encoded"]]


def tree(directory):
    """The bytes of every file by name."""
    return {
        str(path.relative_to(directory)): path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()
    }


@pytest.fixture
def faces(tmp_path):
    """Three clips of 9, 4 and 1 frames over three files, one of them scattered; two that are no clips."""
    marks = np.linspace(0, 1, 136, dtype="float32").reshape(68, 2)
    files = [
        [face("s1", "a", frame, phase="apex" if 3 < frame < 7 else "onset", age="30", gaze=str(frame % 2))
         for frame in (0, 1, 2, 5)],
        [face("s2", "a", 7, "fear", marks), face("s1", "a", 6, phase="apex", age="30", gaze="1"),
         face("s2", "a", 4, "fear"), face("s3", "x", 1, "fear"), face("s3", "x", 2, "anger")],
        [face("s2", "a", 5, "neutral"), *(face("s1", "a", frame, age="30", gaze="0") for frame in (9, 8, 7, 3)),
         face("s2", "a", 2, "neutral"), face("s4", "b", -1, "surprise", split="test", occlusion="hand"),
         face("s5", "c", 3), face("s5", "c", 3)],
    ]  # fmt: skip
    return write(tmp_path / "faces", *files)


def test_frames_become_clips_in_the_order_of_their_numbers(faces, tmp_path):
    manifest = write_sequences(faces, tmp_path / "out")
    first, second, third = read(manifest)
    assert [int(number) for number in first["frame"]] == [0, 1, 2, 3, 5, 6, 7, 8, 9]  # 4 has no face
    assert pictures(first) == [f"s1 a {number}" for number in first["frame"]]
    assert (first["corpus"], first["subject"], first["sequence"], first["label"]) == (b"mine", b"s1", b"a", b"anger")
    assert first["phase"].tolist() == [b"onset"] * 3 + [b""] + [b"apex"] * 2 + [b""] * 3
    assert first["attributes"].tolist() == [b"age=30"]  # the gaze changes; phases belong to frames
    assert (first["split"], first["occlusion"]) == (b"", b"none")

    assert pictures(second) == ["s2 a 2", "s2 a 4", "s2 a 5", "s2 a 7"]
    assert second["label"] == b"fear"  # its neutral frames aside
    assert not second["landmarks"][:3].any()
    np.testing.assert_allclose(second["landmarks"][3], np.linspace(0, 1, 136), rtol=1e-6)

    assert pictures(third) == ["s4 b -1"]
    assert (third["split"], third["occlusion"], third["phase"].tolist()) == (b"test", b"hand", [b""])


def test_manifest(faces, tmp_path):
    manifest = write_sequences(faces, tmp_path / "out")
    assert {name: manifest[name] for name in manifest if name not in ("sha256", "shards")} == {
        "corpus": "mine",
        "sequences": 3,
        "frames": 14,
        "missing": 3,
        "sequences_by_label": {"anger": 1, "fear": 1, "surprise": 1},
        "sequences_by_subject": {"s1": 1, "s2": 1, "s4": 1},
        "sequences_by_length": {"1": 1, "4": 1, "9": 1},
        "skipped": [
            ["s3/x", "the frames are labelled anger, fear; expected one emotion"],
            ["s5/c", "frame 3 occurs twice; expected every frame once"],
        ],
    }
    assert list(manifest["sequences_by_label"]) == ["anger", "fear", "surprise"]
    assert [pathlib.Path(path).name for path in manifest["shards"]] == list(manifest["sha256"])


@pytest.mark.parametrize("size", [1, 5, 10, 13, 100])
def test_shards_hold_so_many_frames_or_one_longer_clip(faces, tmp_path, monkeypatch, size):
    whole = read(write_sequences(faces, tmp_path / "whole"))
    monkeypatch.setattr(sequence_records, "SHARD_FRAMES", size)
    manifest = write_sequences(faces, tmp_path / "out")
    frames = [[len(clip["frame"]) for clip in read_sequences([path])] for path in manifest["shards"]]
    assert (
        frames == {1: [[9], [4], [1]], 5: [[9], [4, 1]], 10: [[9], [4, 1]], 13: [[9, 4], [1]], 100: [[9, 4, 1]]}[size]
    )
    assert [pictures(clip) for clip in read(manifest)] == [pictures(clip) for clip in whole]


def test_same_faces_same_bytes(faces, tmp_path):
    write_sequences(faces, tmp_path / "a")
    write_sequences(faces, tmp_path / "b")
    assert tree(tmp_path / "a") == tree(tmp_path / "b")


@pytest.mark.parametrize("harm", ["stopped", "cut", "gone", "notes", "manifest", "half"])
def test_a_run_continues_and_mends_what_is_damaged(faces, tmp_path, monkeypatch, harm):
    monkeypatch.setattr(sequence_records, "SHARD_FRAMES", 1)
    out = tmp_path / "out"
    write_sequences(faces, out)
    expected = tree(out)
    first, second, third = sorted(out.glob("*.gz"))
    notes = sorted((out / ".notes").iterdir())
    if harm == "stopped":
        for path in (second, third, *notes[1:], out / "manifest.json"):
            path.unlink()
    elif harm == "cut":
        second.write_bytes(second.read_bytes()[:50])
    elif harm == "gone":
        second.unlink()
    elif harm == "notes":
        notes[1].write_text("{")
    elif harm == "manifest":
        (out / "manifest.json").write_text("")
    else:
        notes[1].unlink()
        (out / f".{second.name}.999999999.tmp").write_bytes(b"half")
    kept = [path for path in (first, second, third) if path.exists() and harm not in ("cut", "notes", "half")]
    before = {path: path.stat().st_mtime_ns for path in kept}
    write_sequences(faces, out)
    assert tree(out) == expected
    assert {path: path.stat().st_mtime_ns for path in kept} == before


def test_an_interrupted_run_is_told_its_progress(faces, tmp_path, monkeypatch):
    monkeypatch.setattr(sequence_records, "SHARD_FRAMES", 1)
    seen = []

    def interrupt(done, total):
        seen.append((done, total))
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_sequences(faces, tmp_path / "cut", interrupt)
    assert not (tmp_path / "cut" / "manifest.json").exists()
    write_sequences(faces, tmp_path / "cut", lambda *count: seen.append(count))
    assert seen == [(1, 3), (2, 3), (1, 3), (2, 3), (3, 3)]
    write_sequences(faces, tmp_path / "whole")
    assert tree(tmp_path / "cut") == tree(tmp_path / "whole")


@pytest.mark.slow
def test_killed_at_any_moment_a_rerun_writes_the_same_bytes(faces, tmp_path, monkeypatch):
    monkeypatch.setattr(sequence_records, "SHARD_FRAMES", 1)
    write_sequences(faces, tmp_path / "whole")
    program = """
import sys
from fer_keras.corpora import sequence_records
sequence_records.SHARD_FRAMES = 1
sequence_records.write_sequences(sys.argv[2:], sys.argv[1])
"""
    out = tmp_path / "killed"
    moment = random.Random(time.time_ns())
    shards = moment.randrange(0, 3)
    with subprocess.Popen([sys.executable, "-c", program, str(out), *map(str, faces)]) as killed:
        while (not out.exists() or len(list(out.glob("*.gz"))) < shards) and killed.poll() is None:
            time.sleep(0.0005)
        time.sleep(moment.uniform(0, 0.05))
        killed.send_signal(signal.SIGKILL)
    write_sequences(faces, out)
    assert tree(out) == tree(tmp_path / "whole"), f"killed after {shards} shards"


def test_other_faces_in_the_folder_are_kept(faces, tmp_path):
    write_sequences(faces, tmp_path / "out")
    before = tree(tmp_path / "out")
    with pytest.raises(InputError, match=r"out: holds the clips of other face records; choose another folder"):
        write_sequences(faces[:2], tmp_path / "out")
    assert tree(tmp_path / "out") == before
    with pytest.raises(InputError, match=r"faces: is not empty; expected a new folder, or one that `write_sequences`"):
        write_sequences(faces, tmp_path / "faces")


@pytest.mark.parametrize("harm", ["cut", "gone", "clips"])
def test_the_face_record_file_at_fault_is_named(faces, tmp_path, harm):
    if harm == "cut":
        faces[1].write_bytes(faces[1].read_bytes()[:-50])
    elif harm == "gone":
        faces[1].unlink()
    else:
        manifest = write_sequences(faces, tmp_path / "other")
        faces[1] = pathlib.Path(manifest["shards"][0])
    expected = "no such file" if harm == "gone" else "is damaged or holds something else"
    with pytest.raises(InputError, match=f"{faces[1].name}: {expected}"):
        write_sequences(faces, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([], r"faces-0\.gz: no clip was found in the face records$"),
        ([face("s", "a", 1), face("s", "a", 2, "fear")], "1 left out: s/a: the frames are labelled anger, fear"),
        ([face("s", "a", -1), face("s", "a", -1)], "s/a: several pictures have no frame number"),
        ([face("s", "a", 4, phase="Apex")], "s/a: frame 4 has phase 'Apex'; expected one of neutral, onset"),
    ],
)
def test_no_clip_is_left(tmp_path, records, expected):
    with pytest.raises(InputError, match=expected):
        write_sequences(write(tmp_path / "faces", records), tmp_path / "out")
    with pytest.raises(InputError, match="no record files were given"):
        write_sequences([], tmp_path / "out")


@pytest.mark.parametrize(
    ("labels", "expected"),
    [("anger anger", b"anger"), ("neutral anger", b"anger"), ("neutral", b"neutral"), ("anger fear", None), ("", b"")],
)
def test_label_of_a_clip(labels, expected):
    assert clip_label([name.encode() for name in labels.split()] + [b""]) == expected


def test_clips_of_one_name_in_two_corpora_are_two(tmp_path):
    other = corpora.Sample("other", "s", "a", None, "anger", frame=1)
    manifest = write_sequences(write(tmp_path / "faces", [face("s", "a", 1), make_record(b"o", other)]), tmp_path / "o")
    assert (manifest["sequences"], manifest["corpus"]) == (2, "mine, other")


@pytest.mark.slow
def test_a_prepared_corpus(tiny_ck_plus, tmp_path):
    corpus = corpora.read("ck_plus", tiny_ck_plus, peak_frames=None)
    prepared = prepare(corpus, tmp_path / "faces", workers=1)
    manifest = write_sequences(prepared["shards"], tmp_path / "clips")
    assert (manifest["sequences"], manifest["frames"], manifest["missing"]) == (21, 84, 0)
    assert manifest["sequences_by_label"] == dict.fromkeys(corpus.label_names, 3)
    clips = read(manifest)
    assert {clip["label"].decode() for clip in clips} <= set(EMOTIONS)
    records = [face["image/encoded"] for face in read_records(prepared["shards"]).as_numpy_iterator()]
    assert [picture for clip in clips for picture in clip["image/encoded"]] == records
    assert {tuple(clip["phase"]) for clip in clips} == {(b"neutral", b"apex", b"apex", b"apex")}
    # Whatever the clips hold, subjects are dealt out by the corpus's peaks.
    folds = corpora.deal_folds(corpora.read("ck_plus", tiny_ck_plus), 3)
    assert set(manifest["sequences_by_subject"]) == set(folds)
