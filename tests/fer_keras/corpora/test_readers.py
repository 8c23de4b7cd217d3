"""What every reader owes, whatever its layout."""

import os

import numpy as np
import pytest

from fer_keras import corpora
from fer_keras.corpora import BUILT_IN, CORPORA, SkipLog, assign_folds
from fer_keras.corpora.folds import FOLD_RULES
from fer_keras.corpora.records import make_record
from fer_keras.emotions import EMOTIONS
from fer_keras.errors import InputError


def as_text(sample):
    """Everything about a sample, comparable."""
    landmarks = None if sample.landmarks is None else sample.landmarks.tolist()
    return (sample.key, sample.place, sample.label, sample.votes, sample.split, sample.cropped, sample.frame, landmarks,
            sample.action_units, sample.occlusion, sample.attributes)  # fmt: skip


def test_every_corpus_has_a_layout_to_test_with(layouts):
    assert {name.partition(":")[0] for name in layouts} == set(CORPORA) - set(BUILT_IN)


def test_samples_are_whole(layout):
    name, directory = layout
    corpus = corpora.read(name, directory, strict=True)
    assert corpus.skipped == []
    assert corpus.differences == ()
    assert len({sample.key for sample in corpus.samples}) == len(corpus.samples) >= 3
    for sample in corpus.samples:
        image = sample.read()
        assert image.dtype == np.uint8
        assert image.ndim == 3
        assert sample.corpus == name
        assert sample.label in EMOTIONS
        assert sample.split in ("train", "validation", "test", "")
        assert sample.votes == () or (len(sample.votes) == 8 and sum(sample.votes) == pytest.approx(1))
        assert sample.landmarks is None or sample.landmarks.shape == (68, 2)
        assert all(isinstance(value, str) for value in sample.attributes.values())
        make_record(b"", sample)


def test_no_subject_and_no_sequence_is_in_two_folds(layout):
    name, directory = layout
    corpus = corpora.read(name, directory)
    folds = assign_folds(corpus.subjects, 2)
    for what in ("subject", "sequence"):
        seen = {}
        for sample in corpus.samples:
            seen.setdefault(getattr(sample, what), set()).add(folds[sample.subject])
        assert {len(found) for found in seen.values()} == {1}
    assert set(folds.values()) == {0, 1}


def test_clutter_changes_nothing(layout):
    """What operating systems, archivers and careless links leave behind; none of it may be followed or read."""
    name, directory = layout
    before = [as_text(sample) for sample in corpora.read(name, directory).samples]
    for folder in [directory, *(path for path in directory.rglob("*") if path.is_dir())]:
        (folder / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
        (folder / "Thumbs.db").write_bytes(b"\0")
        (folder / "README.txt").write_text("read me")
        for path in [path for path in folder.iterdir() if path.is_file()]:
            (folder / f"._{path.name}").write_bytes(b"\0\5\x16\7")
        (folder / "folder.jpg").mkdir()
        (folder / "zz loop").symlink_to(directory, target_is_directory=True)
        (folder / "zz self").symlink_to("zz self")
        (folder / "zz nowhere.png").symlink_to("nowhere")
        os.mkfifo(folder / "zz pipe.png")
    assert [as_text(sample) for sample in corpora.read(name, directory).samples] == before


def test_names_that_are_no_utf_8_become_printable_text(layout):
    name, directory = layout
    for number, path in enumerate(sorted(directory.rglob("*"))):
        strange = os.fsencode(path.parent) + b"/\xff%d" % number
        if path.is_file():
            os.link(path, strange + os.fsencode(path.suffix))
        else:
            os.mkdir(strange)
    corpus = corpora.read(name, directory)
    for sample in corpus.samples:
        make_record(b"", sample)
        f"{sample.key} {sample.place}".encode()
    for path, reason in corpus.skipped:
        f"{path}: {reason}".encode()


def test_another_layout_is_named(layout, tmp_path):
    name, _ = layout
    (tmp_path / "holiday").mkdir()
    (tmp_path / "holiday" / "beach.jpg").write_bytes(b"")
    with pytest.raises(InputError, match=r"holiday.*expected"):
        CORPORA[name](tmp_path / "holiday", SkipLog())


@pytest.mark.parametrize("name", ["ck_plus", "mmi", "oulu_casia"])
@pytest.mark.parametrize("rule", FOLD_RULES)
def test_whole_clips_have_the_subjects_labels_and_folds_of_their_peaks(layouts, tmp_path, name, rule):
    layouts[name](tmp_path)
    peaks, clips = corpora.read(name, tmp_path), corpora.read(name, tmp_path, peak_frames=None)
    assert {sample.key for sample in peaks.samples} < {sample.key for sample in clips.samples}
    assert clips.subjects == peaks.subjects
    assert clips.differences == peaks.differences == ()
    labels = [{(sample.sequence, sample.label) for sample in corpus.samples} for corpus in (peaks, clips)]
    assert labels[0] == labels[1]
    assert corpora.deal_folds(clips, 2, rule) == corpora.deal_folds(peaks, 2, rule)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "frames"), [("synthetic", 6), ("synthetic_mmi", 12)])
def test_the_built_in_corpora_give_whole_clips(tmp_path, name, frames):
    samples = corpora.read(name, tmp_path / "corpus", peak_frames=None).samples
    clips = {}
    for sample in samples:
        clips.setdefault(sample.sequence, []).append(sample)
    assert {len(clip) for clip in clips.values()} == {frames}
    assert {sample.corpus for sample in samples} == {name}
    assert {sample.attributes.get("phase", "") for sample in samples} >= {"neutral", "onset", "apex"}
