"""The drawings of an experiment's report. They know nothing of experiments: numbers in, a `Figure` out."""

import textwrap

import numpy as np

from fer_keras.report import INK, Figure, draw

# After Okabe and Ito, with contrast on white and on dark; markers and dashes tell series apart without them. No two of
# the three numbers have a divisor in common: the ninth series has the colour of the first, and nothing else of it.
_COLOURS = ("#1a7bbd", "#d55e00", "#009e73", "#cc79a7", "#8a6d1b", "#a05195", "#4f9fd0", "#7f7f7f")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
_DASHES = ("-", "--", "-.", ":", (0, (7, 1.5, 1, 1.5, 1, 1.5)))
_FAINT = "#7f8a96"
_TALL = 11  # per cent, of a number beside bars
_WIDTH = 4.6  # inches, of a figure in a gallery


def draw_folds(title, accuracies):
    """Bars of the accuracy by fold, and their mean.

    Args:
        title: what was measured.
        accuracies: floats in [0, 1], one a fold.

    Returns:
        A `Figure`.
    """
    percent, mean = 100 * np.asarray(accuracies), 100 * float(np.mean(accuracies))

    def bars(axes):
        places = np.arange(len(percent))
        axes.bar(places, percent, width=0.72, color=_COLOURS[0])
        for place, value in zip(places, percent, strict=True):
            # In the foot of the bar, above it where it is too low.
            at, colour = _clear_of(mean, 2), "#ffffff"
            if value < at + _TALL + 2:
                at, colour = _clear_of(mean, value + 2), INK
            axes.text(place, at, f"{value:.0f}", ha="center", va="bottom", fontsize=9.5, color=colour)
        axes.axhline(mean, color=_COLOURS[1], linestyle="--", linewidth=1.4)
        axes.set(title=f"{title}: mean {mean:.1f} %", xlabel="fold", ylabel="accuracy, %", ylim=(0, 102))
        axes.set_xticks(places)

    said = ", ".join(f"fold {fold} {value:.1f} %" for fold, value in enumerate(percent))
    return Figure(draw(bars, _WIDTH, 2.7), f"Bars of the accuracy of {title} by fold: {said}; mean {mean:.1f} %")


def _clear_of(line, at):
    """Where a number that was to stand at a height has a line neither through it nor close below."""
    return line + 2 if at - 1 < line < at + _TALL else at


def _style(number):
    """What tells a series from the others, by its number: arguments of matplotlib's `plot`."""
    return {
        "color": _COLOURS[number % len(_COLOURS)],
        "linestyle": _DASHES[number % len(_DASHES)],
        "marker": _MARKERS[number % len(_MARKERS)],
    }


def _add_legend(axes, loc, ncols=2, fontsize=9.5, **options):
    """A legend outside of the axes, in as many columns as fit; the figure grows by its height."""
    figure, room = axes.figure, 0.97 * axes.figure.bbox.width
    for columns in range(ncols, 0, -1):
        legend = figure.legend(loc=f"outside {loc}", ncols=columns, fontsize=fontsize, **options)
        if legend.get_window_extent().width <= room:
            break
        if columns > 1:
            legend.remove()
    else:
        for text in legend.get_texts():
            # Letters are at most some 0.65 of the size wide on the average of a line; 6 sizes are for the mark.
            text.set_text(textwrap.fill(text.get_text(), int((72 * figure.get_figwidth() / fontsize - 6) / 0.65)))
    figure.set_figheight(figure.get_figheight() + legend.get_window_extent().height / figure.dpi)


def draw_curves(series, ylabel, percent=False):
    """A quantity by epoch: the mean over folds as a line, from the least to the greatest fold as a band.

    Args:
        series: dict of title to a float array of shape `(folds, epochs)`; NaN where a fold has no such epoch.
        ylabel: the quantity.
        percent: bool, whether it is a share, shown from 0 to 100.

    Returns:
        A `Figure`.
    """
    said, epochs = [], np.arange(1, max(values.shape[1] for values in series.values()) + 1)

    def lines(axes):
        for number, (title, values) in enumerate(series.items()):
            values = values * (100 if percent else 1)
            own, mean = epochs[: values.shape[1]], np.nanmean(values, axis=0)
            style = _style(number)
            axes.fill_between(
                own, np.nanmin(values, axis=0), np.nanmax(values, axis=0), color=style["color"], alpha=0.13, linewidth=0
            )
            axes.plot(
                own,
                mean,
                **style,
                markevery=(number % 4, max(1, len(epochs) // 8)) if len(epochs) > 16 else 1,
                markersize=5,
                label=title,
            )
            said.append(f"{title} from {mean[0]:.3g} to {mean[-1]:.3g}")
        margin = 0.03 * (len(epochs) - 1) or 0.5
        axes.set(xlabel="epoch", ylabel=ylabel, xlim=(1 - margin, len(epochs) + margin))
        if percent:
            axes.set_ylim(0, 102)
        else:
            axes.set_ylim(bottom=0)
        axes.xaxis.get_major_locator().set_params(integer=True)
        _add_legend(axes, "lower left", fontsize=10, handlelength=3.8)

    drawing = draw(lines, _WIDTH, 3.2)
    return Figure(drawing, f"{ylabel} by epoch, mean over the folds: {'; '.join(said)}")


def draw_by_area(series, ylabel):
    """A quantity by the share of the face that is covered.

    Args:
        series: dict of title to a dict of share, in [0, 1], to value.
        ylabel: the quantity.

    Returns:
        A `Figure`.
    """

    def lines(axes):
        for number, (title, values) in enumerate(series.items()):
            axes.plot([100 * share for share in values], list(values.values()), **_style(number), label=title)
        axes.set(xlabel="covered, % of the face", ylabel=ylabel)
        _add_legend(axes, "upper left", handlelength=3.8)

    said = "; ".join(
        f"{title}: " + ", ".join(f"{100 * share:.0f} % {value:.1f}" for share, value in values.items())
        for title, values in series.items()
    )
    return Figure(draw(lines, _WIDTH, 3.2), f"{ylabel} by covered area. {said}")


def draw_confusion(title, confusion, label_names):
    """A confusion matrix: shares of the true class as shades, counts as numbers.

    Args:
        title: what answered.
        confusion: `(K, K)` counts, rows true and columns answered.
        label_names: K names.

    Returns:
        A `Figure`.
    """
    counts = np.asarray(confusion)
    classes = len(label_names)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)

    def cells(axes):
        from matplotlib.patches import Rectangle

        for row in range(classes):
            for column in range(classes):
                # Letters in the page's own colour read on the strongest shade, on white and on dark paper.
                shade = 0.04 + 0.56 * shares[row, column]
                corner = (column - 0.47, row - 0.47)
                axes.add_patch(Rectangle(corner, 0.94, 0.94, facecolor=_COLOURS[0], alpha=shade, linewidth=0))
                if counts[row, column]:
                    weight = "bold" if row == column else "normal"
                    text = str(counts[row, column])
                    axes.text(column, row, text, ha="center", va="center", fontsize=10, fontweight=weight)
        axes.set(title=title, xlabel="answer", ylabel="label", aspect="equal")
        axes.set(xlim=(-0.5, classes - 0.5), ylim=(classes - 0.5, -0.5))
        axes.set_xticks(range(classes), label_names, rotation=40, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(classes), label_names)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)

    said = "; ".join(_row_said(row, label_names, number) for number, row in enumerate(counts))
    return Figure(draw(cells, _WIDTH, 4.5), f"Confusion matrix of {title}. {said}")


def _row_said(row, label_names, own):
    taken = [f"{row[other]} for {label_names[other]}" for other in np.argsort(-row) if other != own and row[other]]
    return f"{label_names[own]}: {row[own]} of {row.sum()} right" + (f", taken {', '.join(taken)}" if taken else "")


def draw_recalls(recalls, label_names):
    """Recall by class, a row of markers for every class.

    Args:
        recalls: dict of title to K floats in [0, 1], or `None` of a class that does not occur.
        label_names: K names.

    Returns:
        A `Figure`.
    """

    def dots(axes):
        span = 0.5 / max(len(recalls) - 1, 1)
        for number, (title, values) in enumerate(recalls.items()):
            known = [(100 * value, place) for place, value in enumerate(values) if value is not None]
            axes.plot(
                [value for value, _ in known],
                [place - 0.25 + span * number for _, place in known],
                _MARKERS[number % len(_MARKERS)],
                color=_COLOURS[number % len(_COLOURS)],
                markersize=7,
                clip_on=False,
                label=title,
            )
        for place in range(len(label_names) - 1):
            axes.axhline(place + 0.5, color=_FAINT, alpha=0.35, linewidth=0.7)
        axes.set(xlabel="recall, %", xlim=(0, 100), ylim=(len(label_names) - 0.5, -0.5))
        axes.set_yticks(range(len(label_names)), label_names)
        axes.tick_params(axis="y", length=0, pad=8)  # a mark at 0 reaches out of the axes
        _add_legend(axes, "upper left", fontsize=10)

    said = "; ".join(
        f"{title}: " + ", ".join(f"{name} {_percent(value)}" for name, value in zip(label_names, values, strict=True))
        for title, values in recalls.items()
    )
    return Figure(draw(dots, _WIDTH, 0.9 + 0.42 * len(label_names)), f"Recall by class in per cent. {said}")


def draw_reliability(title, bins, ece):
    """A reliability diagram: accuracy against confidence.

    Args:
        title: what answered.
        bins: dict of arrays `count`, `confidence` and `accuracy`, see
            `fer_keras.evaluation.metrics.calibration_bins`.
        ece: float in [0, 1].

    Returns:
        A `Figure`.
    """
    count, accuracy = np.asarray(bins["count"]), 100 * np.asarray(bins["accuracy"])
    number = len(count)
    edges = np.linspace(0, 100, number + 1)
    shares = 100 * count / max(count.sum(), 1)

    def bars(axes):
        filled = count > 0
        middles = (edges[:-1] + edges[1:]) / 2
        axes.bar(
            middles[filled], accuracy[filled], width=86 / number, color=_COLOURS[0], label="accuracy of the answers"
        )
        axes.plot([0, 100], [0, 100], "--", color=_COLOURS[1], linewidth=1.4, label="where it should be")
        axes.stairs(shares, edges, color=INK, linewidth=1.1, label="share of the answers")
        axes.set(xlabel="confidence, %", ylabel="%", xlim=(0, 100), ylim=(0, 102))
        axes.set(title=f"{title}: ECE {100 * ece:.1f} %")
        _add_legend(axes, "lower left")

    said = ", ".join(
        f"{edges[place]:.0f} to {edges[place + 1]:.0f} %: {accuracy[place]:.0f} % of {count[place]} right"
        for place in np.flatnonzero(count)
    )
    alt = f"Reliability diagram of {title}, expected calibration error {100 * ece:.1f} %. By confidence: {said}"
    return Figure(draw(bars, _WIDTH, 3.2), alt)


def draw_intervals(rows, chance=None):
    """Figures with their intervals and, beside them, figures from elsewhere.

    Args:
        rows: sequence of `(title, value, low, high, printed)`, floats in [0, 1]; `low`, `high` and `printed` may be
            `None`.
        chance: float in [0, 1], a line to compare with, or `None`.

    Returns:
        A `Figure`.
    """

    def dots(axes):
        for place, (_, value, low, high, printed) in enumerate(rows):
            if low is not None:
                axes.plot([100 * low, 100 * high], [place, place], "-", color=_COLOURS[0], linewidth=2.2)
            measured = "measured, 95 % interval" if not place else None
            axes.plot(100 * value, place, "o", color=_COLOURS[0], markersize=8, label=measured)
            if printed is not None:
                axes.plot(
                    100 * printed, place, "D", markersize=8, markerfacecolor="none", markeredgecolor=_COLOURS[1],
                    markeredgewidth=1.6, clip_on=False,
                )  # fmt: skip
        if any(row[4] is not None for row in rows):
            axes.plot(
                [], [], "D", markersize=8, markerfacecolor="none", markeredgecolor=_COLOURS[1], markeredgewidth=1.6,
                label="printed",
            )  # fmt: skip
        if chance is not None:
            axes.axvline(100 * chance, color=_FAINT, linestyle=":", linewidth=1.6, label="commonest class")
        axes.set(xlabel="accuracy, %", xlim=(0, 100), ylim=(len(rows) - 0.5, -0.5))
        axes.set_yticks(range(len(rows)), [row[0] for row in rows])
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x", color=_FAINT, alpha=0.3, linewidth=0.7)
        _add_legend(axes, "upper left", fontsize=10)

    def say(title, value, low, high, printed):
        line = f"{title} {100 * value:.1f} %"
        line += f" ({100 * low:.1f} to {100 * high:.1f})" if low is not None else ""
        return line + (f", printed {100 * printed:.1f} %" if printed is not None else "")

    return Figure(
        draw(dots, _WIDTH, 0.8 + 0.32 * len(rows)), "Accuracy by system: " + "; ".join(say(*row) for row in rows)
    )


def draw_scatter(title, points, labels, label_names, centres=None):
    """Points in a plane, by class.

    Args:
        title: of the figure.
        points: float array of shape `(n, 2)`.
        labels: int array of shape `(n,)`.
        label_names: K names.
        centres: optional float array of shape `(K, 2)`, marked by stars.

    Returns:
        A `Figure`.
    """

    def cloud(axes):
        for number, name in enumerate(label_names):
            own = points[labels == number]
            axes.scatter(
                own[:, 0],
                own[:, 1],
                s=34,
                color=_COLOURS[number % len(_COLOURS)],
                marker=_MARKERS[number % len(_MARKERS)],
                alpha=0.85,
                linewidth=0,
                label=name,
            )
        for number, centre in enumerate(() if centres is None else centres):
            colour = _COLOURS[number % len(_COLOURS)]
            axes.scatter(*centre, s=210, marker="*", color=colour, edgecolor=INK, linewidth=1.3, zorder=3)
        axes.set(title=title, xticks=[], yticks=[])
        axes.set_aspect("equal", adjustable="datalim")
        axes.margins(0.06)
        axes.spines[:].set_visible(True)
        axes.spines[:].set_color(_FAINT)
        _add_legend(axes, "lower left", ncols=4, handletextpad=0.2, columnspacing=1.0)

    marked = ", with the centres of the classes" if centres is not None else ""
    return Figure(draw(cloud, _WIDTH, 4.1), f"{title}: {len(points)} faces in a plane by class{marked}")


def draw_spread(title, accuracies):
    """Bars of the accuracy of every subject, from the lowest to the highest.

    Args:
        title: what answered.
        accuracies: floats in [0, 1], one a subject.

    Returns:
        A `Figure`.
    """
    percent = 100 * np.sort(np.asarray(accuracies))
    middle = float(np.median(percent))

    def bars(axes):
        places = np.arange(1, len(percent) + 1)
        axes.bar(places, percent, width=0.8, color=_COLOURS[0])
        axes.axhline(middle, color=_COLOURS[1], linestyle="--", linewidth=1.4)
        axes.set(title=f"{title}: median {middle:.0f} %", ylabel="accuracy, %", ylim=(0, 102))
        axes.set(xlabel="subjects, from the lowest accuracy to the highest")
        axes.xaxis.get_major_locator().set_params(integer=True)

    said = f"from {percent[0]:.0f} % to {percent[-1]:.0f} %, median {middle:.0f} %"
    return Figure(draw(bars, _WIDTH, 2.7), f"Accuracy of {title} of {len(percent)} subjects: {said}")


def draw_profile(title, weights, apex):
    """Weight of frames and share of apex frames by their place in the clip.

    Args:
        title: what weighed.
        weights: floats, mean weight relative to the even one, in equal steps from the clip's first frame to its last.
        apex: floats in [0, 1], share of frames of the apex in the same steps.

    Returns:
        A `Figure`.
    """
    places = (np.arange(len(weights)) + 0.5) / len(weights) * 100

    def lines(axes):
        axes.bar(places, apex, width=92 / len(weights), color=_COLOURS[1], alpha=0.35, label="share of apex frames")
        axes.plot(places, weights, marker="o", color=_COLOURS[0], linewidth=1.8, label="weight, 1 = even")
        axes.axhline(1, color=_FAINT, linestyle=":", linewidth=1.4)
        axes.set(title=title, xlabel="place in the clip, %", xlim=(0, 100), ylim=(0, None))
        _add_legend(axes, "lower left")

    said = ", ".join(f"{place:.0f} % {weight:.2f}" for place, weight in zip(places, weights, strict=True))
    return Figure(draw(lines, _WIDTH, 2.9), f"Weight of frames of {title} by place in the clip: {said}")


def _percent(value):
    return "–" if value is None else f"{100 * value:.0f}"
