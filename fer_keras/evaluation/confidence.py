"""Confidence intervals of a classifier's figures, by resampling people."""

import numpy as np

from fer_keras.errors import InputError
from fer_keras.evaluation.metrics import by_sequence, check_samples, confusion_scores, rows_by_clip

_CELLS = 10_000_000  # drawn counts in memory at a time


def subject_intervals(labels, probabilities, subjects, sequences, level=0.95, resamples=2000, seed=0):
    """Percentile bootstrap intervals of accuracy, UAR and macro F1 over subjects.

    Faces of one person are alike, so that a thousand frames of ten people are ten observations rather than a thousand.
    Every resample draws as many subjects as there are, with replacement, each with all of its faces (the cluster
    bootstrap: Field & Welsh 2007, "Bootstrapping clustered data", JRSS B 69); the interval lies between the quantiles
    of the figures of all resamples (Efron & Tibshirani 1993, chapter 13). A resample's UAR is over the classes that it
    holds.

    What the interval says: where the figure might lie had other people been tested on the same models. It holds
    neither the chance of training (seed, training subjects) nor a change of corpus, and below some 20 subjects it is
    too narrow.

    - One subject: there is nothing to resample, and every `low` and `high` is `None`.
    - Every picture its own subject, as in corpora without subjects: this is the ordinary bootstrap over pictures. It
      is too narrow if people do recur, unknown to the corpus.

    Args:
        labels: int array of shape `(n,)`, indices into the K classes.
        probabilities: float array of shape `(n, K)`, rows that sum to 1.
        subjects: array of n names, the persons.
        sequences: array of n strings, the clips; unique over subjects.
        level: float in (0, 1), the share of such intervals that should hold the true figure.
        resamples: int, at least 1; a thousand or more, for the ends of the interval come from their tails.
        seed: int ≥ 0. The order of the samples and the names of the subjects do not matter.

    Returns:
        A dict: `level`, `resamples`, `subjects` (their number), and `frame` and `sequence`, each a dict of `accuracy`,
        `uar` and `macro_f1` to a dict of `low` and `high`, floats in [0, 1].

    Raises:
        InputError: see `fer_keras.evaluation.metrics.check_samples`; or `level` or `resamples` is out of its range; or
            a sequence is shared by subjects.
    """
    labels, probabilities = check_samples(labels, probabilities)
    subjects, sequences = np.asarray(subjects), np.asarray(sequences)
    if not subjects.shape == sequences.shape == labels.shape:
        raise InputError(
            f"expected a subject and a sequence for each of the {len(labels)} samples, "
            f"received shapes {subjects.shape} and {sequences.shape}"
        )
    if not (0 < level < 1 and resamples >= 1):
        raise InputError(
            f"expected a level between 0 and 1 and at least 1 resample, received level={level}, resamples={resamples}"
        )
    clips = rows_by_clip(labels, sequences)
    first, place = np.array([rows[0] for rows in clips]), np.empty(len(labels), int)
    for number, rows in enumerate(clips):
        place[rows] = number
    shared = subjects != subjects[first][place]
    if shared.any():
        row = int(shared.argmax())
        raise InputError(
            f"sequence '{sequences[row]}' is of the subjects '{subjects[first][place][row]}' and '{subjects[row]}'; "
            "make the names of sequences unique over subjects"
        )

    def intervals(labels, probabilities, subjects):
        return _intervals(_confusion_by_subject(labels, probabilities, subjects), level, resamples, seed)

    return {
        "level": level,
        "resamples": resamples,
        "subjects": len(np.unique(subjects)),
        "frame": intervals(labels, probabilities, subjects),
        "sequence": intervals(*by_sequence(labels, probabilities, sequences), subjects[first]),
    }


def _confusion_by_subject(labels, probabilities, subjects):
    """Confusion matrices of shape `(subjects, K, K)`: all that the figures need to know of a person."""
    names, number = np.unique(subjects, return_inverse=True)
    classes = probabilities.shape[1]
    matrices = np.zeros((len(names), classes, classes), "int32")
    np.add.at(matrices, (number, labels, probabilities.argmax(axis=1)), 1)
    return matrices


def _intervals(matrices, level, resamples, seed):
    people, classes = matrices.shape[:2]
    if people == 1:
        return {name: {"low": None, "high": None} for name in confusion_scores(matrices)}
    # Subjects with equal matrices are drawn as one kind, by its share: the same distribution, and fast where every
    # picture is its own subject. Kinds come sorted, hence neither order nor names of the subjects matter.
    kinds, counts = np.unique(matrices.reshape(people, -1), axis=0, return_counts=True)
    random, drawn = np.random.default_rng(seed), []
    block = max(1, _CELLS // len(kinds))
    for start in range(0, resamples, block):
        times = random.multinomial(people, counts / people, size=min(block, resamples - start))
        drawn.append((times.astype(float) @ kinds.astype(float)).reshape(-1, classes, classes))
    ends = [(1 - level) / 2, (1 + level) / 2]
    found = {}
    for name, values in confusion_scores(np.concatenate(drawn)).items():
        low, high = np.quantile(values, ends)
        found[name] = {"low": float(low), "high": float(high)}
    return found
