"""A folder of pictures with a `labels.csv`: the form for a corpus of one's own."""

import csv
import pathlib

from fer_keras.corpora.corpus import Sample
from fer_keras.emotions import canonical
from fer_keras.errors import InputError

LABELS_FILE = "labels.csv"
_KNOWN = ("path", "label", "subject", "sequence", "frame", "occlusion")


def read(directory, skips):
    """Reads a folder of pictures that a `labels.csv` describes.

    Columns: `path` (relative to the folder) and `label` are required; an empty label means unlabelled. Optional are
    `subject` (every picture is its own subject where it is missing or empty), `sequence` (stills or frames that belong
    together), `frame` (a number; empty for a single picture) and `occlusion`. Other columns become attributes.

    Args:
        directory: the folder.
        skips: `SkipLog` for rows whose picture does not exist.

    Returns:
        A list of `Sample` in the order of the rows.

    Raises:
        InputError: no folder or no `labels.csv`, a column is missing, or a row holds an unknown label or a frame that
            is no number; the message names file and line.
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
                sample = _sample(directory, f"{file}: line {rows.line_num}", row)
                if _is_file(sample.image):
                    samples.append(sample)
                else:
                    skips.add(sample.image, f"no such file; named in {LABELS_FILE}, line {rows.line_num}")
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{file}: not a UTF-8 text file of comma-separated values: {error}") from error
    return samples


def _is_file(path):
    try:
        return path.is_file()
    except OSError:  # a name that is too long for the file system
        return False


def _sample(directory, where, row):
    if not row["path"]:
        raise InputError(f"{where}: the path is empty; expected the picture's path relative to {directory}")
    label, frame = row["label"] or "", row.get("frame") or "-1"
    if label:
        try:
            label = canonical(label)
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
    try:
        frame = int(frame)
    except ValueError:
        raise InputError(f"{where}: frame is {frame!r}; expected a whole number, or nothing") from None
    subject = row.get("subject") or row["path"]
    return Sample(
        corpus="folder",
        subject=subject,
        sequence=row.get("sequence") or row["path"],
        image=directory / row["path"],
        label=label,
        frame=frame,
        occlusion=row.get("occlusion") or "none",
        attributes={name: value for name, value in row.items() if name not in _KNOWN and name and value},
    )
