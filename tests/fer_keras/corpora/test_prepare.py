import dataclasses
import hashlib
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

from fer_keras import corpora
from fer_keras.corpora import prepare as prepare_module
from fer_keras.corpora import synthetic
from fer_keras.corpora.prepare import corpus_fingerprint, prepare
from fer_keras.corpora.records import read_records
from fer_keras.corpora.shards import CROP_SIZE, ShardWriter
from fer_keras.errors import InputError
from fer_keras.faces.align import EYE_DISTANCE, EYE_LINE, landmarks_to_eyes


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
    monkeypatch.setattr(prepare_module, "SHARD_SIZE", 20)
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
    assert manifest["faces_by_label"] == {"happiness": 1, "sadness": 0}
    assert manifest["subjects_by_label"] == {"happiness": 1, "sadness": 0}
    # Subjects keep their folds whether or not their faces were found.
    assert manifest["faces_by_fold"] == [1, 0, 0]


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


@pytest.mark.parametrize(
    "change",
    [
        {"label": "fear"},
        {"landmarks": np.full((68, 2), 3.0)},
        {"attributes": {"pose": "left"}},
        {"occlusion": "hand"},
        {"split": "test"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_any_change_of_a_sample_is_another_corpus(tiny_ck_plus, change):
    corpus = corpora.read("ck_plus", tiny_ck_plus, labels=["happiness"])
    samples = [*corpus.samples[:-1], dataclasses.replace(corpus.samples[-1], **change)]
    changed = dataclasses.replace(corpus, samples=samples)
    assert corpus_fingerprint(changed) != corpus_fingerprint(corpus)
    assert corpus_fingerprint(corpora.read("ck_plus", tiny_ck_plus, labels=["happiness"])) == corpus_fingerprint(corpus)


def test_a_rerun_tells_what_is_left_out_now_and_counts_the_folds_asked_for(faceless_folder, tmp_path):
    prepare(corpora.read("folder", faceless_folder), tmp_path / "out")
    with (faceless_folder / "labels.csv").open("a") as table:
        table.write("gone.png,p9,happy\n")
    again = prepare(corpora.read("folder", faceless_folder), tmp_path / "out", folds=2)
    assert "gone.png" in str(again["skipped"])
    assert len(again["faces_by_fold"]) <= 2
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["skipped"] == again["skipped"]


@pytest.mark.parametrize("harm", ["cut", "gone", "other", "notes", "manifest"])
def test_damaged_records_are_written_again(tiny_ck_plus, tmp_path, monkeypatch, harm):
    monkeypatch.setattr(prepare_module, "SHARD_SIZE", 4)
    corpus = corpora.read("ck_plus", tiny_ck_plus, labels=["happiness"])
    prepare(corpus, tmp_path / "out")
    expected = records_of(tmp_path / "out")
    first, second, *_ = sorted((tmp_path / "out").glob("*.gz"))
    if harm == "cut":
        second.write_bytes(second.read_bytes()[:100])
    elif harm == "gone":
        second.unlink()
    elif harm == "other":
        second.write_bytes(first.read_bytes())
    elif harm == "notes":
        next((tmp_path / "out" / ".notes").glob("*")).write_text("{")
    else:
        (tmp_path / "out" / "manifest.json").write_text("")
    done = []
    prepare(corpus, tmp_path / "out", on_progress=lambda *count: done.append(count))
    assert len(done) == (0 if harm == "manifest" else 4)
    assert records_of(tmp_path / "out") == expected


def test_what_cannot_work_is_said_before_anything_is_written(faceless_folder, tmp_path):
    corpus = corpora.read("folder", faceless_folder)
    with pytest.raises(InputError, match="unknown face detector 'haar'"):
        prepare(corpus, tmp_path / "out", faces="haar")
    assert not (tmp_path / "out").exists()
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError, match="cannot be written; expected a folder"):
            prepare(corpus, out)


@pytest.mark.parametrize(
    ("runner", "options", "message"),
    [
        ("NoRunner", [], "Beam cannot use 'NoRunner' as a runner"),
        (None, ["--x=1"], "received the option --x=1 of a Beam runner, and no runner"),
        ("DirectRunner", ["x"], "received 'x' as an option of DirectRunner; expected it as --name=value"),
    ],
)
def test_runners_and_options_that_are_none(faceless_folder, tmp_path, runner, options, message):
    pytest.importorskip("apache_beam")
    corpus = corpora.read("folder", faceless_folder)
    with pytest.raises(InputError, match=message):
        prepare(corpus, tmp_path / "out", runner=runner, runner_options=options)


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

    writer = ShardWriter()
    writer._detector = TwoFaces()
    record = writer.record(sample)
    expected = align_face(read_image(sample.image), np.array([[50.0, 60.0], [90.0, 60.0]]), CROP_SIZE)
    crop = decode_image(record.features.feature["image/encoded"].bytes_list.value[0])
    np.testing.assert_array_equal(crop, expected)


def records_of(directory):
    """The bytes of everything that a finished `prepare` leaves, by name, and no file besides."""
    return {
        str(path.relative_to(directory)): path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()
    }


@pytest.mark.slow
@pytest.mark.tfx
def test_processes_and_a_dask_cluster_write_the_same_bytes(tiny_ck_plus, tmp_path, monkeypatch):
    pytest.importorskip("apache_beam")
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(prepare_module, "SHARD_SIZE", 10)
    corpus = corpora.read("ck_plus", tiny_ck_plus)
    prepare(corpus, tmp_path / "here", workers=1)
    seen = []
    prepare(corpus, tmp_path / "two", workers=2, on_progress=lambda *count: seen.append(count))
    assert seen[-1] == (63, 63)
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, worker_dashboard_address=None
    ) as cluster:
        option = f"--dask_client_address={cluster.scheduler_address}"
        prepare(corpus, tmp_path / "dask", runner="DaskRunner", runner_options=[option])
    expected = records_of(tmp_path / "here")
    assert len([name for name in expected if name.endswith(".tfrecord.gz")]) == 7
    assert records_of(tmp_path / "two") == expected
    assert records_of(tmp_path / "dask") == expected


@pytest.mark.slow
def test_killed_at_any_moment_a_rerun_writes_the_same_bytes(tiny_ck_plus, tmp_path, monkeypatch):
    monkeypatch.setattr(prepare_module, "SHARD_SIZE", 4)
    corpus = corpora.read("ck_plus", tiny_ck_plus)
    prepare(corpus, tmp_path / "whole", workers=1)
    program = """
import sys
from fer_keras import corpora
from fer_keras.corpora import prepare
prepare.SHARD_SIZE = 4
prepare.prepare(corpora.read("ck_plus", sys.argv[1]), sys.argv[2], workers=1)
"""
    out = tmp_path / "killed"
    moment = random.Random(time.time_ns())
    shards = moment.randrange(1, 15)
    with subprocess.Popen([sys.executable, "-c", program, str(tiny_ck_plus), str(out)]) as killed:
        while len(list(out.glob("*.tfrecord.gz"))) < shards and killed.poll() is None:
            time.sleep(0.0005)
        time.sleep(moment.uniform(0, 0.005))
        killed.kill()
    prepare(corpus, out, workers=1)
    assert records_of(out) == records_of(tmp_path / "whole"), f"killed after {shards} shards"


def test_what_a_killed_run_left_half_written_is_removed(faceless_folder, tmp_path):
    corpus = corpora.read("folder", faceless_folder)
    prepare(corpus, tmp_path / "whole")
    out = tmp_path / "killed"
    out.mkdir()
    (out / "..fingerprint.tmp").write_text('"half')
    prepare(corpus, out)
    (out / ".notes" / "faces-00000-of-00001.json").unlink()
    (out / ".faces-00000-of-00001.tfrecord.gz.999999999.tmp").write_bytes(b"half")
    running = out / f".faces-00000-of-00001.tfrecord.gz.{os.getppid()}.tmp"
    running.write_bytes(b"of another run")
    prepare(corpus, out)
    running.unlink()
    assert records_of(out) == records_of(tmp_path / "whole")


def test_a_picture_that_is_gone_since_it_was_listed_is_skipped(faceless_folder, tmp_path):
    corpus = corpora.read("folder", faceless_folder)
    (faceless_folder / "grey.png").unlink()
    manifest = prepare(corpus, tmp_path / "out")
    assert [str(faceless_folder / "grey.png"), "no such file, expected an image file"] in manifest["skipped"]


def test_without_beam_several_workers_are_refused(tiny_ck_plus, tmp_path, monkeypatch):
    monkeypatch.setattr(prepare_module, "_has_beam", lambda: False)
    corpus = corpora.read("ck_plus", tiny_ck_plus, labels=["fear"])
    with pytest.raises(InputError, match=r"pip install 'fer-keras\[beam\]'"):
        prepare(corpus, tmp_path / "out", workers=2)
    assert prepare(corpus, tmp_path / "out")["faces"] == 9


def test_crops_are_taken_as_they_are(faceless_folder, tmp_path):
    manifest = prepare(corpora.read("folder", faceless_folder), tmp_path / "out", faces="cropped")
    assert manifest["faces"] == 2  # all but the file that is no picture
    with pytest.raises(InputError, match="found in another way"):
        prepare(corpora.read("folder", faceless_folder), tmp_path / "out")


def test_the_manifest_counts_and_names_digests(tiny_ck_plus, tmp_path):
    manifest = prepare(corpora.read("ck_plus", tiny_ck_plus), tmp_path / "out", folds=10)
    assert manifest["faces_by_subject"] == {"S005": 21, "S006": 21, "S007": 21}
    assert manifest["faces_by_fold"] == [21, 21, 21]
    (path,) = manifest["shards"]
    (digest,) = manifest["sha256"].values()
    assert digest == hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def test_subjects_are_counted_where_any_is_shown_twice(faceless_folder, tmp_path):
    rows = "face.png,a,happy\ngrey.png,a,sad\nface.png,b,sad\n"
    (faceless_folder / "labels.csv").write_text(f"path,subject,label\n{rows}")
    manifest = prepare(corpora.read("folder", faceless_folder), tmp_path / "out", faces="cropped")
    assert manifest["faces_by_subject"] == {"a": 2, "b": 1}


def test_report(tiny_ck_plus, faceless_folder, tmp_path):
    pytest.importorskip("jinja2")
    from fer_keras.corpora.prepare_report import write_report

    manifest = prepare(corpora.read("folder", faceless_folder), tmp_path / "out")
    write_report(manifest, tmp_path / "report.html", "fer-keras prepare --data '<x>'")
    page = (tmp_path / "report.html").read_text()
    assert "no face found" in page
    assert "broken.png" in page
    assert "&lt;x&gt;" in page
    assert not re.search(r"(?:src|href)=\"(?!data:|#)", page)
    differences = ["fear: 24 sequences; the official corpus has 25", "anger: 44 sequences; the official corpus has 45"]
    write_report({**manifest, "differences": differences}, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert page.count("Not as published") == 1
    assert all(sentence in page for sentence in differences)


def test_load_gives_the_faces_that_prepare_writes(tiny_ck_plus, tmp_path):
    from fer_keras.corpora.face_set import load_faces

    dataset, info = corpora.load("ck_plus", tiny_ck_plus)
    manifest = prepare(corpora.read("ck_plus", tiny_ck_plus), tmp_path / "out")
    faces = load_faces(manifest["shards"], info.label_names, 48, 1)
    images, labels = (np.stack(column) for column in zip(*dataset.as_numpy_iterator(), strict=True))
    np.testing.assert_array_equal(images, faces.images)
    np.testing.assert_array_equal(labels, faces.labels)
    np.testing.assert_array_equal(info.subjects, faces.subjects)
    np.testing.assert_array_equal(info.sequences, faces.sequences)


def test_load_keeps_records_and_passes_choices_on(faceless_folder, tmp_path):
    faces, info = corpora.load("folder", faceless_folder, faces="cropped", records=tmp_path / "records")
    assert len(faces) == 2  # every picture that can be read counts
    assert json.loads((tmp_path / "records" / "manifest.json").read_text())["faces_found_by"] == "cropped"
    assert [pathlib.Path(path).name for path, _ in info.skipped] == ["broken.png"]
    with pytest.raises(InputError, match="no face found"):
        corpora.load("folder", faceless_folder, strict=True)
    with pytest.raises(InputError, match="pose=left"):
        corpora.load("folder", faceless_folder, where={"pose": "left"})


def test_options_of_a_reader(tiny_ck_plus):
    corpus = corpora.read("ck_plus", tiny_ck_plus, neutral_first=True, peak_frames=2)
    counts = {label: sum(sample.label == label for sample in corpus.samples) for label in corpus.label_names}
    assert counts == {label: 21 if label == "neutral" else 6 for label in ("neutral", *corpus.label_names[1:])}
    with pytest.raises(InputError, match="ck_plus has no option 'peaks'"):
        corpora.read("ck_plus", tiny_ck_plus, peaks=2)


def test_killed_while_the_corpus_is_drawn_a_rerun_goes_on(tmp_path):
    """What is left of a run that was killed is removed by the next; what another run is drawing stays."""
    out = tmp_path / "out"
    left, others = out / ".corpus.999999999.tmp", out / f".corpus.{os.getppid()}.tmp"
    for folder in (left, others):
        (folder / "cohn-kanade-images").mkdir(parents=True)
    size = dataclasses.replace(synthetic.SIZES["small"], subjects=2, frames=3)
    directory = synthetic.write_ck_plus(out / "corpus", size=size)
    assert not left.exists()
    assert others.exists()
    assert prepare(corpora.read("ck_plus", directory), out)["faces"]


def test_left_out_pictures_with_absolute_and_relative_paths(tmp_path, monkeypatch):
    from fer_keras.corpora.prepare_report import _left_out

    monkeypatch.chdir(tmp_path)
    *_, pictures = _left_out([["mine/a.png", "is empty"], [str(tmp_path / "b.png"), "is empty"]])
    assert [path for path, _ in pictures.rows] == ["mine/a.png", "b.png"]


def test_reasons_of_one_kind_are_counted_together():
    from fer_keras.corpora.prepare_report import _left_out

    skipped = [
        [f"/data/{name}/1.png", reason]
        for name, reason in (
            ("a", "is not an image or is damaged (130 bytes)"),
            ("b", "is not an image or is damaged (99 bytes)"),
            ("b", "is not an image or is damaged (7 bytes), expected PNG"),
            ("c", "line 2: marks/001_03.csv: expected a file of 68 landmarks"),
            ("c", "line 36: marks/002_03.csv: expected a file of 68 landmarks"),
            ("d", "no face found; expected a picture of a face"),
        )
    ]
    _, reasons, pictures = _left_out(skipped)
    assert reasons.rows == (
        (2, "is not an image or is damaged"),
        (2, "expected a file of … landmarks"),
        (1, "is not an image or is damaged, expected PNG"),
        (1, "no face found"),
    )
    assert [path for path, _ in pictures.rows] == ["a/1.png", "b/1.png", "b/1.png", "c/1.png", "c/1.png", "d/1.png"]
