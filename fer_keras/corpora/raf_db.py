"""Reader of RAF-DB, the basic emotions (Li, Deng & Du 2017), in its official directory layout.

```
basic/EmoLabel/list_patition_label.txt                  rows train_00001.jpg 5
basic/Image/aligned/train_00001_aligned.jpg             100×100, roughly aligned by eyes and mouth
basic/Image/original/train_00001.jpg                    the picture as found
basic/Annotation/manual/train_00001_manu_attri.txt      five points x y, then gender, race and age, a line each
```

The prefix of the name is the split. The corpus does not say who a picture shows: every picture is its own subject, so
that folds by subject may still hold one person twice. The aligned pictures have another geometry than ours and are
searched for the face like any other.
"""

import pathlib
import re

from fer_keras.corpora.corpus import Sample
from fer_keras.corpora.listing import first_file, first_folder, read_small
from fer_keras.corpora.table import lines
from fer_keras.emotions import RAF_DB_CODES
from fer_keras.errors import InputError
from fer_keras.faces.image import printable

_LABELS = pathlib.Path("EmoLabel", "list_patition_label.txt")  # spelled like this
_NAME = re.compile(r"((train|test)_[0-9]{1,9})\.jpg")
_ATTRIBUTES = (
    ("gender", ("male", "female", "unsure")),
    ("ethnicity", ("caucasian", "african-american", "asian")),
    ("age", ("0-3", "4-19", "20-39", "40-69", "70+")),
)


def read(directory, skips):
    """Lists the labelled pictures of RAF-DB.

    Args:
        directory: path of the folder `basic`, or of the one that holds it. `Image/aligned` is taken where it is there,
            else `Image/original`; `Annotation/manual` may be missing.
        skips: a `SkipLog`; receives rows that cannot be understood, pictures that are missing, and pictures whose
            attributes cannot be understood.

    Returns:
        List of `Sample`, sorted by name, test before train. Where the corpus brings them, the attributes are `gender`
        (male, female, unsure), `ethnicity` (caucasian, african-american, asian) and `age` (0-3, 4-19, 20-39, 40-69,
        70+).

    Raises:
        InputError: no list of labels, it cannot be read, or no picture folder.
    """
    directory = pathlib.Path(directory)
    labels = first_file(directory / _LABELS, directory / "basic" / _LABELS)
    if labels is None:
        raise InputError(f"{directory / 'basic' / _LABELS} is missing; expected the folder of RAF-DB")
    top = labels.parent.parent
    aligned = first_folder(top / "Image" / "aligned")
    pictures = aligned or first_folder(top / "Image" / "original")
    if pictures is None:
        raise InputError(
            f"{top / 'Image' / 'aligned'} is missing; expected the pictures of RAF-DB there or in original"
        )
    samples = {}
    for line, text in lines(labels):
        words = text.split()
        match = _NAME.fullmatch(words[0])
        code = words[1] if len(words) == 2 else ""
        if match is None or not (code.isascii() and code.isdigit()):
            skips.add(labels, f"line {line}: found {text[:40]!r}; expected a row like train_00001.jpg 5")
            continue
        label = RAF_DB_CODES.get(int(code[:9]))
        if label is None:
            codes = ", ".join(f"{code} {name}" for code, name in RAF_DB_CODES.items())
            skips.add(labels, f"line {line}: the label is {code[:9]}; expected one of {codes}")
            continue
        stem, split = match.groups()
        if stem in samples:
            skips.add(labels, f"line {line}: names {stem}.jpg again; expected every picture once")
            continue
        image = pictures / (f"{stem}_aligned.jpg" if aligned else f"{stem}.jpg")
        if first_file(image) is None:
            skips.add(image, f"no such file; named in {labels.name}, line {line}")
            continue
        attributes = _read_attributes(top / "Annotation" / "manual" / f"{stem}_manu_attri.txt", skips)
        if attributes is not None:
            samples[stem] = Sample(
                corpus="raf_db",
                subject=stem,
                sequence=stem,
                image=image,
                label=label,
                split=split,
                attributes=attributes,
            )
    return [samples[stem] for stem in sorted(samples)]


def _read_attributes(path, skips):
    """The person's attributes: an empty dict if the file is missing, `None` if it cannot be understood."""
    content, fault = read_small(path)
    if fault:
        skips.add(path, fault)
    if content is None:
        return None if fault else {}
    values = [row.split() for row in content.splitlines() if row.strip()]
    if len(values) != 5 + len(_ATTRIBUTES):
        skips.add(path, f"has {len(values)} lines; expected five points and gender, race and age")
        return None
    attributes = {}
    for line, (words, (name, known)) in enumerate(zip(values[5:], _ATTRIBUTES, strict=True), start=6):
        found = b" ".join(words)
        if found not in [b"%d" % code for code in range(len(known))]:
            codes = ", ".join(f"{code} {meaning}" for code, meaning in enumerate(known))
            skips.add(path, f"line {line}: {name} is {printable(found[:20])!r}; expected one of {codes}")
            return None
        attributes[name] = known[int(found)]
    return attributes
