"""Figures by slices of the faces: for whom, and under which conditions, a classifier fails."""

from fer_keras.errors import InputError
from fer_keras.evaluation.metrics import check_samples, summarize

UNKNOWN = "unknown"
"""The slice of samples without a value."""


def summarize_slices(labels, probabilities, values, subjects=None, min_count=30, min_subjects=5):
    """Figures for every value of one attribute of the samples.

    The attribute is anything that is known of a sample: subject, occlusion, pose, age group, gender, ethnicity. Slices
    differ in their mix of classes, which the accuracy follows: compare the UAR, or the recall of one class. A small
    slice's figures are given all the same, marked, for hiding them would hide whom the corpus leaves out.

    Args:
        labels: int array of shape `(n,)`, indices into the K classes.
        probabilities: float array of shape `(n, K)`, rows that sum to 1.
        values: n values, one a sample; compared as strings. `None` and `""` are put together as `unknown`.
        subjects: n names, the persons, or `None`. With them a slice is also small if it has few people. Leave them out
            where the slices are the subjects.
        min_count: int, a slice of fewer samples is small.
        min_subjects: int, a slice of fewer people is small.

    Returns:
        A dict of value (string, in sorted order, `unknown` last) to a dict: what
        `fer_keras.evaluation.metrics.summarize` gives for the slice, `count` (samples), `small` (bool) and, with
        `subjects`, `subjects` (their number).

    Raises:
        InputError: see `fer_keras.evaluation.metrics.check_samples`; or a number of values or subjects other than n.
    """
    labels, probabilities = check_samples(labels, probabilities)
    for what, given in (("values", values), ("subjects", subjects)):
        if given is not None and len(given) != len(labels):
            raise InputError(f"received {len(given)} {what} for {len(labels)} samples; expected one each")
    rows_of = {}
    for row, value in enumerate(values):
        rows_of.setdefault(UNKNOWN if value is None or value == "" else str(value), []).append(row)
    slices = {}
    for value in sorted(rows_of, key=lambda value: (value == UNKNOWN, value)):
        rows = rows_of[value]
        one = {**summarize(labels[rows], probabilities[rows]), "count": len(rows), "small": len(rows) < min_count}
        if subjects is not None:
            one["subjects"] = len({str(subjects[row]) for row in rows})
            one["small"] = one["small"] or one["subjects"] < min_subjects
        slices[value] = one
    return slices
