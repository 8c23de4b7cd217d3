import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_keras.errors import InputError
from fer_keras.evaluation.comparison import corrected_t_test, mcnemar, mcnemar_test

# Student 1908, hours of sleep gained by ten people with two drugs: t = -4.0621, df = 9, p = 0.002833.
SLEEP_A = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
SLEEP_B = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]


@pytest.mark.parametrize(
    ("only_a", "only_b", "statistic", "p_value"),
    [
        (86, 150, 63**2 / 236, 4.11e-5),  # Agresti 1990, p. 350: approval of the president, with the correction
        (25, 15, 2.025, 0.1547),  # Raschka 2018, "Model evaluation, model selection ...", section 4.3
        (11, 1, None, 26 / 4096),  # the same, section 4.4: exact
        (5, 0, None, 2 / 2**5),
        (12, 12, None, 1.0),
        (0, 0, None, 1.0),
        (13, 12, 0.0, 1.0),
        (13, 13, 0.0, 1.0),
    ],
)
def test_mcnemar_of_the_textbooks(only_a, only_b, statistic, p_value):
    found, p = mcnemar(only_a, only_b)
    assert found == (None if statistic is None else pytest.approx(statistic))
    assert p == pytest.approx(p_value, rel=2e-3)
    assert mcnemar(only_b, only_a) == (found, p)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_agrees_with_scipy(only_a, only_b):
    scipy = pytest.importorskip("scipy.stats")
    statistic, p = mcnemar(only_a, only_b)
    if only_a + only_b < 25:
        assert statistic is None
        assert p == pytest.approx(scipy.binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1)
    else:
        expected = max(abs(only_a - only_b) - 1, 0) ** 2 / (only_a + only_b)
        assert (statistic, p) == (pytest.approx(expected), pytest.approx(scipy.chi2.sf(expected, 1)))


def test_frames_are_joined_to_clips():
    """Four clips of three frames: B is right on nothing, A on two clips by the mean of their frames."""
    labels = np.zeros(12, int)
    sequences = np.repeat(list("pqrs"), 3)
    a = np.array([[0.9, 0.1], [0.4, 0.6], [0.4, 0.6]] * 2 + [[0.6, 0.4], [0.1, 0.9], [0.1, 0.9]] * 2)
    b = np.tile([0.3, 0.7], (12, 1))
    found = mcnemar_test(labels, a, b, sequences, names=("Island", "softmax"))
    assert (found.unit, found.count, found.only_a, found.only_b) == ("sequences", 4, 2, 0)
    assert found.p_value == 0.5
    assert found.verdict == (
        "Island and softmax do not differ by more than chance (p = 0.50); "
        "of 4 sequences, 2 only Island has right, 0 only softmax"
    )
    frames = mcnemar_test(labels, a, b, None)
    assert (frames.unit, frames.count, frames.only_a, frames.only_b) == ("samples", 12, 4, 0)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.integers(1, 80), st.integers(0, 2**16))
def test_mcnemar_ranges_order_and_symmetry(clips, seed):
    random = np.random.default_rng(seed)
    labels, sequences = np.repeat(random.integers(0, 3, clips), 2), np.repeat(np.arange(clips), 2)
    a, b = random.dirichlet(np.ones(3), (2, 2 * clips))
    found = mcnemar_test(labels, a, b, sequences)
    assert 0 <= found.p_value <= 1
    rows = random.permutation(2 * clips)
    assert mcnemar_test(labels[rows], a[rows], b[rows], sequences[rows]) == found
    swapped = mcnemar_test(labels, b, a, sequences)
    assert (swapped.only_a, swapped.only_b, swapped.p_value) == (found.only_b, found.only_a, found.p_value)
    assert mcnemar_test(labels, a, a, sequences).p_value == 1


def test_equal_systems_are_told_apart_as_rarely_as_promised():
    random = np.random.default_rng(0)
    p_values = [mcnemar(heads, 60 - heads)[1] for heads in random.binomial(60, 0.5, 2000).tolist()]
    assert np.mean(np.array(p_values) < 0.05) <= 0.05


def test_student_s_own_example():
    plain = corrected_t_test(SLEEP_A, SLEEP_B, test_to_train=0)
    assert plain.statistic == pytest.approx(-4.0621, abs=1e-4)
    assert plain.p_value == pytest.approx(0.002833, abs=1e-6)
    corrected = corrected_t_test(SLEEP_A, SLEEP_B)
    assert corrected.statistic == pytest.approx(-4.062128 * math.sqrt((1 / 10) / (1 / 10 + 1 / 9)), rel=1e-6)
    assert (corrected.degrees, corrected.folds) == (9, 10)
    assert corrected.difference == pytest.approx(-1.58)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(st.integers(2, 40), st.floats(0, 1), st.integers(0, 2**16))
def test_corrected_t_agrees_with_scipy(folds, ratio, seed):
    scipy = pytest.importorskip("scipy.stats")
    random = np.random.default_rng(seed)
    a, b = random.random((2, folds))
    plain = scipy.ttest_rel(a, b)
    statistic = plain.statistic * math.sqrt((1 / folds) / (1 / folds + ratio))
    found = corrected_t_test(a, b, ratio)
    assert found.statistic == pytest.approx(statistic)
    assert found.p_value == pytest.approx(2 * scipy.t.sf(abs(statistic), folds - 1), rel=1e-6)
    order = random.permutation(folds)
    assert corrected_t_test(a[order], b[order], ratio).p_value == pytest.approx(found.p_value)
    assert corrected_t_test(b, a, ratio).p_value == pytest.approx(found.p_value)
    assert 0 <= found.p_value <= 1


def test_equal_differences():
    assert corrected_t_test([0.8, 0.9], [0.8, 0.9]).p_value == 1
    always = corrected_t_test([0.9, 0.8, 0.7], [0.8, 0.7, 0.6])  # the differences differ in their last bits
    assert (always.statistic, always.p_value) == (math.inf, 0)
    assert corrected_t_test([0.1 + 0.2, 0.6], [0.3, 0.6]).p_value == 1


@pytest.mark.parametrize(
    ("a", "b", "verdict"),
    [
        ([0.8, 0.9], [0.8, 0.9], "A and B do not differ by more than chance (p = 1.00); mean difference +0.000 over 2"),
        ([0.9] * 5, [0.8] * 5, "A is better than B by more than chance (p < 0.001); mean difference +0.100 over 5"),
        ([0.8] * 5, [0.9] * 5, "B is better than A by more than chance (p < 0.001); mean difference -0.100 over 5"),
    ],
)
def test_verdict(a, b, verdict):
    assert corrected_t_test(a, b).verdict == f"{verdict} folds"


def test_verdict_shows_digits_where_they_decide():
    assert corrected_t_test(SLEEP_A, SLEEP_B).verdict == (
        "B is better than A by more than chance (p = 0.0209); mean difference -1.580 over 10 folds"
    )
    assert mcnemar_test(np.zeros(5, int), np.eye(2)[[0] * 5], np.eye(2)[[1] * 5], None).verdict == (
        "A and B do not differ by more than chance (p = 0.0625); of 5 samples, 5 only A has right, 0 only B"
    )


@pytest.mark.parametrize(
    ("a", "b", "ratio", "message"),
    [
        ([0.5], [0.5], None, "2 or more folds"),
        ([0.5, 0.6], [0.5], None, r"received shapes \(2,\) and \(1,\)"),
        ([0.5, math.nan], [0.5, 0.6], None, "fold 1 are not finite"),
        ([0.5, 0.6], [0.5, 0.6], -0.1, "test_to_train must be 0 or more"),
    ],
)
def test_bad_scores(a, b, ratio, message):
    with pytest.raises(InputError, match=message):
        corrected_t_test(a, b, ratio)


def test_bad_answers():
    with pytest.raises(InputError, match="A has 2 classes and B 3"):
        mcnemar_test([0], np.eye(2)[[0]], np.eye(3)[[0]], None)
    with pytest.raises(InputError, match="received 2 sequences for 1 samples"):
        mcnemar_test([0], np.eye(2)[[0]], np.eye(2)[[0]], ["a", "b"])
    with pytest.raises(InputError, match="row 0 has the label 3"):
        mcnemar_test([3], np.eye(2)[[0]], np.eye(2)[[0]], None)
    with pytest.raises(InputError, match="below 0"):
        mcnemar(-1, 3)
