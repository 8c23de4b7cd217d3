"""A folder of pictures with a `labels.csv`: the form for a corpus of one's own."""

import pathlib

from fer_keras.corpora.corpus import Sample
from fer_keras.corpora.landmarks import read_numbers, usable_landmarks
from fer_keras.corpora.table import rows
from fer_keras.emotions import canonical
from fer_keras.errors import InputError
from fer_keras.faces.image import printable

LABELS_FILE = "labels.csv"
_KNOWN = ("path", "label", "subject", "sequence", "frame", "occlusion", "mask", "landmarks")


def read(directory, skips):
    """Reads a folder of pictures that a `labels.csv` describes.

    Columns: `path` (relative to the folder) and `label` are required; an empty label means unlabelled. Optional are
    `subject` (every picture is its own subject where it is missing or empty), `sequence` (stills or frames that belong
    together), `frame` (a number; empty for a single picture), `occlusion` (what covers the face), `mask` (a picture of
    the same size, not black where it does) and `landmarks` (a file of 68 rows `x y`, in pixels; of points in another
    number nothing is known, and the face is searched for). Other columns become attributes. A line is a row; bytes that
    are not UTF-8 are taken as they are in the names of files.

    Args:
        directory: the folder.
        skips: `SkipLog` for rows with an unknown label or another fault, and those whose picture or mask does not
            exist.

    Returns:
        A list of `Sample` in the order of the rows.

    Raises:
        InputError: no folder or no `labels.csv`, it cannot be read, is empty or lacks a column.
    """
    directory = pathlib.Path(directory)
    file = directory / LABELS_FILE
    if not file.is_file():
        raise InputError(f"{directory}: no {LABELS_FILE} found; expected a folder with {LABELS_FILE} (path,label,...)")
    samples = []
    for line, row in rows(file, ("path", "label"), skips, others=True):
        where = f"line {line}"
        try:
            sample = _sample(directory, {name.lower() if name.lower() in _KNOWN else name: row[name] for name in row})
        except InputError as error:
            skips.add(file, f"{where}: {error}")
            continue
        missing = [path for path in (sample.image, sample.mask) if path and not _is_file(path)]
        if missing:
            skips.add(missing[0], f"no such file; named in {LABELS_FILE}, {where}")
        else:
            samples.append(sample)
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
    paths = {name: directory / row[name] for name in ("path", "mask", "landmarks") if row.get(name)}
    row = {printable(name): printable(value) for name, value in row.items()}
    return Sample(
        corpus="folder",
        subject=row.get("subject") or row["path"],
        sequence=row.get("sequence") or row["path"],
        image=paths["path"],
        label=canonical(row["label"]) if row["label"] else "",
        frame=int(frame),
        landmarks=_read_landmarks(paths["landmarks"], row["landmarks"]) if "landmarks" in paths else None,
        occlusion=row.get("occlusion") or "none",
        mask=paths.get("mask"),
        attributes={name: value for name, value in row.items() if name not in _KNOWN and name and value},
    )


def _read_landmarks(path, name):
    """As `usable_landmarks`, `None` only where the points are of another number: those of another markup."""
    points = read_numbers(path, 2)
    landmarks = None if points is None else usable_landmarks(points)
    if points is None or (landmarks is None and len(points) in (0, 68)):
        raise InputError(f"{name}: expected a file of 68 landmarks, rows of x and y in pixels")
    return landmarks
