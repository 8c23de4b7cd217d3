"""Text files of a corpus, a line at a time: one damaged line spoils no other.

A line is a row: no official file has a row of several lines, and a quotation mark that a damaged line opens must not
swallow the rest. Bytes that are not UTF-8 are kept as Python keeps them in file names, so that a picture with such a
name is found; `printable` makes text of them.
"""

import csv

from fer_keras.errors import InputError
from fer_keras.faces.image import printable


def lines(path):
    """Reads the lines of a text file that are not blank.

    Args:
        path: the file.

    Yields:
        Pairs of the line's number, from 1, and the line without its end and without a byte order mark.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        with open(path, "rb") as file:
            for number, line in enumerate(file, start=1):
                text = line.decode("utf-8-sig" if number == 1 else "utf-8", "surrogateescape").rstrip("\r\n")
                if text.strip():
                    yield number, text
    except OSError as error:
        raise InputError(f"{printable(path)}: cannot be read ({error.strerror}); expected a text file") from None


def rows(path, columns, skips, without_header=None, others=False):
    """Reads the rows of a file of comma-separated values.

    Args:
        path: the file; its first line names the columns.
        columns: names of the columns that must be there, blanks around them and case aside.
        skips: `SkipLog`; receives the rows that have too few or too many fields.
        without_header: names of all columns of a file whose first line is a row already, by their order; taken where
            the first line has as many fields and names none of `columns`.
        others: whether to give the columns beyond `columns` as well, spelled as the file has them.

    Yields:
        Pairs of the line's number and a dict of column to text, blanks around it removed. The columns are spelled as
        in `columns`; others are left out unless asked for.

    Raises:
        InputError: the file cannot be read, is empty, lacks a column or has one twice.
    """
    places = width = None  # places is a dict of column to its place in the row
    for number, line in lines(path):
        fields, fault = _fields(line)
        if places is None:
            names = [field.lower() for field in fields]
            wanted = [column.lower() for column in columns]
            headless = without_header and len(names) == len(without_header) and not set(names) & set(wanted)
            if headless:
                names = [name.lower() for name in without_header]
            for column, name in zip(columns, wanted, strict=True):
                if name not in names:
                    found = ", ".join(repr(field[:40]) for field in fields[:20])
                    raise InputError(
                        f"{printable(path)}: line {number}: column {column!r} is missing; found {found or 'nothing'}"
                    )
            asked = [name for name in names if name and (others or name in wanted)]
            twice = next((name for name in asked if names.count(name) > 1), None)
            if twice:
                raise InputError(f"{printable(path)}: line {number}: column {twice!r} occurs twice; expected it once")
            places = {column: names.index(name) for column, name in zip(columns, wanted, strict=True)}
            if others:
                places.update((fields[place], place) for place, name in enumerate(names) if name not in wanted)
            width = len(names)
            if not headless:
                continue
        if not fault and len(fields) != width:
            fault = f"has {len(fields)} fields; expected {width}"
        if fault:
            skips.add(path, f"line {number}: {fault}")
        else:
            yield number, {column: fields[place] for column, place in places.items()}
    if places is None:
        raise InputError(f"{printable(path)}: is empty; expected comma-separated values with the columns {columns}")


def _fields(line):
    """The fields of one line, and what is wrong with it, `""` if nothing is."""
    if "\0" in line:  # Python 3.10 refuses it and later ones do not
        return [], "holds a NUL byte; expected text"
    try:
        return [field.strip() for field in next(csv.reader([line], strict=True))], ""
    except csv.Error as error:  # a quotation mark without its twin, or a field beyond the module's limit of 128 KiB
        return [], f"cannot be read ({error}); expected comma-separated values"
