import csv
import json

import numpy as np
import pytest

from fer_keras.video import Timeline, Track

NAMES = ("neutral", "happiness")


def make_track(number, frames, attention=None, probability=0.75):
    count = len(frames)
    probabilities = np.tile(np.float32([1 - probability, probability]), (count, 1))
    return Track(
        number=number,
        label="happiness",
        answer=probabilities[0],
        frames=np.array(frames),
        boxes=np.tile(np.float32([10.04, 20, 30, 40]), (count, 1)),
        face_scores=np.full(count, 0.9, np.float32),
        labels=("happiness",) * count,
        probabilities=probabilities,
        attention=attention,
    )


def make_timeline(tracks, count=8, every=1, seconds=True, problems=None):
    frames = np.arange(0, count * every, every)
    return Timeline(
        source="clips/film.mp4",
        label_names=NAMES,
        frames=frames,
        seconds=frames / 25 if seconds else None,
        step=every / 25 if seconds else None,
        every=every,
        window=32,
        problems=problems or {},
        missing=0,
        tracks=tuple(tracks),
        work=1.0,
    )


@pytest.fixture
def timeline():
    """Eight frames: one face with a gap, another that comes late, a frame that cannot be read, one without a face."""
    attention = np.float32([0.1, 0.2, 0.3, 0.4])
    return make_timeline(
        [make_track(1, [0, 1, 4, 5], attention), make_track(2, [4, 5, 6])], problems={3: "f3.png: is damaged"}
    )


def test_rows(timeline):
    rows = list(timeline.rows())
    assert [(row["frame"], row["track"], row["gap"]) for row in rows] == [
        (0, 1, None),
        (1, 1, None),
        (2, 1, "no face"),
        (3, 1, "no picture"),
        (4, 1, None),
        (4, 2, None),
        (5, 1, None),
        (5, 2, None),
        (6, 2, None),
        (7, None, "no face"),
    ]
    assert rows[4] == {
        "frame": 4,
        "seconds": 0.16,
        "track": 1,
        "box": [10.0, 20.0, 30.0, 40.0],
        "face_score": 0.9,
        "label": "happiness",
        "probabilities": {"neutral": 0.25, "happiness": 0.75},
        "attention": 0.3,
        "gap": None,
    }
    assert rows[5]["attention"] is None
    assert {rows[2][key] for key in ("box", "label", "attention", "face_score")} == {None}


def test_every_frame_has_a_row_whatever_was_read():
    for timeline in (make_timeline([]), make_timeline([make_track(1, [14])], every=7), make_timeline([], count=1)):
        assert sorted({row["frame"] for row in timeline.rows()}) == timeline.frames.tolist()


def test_gaps(timeline):
    assert timeline.gaps == [
        {"first_frame": 2, "last_frame": 2, "reason": "no face"},
        {"first_frame": 3, "last_frame": 3, "reason": "no picture"},
        {"first_frame": 7, "last_frame": 7, "reason": "no face"},
    ]
    assert make_timeline([], every=5).gaps == [{"first_frame": 0, "last_frame": 35, "reason": "no face"}]


def test_summaries(timeline):
    first, second = timeline.summaries()
    assert first == {
        "track": 1,
        "label": "happiness",
        "probabilities": {"neutral": 0.25, "happiness": 0.75},
        "first_frame": 0,
        "last_frame": 5,
        "frames_seen": 4,
        "frames_missed": 2,
        "first_seconds": 0.0,
        "seconds": 0.24,
    }
    assert (second["first_seconds"], second["seconds"], second["frames_missed"]) == (0.16, 0.12, 0)
    untimed = make_timeline([make_track(1, [0, 2, 6])], every=2, seconds=False)
    (only,) = untimed.summaries()
    assert (only["first_seconds"], only["seconds"], only["frames_missed"]) == (None, None, 1)
    assert untimed.duration is None
    assert timeline.duration == pytest.approx(8 / 25)


def test_csv(timeline, tmp_path):
    timeline.write_csv(tmp_path / "film.csv")
    with (tmp_path / "film.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        *("frame", "seconds", "track", "left", "top", "right", "bottom", "face_score", "label"),
        *(*NAMES, "attention", "gap"),
    ]
    assert len(rows) == 10
    assert rows[4] == {
        **{"frame": "4", "seconds": "0.16", "track": "1", "left": "10.0", "top": "20.0", "right": "30.0"},
        **{"bottom": "40.0", "face_score": "0.9", "label": "happiness", "neutral": "0.25", "happiness": "0.75"},
        **{"attention": "0.3", "gap": ""},
    }
    assert {key: value for key, value in rows[3].items() if value} == {
        **{"frame": "3", "seconds": "0.12", "track": "1", "gap": "no picture"}
    }
    assert [path.name for path in tmp_path.iterdir()] == ["film.csv"]


def test_json(timeline, tmp_path):
    timeline.write_json(tmp_path / "film.json")
    content = json.loads((tmp_path / "film.json").read_text())
    assert content["rows"] == list(timeline.rows())
    assert content["tracks"] == timeline.summaries()
    assert content["gaps"] == timeline.gaps
    assert content["unreadable"] == {"3": "f3.png: is damaged"}
    assert (content["source"], content["frames"], content["seconds"]) == ("clips/film.mp4", 8, 0.32)
    assert [path.name for path in tmp_path.iterdir()] == ["film.json"]


def test_a_file_that_cannot_be_finished_leaves_the_old_one(timeline, tmp_path, monkeypatch):
    timeline.write_csv(tmp_path / "film.csv")
    before = (tmp_path / "film.csv").read_bytes()

    first = list(timeline.rows())[:2]

    def rows(self):
        yield from first
        raise KeyboardInterrupt

    monkeypatch.setattr(Timeline, "rows", rows)
    with pytest.raises(KeyboardInterrupt):
        timeline.write_csv(tmp_path / "film.csv")
    assert (tmp_path / "film.csv").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["film.csv"]
