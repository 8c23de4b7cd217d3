"""Corpora: official layouts in, samples out. One file, one layout."""

import dataclasses
import pathlib

from fer_keras.corpora import ck_plus, folder, synthetic
from fer_keras.corpora.corpus import Corpus, Sample, SkipLog
from fer_keras.corpora.folds import assign_folds
from fer_keras.emotions import canonical
from fer_keras.errors import InputError

__all__ = ["CORPORA", "Corpus", "Sample", "SkipLog", "assign_folds", "read"]


def _read_synthetic(directory, skips):
    synthetic.write_ck_plus(directory, size="small")
    samples = ck_plus.read(directory, skips)
    return [dataclasses.replace(sample, corpus="synthetic") for sample in samples]


CORPORA = {"ck_plus": ck_plus.read, "folder": folder.read, "synthetic": _read_synthetic}
"""The readers by name: `reader(directory, skips)` returns a list of `Sample`."""


def read(name, directory, labels=None, where=None, strict=False):
    """Reads a corpus.

    Args:
        name: one of `CORPORA`. `"synthetic"` is the built-in corpus: drawn into `directory` unless it is there.
        directory: the corpus's folder, in its official layout.
        labels: optional names; only samples with one of these labels are kept.
        where: optional dict of attribute (or `occlusion`) to the value that samples must have.
        strict: raise at the first picture that cannot be used instead of skipping it.

    Returns:
        A `Corpus` of labelled samples.

    Raises:
        InputError: no such corpus or folder, the layout is another one, or nothing is left.
    """
    if name not in CORPORA:
        raise InputError(f"unknown corpus {name!r}; expected one of {', '.join(CORPORA)}")
    directory = pathlib.Path(directory)
    if name != "synthetic" and not directory.is_dir():
        raise InputError(f"{directory}: no such folder; expected the folder of a corpus ({name})")
    skips = SkipLog(strict)
    samples = [sample for sample in CORPORA[name](directory, skips) if sample.label]
    if labels:
        wanted = {canonical(label) for label in labels}
        samples = [sample for sample in samples if sample.label in wanted]
        absent = wanted - {sample.label for sample in samples}
        if absent:
            raise InputError(f"{directory}: no picture is labelled {min(absent)}; check the labels asked for")
    for key, value in (where or {}).items():
        samples = [
            sample for sample in samples if {"occlusion": sample.occlusion, **sample.attributes}.get(key) == value
        ]
        if not samples:
            raise InputError(f"{directory}: no labelled picture has {key}={value}")
    if not samples:
        raise InputError(f"{directory}: holds no labelled picture; expected a corpus in {name} layout")
    return Corpus(name, samples, skips)
