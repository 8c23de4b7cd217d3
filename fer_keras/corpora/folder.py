"""A folder of pictures with a `labels.csv`: the form for a corpus of one's own."""

import csv
import pathlib

from fer_keras.corpora.corpus import Sample
from fer_keras.corpora.landmarks import read_landmarks
from fer_keras.emotions import canonical
from fer_keras.errors import InputError

LABELS_FILE = "labels.csv"
_KNOWN = ("path", "label", "subject", "sequence", "frame", "occlusion", "mask", "landmarks")


def read(directory, skips):
    """Reads a folder of pictures that a `labels.csv` describes.

    Columns: `path` (relative to the folder) and `label` are required; an empty label means unlabelled. Optional are
    `subject` (every picture is its own subject where it is missing or empty), `sequence` (stills or frames that belong
    together), `frame` (a number; empty for a single picture), `occlusion` (what covers the face), `mask` (a picture of
    the same size, not black where it does) and `landmarks` (a file of 68 rows `x y`, in pixels). Other columns become
    attributes.

    Args:
        directory: the folder.
        skips: `SkipLog` for rows with an unknown label or another fault, and those whose picture does not exist.

    Returns:
        A list of `Sample` in the order of the rows.

    Raises:
        InputError: no folder or no `labels.csv`, a column is missing, or it is no such table.
    """
    directory = pathlib.Path(directory)
    file = directory / LABELS_FILE
    if not file.is_file():
        raise InputError(f"{directory}: no {LABELS_FILE} found; expected a folder with {LABELS_FILE} (path,label,...)")
    samples = []
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            rows = csv.DictReader(lines)
            missing = [name for name in ("path", "label") if name not in (rows.fieldnames or ())]
            if missing:
                found = ", ".join(rows.fieldnames or ()) or "an empty file"
                raise InputError(f"{file}: line 1: column {missing[0]!r} is missing; found {found}")
            for row in rows:
                where = f"line {rows.line_num}"
                try:
                    sample = _sample(directory, row)
                except InputError as error:
                    skips.add(file, f"{where}: {error}")
                    continue
                if _is_file(sample.image):
                    samples.append(sample)
                else:
                    skips.add(sample.image, f"no such file; named in {LABELS_FILE}, {where}")
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{file}: not a UTF-8 text file of comma-separated values: {error}") from error
    return samples


def _is_file(path):
    try:
        return path.is_file()
    except OSError:  # a name that is too long for the file system
        return False


def _sample(directory, row):
    if not row["path"]:
        raise InputError("the path is empty; expected the picture's path relative to the folder")
    frame = (row.get("frame") or "-1").strip()
    if not frame.removeprefix("-").isdecimal() or len(frame) > 9:  # more digits would not fit into a record
        raise InputError(f"frame is {frame[:40]!r}; expected a whole number, or nothing")
    landmarks = None
    if row.get("landmarks"):
        landmarks = read_landmarks(directory / row["landmarks"])
        if landmarks is None:
            raise InputError(f"{row['landmarks']}: expected a file of 68 landmarks, rows of x and y in pixels")
    return Sample(
        corpus="folder",
        subject=row.get("subject") or row["path"],
        sequence=row.get("sequence") or row["path"],
        image=directory / row["path"],
        label=canonical(row["label"]) if row["label"] else "",
        frame=int(frame),
        landmarks=landmarks,
        occlusion=row.get("occlusion") or "none",
        mask=directory / row["mask"] if row.get("mask") else None,
        attributes={name: value for name, value in row.items() if name not in _KNOWN and name and value},
    )
