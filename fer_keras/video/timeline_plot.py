"""A timeline as a picture: probabilities over time, a panel a face."""

import contextlib
import os
import pathlib

import numpy as np

from fer_keras.errors import InputError
from fer_keras.plural import count
from fer_keras.report.extra import import_extra
from fer_keras.video.palette import class_colours

MOST_FACES = 6
"""Faces that get a panel: those seen in most frames."""

_MOST_POINTS = 400  # of a line; more flicker than show a course
_WORTH_A_NAME = 0.25  # a class that is never as probable is drawn faintly
_DASHES = ("-", "--", (0, (1, 1)), "-.", (0, (8, 2)), (0, (3, 1)), (0, (5, 1, 1, 1, 1, 1)), ":")
_INK, _FAINT, _GAP = "#1f2937", "#c3c9d1", "#e5e7eb"


def plot_timeline(timeline, path):
    """Draws the probabilities of every face over time, and the weights of its frames where the model has attention.

    In every face's panel the frames in which this face was not seen are shaded, and those without a picture hatched. Of
    a long clip each point is the mean over neighbouring frames.

    Args:
        timeline: a `Timeline`.
        path: the file to write, `.png` or `.svg`, whole or not at all; what it held is replaced.

    Raises:
        InputError: the ending is another, or the extra `report` is not installed.
    """
    path = pathlib.Path(path)
    if path.suffix.lower() not in (".png", ".svg"):
        raise InputError(f"{path}: expected a plot to end in .png or .svg")
    matplotlib = import_extra("matplotlib")
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    style = {
        **{f"{part}.labelcolor": _INK for part in ("axes", "xtick", "ytick")},
        **{"text.color": _INK, "axes.titlecolor": _INK, "axes.edgecolor": _FAINT, "xtick.color": _FAINT},
        **{"ytick.color": _FAINT, "axes.spines.top": False, "axes.spines.right": False, "font.size": 10},
        "svg.hashsalt": "fer_keras",  # the same drawing is the same bytes
    }
    with matplotlib.rc_context(style):
        figure = _draw(timeline)
        try:
            kind = path.suffix.lower()[1:]
            figure.savefig(aside, format=kind, dpi=140, metadata={"svg": {"Date": None}}.get(kind, {"Software": None}))
            aside.replace(path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                aside.unlink()


def _draw(timeline):
    from matplotlib.figure import Figure

    tracks = sorted(timeline.tracks, key=lambda track: -len(track.frames))[:MOST_FACES]
    tracks = sorted(tracks, key=lambda track: track.number)
    attends = any(track.attention is not None for track in tracks)
    ratios = ([3, 1] if attends else [3]) * max(len(tracks), 1)
    figure = Figure(figsize=(9.5, 1.1 + (2.5 if attends else 2.1) * max(len(tracks), 1)), layout="constrained")
    panels = figure.subplots(len(ratios), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": ratios})[:, 0]
    clock = _Clock(timeline)
    named = _named_classes(timeline, tracks)
    for place, track in enumerate(tracks):
        upper = panels[place * (2 if attends else 1)]
        _draw_probabilities(upper, timeline, track, clock, named)
        if attends:
            _draw_attention(panels[2 * place + 1], timeline, track, clock)
    if not tracks:
        panels[0].set(yticks=[], title="no face was seen")
        _shade(panels[0], timeline, None, clock)
    panels[-1].set(xlabel=clock.label, xlim=clock.limits)
    left_out = f"; the {len(tracks)} of {len(timeline.tracks)} faces that were seen longest"
    figure.legend(
        handles=_legend(timeline, named, tracks),
        title=(os.path.basename(timeline.source) or timeline.source)
        + (left_out if len(tracks) < len(timeline.tracks) else ""),
        loc="outside upper left",
        **{"ncols": 6, "fontsize": 9.5, "frameon": False, "handlelength": 2.6},
        **{"title_fontproperties": {"size": 11, "weight": "bold"}, "alignment": "left"},
    )
    return figure


class _Clock:
    """Where frames are on the horizontal axis: at their times, or at their numbers."""

    def __init__(self, timeline):
        self.label = "frame" if timeline.seconds is None else "seconds"
        self.at = timeline.frames.astype(float) if timeline.seconds is None else timeline.seconds
        self._frames = timeline.frames
        steps = np.diff(self.at)
        self.step = float(np.median(steps)) if len(steps) else 1.0
        self.limits = (self.at[0] - self.step / 2, self.at[-1] + self.step / 2)

    def of(self, frames):
        return self.at[np.searchsorted(self._frames, frames)]


def _named_classes(timeline, tracks):
    """Which classes are worth a colour: those that are probable at some time, or else the most probable."""
    highest = np.max([track.probabilities.max(axis=0) for track in tracks], axis=0) if tracks else np.zeros(0)
    return [
        name
        for name, value in zip(timeline.label_names, highest, strict=False)
        if value >= min(_WORTH_A_NAME, highest.max())
    ]


def _draw_probabilities(axes, timeline, track, clock, named):
    colours = class_colours(timeline.label_names)
    at, values = _with_gaps(timeline, track, clock, track.probabilities)
    order = sorted(range(len(timeline.label_names)), key=lambda index: timeline.label_names[index] in named)
    for index in order:
        name = timeline.label_names[index]
        look = (
            {"color": colours[name], "linestyle": _dash(named, name), "linewidth": 1.8}
            if name in named
            else {"color": _FAINT, "linewidth": 0.9}
        )
        axes.plot(at, values[:, index], **look, marker="o" if len(track.frames) <= 3 else None, markersize=4)
    _shade(axes, timeline, track, clock)
    answered = f"{track.label}, probability {float(track.answer.max()):.2f} over {count(len(track.frames), 'frame')}"
    axes.set_title(f"face {track.number}: {answered}", fontsize=10.5, loc="left")
    axes.set(ylim=(-0.02, 1.02), yticks=[0, 0.5, 1], ylabel="probability")
    axes.grid(axis="y", color=_GAP, linewidth=0.7)
    axes.set_axisbelow(True)


def _draw_attention(axes, timeline, track, clock):
    if track.attention is not None:
        at, values = _with_gaps(timeline, track, clock, track.attention[:, None])
        axes.fill_between(at, values[:, 0], step="mid", color="#56606e", linewidth=0, alpha=0.75)
        if len(track.frames) <= 3:
            axes.vlines(at, 0, values[:, 0], color="#56606e")
        top = float(track.attention.max())
        axes.axhline(1 / len(track.frames), color=_INK, linewidth=0.8, linestyle=":")
        axes.set(ylim=(0, 1.1 * top), yticks=[0, top], yticklabels=["0", f"{top:.2g}"])
    _shade(axes, timeline, track, clock)
    axes.set_ylabel("attention")


def _with_gaps(timeline, track, clock, values):
    """Times and values of a track, `(m,)` and `(m, k)`, NaN where it was out of sight; of many frames, means."""
    first, last = np.searchsorted(timeline.frames, track.frames[[0, -1]])
    whole = np.full((last - first + 1, values.shape[1]), np.nan)
    whole[np.searchsorted(timeline.frames, track.frames) - first] = values
    at = clock.at[first : last + 1]
    size = -(-len(whole) // _MOST_POINTS)
    if size == 1:
        return at, whole
    starts = np.arange(0, len(whole), size)
    seen = np.isfinite(whole[:, :1])
    counts = np.add.reduceat(seen.astype(float), starts)
    sums = np.add.reduceat(np.where(seen, whole, 0.0), starts)
    means = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
    return np.add.reduceat(at, starts) / np.diff([*starts, len(at)]), means


def _shade(axes, timeline, track, clock):
    """Shades the frames in which a face was not seen; without a face, all."""
    hidden = ~np.isin(timeline.frames, () if track is None else track.frames)
    unreadable = np.isin(timeline.frames, list(timeline.problems))
    for mask, hatch in ((hidden & ~unreadable, None), (unreadable, "////")):
        edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(int)))
        for start, stop in edges.reshape(-1, 2):
            span = clock.at[start] - clock.step / 2, clock.at[stop - 1] + clock.step / 2
            axes.axvspan(*span, facecolor=_GAP, edgecolor=_FAINT, hatch=hatch, linewidth=0, zorder=0)


def _dash(named, name):
    return _DASHES[named.index(name) % len(_DASHES)]


def _legend(timeline, named, tracks):
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    colours = class_colours(timeline.label_names)
    handles = [
        Line2D([], [], color=colours[name], linestyle=_dash(named, name), linewidth=1.8, label=name) for name in named
    ]
    if tracks and len(named) < len(timeline.label_names):
        handles.append(Line2D([], [], color=_FAINT, linewidth=0.9, label="other classes"))
    readable = len(timeline.frames) - len(timeline.problems)
    if not tracks or any(len(track.frames) < readable for track in tracks):
        handles.append(Patch(facecolor=_GAP, label="not seen"))
    if timeline.problems:
        handles.append(Patch(facecolor=_GAP, edgecolor=_FAINT, hatch="////", label="no picture"))
    return handles
