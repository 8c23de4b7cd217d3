"""The built-in corpus: drawn faces in the official directory layout of CK+.

Nobody has to ask for a licence or download anything to try the library on it. It stands in for a corpus, not for
people: accuracy on it says that the code works, nothing about faces.

Everything follows from the seed: a person from `(seed, subject)`, a sequence from `(seed, subject, sequence)`, so
that neither order nor process matters.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import shutil

import cv2
import numpy as np

from fer_keras.corpora.synthetic_drawing import Scene, draw_face, photograph
from fer_keras.corpora.synthetic_expressions import activation, choose_units
from fer_keras.corpora.synthetic_face import Pose, make_person, move_points, project
from fer_keras.emotions import CK_PLUS_CODES, LABEL_SETS
from fer_keras.errors import InputError

VERSION = 1
"""Version of the drawing; goes up whenever the same seed gives other bytes."""

_MARK = "synthetic.json"
_UNGRADED = (25, 26, 27)  # written with FACS intensity 0: present, strength not scored


@dataclasses.dataclass(frozen=True)
class Size:
    """How large and how hard the corpus is.

    Args:
        subjects: number of people.
        frames: frames a sequence, at least 3.
        width: pixels.
        height: pixels.
        eye_distance: mean distance between the eyes in pixels.
        strength: `(low, high)` of the intensity of displays at the apex, within [0, 5].
        stray: mean number of faint action units that do not belong to the emotion.
        turn: standard deviation of the head's yaw in degrees; pitch and roll vary 0.6 times as much.
        gain: `(low, high)` of the brightness of the whole picture.
        noise: `(low, high)` of the sensor noise in grey levels.
        blur: `(low, high)` of the lens blur in pixels.
    """

    subjects: int
    frames: int
    width: int
    height: int
    eye_distance: float
    strength: tuple
    stray: float
    turn: float
    gain: tuple
    noise: tuple
    blur: tuple


SIZES = {
    "small": Size(20, 6, 160, 160, 46.0, (3.0, 4.8), 0.0, 5.0, (0.85, 1.0), (1.0, 4.0), (0.3, 0.7)),
    "standard": Size(60, 12, 320, 240, 62.0, (1.0, 4.0), 1.0, 9.0, (0.6, 1.0), (3.0, 12.0), (0.6, 2.0)),
}
"""The presets: `small` for the demo, `standard` to compare methods on; 840 and 5040 labelled-sequence frames."""


@dataclasses.dataclass(frozen=True)
class Frame:
    """One picture of a drawn sequence.

    Args:
        image: uint8 array of shape `(height, width, 3)`, BGR, or `(height, width)`, grey.
        landmarks: float array of shape `(68, 2)`, x and y in pixels; exact.
        intensities: dict of action unit to `(left, right)`, each in [0, 5].
    """

    image: np.ndarray
    landmarks: np.ndarray
    intensities: dict


def draw_sequence(size, seed, subject, sequence, emotion, offset=False):
    """Draws one sequence of one person, from the neutral face to the apex.

    Args:
        size: a `Size`.
        seed: int ≥ 0, of the whole corpus.
        subject: int ≥ 0, the person; every fifth is filmed in colour, the others in grey.
        sequence: int ≥ 1, number of the sequence of this person.
        emotion: canonical name, or `""` for action units at random.
        offset: whether the face returns to neutral (as in MMI) or the sequence ends at the apex (as in CK+).

    Yields:
        `size.frames` values of `Frame`, in order.

    Raises:
        InputError: unknown emotion, or a size with fewer than three frames.
    """
    person = make_person(np.random.default_rng([seed, subject, 0]))
    rng = np.random.default_rng([seed, subject, sequence])
    channels = 3 if subject % 5 == 4 else 1
    apex = choose_units(emotion, size.strength, size.stray, rng)
    lags = {unit: rng.uniform(0.8, 1.3) for unit in apex}  # units do not start all at once
    scene = Scene(
        background=tuple(tuple(float(value) for value in rng.uniform(40, 210) + rng.normal(0, 8, 3)) for _ in range(2)),
        light=float(rng.uniform(0, 360)),
        slope=float(rng.uniform(0, 0.3)),
        gain=float(rng.uniform(*size.gain)),
        blur=float(rng.uniform(*size.blur)),
        noise=float(rng.uniform(*size.noise)),
    )
    eye_distance = size.eye_distance * rng.uniform(0.92, 1.05)
    # The head drifts from one pose to another.
    spread = np.array((size.turn, 0.6 * size.turn, 0.6 * size.turn, 0.015 * size.width, 0.015 * size.height))
    first = np.clip(rng.normal(0, 1, 5), -2, 2) * spread
    last = first + np.clip(rng.normal(0, 0.3, 5), -0.6, 0.6) * spread
    steps = []
    for index, course in enumerate(activation(size.frames, offset)):
        yaw, pitch, roll, right, down = first + (last - first) * index / (size.frames - 1)
        pose = Pose((size.width / 2 + right, 0.42 * size.height + down), eye_distance, yaw, pitch, roll)
        intensities = {
            unit: (left * course ** lags[unit], other * course ** lags[unit]) for unit, (left, other) in apex.items()
        }
        steps.append((intensities, project(move_points(person, intensities), pose)))
    # The camera is aimed so that no landmark of the sequence leaves the picture.
    landmarks = np.concatenate([points[:68] for _, points in steps])
    margin, far = 2.0, np.array((size.width, size.height)) - 3.0
    aim = np.maximum(margin - landmarks.min(axis=0), 0) + np.minimum(far - landmarks.max(axis=0), 0)
    for intensities, points in steps:
        points = points + aim
        picture = draw_face((size.width, size.height), person, points, intensities, scene, channels)
        image = photograph(picture, scene, rng)
        yield Frame(image[..., 0] if channels == 1 else image, points[:68], intensities)


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
    if isinstance(size, str):
        if size not in SIZES:
            raise InputError(f"unknown size {size!r} of the built-in corpus; expected one of {', '.join(SIZES)}")
        size = SIZES[size]
    if seed < 0:
        raise InputError(f"the seed must be 0 or more, received seed={seed}")
    directory = pathlib.Path(directory)
    # Through JSON once, so that tuples compare equal to the lists they are read back as.
    mark = json.loads(json.dumps({"layout": "ck_plus", "version": VERSION, "seed": seed, **dataclasses.asdict(size)}))
    if _is_taken(directory, mark):
        return directory
    directory.parent.mkdir(parents=True, exist_ok=True)
    aside = directory.with_name(f".{directory.name}.{os.getpid()}.tmp")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        plan = [
            (subject, sequence, emotion)
            for subject in range(size.subjects)
            for sequence, emotion in enumerate(LABEL_SETS["ck_plus"] + (("",) if subject % 4 == 3 else ()), start=1)
        ]
        for done, (subject, sequence, emotion) in enumerate(plan, start=1):
            _write_sequence(aside, size, seed, subject, sequence, emotion)
            if progress is not None:
                progress(done, len(plan))
        (aside / _MARK).write_text(json.dumps(mark, indent=1) + "\n", encoding="utf-8")
        try:
            with contextlib.suppress(FileNotFoundError):
                directory.rmdir()  # an empty directory gives way
            aside.rename(directory)
        except OSError:
            # Another process may have been faster; anything else that lies there now is refused.
            if not _is_taken(directory, mark):
                raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return directory


def _is_taken(directory, mark):
    """Whether the directory holds the marked corpus; False if it is free."""
    if not directory.exists() or (directory.is_dir() and not any(directory.iterdir())):
        return False
    found = None
    if (directory / _MARK).is_file():
        with contextlib.suppress(ValueError):
            found = json.loads((directory / _MARK).read_text(encoding="utf-8"))
    if found == mark:
        return True
    held = "another built-in corpus" if isinstance(found, dict) else "something else"
    raise InputError(f"{directory} holds {held}; expected an empty or new directory for the built-in corpus")


def _write_sequence(root, size, seed, subject, sequence, emotion):
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
    text = "".join("".join(f"   {value:.7e}" for value in row) + "\n" for row in rows)
    path.write_text(text, encoding="ascii")
