"""Reader of the Extended Cohn-Kanade corpus, CK+ (Lucey et al. 2010), in its official directory layout.

```
cohn-kanade-images/S005/001/S005_001_00000001.png     every frame, from neutral to the peak
Emotion/S005/001/S005_001_00000011_emotion.txt        the label, of the last frame alone; often none
Landmarks/S005/001/S005_001_00000001_landmarks.txt    68 rows x y
FACS/S005/001/S005_001_00000011_facs.txt              rows unit intensity, of the last frame alone
```
"""

import pathlib

from fer_keras.corpora.corpus import Sample, SkipLog
from fer_keras.corpora.landmarks import read_landmarks, read_numbers
from fer_keras.corpora.listing import files, first_folder, folders, frames, read_small
from fer_keras.corpora.phases import rising_phases
from fer_keras.emotions import CK_PLUS_CODES
from fer_keras.errors import InputError
from fer_keras.faces.image import printable

_IMAGES = "cohn-kanade-images"


def read(directory, skips, peak_frames=3, neutral_first=False):
    """Lists the labelled pictures of CK+.

    The last frames of every labelled sequence carry its label. Sequences without a label are no part of the result.
    Pixels are not read.

    Args:
        directory: path of the folder that holds `cohn-kanade-images`, or `extended-cohn-kanade-images` around it.
            `Emotion` (or `Emotion_labels`), `Landmarks` and `FACS` lie beside either; the last two may be missing.
        skips: a `SkipLog`; receives labels that cannot be understood, labelled sequences without a picture, and
            pictures whose name has no frame number.
        peak_frames: int ≥ 1, how many last frames of a sequence are samples and carry its label; `None` for the whole
            sequence, whose neutral frames then carry the label too.
        neutral_first: whether the first frame of a labelled sequence is a sample of `"neutral"` as well, where it is
            none of the last.

    Returns:
        List of `Sample` of all emotions that occur, sorted by subject, sequence and frame. `landmarks` are `None`
        where their file is missing or broken; `action_units`, given for the last frames, have intensity 0 where the
        coders did not score it. Frames of whole sequences have the attribute `phase` by the rule of `rising_phases`,
        and action units at the apex alone.

    Raises:
        InputError: no image or label folder.
    """
    directory = pathlib.Path(directory)
    if peak_frames is not None and peak_frames < 1:
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
    for subject in folders(labels, skips):
        for sequence in folders(subject, skips):
            place = pathlib.PurePath(subject.name, sequence.name)
            label = _read_label(sequence, skips)
            if label is None:
                continue
            numbered = frames(images / place, skips, ".png", "S005_001_00000001.png")
            if not numbered:
                skips.add(images / place, "no picture, though the sequence has a label; expected PNG frames")
                continue
            units = _read_units(facs / place, skips) if facs else ()
            if peak_frames is None:
                wanted = [
                    (number, path, label, units if phase == "apex" else (), {"phase": phase})
                    for (number, path), phase in zip(numbered, rising_phases(len(numbered)), strict=True)
                ]
            else:
                wanted = [(number, path, label, units, {}) for number, path in numbered[-peak_frames:]]
                if neutral_first and len(numbered) > peak_frames:
                    wanted.insert(0, (*numbered[0], "neutral", (), {}))
            for number, path, name, shown, attributes in wanted:
                sample = Sample(
                    corpus="ck_plus",
                    subject=printable(subject.name),
                    sequence=printable("_".join(place.parts)),
                    image=path,
                    label=name,
                    frame=number,
                    landmarks=read_landmarks(landmarks / place / f"{path.stem}_landmarks.txt") if landmarks else None,
                    action_units=shown,
                    attributes=attributes,
                )
                samples.append(sample)
    return samples


def count_all(directory):
    """Counts what the image folder holds, with a label or without, by listing it.

    Args:
        directory: as for `read`.

    Returns:
        Dict of the number of `"sequences"`, those with a frame, and of their `"subjects"`.
    """
    images, skips = _find(pathlib.Path(directory), _IMAGES), SkipLog()
    counts = [
        sum(bool(files(sequence, skips, ".png")) for sequence in folders(subject, skips))
        for subject in (folders(images, skips) if images else ())
    ]
    return {"sequences": sum(counts), "subjects": sum(count > 0 for count in counts)}


def _find(directory, *names):
    """The first folder of these names in the directory or in `extended-cohn-kanade-images`."""
    parents = (directory, directory / "extended-cohn-kanade-images")
    return first_folder(*(parent / name for parent in parents for name in names))


def _read_label(folder, skips):
    """The canonical label in a sequence's label folder, `None` if it has none that can be understood."""
    found = files(folder, skips, "_emotion.txt")
    if not found:
        return None
    expected = f"expected one number of {', '.join(f'{code} {name}' for code, name in CK_PLUS_CODES.items())}"
    if len(found) > 1:
        skips.add(found[1], f"second label of this sequence; {expected}")
        return None
    content, fault = read_small(found[0])
    if content is None:
        skips.add(found[0], fault or "is gone; expected a label")
        return None
    text = content.decode("ascii", "replace").strip()
    try:
        return CK_PLUS_CODES[float(text)]
    except (ValueError, KeyError):
        skips.add(found[0], f"found {text[:40]!r}; {expected}")
        return None


def _read_units(folder, skips):
    """Strings `"AU12:3"` of a sequence's peak; none where FACS codes are missing or broken."""
    found = files(folder, skips, "_facs.txt")
    rows = read_numbers(found[0], 2) if found else None
    return () if rows is None else tuple(f"AU{unit:g}:{intensity:g}" for unit, intensity in rows)
