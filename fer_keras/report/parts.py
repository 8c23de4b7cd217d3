"""What a section of a report is made of, besides paragraphs, which are strings."""

import base64
import dataclasses
import itertools
import re

# Figures written out: "97.1", "97.1 ± 2.0", "90–95", "+1.2", "1,234", and "–" for none.
_FIGURE = re.compile(r"[-+−±<≤ ]*\d[\d.,\s%±+−–-]*|–|")


@dataclasses.dataclass(frozen=True)
class Table:
    """A table.

    Args:
        columns: sequence of headings.
        rows: sequence of rows of strings or numbers; columns of figures alone, written out or not, are set to the
            right.
        caption: what the table shows, a line above it.
        groups: optional pairs of a heading and the number of columns below it, for a row above `columns`.
    """

    columns: tuple
    rows: tuple
    caption: str = ""
    groups: tuple = ()

    @property
    def numeric(self):
        """For every column whether it holds figures alone."""
        return [all(_is_figure(row[number]) for row in self.rows) for number in range(len(self.columns))]

    @property
    def starts(self):
        """The columns that a group begins with, but for the first."""
        return list(itertools.accumulate(span for _, span in self.groups[:-1]))


@dataclasses.dataclass(frozen=True)
class Figure:
    """A picture or a drawing.

    Args:
        image: bytes of a PNG, or an SVG element as a string, see `draw`.
        alt: what it shows, for people who do not see it.
        caption: a line below it.
    """

    image: bytes | str
    alt: str
    caption: str = ""

    @property
    def source(self):
        """The PNG as a data address, `""` for an SVG."""
        if isinstance(self.image, str):
            return ""
        return "data:image/png;base64," + base64.b64encode(self.image).decode()

    @property
    def size(self):
        """Width and height of the PNG in pixels."""
        return tuple(int.from_bytes(self.image[at : at + 4], "big") for at in (16, 20))


@dataclasses.dataclass(frozen=True)
class Gallery:
    """Figures side by side where there is room, below each other on a phone.

    Draw them some 4.5 inches wide: their letters are then readable on both.

    Args:
        figures: sequence of `Figure`.
    """

    figures: tuple


@dataclasses.dataclass(frozen=True)
class Bullets:
    """A list of sentences.

    Args:
        items: sequence of strings.
    """

    items: tuple


@dataclasses.dataclass(frozen=True)
class Note:
    """A paragraph that is not to be overlooked.

    Args:
        text: string.
    """

    text: str


@dataclasses.dataclass(frozen=True)
class Code:
    """Text to be copied as it is, such as a command.

    Args:
        text: string.
    """

    text: str


def _is_figure(cell):
    return not isinstance(cell, str) or bool(_FIGURE.fullmatch(cell))
