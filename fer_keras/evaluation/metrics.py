"""Figures of a classifier, from its probabilities."""

import numpy as np


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


def summarize(labels, probabilities):
    """Accuracy, unweighted average recall and macro F1.

    Args:
        labels: int array of shape `(n,)`.
        probabilities: float array of shape `(n, K)`.

    Returns:
        A dict of floats in [0, 1]: `accuracy`, `uar` (mean recall of the classes that occur) and `macro_f1` (mean F1
        of the classes that occur or were predicted), and `confusion`, a `(K, K)` nested list of counts.
    """
    matrix = confusion_matrix(labels, np.argmax(probabilities, axis=-1), probabilities.shape[-1])
    hits, true, predicted = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    occurs, involved = true > 0, (true + predicted) > 0
    return {
        "accuracy": float(hits.sum() / matrix.sum()),
        "uar": float(np.mean(hits[occurs] / true[occurs])),
        "macro_f1": float(np.mean(2 * hits[involved] / (true + predicted)[involved])),
        "confusion": matrix.tolist(),
    }


def by_sequence(labels, probabilities, sequences):
    """Joins frames into clips: a clip's probabilities are the mean of its frames'.

    Frames of one sequence that carry different labels (a neutral onset before an apex) count as different clips.

    Args:
        labels: int array of shape `(n,)`.
        probabilities: float array of shape `(n, K)`.
        sequences: array of n strings.

    Returns:
        A pair of labels `(m,)` and probabilities `(m, K)`, one row a clip.
    """
    labels, probabilities = np.asarray(labels), np.asarray(probabilities)
    clips = {}
    for row, clip in enumerate(zip(sequences, labels.tolist(), strict=True)):
        clips.setdefault(clip, []).append(row)
    return (
        np.array([label for _, label in clips], int),
        np.stack([probabilities[rows].mean(axis=0) for rows in clips.values()]),
    )
