"""Numbers and words of reports."""

import re

import numpy as np

from fer_keras.plural import count as count


def short(title):
    """A title, or a sentence with titles, without the name that all groups share."""
    return title.replace("AlexNet-Emotion, ", "")


def constant_answer(totals, label_names):
    """What there is to beat: always the most frequent label; from the number of records by label."""
    most = int(np.argmax(totals))
    classes = np.count_nonzero(totals)
    return (
        f"Always answering {label_names[most]} (no label is more frequent) gives accuracy "
        f"{percent(totals[most] / totals.sum())} %, UAR {percent(1 / classes)} %."
    )


def interval(system, level):
    """A system's 95 % interval of the accuracy at a level, `"frame"` or `"sequence"`, in per cent."""
    ends = system["pooled"]["confidence"][level]["accuracy"]
    return "–" if ends["low"] is None else f"{percent(ends['low'])}–{percent(ends['high'])}"


def percent(share):
    """A share in per cent, to one decimal; `–` for none."""
    return number(share, 1, 0.01)


def number(value, digits, unit=1.0):
    """A number in some unit; `–` for none."""
    return "–" if value is None or not np.isfinite(value) else f"{value / unit:,.{digits}f}"


def minus(text):
    """A text whose negative numbers have a minus sign; the hyphens of its names stay."""
    return re.sub(r"(?<![\w.])-(?=\d)", "−", text)


def seeds(count):
    """Seeds from 0 on, such as `seed 0` or `seeds 0-2`."""
    return f"seeds 0-{count - 1}" if count > 1 else "seed 0"


def thousands(count):
    """A whole number; `–` for none."""
    return "–" if count is None else f"{count:,}"


def p_value(value):
    """A p-value."""
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def join(names):
    """Names in a row, with an or before the last."""
    return ", ".join(names[:-1]) + " or " + names[-1] if names[1:] else names[0]


def duration(seconds):
    """A time, in minutes where it is more than two."""
    return count(round(seconds), "second") if seconds < 120 else count(round(seconds / 60), "minute")


def sentence(text):
    """A text with its full stop."""
    text = text.strip()
    return text if text.endswith(".") else text + "."
