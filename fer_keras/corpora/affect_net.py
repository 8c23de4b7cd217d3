"""Reader of AffectNet (Mollahosseini, Hasani & Mahoor 2017), in the layout of either release.

The full release; the lists may lie beside `Manually_Annotated_Images`, and both in `Manually_Annotated`:

```
Manually_Annotated_file_lists/training.csv      also validation.csv, which some copies have without the first line
    subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal
Manually_Annotated_Images/689/737db2483489148d783ef278f43f486c0a97e140fc4b6b61b84363ca.jpg
```

The newer one, of faces cut out and 224×224 pixels; the arrays hold one text or number each, `lnd` 136:

```
train_set/images/0.jpg                                    also val_set
train_set/annotations/0_exp.npy 0_val.npy 0_aro.npy 0_lnd.npy
```

Its validation part is what the literature tests on. The corpus does not say who a picture shows: every picture is its
own subject, so that folds by subject may still hold one person twice. The cut-out faces have another geometry than
ours and are no crops in the sense of `Sample`.
"""

import io
import os
import pathlib

import numpy as np

from fer_keras.corpora.corpus import Sample
from fer_keras.corpora.landmarks import usable_landmarks
from fer_keras.corpora.listing import files, first_file, first_folder, read_small
from fer_keras.corpora.table import rows
from fer_keras.emotions import AFFECT_NET_CODES
from fer_keras.errors import InputError
from fer_keras.faces.image import printable

_COLUMNS = (
    "subDirectory_filePath",
    "face_x",
    "face_y",
    "face_width",
    "face_height",
    "facial_landmarks",
    "expression",
    "valence",
    "arousal",
)
_NO_EMOTION = {8: "none", 9: "uncertain", 10: "no face"}
_MAX_BYTES = 64 * 1024  # of an array file; a good one has about 1 KiB


def read(directory, skips):
    """Lists the pictures of AffectNet that were labelled by hand.

    Args:
        directory: path of the folder that holds the file lists and the pictures of the full release, or `train_set`
            and `val_set` of the newer one. One of the two parts is enough. Where both releases lie there, the full
            one is read.
        skips: a `SkipLog`; receives rows and annotations that cannot be understood, missing pictures, and pictures
            labelled none (8), uncertain (9) or no face (10).

    Returns:
        List of `Sample`, training before validation, in the order of the lists or sorted by name. The attributes are
        `valence` and `arousal`, texts of numbers from -1 to 1, where they are given; `landmarks` are `None` where
        they are not.

    Raises:
        InputError: the layout is another one, a list cannot be read or lacks a column.
    """
    directory = pathlib.Path(directory)
    inner = directory / "Manually_Annotated"
    places = (directory, directory / "Manually_Annotated_file_lists", inner, inner / "Manually_Annotated_file_lists")
    lists = [
        (split, first_file(*(place / name for place in places)))
        for split, name in (("train", "training.csv"), ("validation", "validation.csv"))
    ]
    sets = [
        (split, directory / name)
        for split, name in (("train", "train_set"), ("validation", "val_set"))
        if first_folder(directory / name / "annotations")
    ]
    samples = []
    if any(file for _, file in lists):
        outer = (directory, inner, directory / "Manually_Annotated_compressed")
        images = first_folder(*(place / "Manually_Annotated_Images" for place in outer))
        if images is None:
            raise InputError(
                f"{directory / 'Manually_Annotated_Images'} is missing; expected the pictures of AffectNet"
            )
        seen = set()
        for split, file in lists:
            samples += _read_list(file, images, split, seen, skips) if file else []
    elif sets:
        for split, folder in sets:
            samples += _read_set(folder, split, skips)
    else:
        raise InputError(
            f"{directory}: no training.csv or validation.csv and no train_set or val_set found; expected the folder of "
            "AffectNet"
        )
    return samples


def _read_list(file, images, split, seen, skips):
    """The samples that one list of the full release names; `seen` are the pictures that were named so far."""
    samples = []
    for line, row in rows(file, _COLUMNS, skips, without_header=_COLUMNS):
        path = row["subDirectory_filePath"]
        label, attributes, fault = _judge(row["expression"], row["valence"], row["arousal"])
        if not fault and path in seen:
            fault = f"names {printable(path)[:80]!r} again; expected every picture once"
        if fault:
            skips.add(file, f"line {line}: {fault}", fault=not _shows_none(row["expression"]))
            continue
        seen.add(path)
        image = images / path
        if not os.path.isfile(image):
            skips.add(image, f"no such file; named in {file.name}, line {line}")
            continue
        landmarks = usable_landmarks(row["facial_landmarks"].split(";"))
        samples.append(_sample(printable(path), image, label, split, landmarks, attributes))
    return samples


def _read_set(folder, split, skips):
    """The samples of one part of the newer release."""
    samples = []
    for image in files(folder / "images", skips):
        stem = folder / "annotations" / image.stem
        try:
            expression = _read_array(f"{stem}_exp.npy", 1)
            valence, arousal = (_read_array(f"{stem}_{name}.npy", 1) for name in ("val", "aro"))
            points = _read_array(f"{stem}_lnd.npy", 136)
        except InputError as error:
            skips.add(image, str(error))
            continue
        if expression is None:
            skips.add(image, f"no label; expected {image.stem}_exp.npy in {folder.name}/annotations")
            continue
        number = [-2 if value is None else value[0] for value in (valence, arousal)]
        label, attributes, fault = _judge(expression[0], *number)
        if fault:
            skips.add(image, fault, fault=not _shows_none(expression[0]))
            continue
        landmarks = None if points is None else usable_landmarks(points)
        name = printable(pathlib.PurePath(folder.name, image.name))
        samples.append(_sample(name, image, label, split, landmarks, attributes))
    return samples


def _sample(name, image, label, split, landmarks, attributes):
    if landmarks is not None:
        landmarks = landmarks.astype(np.float32)  # 290,000 of them fill memory
    return Sample(
        corpus="affect_net",
        subject=name,
        sequence=name,
        image=image,
        label=label,
        split=split,
        landmarks=landmarks,
        attributes=attributes,
    )


def _judge(expression, valence, arousal):
    """Label, attributes, and why the picture has none, `""` if it has; takes texts or numbers."""
    code = _number(expression)
    if _shows_none(expression):
        return "", {}, f"expression is {code:g}, {_NO_EMOTION[code]}; expected one of the eight emotions"
    if code not in AFFECT_NET_CODES:
        codes = ", ".join(f"{code} {name}" for code, name in {**AFFECT_NET_CODES, **_NO_EMOTION}.items())
        return "", {}, f"expression is {str(expression)[:20]!r}; expected one of {codes}"
    attributes = {}
    for name, text in (("valence", valence), ("arousal", arousal)):
        value = _number(text)
        if value == -2:  # not given
            continue
        if value is None or not -1 <= value <= 1:
            return "", {}, f"{name} is {str(text)[:20]!r}; expected a number from -1 to 1, or -2 for none"
        attributes[name] = f"{value:g}"
    return AFFECT_NET_CODES[code], attributes, ""


def _shows_none(expression):
    return _number(expression) in _NO_EMOTION


def _number(text):
    try:
        return float(text)
    except ValueError:
        return None


def _read_array(path, size):
    """The numbers of an array file, a float array of shape `(size,)`; `None` if there is no such file.

    Raises:
        InputError: it holds anything else. Pickled objects, which could run code, are never loaded.
    """
    name = printable(pathlib.Path(path).name)
    content, fault = read_small(path, _MAX_BYTES)
    if fault:
        raise InputError(f"{name}: {fault}")
    if content is None:
        return None
    try:
        array = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
        return array.reshape(size).astype(np.float64)
    except Exception as error:  # NumPy raises some ten kinds for damaged files
        raise InputError(
            f"{name}: is no plain array ({str(error).partition(chr(10))[0][:80]}); "
            f"expected {size} number{'s' * (size > 1)}, and nothing pickled"
        ) from None
