"""The built-in corpus in the layout of CK+."""

import pathlib

import cv2

from fer_keras.corpora.landmarks import format_numbers
from fer_keras.corpora.synthetic_folder import write_folder
from fer_keras.corpora.synthetic_sequence import draw_sequence
from fer_keras.emotions import CK_PLUS_CODES, LABEL_SETS

_UNGRADED = (25, 26, 27)  # written with FACS intensity 0: present, strength not scored


def write_ck_plus(directory, size="small", seed=0, progress=None):
    """Writes the corpus in the layout of CK+ (Lucey et al. 2010), or reuses it if it is there already.

    Every subject has one sequence for each of the seven CK+ emotions, from neutral to apex; every fourth subject has
    an eighth one without a label, as has much of CK+. A run that is killed leaves nothing under `directory`.

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
    return write_folder(directory, "ck_plus", size, seed, _plan, _write_sequence, progress)


def _plan(size):
    return [
        (subject, sequence, emotion)
        for subject in range(size.subjects)
        for sequence, emotion in enumerate(LABEL_SETS["ck_plus"] + (("",) if subject % 4 == 3 else ()), start=1)
    ]


def _write_sequence(root, size, seed, entry):
    subject, sequence, emotion = entry
    # Names as in CK+: S005 is the first subject; numbers have gaps there as well.
    place = pathlib.PurePath(f"S{5 + subject:03d}", f"{sequence:03d}")
    folders = [root / kind / place for kind in ("cohn-kanade-images", "Landmarks", "FACS", "Emotion")]
    for folder in folders:
        folder.mkdir(parents=True)
    images, landmarks, facs, labels = folders
    for number, frame in enumerate(draw_sequence(size, seed, subject, sequence, emotion), start=1):
        stem = f"S{5 + subject:03d}_{sequence:03d}_{number:08d}"
        _, encoded = cv2.imencode(".png", frame.image, [cv2.IMWRITE_PNG_COMPRESSION, 1])
        (images / f"{stem}.png").write_bytes(encoded.tobytes())
        _write_numbers(landmarks / f"{stem}_landmarks.txt", frame.landmarks)
    units = [(unit, max(sides)) for unit, sides in frame.intensities.items()]
    graded = [(unit, 0 if unit in _UNGRADED else max(1, round(level))) for unit, level in units if level >= 0.5]
    _write_numbers(facs / f"{stem}_facs.txt", graded)
    if emotion:
        code = {name: code for code, name in CK_PLUS_CODES.items()}[emotion]
        _write_numbers(labels / f"{stem}_emotion.txt", [(code,)])


def _write_numbers(path, rows):
    path.write_text(format_numbers(rows), encoding="ascii")
