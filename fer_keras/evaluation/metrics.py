"""Figures of a classifier, from its probabilities."""

import numpy as np

from fer_keras.errors import InputError

_SUM_TOLERANCE = 0.01  # a softmax over eight classes in half precision
_SMALLEST = float(np.finfo("float32").tiny)


def check_samples(labels, probabilities):
    """Checks what every figure is made of.

    Args:
        labels: ints of shape `(n,)`, indices into the K classes.
        probabilities: floats of shape `(n, K)`; every row in [0, 1] with the sum 1, within 0.01.

    Returns:
        A pair of arrays: the labels, and the probabilities in double precision.

    Raises:
        InputError: no sample, shapes that do not belong together, a label out of range, or a row that is no
            distribution (logits, or a model whose training diverged).
    """
    labels, probabilities = np.asarray(labels), np.asarray(probabilities, float)
    if probabilities.ndim != 2 or labels.shape != probabilities.shape[:1]:
        raise InputError(
            "expected labels of shape (n,) and probabilities of shape (n, classes), "
            f"received {labels.shape} and {probabilities.shape}"
        )
    if not labels.size:
        raise InputError("there is no sample to measure; expected at least one")
    classes = probabilities.shape[1]
    if labels.dtype.kind not in "iu":
        raise InputError(f"labels must be integers, the indices of the classes; received {labels.dtype}")
    wrong = (labels < 0) | (labels >= classes)
    if wrong.any():
        row = int(wrong.argmax())
        raise InputError(f"row {row} has the label {labels[row]}; expected 0 to {classes - 1}")
    wrong = ~np.isfinite(probabilities).all(axis=1)
    if wrong.any():
        raise InputError(
            f"the probabilities of row {wrong.argmax()} are not finite; "
            "where a model gave them its training has diverged: train with a lower learning rate"
        )
    wrong = (probabilities < 0).any(axis=1) | (abs(probabilities.sum(axis=1) - 1) > _SUM_TOLERANCE)
    if wrong.any():
        row = int(wrong.argmax())
        raise InputError(
            f"row {row} holds no probabilities: its least is {probabilities[row].min():.3g}, its sum "
            f"{probabilities[row].sum():.3g}; expected none below 0 and the sum 1, not logits"
        )
    return labels, probabilities


def confusion_matrix(labels, predictions, num_classes):
    """Counts of samples by true class (row) and predicted class (column).

    Args:
        labels: int array of shape `(n,)`.
        predictions: int array of shape `(n,)`.
        num_classes: int, K.

    Returns:
        An int array of shape `(K, K)`.
    """
    matrix = np.zeros((num_classes, num_classes), int)
    np.add.at(matrix, (np.asarray(labels), np.asarray(predictions)), 1)
    return matrix


def confusion_scores(confusion):
    """Accuracy, unweighted average recall and macro F1 of confusion matrices.

    Args:
        confusion: array of counts of shape `(..., K, K)`, rows true and columns predicted; none of them all zero.

    Returns:
        A dict of float arrays of shape `(...)`, values in [0, 1]: `accuracy`, `uar` (mean recall of the classes that
        occur) and `macro_f1` (mean F1 of the classes that occur or were predicted).
    """
    hits, true, predicted = _margins(np.asarray(confusion))
    involved = true + predicted
    return {
        "accuracy": hits.sum(axis=-1) / true.sum(axis=-1),
        "uar": _ratio(hits, true).sum(axis=-1) / (true > 0).sum(axis=-1),
        "macro_f1": _ratio(2 * hits, involved).sum(axis=-1) / (involved > 0).sum(axis=-1),
    }


def summarize(labels, probabilities):
    """How right a classifier's answers are, and how right its probabilities.

    A class that no sample has, as it happens in a test fold, has no recall: it is `None`, and not part of the UAR,
    rather than a 0 that nobody earned or a 1 that nobody proved. So the UARs of two folds may be means over different
    classes; the pooled figures have all of them.

    Args:
        labels: int array of shape `(n,)`, indices into the K classes.
        probabilities: float array of shape `(n, K)`, rows that sum to 1.

    Returns:
        A dict of plain numbers and lists:

        - `accuracy`, `uar`, `macro_f1`: floats in [0, 1], see `confusion_scores`;
        - `confusion`: `(K, K)` nested list of counts, rows true and columns predicted;
        - `recall`, `precision`, `f1`: K floats in [0, 1], or `None` for the recall of a class that does not occur, the
          precision of one never predicted, the F1 of one that is neither;
        - `ece`: expected calibration error in [0, 1], see `expected_calibration_error`;
        - `nll`: mean negative log likelihood of the true class, nats, 0 at best. A probability below float32's
          smallest normal number counts as that number (87.3 nats), so that one sample does not make it infinite;
        - `brier`: mean over the samples of the squared distance between probabilities and truth, summed over the
          classes (Brier 1950), in [0, 2], 0 at best.

    Raises:
        InputError: see `check_samples`.
    """
    labels, probabilities = check_samples(labels, probabilities)
    matrix = confusion_matrix(labels, np.argmax(probabilities, axis=-1), probabilities.shape[-1])
    hits, true, predicted = _margins(matrix)
    of_true = probabilities[np.arange(len(labels)), labels]
    return {
        **{name: float(value) for name, value in confusion_scores(matrix).items()},
        "confusion": matrix.tolist(),
        "recall": _or_none(hits, true),
        "precision": _or_none(hits, predicted),
        "f1": _or_none(2 * hits, true + predicted),
        "ece": expected_calibration_error(labels, probabilities),
        "nll": float(np.mean(-np.log(np.clip(of_true, _SMALLEST, 1)))),
        "brier": float(np.mean(((probabilities - np.eye(len(matrix))[labels]) ** 2).sum(axis=1))),
    }


def calibration_bins(labels, probabilities, bins=15):
    """Confidence against accuracy, by bins of confidence: what a reliability diagram shows.

    The confidence of an answer is its probability, the greatest of the row. Bin *m* of M holds the answers with a
    confidence in ((m − 1) / M, m / M] (Guo et al. 2017, "On Calibration of Modern Neural Networks", section 2).

    Args:
        labels: int array of shape `(n,)`.
        probabilities: float array of shape `(n, K)`, rows that sum to 1.
        bins: int, M, at least 1.

    Returns:
        A dict of arrays of shape `(M,)`: `count`, and the mean `confidence` and the `accuracy` of the bin's answers,
        in [0, 1]; both are 0 where the bin is empty.

    Raises:
        InputError: see `check_samples`; or `bins` is below 1.
    """
    labels, probabilities = check_samples(labels, probabilities)
    if bins < 1:
        raise InputError(f"calibration needs at least 1 bin, received bins={bins}")
    confidence, hit = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    place = np.digitize(confidence, np.linspace(0, 1, bins + 1)[1:-1], right=True)
    count = np.bincount(place, minlength=bins)
    return {
        "count": count,
        "confidence": _ratio(np.bincount(place, confidence, bins), count),
        "accuracy": _ratio(np.bincount(place, hit, bins), count),
    }


def expected_calibration_error(labels, probabilities, bins=15):
    """Mean distance between confidence and accuracy over the bins, weighted by their counts (Guo et al. 2017, eq. 3).

    It depends on the number of bins and is biased upwards on few samples: compare it only between systems measured on
    the same samples.

    Args:
        labels: int array of shape `(n,)`.
        probabilities: float array of shape `(n, K)`, rows that sum to 1.
        bins: int, equal widths of confidence, at least 1.

    Returns:
        A float in [0, 1], 0 at best.

    Raises:
        InputError: see `calibration_bins`.
    """
    found = calibration_bins(labels, probabilities, bins)
    return float(np.average(abs(found["accuracy"] - found["confidence"]), weights=found["count"]))


def by_sequence(labels, probabilities, sequences):
    """Joins frames into clips: a clip's probabilities are the mean of its frames'.

    Frames of one sequence that carry different labels (a neutral onset before an apex) count as different clips.

    Args:
        labels: int array of shape `(n,)`.
        probabilities: float array of shape `(n, K)`.
        sequences: array of n strings, unique over subjects.

    Returns:
        A pair of labels `(m,)` and probabilities `(m, K)`, one row a clip, in the order of their first frames.
    """
    labels, probabilities = np.asarray(labels), np.asarray(probabilities)
    clips = rows_by_clip(labels, sequences)
    return labels[[rows[0] for rows in clips]], np.stack([probabilities[rows].mean(axis=0) for rows in clips])


def rows_by_clip(labels, sequences):
    """Finds the frames of every clip; see `by_sequence` for what is one.

    Args:
        labels: int array of shape `(n,)`.
        sequences: array of n strings, unique over subjects.

    Returns:
        A list of m lists of row numbers, in the order of their first frames.
    """
    clips = {}
    for row, clip in enumerate(zip(sequences, np.asarray(labels).tolist(), strict=True)):
        clips.setdefault(clip, []).append(row)
    return list(clips.values())


def _margins(confusion):
    return np.diagonal(confusion, axis1=-2, axis2=-1), confusion.sum(axis=-1), confusion.sum(axis=-2)


def _ratio(part, whole):
    """Quotients; 0 where the divisor is."""
    return np.divide(part, whole, out=np.zeros(np.shape(whole)), where=np.asarray(whole) > 0)


def _or_none(part, whole):
    return [float(one / all_of_them) if all_of_them else None for one, all_of_them in zip(part, whole, strict=True)]
