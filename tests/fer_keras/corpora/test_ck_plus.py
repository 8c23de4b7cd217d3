import dataclasses
import re

import numpy as np
import pytest

from fer_keras.corpora import ck_plus, synthetic
from fer_keras.corpora.corpus import Corpus, SkipLog
from fer_keras.emotions import CK_PLUS_CODES
from fer_keras.errors import InputError

LANDMARKS = "".join(f"   {x:.7e}   {x + 0.5:.7e}\n" for x in range(100, 168))


def add_sequence(root, subject, sequence, frames=5, label="   3.0000000e+00\n", labels="Emotion"):
    """Writes one sequence by hand; the reader never opens a picture, so that it may be empty."""
    place = f"{subject}/{sequence}"
    stems = [f"{subject}_{sequence}_{number:08d}" for number in range(1, frames + 1)]
    for kind in ("cohn-kanade-images", "Landmarks", "FACS", labels):
        (root / kind / place).mkdir(parents=True)
    for stem in stems:
        (root / "cohn-kanade-images" / place / f"{stem}.png").write_bytes(b"")
        (root / "Landmarks" / place / f"{stem}_landmarks.txt").write_text(LANDMARKS)
    (root / "FACS" / place / f"{stems[-1]}_facs.txt").write_text(
        "   9.0000000e+00   5.0000000e+00\n   2.5000000e+01   0.0000000e+00\n"
    )
    if label is not None:
        (root / labels / place / f"{stems[-1]}_emotion.txt").write_text(label)


@pytest.fixture
def official(tmp_path):
    add_sequence(tmp_path, "S010", "002", label="   7.0000000e+00\n")
    add_sequence(tmp_path, "S005", "001")
    add_sequence(tmp_path, "S010", "001", label=None)
    for kind in ("cohn-kanade-images", "Emotion"):
        (tmp_path / kind / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
        (tmp_path / kind / "S005" / ".DS_Store").write_bytes(b"\0")
        (tmp_path / kind / "S005" / "001" / ".DS_Store").write_bytes(b"\0")
    (tmp_path / "Emotion/S005/001/._S005_001_00000005_emotion.txt").write_bytes(b"\0\5\x16\7")
    (tmp_path / "cohn-kanade-images/S005/001/._S005_001_00000005.png").write_bytes(b"\0\5\x16\7")
    # A sequence without any label folder, as some are distributed.
    (tmp_path / "cohn-kanade-images/S011/001").mkdir(parents=True)
    (tmp_path / "cohn-kanade-images/S011/001/S011_001_00000001.png").write_bytes(b"")
    return tmp_path


def read(directory, **options):
    skips = SkipLog()
    samples = ck_plus.read(directory, skips, **options)
    assert skips == []
    return samples


def test_the_last_three_frames_carry_the_label(official):
    samples = read(official)
    assert [(sample.sequence, sample.frame, sample.label) for sample in samples] == [
        *(("S005_001", frame, "disgust") for frame in (3, 4, 5)),
        *(("S010_002", frame, "surprise") for frame in (3, 4, 5)),
    ]
    first = samples[0]
    assert (first.corpus, first.subject) == ("ck_plus", "S005")
    assert first.image == official / "cohn-kanade-images/S005/001/S005_001_00000003.png"
    assert first.action_units == ("AU9:5", "AU25:0")
    np.testing.assert_array_equal(first.landmarks[:, 0], np.arange(100, 168))
    np.testing.assert_array_equal(first.landmarks[:, 1], np.arange(100, 168) + 0.5)
    assert Corpus("ck_plus", samples, SkipLog()).subjects == ["S005", "S010"]


def test_peak_frames_and_neutral_first(official):
    samples = read(official, peak_frames=1, neutral_first=True)
    assert [(sample.sequence, sample.frame, sample.label) for sample in samples] == [
        ("S005_001", 1, "neutral"),
        ("S005_001", 5, "disgust"),
        ("S010_002", 1, "neutral"),
        ("S010_002", 5, "surprise"),
    ]
    assert samples[0].action_units == ()
    # No frame is both neutral and the peak.
    assert {sample.label for sample in read(official, peak_frames=9, neutral_first=True)} == {"disgust", "surprise"}
    with pytest.raises(InputError, match="peak_frames=0"):
        read(official, peak_frames=0)


def test_whole_sequences_and_their_phases(official):
    add_sequence(official, "S011", "002", frames=2)
    samples = read(official, peak_frames=None)
    found = {}
    for sample in samples:
        found.setdefault(sample.sequence, []).append((sample.frame, sample.attributes["phase"]))
    five = list(enumerate(["neutral", "onset", "apex", "apex", "apex"], start=1))
    assert found == {"S005_001": five, "S010_002": five, "S011_002": [(1, "apex"), (2, "apex")]}
    assert [sample.label for sample in samples] == ["disgust"] * 5 + ["surprise"] * 5 + ["disgust"] * 2
    assert [bool(sample.action_units) for sample in samples[:5]] == [False, False, True, True, True]
    assert all(sample.landmarks is not None for sample in samples)
    # The first frame is in the clip already.
    assert len(read(official, peak_frames=None, neutral_first=True)) == len(samples)


@pytest.mark.parametrize(("code", "name"), CK_PLUS_CODES.items())
def test_every_code(tmp_path, code, name):
    add_sequence(tmp_path, "S005", "001", label=f"   {code}.0000000e+00\n")
    assert {sample.label for sample in read(tmp_path)} == {name}


def test_other_names_of_the_folders(tmp_path):
    inner = tmp_path / "extended-cohn-kanade-images"
    add_sequence(inner, "S005", "001", labels="Emotion_labels")
    assert len(read(tmp_path)) == 3
    for kind in ("Emotion_labels", "Landmarks", "FACS"):
        (inner / kind).rename(tmp_path / kind)
    samples = read(tmp_path)
    assert len(samples) == 3
    assert samples[0].landmarks is not None
    assert samples[0].action_units


def test_landmarks_and_facs_may_be_missing(tmp_path):
    add_sequence(tmp_path, "S005", "001")
    (tmp_path / "Landmarks").rename(tmp_path / "elsewhere")
    (tmp_path / "FACS").rename(tmp_path / "elsewhere too")
    assert [(sample.landmarks, sample.action_units) for sample in read(tmp_path)] == [(None, ())] * 3


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"",
        b"   1.0e+02\n" * 68,
        LANDMARKS.encode()[:-40],
        b"\xff\xfe" * 50,
        b"nan nan\n" * 68,
        b"a b\n" * 68,
        b"5 5\n" * 68,
        b"1e9 5\n" * 36 + b"-1e9 5\n" * 32,
    ],
)
def test_broken_landmarks_are_none(tmp_path, content):
    add_sequence(tmp_path, "S005", "001")
    path = tmp_path / "Landmarks/S005/001/S005_001_00000004_landmarks.txt"
    path.unlink() if content is None else path.write_bytes(content)
    assert [sample.landmarks is None for sample in read(tmp_path)] == [False, True, False]


@pytest.mark.parametrize("content", ["", "happy", "   8.0000000e+00\n", "   1.5000000e+00\n", "nan", "1 2", "\x00"])
def test_a_label_that_cannot_be_understood(tmp_path, content):
    add_sequence(tmp_path, "S005", "001", label=content)
    add_sequence(tmp_path, "S010", "002", label="   7.0000000e+00\n")
    path = tmp_path / "Emotion/S005/001/S005_001_00000005_emotion.txt"
    skips = SkipLog()
    assert {sample.sequence for sample in ck_plus.read(tmp_path, skips)} == {"S010_002"}
    ((place, reason),) = skips
    assert place == str(path)
    assert reason.startswith(f"found {content.strip()!r}; expected one number of 0 neutral, 1 anger")
    assert "\n" not in reason
    with pytest.raises(InputError, match=r"00000005_emotion\.txt: found"):
        ck_plus.read(tmp_path, SkipLog(strict=True))


def test_two_labels_of_one_sequence(tmp_path):
    add_sequence(tmp_path, "S005", "001")
    add_sequence(tmp_path, "S010", "002")
    (tmp_path / "Emotion/S005/001/S005_001_00000009_emotion.txt").write_text("1")
    skips = SkipLog()
    assert {sample.sequence for sample in ck_plus.read(tmp_path, skips)} == {"S010_002"}
    ((path, reason),) = skips
    assert path == str(tmp_path / "Emotion/S005/001/S005_001_00000009_emotion.txt")
    assert reason.startswith("second label of this sequence; expected one number of")


def test_missing_folders(tmp_path):
    with pytest.raises(InputError, match=rf"{re.escape(str(tmp_path / 'cohn-kanade-images'))} is missing"):
        read(tmp_path)
    (tmp_path / "cohn-kanade-images").mkdir()
    with pytest.raises(InputError, match=rf"{re.escape(str(tmp_path / 'Emotion'))} is missing"):
        read(tmp_path)


def test_what_is_left_out_is_logged(tmp_path):
    add_sequence(tmp_path, "S005", "001")
    add_sequence(tmp_path, "S005", "002")
    for path in (tmp_path / "cohn-kanade-images/S005/002").iterdir():
        path.unlink()
    stray = tmp_path / "cohn-kanade-images/S005/001/contact sheet.png"
    stray.write_bytes(b"")
    skips = SkipLog()
    assert {sample.sequence for sample in ck_plus.read(tmp_path, skips)} == {"S005_001"}
    assert [path for path, _ in skips] == [str(stray), str(tmp_path / "cohn-kanade-images/S005/002")]
    with pytest.raises(InputError, match="no frame number"):
        ck_plus.read(tmp_path, SkipLog(strict=True))


def test_all_sequences_are_counted(official):
    assert ck_plus.count_all(official) == {"sequences": 4, "subjects": 3}
    (official / "cohn-kanade-images/S012/001").mkdir(parents=True)
    assert ck_plus.count_all(official) == {"sequences": 4, "subjects": 3}


def test_round_trip_of_the_built_in_corpus(tmp_path):
    size = dataclasses.replace(
        synthetic.SIZES["small"], subjects=4, frames=4, width=96, height=96, eye_distance=30.0, stray=0.0
    )
    samples = read(synthetic.write_ck_plus(tmp_path / "ck", size, seed=3))
    assert len(samples) == 4 * 7 * 3  # the unlabelled sequence of S008 is no part
    assert {sample.subject for sample in samples} == {"S005", "S006", "S007", "S008"}
    assert [samples[index].label for index in range(0, 21, 3)] == list(CK_PLUS_CODES.values())[1:]
    assert samples == sorted(samples, key=lambda sample: (sample.subject, sample.sequence, sample.frame))
    drawn = list(synthetic.draw_sequence(size, 3, 1, 5, "happiness"))
    read_back = [sample for sample in samples if sample.sequence == "S006_005"]
    for frame, sample in zip(drawn[1:], read_back, strict=True):
        np.testing.assert_allclose(sample.landmarks, frame.landmarks, rtol=1e-6)
    assert {unit.split(":")[0] for unit in read_back[-1].action_units} == {
        f"AU{unit}" for unit, sides in drawn[-1].intensities.items() if max(sides) >= 0.5
    }
