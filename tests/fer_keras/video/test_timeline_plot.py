import dataclasses
import re
import sys

import cv2
import numpy as np
import pytest

from fer_keras.errors import InputError
from fer_keras.video import plot_timeline
from fer_keras.video.palette import class_colours

from .test_timeline import make_timeline, make_track

pytest.importorskip("matplotlib", reason="needs the extra report")


@pytest.fixture
def timeline():
    attention = np.float32([0.1, 0.2, 0.3, 0.4])
    tracks = [make_track(1, [0, 1, 4, 5], attention), make_track(2, [4, 5, 6], np.float32([0.2, 0.2, 0.6]))]
    return make_timeline(tracks, problems={3: "f3.png: is damaged"})


def test_svg_says_what_it_shows(timeline, tmp_path):
    plot_timeline(timeline, tmp_path / "film.svg")
    drawn = (tmp_path / "film.svg").read_text()
    for text in (
        "film.mp4",
        "face 1: happiness",
        "face 2: happiness",
        "attention",
        "seconds",
        "not seen",
        "no picture",
    ):
        assert f"<!-- {text}" in drawn
    assert class_colours(timeline.label_names)["happiness"] in drawn
    plot_timeline(timeline, tmp_path / "again.svg")
    assert (tmp_path / "again.svg").read_text() == drawn
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again.svg", "film.svg"]


def test_png(timeline, tmp_path):
    plot_timeline(timeline, tmp_path / "film.PNG")
    picture = cv2.imread(str(tmp_path / "film.PNG"))
    assert picture.shape[1] == pytest.approx(9.5 * 140, abs=2)
    assert picture.std() > 10


@pytest.mark.parametrize(
    "timeline",
    [
        make_timeline([]),
        make_timeline([], count=1, seconds=False),
        make_timeline([make_track(1, [0])], count=1),
        make_timeline([make_track(1, [0], np.float32([1.0]))], count=1),
        make_timeline([make_track(1, [0, 14])], every=7, seconds=False),
        make_timeline([make_track(1, [0], np.float32([1.0])), make_track(2, [1, 2])]),
    ],
)
def test_little_to_show(timeline, tmp_path):
    plot_timeline(timeline, tmp_path / "film.svg")
    assert ("no face was seen" in (tmp_path / "film.svg").read_text()) == (not timeline.tracks)


def test_many_faces_and_many_frames(tmp_path):
    tracks = [make_track(number, range(0, 4 * number)) for number in range(1, 9)]
    tracks.append(make_track(9, range(6000)))
    plot_timeline(make_timeline(tracks, count=6000), tmp_path / "film.svg")
    drawn = (tmp_path / "film.svg").read_text()
    assert re.findall(r"<!-- face (\d)", drawn) == list("456789")
    assert "the 6 of 9 faces that were seen longest" in drawn
    assert len(drawn) < 500_000


def test_means_of_a_long_clip_leave_gaps_out(tmp_path):
    from fer_keras.video.timeline_plot import _Clock, _with_gaps

    seen = [number for number in range(800) if not 100 <= number < 300]
    track = make_track(1, seen)
    timeline = make_timeline([track], count=800)
    at, values = _with_gaps(timeline, track, _Clock(timeline), track.probabilities)
    assert values.shape == (400, 2)
    np.testing.assert_allclose(values[np.isfinite(values[:, 1]), 1], 0.75)
    assert np.isnan(values[:, 0]).sum() == 100
    np.testing.assert_allclose(at, (np.arange(400) * 2 + 0.5) / 25)


def test_not_seen_is_said_of_each_face(timeline):
    from fer_keras.video.timeline_plot import _Clock, _shade

    class Panel:
        def __init__(self):
            self.spans = []

        def axvspan(self, start, stop, hatch, **look):
            self.spans.append((round(start * 25 + 0.5), round(stop * 25 - 0.5), hatch))

    expected = {
        1: [(2, 2, None), (6, 7, None), (3, 3, "////")],
        2: [(0, 2, None), (7, 7, None), (3, 3, "////")],  # the other face's frames too
        None: [(0, 2, None), (4, 7, None), (3, 3, "////")],
    }
    for track in (*timeline.tracks, None):
        panel = Panel()
        _shade(panel, timeline, track, _Clock(timeline))
        assert panel.spans == expected[track and track.number]


def test_the_legend_names_what_is_shaded(tmp_path):
    plot_timeline(make_timeline([make_track(1, range(8)), make_track(2, [7])]), tmp_path / "two.svg")
    drawn = (tmp_path / "two.svg").read_text()
    assert "<!-- not seen" in drawn
    assert "over 1 frame -->" in drawn
    plot_timeline(make_timeline([make_track(1, range(8))]), tmp_path / "one.svg")
    assert "<!-- not seen" not in (tmp_path / "one.svg").read_text()


def test_other_endings_and_no_matplotlib(timeline, tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"film\.pdf: expected a plot to end in \.png or \.svg"):
        plot_timeline(timeline, tmp_path / "film.pdf")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(InputError, match=r"reports need matplotlib; run: pip install 'fer-keras\[report\]'"):
        plot_timeline(timeline, tmp_path / "film.png")


def test_names_that_are_no_markup(timeline, tmp_path):
    named = dataclasses.replace(timeline, source="a $x_1$ <b>.mp4", label_names=("$0$", "_1"))
    plot_timeline(named, tmp_path / "film.svg")
    assert "a $x_1$" in (tmp_path / "film.svg").read_text()


def test_every_class_has_a_colour():
    names = ("neutral", "anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise")
    assert len(set(class_colours(names).values())) == 8
    assert class_colours(["happiness"])["happiness"] == class_colours(names)["happiness"]
    mixed = class_colours(["neutral", "bored", "amused"])
    assert len(set(mixed.values())) == 3
    assert set(class_colours([*names, "bored"])) == {*names, "bored"}
