"""Reader of the Extended Cohn-Kanade corpus, CK+ (Lucey et al. 2010), in its official directory layout.

```
cohn-kanade-images/S005/001/S005_001_00000001.png     every frame, from neutral to the peak
Emotion/S005/001/S005_001_00000011_emotion.txt        the label, of the last frame alone; often none
Landmarks/S005/001/S005_001_00000001_landmarks.txt    68 rows x y
FACS/S005/001/S005_001_00000011_facs.txt              rows unit intensity, of the last frame alone
```
"""

import pathlib

import numpy as np

from fer_keras.corpora.corpus import Sample
from fer_keras.emotions import CK_PLUS_CODES
from fer_keras.errors import InputError

_IMAGES = "cohn-kanade-images"


def read(directory, skips, peak_frames=3, neutral_first=False):
    """Lists the labelled pictures of CK+.

    The last frames of every labelled sequence carry its label. Sequences without a label are no part of the result.
    Pixels are not read.

    Args:
        directory: path of the folder that holds `cohn-kanade-images`, or `extended-cohn-kanade-images` around it.
            `Emotion` (or `Emotion_labels`), `Landmarks` and `FACS` lie beside either; the last two may be missing.
        skips: a `SkipLog`; receives labelled sequences without a picture, and pictures whose name has no frame number.
        peak_frames: int ≥ 1, how many last frames of a sequence carry its label.
        neutral_first: whether the first frame of a labelled sequence is a sample of `"neutral"` as well, where it is
            none of the last.

    Returns:
        List of `Sample` of all emotions that occur, sorted by subject, sequence and frame. `landmarks` are `None`
        where their file is missing or broken; `action_units`, given for the last frames, have intensity 0 where the
        coders did not score it.

    Raises:
        InputError: no image or label folder, or a label file that cannot be understood.
    """
    directory = pathlib.Path(directory)
    if peak_frames < 1:
        raise InputError(f"peak_frames must be at least 1, received peak_frames={peak_frames}")
    images = _find(directory, _IMAGES)
    if images is None:
        raise InputError(
            f"{directory / _IMAGES} is missing; expected the folders of CK+: {_IMAGES}, Emotion, Landmarks, FACS"
        )
    labels = _find(directory, "Emotion", "Emotion_labels")
    if labels is None:
        raise InputError(f"{directory / 'Emotion'} is missing; expected the label folder of CK+ beside {images}")
    landmarks, facs = _find(directory, "Landmarks"), _find(directory, "FACS")
    samples = []
    for subject in _folders(labels):
        for sequence in _folders(subject):
            place = pathlib.PurePath(subject.name, sequence.name)
            label = _read_label(sequence)
            if label is None:
                continue
            frames = _frames(images / place, skips)
            if not frames:
                skips.add(images / place, "no picture, though the sequence has a label; expected PNG frames")
                continue
            units = _read_units(facs / place) if facs else ()
            wanted = [(number, path, label, units) for number, path in frames[-peak_frames:]]
            if neutral_first and len(frames) > peak_frames:
                wanted.insert(0, (*frames[0], "neutral", ()))
            for number, path, name, shown in wanted:
                sample = Sample(
                    corpus="ck_plus",
                    subject=subject.name,
                    sequence="_".join(place.parts),
                    image=path,
                    label=name,
                    frame=number,
                    landmarks=_read_landmarks(landmarks / place / f"{path.stem}_landmarks.txt") if landmarks else None,
                    action_units=shown,
                )
                samples.append(sample)
    return samples


def _find(directory, *names):
    """The first folder of these names in the directory or in `extended-cohn-kanade-images`."""
    for parent in (directory, directory / "extended-cohn-kanade-images"):
        for name in names:
            if (parent / name).is_dir():
                return parent / name
    return None


def _folders(parent):
    return sorted(path for path in parent.iterdir() if path.is_dir() and not path.name.startswith("."))


def _files(folder, ending):
    if not folder.is_dir():
        return []
    # macOS leaves .DS_Store and ._* beside everything.
    paths = (path for path in folder.iterdir() if path.name.endswith(ending) and not path.name.startswith("."))
    return sorted(path for path in paths if path.is_file())


def _frames(folder, skips):
    """Pairs of frame number and picture, in order."""
    frames = []
    for path in _files(folder, ".png"):
        number = path.stem.rpartition("_")[2]
        if number.isascii() and number.isdigit():
            frames.append((int(number), path))
        else:
            skips.add(path, "no frame number; expected a name like S005_001_00000001.png")
    return sorted(frames)


def _read_label(folder):
    """The canonical label in a sequence's label folder, `None` if it is empty."""
    files = _files(folder, "_emotion.txt")
    if not files:
        return None
    expected = f"expected one number of {', '.join(f'{code} {name}' for code, name in CK_PLUS_CODES.items())}"
    if len(files) > 1:
        raise InputError(f"{files[1]}: second label of this sequence; {expected}")
    try:
        content = files[0].read_bytes().decode("ascii", "replace").strip()
    except OSError as error:
        raise InputError(f"{files[0]}: {error.strerror}; {expected}") from None
    try:
        return CK_PLUS_CODES[float(content)]
    except (ValueError, KeyError):
        raise InputError(f"{files[0]}: found {content[:40]!r}; {expected}") from None


def _read_numbers(path, columns):
    """A table of numbers as a float array of shape `(rows, columns)`, or `None` if it is missing or broken."""
    try:
        rows = [[float(word) for word in line.split()] for line in path.read_bytes().splitlines() if line.strip()]
    except (OSError, ValueError):
        return None
    if any(len(row) != columns for row in rows):
        return None
    numbers = np.array(rows, float).reshape(-1, columns)
    return numbers if np.isfinite(numbers).all() else None


def _read_landmarks(path):
    landmarks = _read_numbers(path, 2)
    return landmarks if landmarks is not None and len(landmarks) == 68 else None


def _read_units(folder):
    """Strings `"AU12:3"` of a sequence's peak; none where FACS codes are missing or broken."""
    files = _files(folder, "_facs.txt")
    rows = _read_numbers(files[0], 2) if files else None
    return () if rows is None else tuple(f"AU{unit:g}:{intensity:g}" for unit, intensity in rows)
