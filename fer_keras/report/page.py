"""A report as one HTML file: sections of text, tables and figures, all of it inside the file."""

import contextlib
import io
import os
import pathlib
import re
import textwrap

from fer_keras.report.extra import import_extra

INK = "#010203"
"""Drawn in this colour, text and lines take the page's own, so that figures read on light and on dark."""

_WITHIN_A_FIGURE = re.compile(r"(?<=\d) (?=[%±])|(?<=±) (?=\d)")  # as in "25.0 ± 11.8 %"
_LETTERS_AN_INCH = 9  # of a title, at most
_LONG = 7  # sections; a page of more begins with a list of them


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
            *parts: strings, which become paragraphs, and what `fer_keras.report.parts` has.
        """
        self.sections.append((heading, parts))

    @property
    def contents(self):
        """Headings with the addresses of their sections, in order; of a short page none."""
        if len(self.sections) <= _LONG:
            return []
        return [(heading, f"section-{number}") for number, (heading, _) in enumerate(self.sections, 1)]

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
        jinja2 = import_extra("jinja2")
        environment = jinja2.Environment(
            loader=jinja2.PackageLoader("fer_keras.report", "."), autoescape=True, trim_blocks=True, lstrip_blocks=True
        )
        environment.filters["unbroken"] = _unbroken
        template = environment.get_template("page.html")
        return template.render(
            page=self, kind=lambda part: type(part).__name__, Markup=import_extra("markupsafe").Markup
        )


def _unbroken(text):
    """A text whose figures stay on one line; numbers as they are."""
    return _WITHIN_A_FIGURE.sub("\N{NO-BREAK SPACE}", text) if isinstance(text, str) else text


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
    matplotlib = import_extra("matplotlib")
    from matplotlib.figure import Figure as Canvas

    ink = {
        f"{part}.{what}": INK
        for part, what in (("text", "color"), ("axes", "edgecolor"), ("axes", "labelcolor"), ("axes", "titlecolor"))
    }
    style = {
        **ink,
        "xtick.color": INK,
        "ytick.color": INK,
        "svg.fonttype": "none",
        "svg.hashsalt": "fer_keras",  # the same drawing is the same bytes
        "font.family": "sans-serif",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "legend.frameon": False,  # its white would stay white on dark
    }
    with matplotlib.rc_context(style):
        canvas = Canvas(figsize=(width, height), layout="constrained")
        axes = canvas.add_subplot()
        plot(axes)
        # What is wider than the figure would be cut off at both sides.
        lines = [textwrap.fill(line, int(_LETTERS_AN_INCH * width)) for line in axes.get_title().split("\n")]
        axes.title.set_text("\n".join(lines))
        drawn = io.StringIO()
        nothing_about_it = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        canvas.savefig(drawn, format="svg", transparent=True, metadata=nothing_about_it)
    svg = drawn.getvalue()
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)  # the same in every drawing, and an id is to be the only one of a page
    return re.sub(r' (width|height)="[\d.]+pt"', "", svg, count=2)  # as wide as the page lets it
