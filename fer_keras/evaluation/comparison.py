"""Whether one system does better than another, measured on the same folds, by more than chance.

Neither test proves that two systems are equal: a large p-value says that these data do not tell them apart. Who tries
many pairs finds one that differs by chance; divide `SIGNIFICANCE` by the number of pairs then (Bonferroni).
"""

import dataclasses
import math

import numpy as np

from fer_keras.errors import InputError
from fer_keras.evaluation.distributions import chi_square_p, student_t_p
from fer_keras.evaluation.metrics import by_sequence, check_samples

SIGNIFICANCE = 0.05
"""p-values below are called more than chance."""

_EXACT_BELOW = 25  # discordant pairs


@dataclasses.dataclass(frozen=True)
class McNemarResult:
    """What `mcnemar_test` found.

    Args:
        names: pair of strings, the two systems.
        unit: `"sequences"` or `"samples"`, what was counted.
        count: int, how many were compared.
        only_a: int, how many only the first system has right.
        only_b: int, how many only the second has right.
        statistic: float ≥ 0, χ² with one degree of freedom; `None` where the exact test was used.
        p_value: float in [0, 1], two-sided.
    """

    names: tuple
    unit: str
    count: int
    only_a: int
    only_b: int
    statistic: float | None
    p_value: float

    @property
    def verdict(self):
        """The result as one line of plain English."""
        line = _verdict(self.names, self.only_a - self.only_b, self.p_value)
        a, b = self.names
        return f"{line}; of {self.count} {self.unit}, {self.only_a} only {a} has right, {self.only_b} only {b}"


@dataclasses.dataclass(frozen=True)
class CorrectedTResult:
    """What `corrected_t_test` found.

    Args:
        names: pair of strings, the two systems.
        folds: int, k.
        difference: float, mean over the folds of the first system's score minus the second's.
        statistic: float, t; infinite where all folds differ by the same amount.
        degrees: int, degrees of freedom, k − 1.
        p_value: float in [0, 1], two-sided.
    """

    names: tuple
    folds: int
    difference: float
    statistic: float
    degrees: int
    p_value: float

    @property
    def verdict(self):
        """The result as one line of plain English."""
        line = _verdict(self.names, self.difference, self.p_value)
        return f"{line}; mean difference {self.difference:+.3f} over {self.folds} folds"


def mcnemar_test(labels, probabilities_a, probabilities_b, sequences, names=("A", "B")):
    """McNemar's test of two systems' answers to the same samples (McNemar 1947).

    Only the samples count that one system has right and the other wrong. The test takes them as independent, which the
    frames of one clip are not: they are joined to clips first. Clips of one person are not quite independent either,
    so that a p-value just below the limit is no proof.

    Args:
        labels: int array of shape `(n,)`, indices into the K classes.
        probabilities_a: float array of shape `(n, K)`, rows that sum to 1, of the first system.
        probabilities_b: the same of the second system, on the same samples in the same order.
        sequences: array of n strings, the clips, unique over subjects; `None` compares sample by sample, which is
            right only for unrelated single pictures.
        names: pair of strings, the two systems, for the verdict.

    Returns:
        A `McNemarResult`.

    Raises:
        InputError: see `fer_keras.evaluation.metrics.check_samples`; or the systems answer to different samples.
    """
    labels, probabilities_a = check_samples(labels, probabilities_a)
    labels, probabilities_b = check_samples(labels, probabilities_b)
    if probabilities_a.shape != probabilities_b.shape:
        raise InputError(
            f"{names[0]} has {probabilities_a.shape[1]} classes and {names[1]} {probabilities_b.shape[1]}; "
            "expected answers to the same question"
        )
    if sequences is not None:
        if len(sequences) != len(labels):
            raise InputError(f"received {len(sequences)} sequences for {len(labels)} samples; expected one each")
        _, probabilities_a = by_sequence(labels, probabilities_a, sequences)
        labels, probabilities_b = by_sequence(labels, probabilities_b, sequences)
    right_a = probabilities_a.argmax(axis=1) == labels
    right_b = probabilities_b.argmax(axis=1) == labels
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    unit = "samples" if sequences is None else "sequences"
    return McNemarResult(tuple(names), unit, len(labels), only_a, only_b, *mcnemar(only_a, only_b))


def mcnemar(only_a, only_b):
    """McNemar's test of two counts of discordant pairs, b and c.

    Below 25 pairs the exact binomial test, two-sided: twice the chance of at most min(b, c) heads in b + c throws of a
    coin, at most 1. From 25 on `χ² = (max(|b − c| − 1, 0))² / (b + c)`, with the correction for continuity of Edwards
    1948. Fewer than 6 pairs never reach p < 0.05.

    Args:
        only_a: int ≥ 0, samples that only the first system has right.
        only_b: int ≥ 0, samples that only the second has right.

    Returns:
        A pair of the statistic (float ≥ 0, or `None` of the exact test) and the two-sided p-value in [0, 1].

    Raises:
        InputError: a count is below 0.
    """
    if min(only_a, only_b) < 0:
        raise InputError(f"counts cannot be below 0, received {only_a} and {only_b}")
    pairs = only_a + only_b
    if pairs < _EXACT_BELOW:
        tail = sum(math.comb(pairs, heads) for heads in range(min(only_a, only_b) + 1))
        return None, min(1.0, 2 * tail / 2**pairs)
    statistic = max(abs(only_a - only_b) - 1, 0) ** 2 / pairs
    return statistic, chi_square_p(statistic)


def corrected_t_test(scores_a, scores_b, test_to_train=None, names=("A", "B")):
    """Corrected resampled t-test of two systems' scores on the same folds (Nadeau & Bengio 2003, section 4).

    The training sets of the folds overlap, so that the plain paired t-test finds differences where there are none. With
    d the differences over k folds and s² their variance (k − 1 below), `t = mean(d) / √((1/k + n_test/n_train) s²)`,
    with k − 1 degrees of freedom. Where all differences are equal, p is 1 if they are 0, else 0.

        a, b = (run["folds"] for run in (results_a, results_b))  # of `cross_validate`, with the same folds
        test = corrected_t_test(*([fold["sequence"]["uar"] for fold in folds] for folds in (a, b)))
        print(test.verdict)

    Args:
        scores_a: k floats, the first system's score on every fold, such as its accuracy.
        scores_b: k floats, the second system's, on the same folds in the same order.
        test_to_train: float ≥ 0, samples to test on over samples to train on, in one fold. By default 1 / (k − 1), that
            of k-fold cross-validation. Give it for repeated cross-validation, where k counts the folds of all
            repetitions. 0 makes this the plain paired t-test.
        names: pair of strings, the two systems, for the verdict.

    Returns:
        A `CorrectedTResult`.

    Raises:
        InputError: fewer than two folds, different numbers of them, a score that is not finite, or `test_to_train` out
            of its range.
    """
    scores_a, scores_b = np.asarray(scores_a, float), np.asarray(scores_b, float)
    folds = scores_a.size
    if scores_a.ndim != 1 or scores_a.shape != scores_b.shape or folds < 2:
        raise InputError(
            "expected the scores of two systems on the same 2 or more folds, "
            f"received shapes {scores_a.shape} and {scores_b.shape}"
        )
    differences = np.round(scores_a - scores_b, 12)  # equal folds are to be equal, whatever the last bits say
    if not np.isfinite(differences).all():
        raise InputError(f"the scores of fold {np.isfinite(differences).argmin()} are not finite")
    if test_to_train is None:
        test_to_train = 1 / (folds - 1)
    if not 0 <= test_to_train < math.inf:
        raise InputError(f"test_to_train must be 0 or more, received {test_to_train}")
    difference = float(differences.mean())
    if np.ptp(differences):
        statistic = difference / math.sqrt((1 / folds + test_to_train) * differences.var(ddof=1))
    else:
        statistic = math.copysign(math.inf, difference) if difference else 0.0
    p_value = student_t_p(statistic, folds - 1)
    return CorrectedTResult(tuple(names), folds, difference, statistic, folds - 1, p_value)


def _verdict(names, advantage, p_value):
    a, b = names
    digits = f"{p_value:.2f}" if p_value >= 0.1 else f"{p_value:.3g}"
    chance = f"p = {digits}" if p_value >= 0.001 else "p < 0.001"
    if p_value >= SIGNIFICANCE:
        return f"{a} and {b} do not differ by more than chance ({chance})"
    better, worse = (a, b) if advantage > 0 else (b, a)
    return f"{better} is better than {worse} by more than chance ({chance})"
