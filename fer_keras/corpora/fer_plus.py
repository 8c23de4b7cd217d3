"""Reader of FER+ (Barsoum et al. 2016): FER2013's pictures with the votes of ten people each.

```
fer2013.csv         the pictures, see `fer2013`
fer2013new.csv      Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF
```

Both have the same rows in the same order; FER2013's own label is not used. The label follows the rule of the authors'
published code (github.com/microsoft/FERPlus, mode "majority"), under which the official file gives the 25,060, 3,199
and 3,153 pictures of the literature: an emotion with one vote alone does not count; of what is left, more than half
must agree; pictures whose majority is "unknown" or "NF" (no face), or that have none, are left out.
"""

import pathlib

from fer_keras.corpora import fer2013
from fer_keras.corpora.corpus import Sample
from fer_keras.corpora.listing import first_file
from fer_keras.corpora.table import lines, rows
from fer_keras.emotions import EMOTIONS, FER_PLUS_COLUMNS
from fer_keras.errors import InputError

_COLUMNS = (*FER_PLUS_COLUMNS, "unknown", "NF")


def read(directory, skips):
    """Lists the pictures of FER+.

    Args:
        directory: path of the folder that holds `fer2013new.csv` and `fer2013.csv`; the latter may lie in `fer2013`.
        skips: a `SkipLog`; receives the rows that cannot be used, and those that the votes leave without a label.

    Returns:
        List of `Sample`, face crops, in the order of the rows. `votes` are the shares of all votes for one of the
        eight emotions, single ones included. Subjects are those of FER2013: every picture its own.

    Raises:
        InputError: a file is missing or cannot be read, a column is missing, or the files differ in their rows.
    """
    directory = pathlib.Path(directory)
    pictures = first_file(directory / "fer2013.csv", directory / "fer2013" / "fer2013.csv")
    ballots = first_file(directory / "fer2013new.csv")
    for file, name in ((ballots, "fer2013new.csv"), (pictures, "fer2013.csv")):
        if file is None:
            raise InputError(f"{directory}: no {name} found; expected the folder of FER+ with it")
    order = {line: number for number, (line, _) in enumerate(lines(ballots), start=-1)}  # the header is row -1
    by_row = {order[line]: (line, row) for line, row in rows(ballots, ("Usage", "Image name", *_COLUMNS), skips)}
    samples, number = [], -1
    for picture in fer2013.read_rows(pictures):
        number = picture.number
        if picture.fault:
            skips.add(pictures, f"{picture.pixels}: {picture.fault}")
        elif number in by_row:
            line, row = by_row[number]
            fault = _check(row, picture.usage)
            label, votes, reason = ("", (), fault) if fault else _judge(row)
            if reason:
                skips.add(ballots, f"line {line}: {reason}", fault=bool(fault))
            else:
                samples.append(
                    Sample(
                        corpus="fer_plus",
                        subject=picture.subject,
                        sequence=picture.subject,
                        image=pictures,
                        label=label,
                        part=picture.pixels,
                        cropped=True,
                        votes=votes,
                        split=fer2013.SPLITS[picture.usage],
                    )
                )
    if number + 2 != len(order):
        raise InputError(
            f"{ballots}: has {len(order) - 1} rows and {pictures} has {number + 1}; "
            "expected the same rows in the same order"
        )
    return samples


def _check(row, usage):
    """What is wrong with a row, `""` if nothing is."""
    if row["Usage"] != usage:
        return f"Usage is {row['Usage'][:40]!r} and in fer2013.csv {usage!r}; expected the same rows"
    for name in _COLUMNS:
        text = row[name]
        if not (text.isascii() and text.isdecimal() and len(text) < 4):
            return f"{name} is {text[:40]!r}; expected a count of votes"
    return ""


def _judge(row):
    """A row's label, its votes in canonical order, and why it has none, `""` if it has."""
    counts = {name: int(row[name]) for name in _COLUMNS}
    if not row["Image name"]:
        return "", (), "FER+ removed this picture, it has no image name; expected a face"
    strong = {name: count for name, count in counts.items() if count > 1}
    winner = max(strong, key=strong.get, default="")
    if not winner or strong[winner] <= sum(strong.values()) / 2:
        given = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
        return "", (), f"no majority ({given}); expected more than half of the votes for one emotion"
    if winner not in EMOTIONS:
        return "", (), f"most votes are for {winner}; expected an emotion"
    total = sum(counts[name] for name in EMOTIONS)
    return winner, tuple(counts[name] / total for name in EMOTIONS), ""
