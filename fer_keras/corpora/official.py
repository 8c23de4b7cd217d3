"""What the corpora hold by their papers and official pages, and where a copy on disk differs."""

import collections
import dataclasses
import typing

from fer_keras.corpora import ck_plus
from fer_keras.emotions import EMOTIONS

_WHOLE = 0.8  # a part with less of its items is a subset that somebody took on purpose


@dataclasses.dataclass(frozen=True)
class Official:
    """The official counts of one corpus.

    Args:
        labels: dict of a part's name to a dict of label to count. Parts are the corpus's splits, or what `part` says.
        unit: what is counted, `"picture"` or `"sequence"`.
        subjects: how many persons own something labelled, 0 where the corpus does not say who it shows.
        part: function of a `Sample` that gives its part.
        totals: dict of what `count_all` counts to its official number.
        count_all: function of the corpus's folder that counts what is there beyond the labelled samples.
    """

    labels: dict
    unit: str = "picture"
    subjects: int = 0
    part: typing.Callable = lambda sample: sample.split
    totals: dict = dataclasses.field(default_factory=dict)
    count_all: typing.Callable = lambda directory: {}


def _counts(**counts):
    return {label: counts.get(label, 0) for label in EMOTIONS}


def _seven(anger, disgust, fear, happiness, sadness, surprise, neutral):
    return _counts(
        anger=anger,
        disgust=disgust,
        fear=fear,
        happiness=happiness,
        sadness=sadness,
        surprise=surprise,
        neutral=neutral,
    )


OFFICIAL = {
    # Lucey et al. 2010, and the release notes of 2010.
    "ck_plus": Official(
        {"": _counts(anger=45, contempt=18, disgust=59, fear=25, happiness=69, sadness=28, surprise=83)},
        unit="sequence",
        subjects=118,
        totals={"sequences": 593, "subjects": 123},
        count_all=ck_plus.count_all,
    ),
    # Three frames of every labelled sequence of CK+.
    "ck48": Official(
        {"": _counts(anger=135, contempt=54, disgust=177, fear=75, happiness=207, sadness=84, surprise=249)},
        subjects=118,
    ),
    # 28,709, 3,589 and 3,589 pictures: Goodfellow et al. 2013.
    "fer2013": Official(
        {
            "train": _seven(3995, 436, 4097, 7215, 4830, 3171, 4965),
            "validation": _seven(467, 56, 496, 895, 653, 415, 607),
            "test": _seven(491, 55, 528, 879, 594, 416, 626),
        }
    ),
    # 25,060, 3,199 and 3,153 pictures: the authors' rule (see `fer_plus`) on their fer2013new.csv.
    "fer_plus": Official(
        {
            "train": {**_seven(2100, 119, 532, 7287, 3014, 3149, 8740), "contempt": 119},
            "validation": {**_seven(287, 24, 62, 865, 351, 415, 1182), "contempt": 13},
            "test": {**_seven(273, 18, 83, 893, 384, 396, 1090), "contempt": 16},
        }
    ),
    # 12,271 and 3,068 pictures: Li, Deng & Du 2017.
    "raf_db": Official(
        {
            "train": _seven(705, 717, 281, 4772, 1982, 1290, 2524),
            "test": _seven(162, 160, 74, 1185, 478, 329, 680),
        }
    ),
    # Zhao et al. 2011: 80 persons, six expressions, two cameras, three lights: 2,880 sequences.
    "oulu_casia": Official(
        {
            f"{camera} {light}": _seven(80, 80, 80, 80, 80, 80, 0)
            for camera in ("NI", "VL")
            for light in ("dark", "strong", "weak")
        },
        unit="sequence",
        subjects=80,
        part=lambda sample: f"{sample.attributes['camera']} {sample.attributes['illumination']}",
    ),
    # 213 pictures of 10 persons: Lyons et al. 1998.
    "jaffe": Official({"": _seven(30, 29, 32, 31, 31, 30, 30)}, subjects=10),
}
"""The counts by the corpus's name; corpora that differ between releases are left out."""


def differences(name, samples, directory):
    """Compares what was read of a corpus with its official counts.

    A part of the corpus (a split, a camera) is compared where at least 80 % of it is there; less is taken for a subset
    that somebody made on purpose, of which there is nothing to say.

    Args:
        name: name of the corpus.
        samples: list of all its `Sample`, before any selection.
        directory: the corpus's folder.

    Returns:
        Tuple of sentences, one a difference; empty where there is none or nothing is known.
    """
    official = OFFICIAL.get(name)
    labelled = [sample for sample in samples if sample.label]
    persons = {sample.subject for sample in labelled}
    if official is None or len(persons) < _WHOLE * official.subjects:
        return ()
    found = _count(labelled, official)
    sentences, compared = [], 0
    for part, counts in official.labels.items():
        if sum(found[part, label] for label in EMOTIONS) < _WHOLE * sum(counts.values()):
            continue
        compared += 1
        sentences += [
            _sentence(f"{part}, {label}" if part else label, found[part, label], f"{official.unit}s", counts[label])
            for label in EMOTIONS
            if found[part, label] != counts[label]
        ]
    if not compared:
        return ()
    if official.subjects and len(persons) != official.subjects:
        sentences.append(_sentence("with a label", len(persons), "subjects", official.subjects))
    counted = official.count_all(directory)
    if all(count >= _WHOLE * official.totals[what] for what, count in counted.items()):
        sentences += [
            _sentence("with a label or without", count, what, official.totals[what])
            for what, count in counted.items()
            if count != official.totals[what]
        ]
    return tuple(sentences)


def _count(samples, official):
    """How often a part has a label, a `Counter` of pairs."""
    if official.unit == "picture":
        return collections.Counter((official.part(sample), sample.label) for sample in samples)
    sequences = {(official.part(sample), sample.label, sample.subject, sample.sequence) for sample in samples}
    return collections.Counter((part, label) for part, label, *_ in sequences)


def _sentence(which, count, what, expected):
    return f"{which}: {count:,} {what}; the official corpus has {expected:,}"
