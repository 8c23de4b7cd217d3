import itertools

import numpy as np
import pytest

from fer_keras.experiments import drawings

pytest.importorskip("matplotlib")

LONG = "IRNN, attention, everything fine-tuned, and a name that is longer than a figure of a gallery is wide"


@pytest.fixture
def drawn(monkeypatch):
    """Draws as `fer_keras.report.draw` does, and returns the axes, laid out."""
    from matplotlib.figure import Figure

    found = []

    def draw(plot, width, height):
        found.append(Figure(figsize=(width, height), layout="constrained").add_subplot())
        plot(found[-1])
        return "<svg></svg>"

    def axes_of(function, *arguments):
        monkeypatch.setattr(drawings, "draw", draw)
        function(*arguments)
        found[-1].figure.draw_without_rendering()
        return found[-1]

    return axes_of


def test_a_dozen_series_are_told_apart_by_more_than_colour(drawn):
    axes = drawn(drawings.draw_curves, {f"system {number}": np.ones((2, 3)) for number in range(12)}, "loss")
    looks = [(line.get_color(), line.get_marker(), str(line._unscaled_dash_pattern)) for line in axes.lines]
    assert len(looks) == 12
    for one, other in itertools.combinations(looks, 2):
        assert sum(a != b for a, b in zip(one, other, strict=True)) >= 2


@pytest.mark.parametrize("titles", [("a", "b"), ("no recurrence, mean of features", "LSTM, attention"), (LONG, "b")])
def test_a_legend_is_within_its_figure_and_takes_nothing_from_the_axes(drawn, titles):
    axes = drawn(drawings.draw_curves, {title: np.ones((2, 3)) for title in titles}, "loss")
    box, whole = axes.figure.legends[0].get_window_extent(), axes.figure.bbox
    assert whole.x0 <= box.x0 < box.x1 <= whole.x1
    assert whole.y0 <= box.y0 < box.y1 <= axes.get_tightbbox().y0
    assert axes.bbox.height / axes.figure.dpi == pytest.approx(2.6, abs=0.15)
    shown = [text.get_text().replace("\n", " ") for text in axes.figure.legends[0].get_texts()]
    assert shown == list(titles)


@pytest.mark.parametrize("percent", [(8, 11), (20, 4), (16, 0, 8), (100, 0, 0, 0), (90, 95), (17, 17), (30, 14)])
def test_the_line_of_the_mean_goes_through_no_number(drawn, percent):
    axes = drawn(drawings.draw_folds, "system", np.array(percent) / 100)
    line = axes.transData.transform((0, np.mean(percent)))[1]
    assert [text.get_text() for text in axes.texts] == [str(one) for one in percent]
    for text, bar in zip(axes.texts, axes.patches, strict=True):
        box, top = text.get_window_extent(), bar.get_window_extent().y1
        assert not box.y0 < line < box.y1
        assert box.y1 < top if text.get_color() == "#ffffff" else box.y0 > top


def test_marks_of_recall_0_cover_no_label(drawn):
    axes = drawn(drawings.draw_recalls, {"a": [0.0, 0.5], "b": [0.0, None]}, ("happiness", "fear"))
    radius = axes.lines[0].get_markersize() / 2 * axes.figure.dpi / 72
    left = axes.transData.transform((0, 0))[0] - radius
    assert max(label.get_window_extent().x1 for label in axes.get_yticklabels()) < left
