"""Corpora: official layouts in, samples out. One file, one layout."""

import contextlib
import dataclasses
import inspect
import pathlib

import numpy as np

from fer_keras.corpora import (
    affect_net,
    ck48,
    ck_plus,
    class_folders,
    fer2013,
    fer_plus,
    folder,
    jaffe,
    mmi,
    official,
    oulu_casia,
    raf_db,
    synthetic,
)
from fer_keras.corpora.corpus import Corpus, Sample, SkipLog
from fer_keras.corpora.folds import assign_folds, deal_folds
from fer_keras.emotions import canonical
from fer_keras.errors import InputError

__all__ = [
    "BUILT_IN",
    "CORPORA",
    "Corpus",
    "CorpusInfo",
    "Sample",
    "SkipLog",
    "assign_folds",
    "deal_folds",
    "load",
    "read",
]


def _read_synthetic(directory, skips, peak_frames=3, neutral_first=False):
    synthetic.write_ck_plus(directory, size="small")
    samples = ck_plus.read(directory, skips, peak_frames, neutral_first)
    return [dataclasses.replace(sample, corpus="synthetic") for sample in samples]


def _read_synthetic_mmi(directory, skips, peak_frames=3, neutral_first=False):
    synthetic.write_mmi(directory, size="small")
    samples = mmi.read(directory, skips, peak_frames, neutral_first)
    return [dataclasses.replace(sample, corpus="synthetic_mmi") for sample in samples]


def _read_synthetic_occluded(directory, skips):
    synthetic.write_occluded(directory, size="small")
    return [dataclasses.replace(sample, corpus="synthetic_occluded") for sample in folder.read(directory, skips)]


CORPORA = {
    "ck_plus": ck_plus.read,
    "ck48": ck48.read,
    "mmi": mmi.read,
    "fer2013": fer2013.read,
    "fer_plus": fer_plus.read,
    "raf_db": raf_db.read,
    "affect_net": affect_net.read,
    "oulu_casia": oulu_casia.read,
    "jaffe": jaffe.read,
    "class_folders": class_folders.read,
    "folder": folder.read,
    "synthetic": _read_synthetic,
    "synthetic_mmi": _read_synthetic_mmi,
    "synthetic_occluded": _read_synthetic_occluded,
}
"""The readers by name: `reader(directory, skips)` returns a list of `Sample`."""

BUILT_IN = {
    "synthetic": synthetic.write_ck_plus,
    "synthetic_mmi": synthetic.write_mmi,
    "synthetic_occluded": synthetic.write_occluded,
}
"""The corpora that are drawn into their folder unless they are there, and what draws them."""


def read(name, directory, labels=None, where=None, strict=False, **options):
    """Reads a corpus.

    Args:
        name: one of `CORPORA`. Those of `BUILT_IN` are drawn into `directory` unless they are there.
        directory: the corpus's folder, in its official layout.
        labels: optional names; only samples with one of these labels are kept.
        where: optional dict of attribute (or `occlusion`, `split`) to the value that samples must have.
        strict: raise at the first picture that cannot be used instead of skipping it.
        **options: options of the corpus's reader, such as `neutral_first=True` of `ck_plus`, or `peak_frames=None` of
            the corpora of clips, for all frames of every clip.

    Returns:
        A `Corpus` of labelled samples.

    Raises:
        InputError: no such corpus, folder or option, the layout is another one, or nothing is left.
    """
    if name not in CORPORA:
        raise InputError(f"unknown corpus {name!r}; expected one of {', '.join(CORPORA)}")
    directory = pathlib.Path(directory).expanduser()
    if name not in BUILT_IN and directory.is_file():
        raise InputError(f"{directory}: is a file; expected the folder of a corpus ({name})")
    if name not in BUILT_IN and not directory.is_dir():
        raise InputError(f"{directory}: no such folder; expected the folder of a corpus ({name})")
    known = inspect.signature(CORPORA[name]).parameters
    unknown = set(options) - (set(known) - {"directory", "skips"})
    if "peak_frames" in unknown and options["peak_frames"] is None:
        clips = [other for other, reader in CORPORA.items() if "peak_frames" in inspect.signature(reader).parameters]
        raise InputError(f"{name} is a corpus of single pictures; expected one of clips: {', '.join(clips)}")
    if unknown:
        raise InputError(f"the reader of {name} has no option {min(unknown)!r}")
    skips = SkipLog(strict)
    samples = CORPORA[name](directory, skips, **options)
    differences = official.differences(name, samples, directory)
    samples = [sample for sample in samples if sample.label]
    if labels:
        wanted = {canonical(label) for label in labels}
        samples = [sample for sample in samples if sample.label in wanted]
        absent = wanted - {sample.label for sample in samples}
        if absent:
            raise InputError(f"{directory}: no picture is labelled {min(absent)}; check the labels asked for")
    for key, value in (where or {}).items():
        samples = [sample for sample in samples if _facts(sample).get(key) == value]
        if not samples:
            raise InputError(f"{directory}: no labelled picture has {key}={value}")
    if not samples:
        first = f"; the first of {len(skips)} skipped: {skips[0][0]}: {skips[0][1]}" if skips else ""
        raise InputError(f"{directory}: holds no labelled picture; expected a corpus in {name} layout{first}")
    return Corpus(name, samples, skips, differences)


def _facts(sample):
    return {"occlusion": sample.occlusion, "split": sample.split, **sample.attributes}


@dataclasses.dataclass(frozen=True)
class CorpusInfo:
    """What is known about a loaded corpus; entry *i* of an array belongs to element *i* of the dataset.

    Args:
        label_names: tuple of class names; the dataset's labels are indices into it.
        subjects: array of strings, the persons.
        sequences: array of strings, the clips or groups of stills, unique over subjects.
        skipped: list of `(path, reason)` of the pictures that could not be used.
    """

    label_names: tuple
    subjects: np.ndarray
    sequences: np.ndarray
    skipped: list


def load(
    name, directory, labels=None, image_size=48, channels=1, where=None, strict=False, faces="blaze_face", records=None
):
    """Loads a corpus's faces for `model.fit`: found, aligned, cropped and decoded as `prepare` does.

    Args:
        name: one of `CORPORA`.
        directory: the corpus's folder, in its official layout; those of `BUILT_IN` are drawn there.
        labels: optional names; only faces with one of these labels are loaded.
        image_size: int, height and width in pixels.
        channels: 1 for grey, 3 for colour.
        where: as for `read`.
        strict: as for `read`.
        faces: as for `fer_keras.corpora.prepare.prepare`.
        records: optional folder to keep the face records in, as `prepare` writes them; the next time they are there.

    Returns:
        A pair of a `tf.data.Dataset` of `(image, label)`, uint8 `(image_size, image_size, channels)` and int32, in
        the corpus's order, and a `CorpusInfo`.

    Raises:
        InputError: as `read`, or no face was found.

    Example:
    >>> faces, info = load("synthetic", "runs/corpus")
    >>> model = AlexNetEmotion(info.label_names)
    >>> model.fit(faces.shuffle(1000).batch(32))
    """
    import tempfile

    import tensorflow as tf

    from fer_keras.corpora.face_set import load_faces
    from fer_keras.corpora.prepare import prepare

    corpus = read(name, directory, labels, where, strict)
    with contextlib.nullcontext(records) if records else tempfile.TemporaryDirectory() as folder:
        manifest = prepare(corpus, folder, faces)
        found = load_faces(manifest["shards"], corpus.label_names, image_size, channels)
    dataset = tf.data.Dataset.from_tensor_slices((found.images, found.labels))
    return dataset, CorpusInfo(found.label_names, found.subjects, found.sequences, manifest["skipped"])
