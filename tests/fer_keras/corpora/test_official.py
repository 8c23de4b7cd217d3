import pathlib
import shutil

import pytest

from fer_keras import corpora
from fer_keras.corpora import Sample, ck_plus
from fer_keras.corpora.official import OFFICIAL, differences

HERE = pathlib.Path("nowhere")


def whole_corpus(name):
    """Samples with exactly the official counts; of a sequence two frames."""
    counts = OFFICIAL[name]
    samples = []
    for part, labels in counts.labels.items():
        split = part if part in ("train", "validation", "test") else ""
        camera, _, light = part.partition(" ")
        number = 0
        for label, count in labels.items():
            for _ in range(count):
                person = number % (counts.subjects or 10**9)
                samples += [
                    Sample(
                        name,
                        f"{split}{person}",
                        f"{part}{number}",
                        HERE / f"{number}.png",
                        label,
                        split=split,
                        frame=frame,
                        attributes={"camera": camera, "illumination": light},
                    )
                    for frame in range(1 + (counts.unit == "sequence"))
                ]
                number += 1
    return samples


@pytest.mark.parametrize(
    ("name", "total", "parts"),
    [
        ("ck_plus", 327, [327]),
        ("ck48", 981, [981]),
        ("fer2013", 35_887, [28_709, 3_589, 3_589]),
        ("fer_plus", 31_412, [25_060, 3_199, 3_153]),
        ("raf_db", 15_339, [12_271, 3_068]),
        ("oulu_casia", 2_880, [480] * 6),
        ("jaffe", 213, [213]),
    ],
)
def test_the_published_totals(name, total, parts):
    assert [sum(labels.values()) for labels in OFFICIAL[name].labels.values()] == parts
    assert sum(parts) == total
    assert name in corpora.CORPORA


@pytest.mark.parametrize("name", OFFICIAL)
def test_a_whole_corpus_has_no_difference(name):
    assert differences(name, whole_corpus(name), HERE) == ()


@pytest.mark.parametrize("name", OFFICIAL)
def test_a_subset_made_on_purpose_is_no_difference(name):
    samples = whole_corpus(name)
    assert differences(name, [], HERE) == ()
    assert differences(name, samples[: len(samples) // 3], HERE) == ()
    assert differences(name, [sample for sample in samples if sample.label == "fear"], HERE) == ()


def test_a_missing_split_is_a_subset_and_a_missing_picture_a_difference():
    train = [sample for sample in whole_corpus("raf_db") if sample.split == "train"]
    assert differences("raf_db", train, HERE) == ()
    assert train[0].label == "neutral"
    assert differences("raf_db", train[1:], HERE) == ("train, neutral: 2,523 pictures; the official corpus has 2,524",)


def test_sentences_of_ck_plus():
    samples = whole_corpus("ck_plus")
    lost = [sample for sample in samples if sample.subject != "0"]  # a person with three sequences
    assert differences("ck_plus", lost, HERE) == (
        "anger: 44 sequences; the official corpus has 45",
        "disgust: 58 sequences; the official corpus has 59",
        "sadness: 27 sequences; the official corpus has 28",
        "with a label: 117 subjects; the official corpus has 118",
    )
    one_frame = [sample for sample in samples if sample.frame == 0]
    assert differences("ck_plus", one_frame, HERE) == ()


def test_ck_plus_on_disk(tmp_path):
    """593 sequences of 123 persons, 327 labelled of 118; pictures are empty, for none is opened."""
    labels = [code for code, count in enumerate((0, 45, 18, 59, 25, 69, 28, 83)) for _ in range(count)]
    for number in range(593):
        # The labelled ones go round 118 persons, the others round all 123.
        labelled = number < len(labels)
        place = f"S{number % 118 if labelled else (number - len(labels)) % 123:03d}/{number // 118:03d}{number:03d}"
        (tmp_path / "cohn-kanade-images" / place).mkdir(parents=True)
        (tmp_path / "cohn-kanade-images" / place / "a_00000001.png").touch()
        if labelled:
            (tmp_path / "Emotion" / place).mkdir(parents=True)
            (tmp_path / "Emotion" / place / "a_emotion.txt").write_text(f"{labels[number]}")
    assert ck_plus.count_all(tmp_path) == {"sequences": 593, "subjects": 123}
    assert corpora.read("ck_plus", tmp_path).differences == ()
    # Selected labels are counted before the selection.
    assert corpora.read("ck_plus", tmp_path, labels=["anger"]).differences == ()
    (tmp_path / "cohn-kanade-images" / place / "a_00000001.png").unlink()
    (tmp_path / "Emotion/S000/000000/a_emotion.txt").write_text("9")
    corpus = corpora.read("ck_plus", tmp_path, labels=["anger"])
    assert corpus.differences == (
        "anger: 44 sequences; the official corpus has 45",
        "with a label or without: 592 sequences; the official corpus has 593",
    )
    assert len(corpus.skipped) == 1
    # A copy without the unlabelled sequences is a subset made on purpose, too.
    for sequence in (tmp_path / "cohn-kanade-images").glob("*/*"):
        if not (tmp_path / "Emotion" / sequence.relative_to(tmp_path / "cohn-kanade-images")).is_dir():
            shutil.rmtree(sequence)
    assert corpora.read("ck_plus", tmp_path).differences == ("anger: 44 sequences; the official corpus has 45",)


def test_the_built_in_corpus_is_not_taken_for_ck_plus():
    samples = [Sample("ck_plus", f"S{number % 60}", f"{number}", HERE, "anger") for number in range(420)]
    assert differences("ck_plus", samples, HERE) == ()


def test_a_corpus_of_which_nothing_is_known():
    assert differences("folder", whole_corpus("jaffe"), HERE) == ()
