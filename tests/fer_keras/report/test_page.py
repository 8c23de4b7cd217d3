import re

import pytest

from fer_keras.report import Bullets, Code, Figure, Gallery, Note, Page, Table, draw

pytest.importorskip("jinja2")


def test_a_long_page_begins_with_its_contents():
    page = Page("Long")
    for number in range(7):
        page.add(f"Part {number}", "text")
    assert "<nav" not in page.render()
    page.add("The <last>", "text")
    rendered = page.render()
    assert '<a href="#section-8">The &lt;last&gt;</a>' in rendered
    assert '<section id="section-8">' in rendered


def test_every_part_is_shown_and_escaped():
    page = Page("A page", "lead")
    page.add(
        "All",
        "a <b>",
        Bullets(("one <i>", "two")),
        Note("mind <u>"),
        Code("run <x>"),
        Gallery((Figure("<svg></svg>", "drawn <alt>", "below"), Figure("<svg></svg>", "other"))),
    )
    rendered = page.render()
    for text in ("<p>a &lt;b&gt;</p>", "<li>one &lt;i&gt;</li>", ">mind &lt;u&gt;</p>", ">run &lt;x&gt;</pre>"):
        assert text in rendered
    assert rendered.count("<svg></svg>") == 2
    assert 'aria-label="drawn &lt;alt&gt;"' in rendered


def test_figures_are_not_broken_before_their_unit_or_deviation():
    page = Page("Figures", "Right: 25.0 ± 11.8 %.")
    page.add("All", "a 4 %", Bullets(("b 4 %",)), Note("c 4 %"), Table(("d, %",), (("e 4 %",), (4,))), Code("f 4 %"))
    rendered = page.render()
    for text in ("25.0 ± 11.8 %.", "a 4 %", "b 4 %", "c 4 %", "e 4 %"):
        kept = text.replace(" ± ", "\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}").replace(" %", "\N{NO-BREAK SPACE}%")
        assert kept in rendered
    assert "d, %" in rendered
    assert "f 4 %" in rendered  # to be copied as it is


def test_columns_of_figures_alone_are_set_to_the_right():
    cells = (("a", 1, "97.1 ± 2.0", "3 of 4", "–"), ("b", 2.5, "90–95", "", "<0.001"))
    assert Table(("name", "n", "x", "y", "p"), cells).numeric == [False, True, True, False, True]
    assert Table(("size",), (("+1.2",), ("−3",), ("1,234,567",), ("4 %",))).numeric == [True]


def test_groups_of_columns_have_a_row_of_headings():
    table = Table(("a", "b", "c"), (("x", 1, 2),), groups=(("", 1), ("of two", 2)))
    assert table.starts == [1]
    page = Page("Groups")
    page.add("Table", table)
    rendered = page.render()
    assert re.search(r'<th scope="colgroup" colspan="2" class="start">of two</th>', rendered)
    assert re.search(r'<td class="number start">1</td>', rendered)
    assert re.search(r'<th scope="row" class="">x</th>', rendered)


def test_long_titles_of_drawings_are_wrapped():
    pytest.importorskip("matplotlib")
    title = "IRNN, attention, everything fine-tuned (one seed): mean 81.4 %"
    drawing = draw(lambda axes: axes.set_title(title), width=4.6)
    lines = [line for line in re.findall(r"<text[^>]*>([^<]*)</text>", drawing) if line in title and len(line) > 4]
    assert " ".join(lines) == title
    assert [len(line) <= 41 for line in lines] == [True, True]


def test_drawings_share_no_identifier_of_groups_and_name_no_address():
    pytest.importorskip("matplotlib")
    drawing = draw(lambda axes: axes.plot([0, 1], [1, 0]))
    assert drawing == draw(lambda axes: axes.plot([0, 1], [1, 0]))
    assert '<g id="' not in drawing
    assert "<metadata" not in drawing
    assert "currentColor" in drawing
