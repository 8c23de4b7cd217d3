"""Reader of FER2013 (Goodfellow et al. 2013), whose pictures are rows of one file.

```
fer2013.csv             emotion,pixels,Usage        48×48 grey values, 0-255, with blanks between; or, as
icml_face_data.csv      emotion, Usage, pixels      the later release has it
```

`Usage` is Training, PublicTest or PrivateTest, which become the splits train, validation and test. The corpus does not
say who a picture shows: every picture is its own subject, so that folds by subject may still hold one person twice.
"""

import pathlib
import typing

import numpy as np

from fer_keras.corpora.corpus import Sample
from fer_keras.corpora.listing import first_file
from fer_keras.emotions import FER2013_CODES
from fer_keras.errors import InputError
from fer_keras.faces.image import printable

SIDE = 48
SPLITS = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}

_COLUMNS = (b"emotion", b"pixels", b"usage")
_AROUND = b' \t\r\n"'  # the challenge's own files have quotation marks around the pixels


class PixelRow(typing.NamedTuple):
    """A picture that is the grey values of one row.

    Args:
        line: number of the row's line in the file, from 1.
        offset: place in the file of the first byte of the field, in bytes.
    """

    line: int
    offset: int

    def __str__(self):
        return f"line {self.line}"

    def read(self, path):
        """Reads the picture.

        Args:
            path: the file of rows.

        Returns:
            A uint8 array of shape `(48, 48, 3)`, RGB, three times the grey values.

        Raises:
            InputError: the file cannot be read, or the row holds anything but 48×48 numbers from 0 to 255.
        """
        name = f"{printable(path)}: {self}"
        try:
            with open(path, "rb") as file:
                file.seek(self.offset)
                line = file.readline(16 * SIDE * SIDE)  # more than any good row has
        except OSError as error:
            raise InputError(f"{name}: cannot be read ({error.strerror}); expected a row of grey values") from None
        words = line.partition(b",")[0].strip(_AROUND).split()
        if len(words) != SIDE * SIDE:
            raise InputError(f"{name}: has {len(words)} grey values; expected {SIDE}×{SIDE}={SIDE * SIDE}")
        bad = next((word for word in words if not (word.isdigit() and len(word) <= 3 and int(word) <= 255)), None)
        if bad is not None:
            raise InputError(f"{name}: the grey value is {bad[:20]!r}; expected a whole number from 0 to 255")
        grey = np.array([int(word) for word in words], np.uint8).reshape(SIDE, SIDE, 1)
        return np.repeat(grey, 3, axis=2)


class Row(typing.NamedTuple):
    """One row of the file, unjudged but for `fault`.

    Args:
        number: of the row, from 0; blank lines do not count.
        pixels: the `PixelRow`.
        emotion: text of the field.
        usage: text of the field.
        fault: what makes the row unusable, `""` if nothing does.
    """

    number: int
    pixels: PixelRow
    emotion: str
    usage: str
    fault: str

    @property
    def subject(self):
        """The name made up for the person, the same in FER2013 and FER+: `"Training-00017"`."""
        return f"{self.usage}-{self.number:05d}"


def read(directory, skips):
    """Lists the pictures of FER2013. Grey values are counted but not read.

    Args:
        directory: path of the folder that holds `fer2013.csv` or `icml_face_data.csv`, or of `fer2013` around it.
        skips: a `SkipLog`; receives the rows that cannot be used.

    Returns:
        List of `Sample`, face crops, in the order of the rows.

    Raises:
        InputError: no such file, it cannot be read, or a column is missing.
    """
    directory = pathlib.Path(directory)
    file = first_file(
        *(
            parent / name
            for name in ("fer2013.csv", "icml_face_data.csv")
            for parent in (directory, directory / "fer2013")
        )
    )
    if file is None:
        raise InputError(f"{directory}: no fer2013.csv found; expected the folder of FER2013 with that file")
    samples = []
    for row in read_rows(file):
        label = FER2013_CODES.get(int(row.emotion)) if row.emotion.isdecimal() and len(row.emotion) < 4 else None
        if row.fault:
            skips.add(file, f"{row.pixels}: {row.fault}")
        elif label is None:
            codes = ", ".join(f"{code} {name}" for code, name in FER2013_CODES.items())
            skips.add(file, f"{row.pixels}: emotion is {row.emotion[:40]!r}; expected one of {codes}")
        else:
            samples.append(
                Sample(
                    corpus="fer2013",
                    subject=row.subject,
                    sequence=row.subject,
                    image=file,
                    label=label,
                    part=row.pixels,
                    cropped=True,
                    split=SPLITS[row.usage],
                )
            )
    return samples


def read_rows(file):
    """Goes through the rows of the file.

    Args:
        file: path of `fer2013.csv` or `icml_face_data.csv`.

    Yields:
        A `Row` for every line after the first that is not blank.

    Raises:
        InputError: the file cannot be read, or a column is missing.
    """
    try:
        with open(file, "rb") as lines:
            header = lines.readline()
            names = [name.strip(_AROUND).lower() for name in header.removeprefix(b"\xef\xbb\xbf").split(b",")]
            for column in _COLUMNS:
                if column not in names:
                    found = header[:80].decode("utf-8", "replace").strip()
                    raise InputError(
                        f"{printable(file)}: line 1: column {column.decode()!r} is missing; found {found!r}, "
                        "expected emotion,pixels,Usage"
                    )
            places = [names.index(column) for column in _COLUMNS]
            number, start = 0, len(header)
            for line_number, line in enumerate(lines, start=2):
                if line.strip():
                    yield _row(number, line_number, start, line.split(b","), places, len(names))
                    number += 1
                start += len(line)
    except OSError as error:
        raise InputError(f"{printable(file)}: cannot be read ({error.strerror}); expected a text file") from None


def _row(number, line_number, start, fields, places, width):
    if len(fields) != width:
        fault = f"has {len(fields)} fields; expected {width}"
        return Row(number, PixelRow(line_number, start), "", "", fault)
    emotion, pixels, usage = (fields[place].strip(_AROUND) for place in places)
    emotion, usage = emotion.decode("utf-8", "replace"), usage.decode("utf-8", "replace")
    part = PixelRow(line_number, start + sum(len(field) + 1 for field in fields[: places[1]]))
    fault = ""
    if usage not in SPLITS:
        fault = f"Usage is {usage[:40]!r}; expected one of {', '.join(SPLITS)}"
    # Counting blanks is hundreds of times faster than splitting, and right for every row but odd ones.
    elif pixels.count(b" ") + 1 != SIDE * SIDE and len(pixels.split()) != SIDE * SIDE:
        fault = f"has {len(pixels.split())} grey values; expected {SIDE}×{SIDE}={SIDE * SIDE}"
    return Row(number, part, emotion, usage, fault)
