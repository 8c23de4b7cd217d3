"""A report as one HTML file: sections of text, tables and figures, all of it inside the file."""

import base64
import contextlib
import dataclasses
import io
import os
import pathlib
import re

from fer_keras.errors import InputError

# Drawn in this colour, text and axes take the page's own, so that figures read on light and on dark.
_INK = "#010203"


@dataclasses.dataclass(frozen=True)
class Table:
    """A table.

    Args:
        columns: sequence of headings.
        rows: sequence of rows of strings or numbers; numbers are set to the right.
        caption: what the table shows, a line above it.
    """

    columns: tuple
    rows: tuple
    caption: str = ""


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


class Page:
    """A report.

    Args:
        title: the heading of the page.
        lead: a sentence or two below it.

    Example:
    >>> page = Page("My corpus", "120 faces of 60 people.")
    >>> page.add("Faces by label", Table(("label", "faces"), (("neutral", 60), ("happiness", 60))))
    >>> page.write("report.html")
    """

    def __init__(self, title, lead=""):
        self.title = title
        self.lead = lead
        self.sections = []

    def add(self, heading, *parts):
        """Adds a section.

        Args:
            heading: string.
            *parts: strings, which become paragraphs, `Table` and `Figure`.
        """
        self.sections.append((heading, parts))

    def write(self, path):
        """Writes the page; it appears whole or not at all.

        Args:
            path: the HTML file.

        Raises:
            InputError: the extra `report` is not installed.
        """
        path = pathlib.Path(path)
        aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            aside.write_text(self.render(), encoding="utf-8")
            aside.replace(path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                aside.unlink()

    def render(self):
        """The page as a string."""
        jinja2 = _import("jinja2")
        environment = jinja2.Environment(
            loader=jinja2.PackageLoader("fer_keras.report", "."), autoescape=True, trim_blocks=True, lstrip_blocks=True
        )
        template = environment.get_template("page.html")
        return template.render(page=self, is_figure=lambda part: isinstance(part, Figure), Markup=_markup)


def draw(plot, width=7.0, height=3.2):
    """Draws with matplotlib.

    Args:
        plot: function of a matplotlib `Axes` that draws on it.
        width: inches.
        height: inches.

    Returns:
        An SVG element as a string, its text and lines in the page's own colour.

    Raises:
        InputError: the extra `report` is not installed.
    """
    matplotlib = _import("matplotlib")
    from matplotlib.figure import Figure as Canvas

    ink = {
        f"{part}.{what}": _INK
        for part, what in (("text", "color"), ("axes", "edgecolor"), ("axes", "labelcolor"), ("axes", "titlecolor"))
    }
    style = {
        **ink,
        "xtick.color": _INK,
        "ytick.color": _INK,
        "svg.fonttype": "none",
        "svg.hashsalt": "fer_keras",  # the same drawing is the same bytes
        "font.family": "sans-serif",
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    with matplotlib.rc_context(style):
        canvas = Canvas(figsize=(width, height), layout="constrained")
        plot(canvas.add_subplot())
        drawn = io.StringIO()
        canvas.savefig(drawn, format="svg", transparent=True, metadata={"Date": None})
    svg = drawn.getvalue()
    svg = svg[svg.index("<svg") :].replace(_INK, "currentColor")
    return re.sub(r' (width|height)="[\d.]+pt"', "", svg, count=2)  # as wide as the page lets it


def _markup(text):
    return _import("markupsafe").Markup(text)


def _import(name):
    import importlib

    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise InputError(f"reports need {error.name}; run: pip install 'fer-keras[report]'") from None
