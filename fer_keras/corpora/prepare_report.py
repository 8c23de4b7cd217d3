"""The report of `prepare`: what the corpus's faces look like, how many there are of what, and what was left out."""

import collections
import os
import pathlib
import re

import numpy as np

from fer_keras.corpora.records import read_records
from fer_keras.faces.align import warp
from fer_keras.faces.image import decode_image, encode_png
from fer_keras.report import Figure, Page, Table, draw

_COLUMNS, _SIDE, _GAP = 10, 80, 4  # of the contact sheet; pixels
_SHOWN = 50  # skipped pictures that are named


def write_report(manifest, path, command=""):
    """Writes the report of prepared records.

    Args:
        manifest: the manifest that `prepare` returned.
        path: the HTML file.
        command: the command line that made the records, for the reader to repeat it.

    Raises:
        InputError: the extra `report` is not installed.
    """
    skipped = manifest["skipped"]
    page = Page(
        f"Faces of {manifest['corpus']}",
        f"{manifest['faces']} faces of {manifest['subjects']} subjects, from {manifest['pictures']} pictures; "
        f"{len(skipped)} pictures were left out. Faces were found by {manifest['faces_found_by']} where the corpus "
        "brings neither landmarks nor crops.",
    )
    if manifest["differences"]:
        page.add("Not as published", *manifest["differences"])
    names = [name for name, count in manifest["faces_by_label"].items() if count]
    rows = contact_sheet(manifest["shards"], names)
    page.add(
        "Contact sheet",
        "Aligned faces as a model gets them, of as many subjects as there is room for.",
        *(Figure(row, f"Faces labelled {name}", name) for name, row in rows.items()),
    )
    page.add("Faces by label", *_by_label(manifest))
    page.add("Faces by subject and fold", *_by_subject(manifest))
    page.add("Left out", *_left_out(skipped))
    shards = tuple((name.rpartition("/")[2], digest) for name, digest in manifest["sha256"].items())
    made = [f"Made by: {command}"] if command else []
    page.add("How to make it again", *made, Table(("record file", "SHA-256"), shards))
    page.write(path)


def contact_sheet(shards, label_names, columns=_COLUMNS, side=_SIDE):
    """Rows of faces, one a label, of as many subjects as there is room for.

    Args:
        shards: list of record files.
        label_names: the labels.
        columns: int, faces in a row.
        side: int, pixels of a face.

    Returns:
        A dict of label to a PNG as bytes.
    """
    found = {name: {} for name in label_names}
    for record in read_records(shards).as_numpy_iterator():
        row, subject = found.get(record["label"].decode()), record["subject"].decode()
        if row is not None and len(row) < columns:
            row.setdefault(subject, record["image/encoded"])
        if all(len(row) == columns for row in found.values()):
            break
    return {name: _draw_row(list(row.values()), side) for name, row in found.items()}


def _draw_row(encoded_faces, side):
    step = side + _GAP
    row = np.full((side, len(encoded_faces) * step - _GAP, 3), 128, np.uint8)
    for number, encoded in enumerate(encoded_faces):
        face = decode_image(encoded)
        shape = [[side / face.shape[1], 0.0, 0.0], [0.0, side / face.shape[0], 0.0]]
        row[:, number * step : number * step + side] = warp(face, shape, side)
    return encode_png(row)


def _by_label(manifest):
    counts, people = manifest["faces_by_label"], manifest["subjects_by_label"]

    def bars(axes):
        axes.barh(list(counts)[::-1], list(counts.values())[::-1], color="#4c78a8")
        axes.bar_label(axes.containers[0], padding=3)
        axes.set_xlabel("faces")
        axes.locator_params(axis="x", integer=True)

    rows = tuple((name, counts[name], people[name]) for name in counts)
    said = ", ".join(f"{name} {count}" for name, count in counts.items())
    drawing = draw(bars, height=0.8 + 0.32 * len(counts))
    return Figure(drawing, f"Bars of the number of faces by label: {said}"), Table(("label", "faces", "subjects"), rows)


def _by_subject(manifest):
    by_subject, by_fold = manifest["faces_by_subject"], manifest["faces_by_fold"]
    if not by_subject:
        return (
            "The corpus does not say who is shown, or shows everybody once: every picture counts as its own subject.",
        )
    counts = list(by_subject.values())

    def histogram(axes):
        width = max(1, (max(counts) - min(counts)) // 30)
        axes.hist(counts, bins=np.arange(min(counts), max(counts) + width + 1, width) - 0.5, color="#4c78a8")
        axes.set(xlabel="faces of a subject", ylabel="subjects")
        axes.locator_params(integer=True)

    said = f"Histogram of faces by subject, from {min(counts)} to {max(counts)} over {len(counts)} subjects"
    even = len(set(counts)) == 1
    parts = [f"Every subject has {counts[0]} faces." if even else Figure(draw(histogram), said)]
    if by_fold:
        parts.append(Table(("fold", "faces"), tuple(enumerate(by_fold)), "Subject-wise folds by the published rule"))
    return tuple(parts)


def _left_out(skipped):
    if not skipped:
        return ("Nothing was left out.",)
    reasons = collections.Counter(_kind(reason) for _, reason in skipped)
    # A labels.csv may name absolute paths in a folder that is given by a relative one.
    shared = os.path.commonpath([os.path.abspath(pathlib.Path(path).parent) for path, _ in skipped])
    rows = tuple((os.path.relpath(path, shared), reason) for path, reason in skipped[:_SHOWN])
    more = f"The first {_SHOWN} of {len(skipped)}; the manifest has all" if len(skipped) > _SHOWN else ""
    return (
        f"Paths below are relative to {shared}.",
        Table(("pictures", "reason"), tuple((count, reason) for reason, count in reasons.most_common(_SHOWN))),
        Table(("picture", "reason"), rows, more),
    )


def _kind(reason):
    """A reason without what differs from picture to picture: the line, the file and the numbers."""
    reason = re.sub(r"^line \d+: ", "", reason)
    reason = re.sub(r"\s*\([^()]*\d[^()]*\)", "", reason.partition(";")[0])
    head, _, rest = reason.partition(": ")
    return re.sub(r"\s+", " ", re.sub(r"\d+", "…", rest if pathlib.PurePath(head).suffix and rest else reason)).strip()
