"""The built-in corpus with something in front of half of the faces, as a folder with a `labels.csv`."""

import csv

import cv2
import numpy as np

from fer_keras.corpora.landmarks import format_numbers
from fer_keras.corpora.synthetic_folder import write_folder
from fer_keras.corpora.synthetic_occlusion import occlude_sequence
from fer_keras.corpora.synthetic_sequence import draw_sequence
from fer_keras.emotions import LABEL_SETS
from fer_keras.occlusion import OCCLUDERS

_COLUMNS = ("path", "label", "subject", "sequence", "frame", "occlusion", "mask", "landmarks")
_PEAK_FRAMES = 3


def write_occluded(directory, size="small", seed=0, progress=None):
    """Writes pairs of the same pictures, open and occluded, or reuses them if they are there already.

    The sequences are those of `write_ck_plus`; of each, the last three frames are there twice: as they are, and with
    an occluder, the kinds of `fer_keras.occlusion.OCCLUDERS` taking turns. `labels.csv` names for every picture what
    covers it, the mask of what is covered and the landmarks. A run that is killed leaves nothing under `directory`.

    Args:
        directory: path; must not exist, be empty, or hold this very corpus.
        size: name of a preset in `SIZES`, or a `Size`.
        seed: int ≥ 0.
        progress: optional function `(done, total)`, called after every sequence.

    Returns:
        `directory` as a `pathlib.Path`.

    Raises:
        InputError: unknown size, negative seed, or `directory` holds something else.
    """
    return write_folder(directory, "occluded", size, seed, _plan, _write_sequence, progress)


def _plan(size):
    labels = LABEL_SETS["ck_plus"]
    return [(subject, number, label) for subject in range(size.subjects) for number, label in enumerate(labels, 1)]


def _write_sequence(root, size, seed, entry):
    subject, sequence, emotion = entry
    kind = list(OCCLUDERS)[(subject + sequence) % len(OCCLUDERS)]
    frames = list(draw_sequence(size, seed, subject, sequence, emotion))[-_PEAK_FRAMES:]
    first = size.frames - len(frames) + 1
    person, rows = f"S{5 + subject:03d}", []
    for folder in ("open", "occluded", "masks", "landmarks"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for number, one in enumerate(occlude_sequence(frames, kind, [seed, subject, sequence]), start=first):
        stem = f"{person}_{sequence:03d}_{number:08d}"
        _write_picture(root / "open" / f"{stem}.png", one.frame.image)
        _write_picture(root / "occluded" / f"{stem}.png", one.image)
        _write_picture(root / "masks" / f"{stem}.png", 255 * one.mask.astype(np.uint8))
        (root / "landmarks" / f"{stem}.txt").write_text(format_numbers(one.frame.landmarks), encoding="ascii")
        known = (emotion, person, f"{person}_{sequence:03d}", number)
        landmarks = f"landmarks/{stem}.txt"
        rows.append((f"open/{stem}.png", *known, "none", "", landmarks))
        rows.append((f"occluded/{stem}.png", *known, kind, f"masks/{stem}.png", landmarks))
    table = root / "labels.csv"
    is_new = not table.exists()
    with table.open("a", newline="", encoding="utf-8") as lines:
        csv.writer(lines, lineterminator="\n").writerows([_COLUMNS, *rows] if is_new else rows)


def _write_picture(path, image):
    _, encoded = cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    path.write_bytes(encoded.tobytes())
