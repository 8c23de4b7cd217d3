import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_keras.evaluation.distributions import chi_square_p, student_t_p


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.floats(0, 200), st.integers(1, 2000))
def test_student_t_agrees_with_scipy(statistic, degrees):
    scipy = pytest.importorskip("scipy.stats")
    expected = 2 * scipy.t.sf(statistic, degrees)
    assert student_t_p(statistic, degrees) == pytest.approx(expected, rel=1e-9, abs=1e-300)
    assert student_t_p(-statistic, degrees) == student_t_p(statistic, degrees)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.floats(0, 1000))
def test_chi_square_agrees_with_scipy(statistic):
    scipy = pytest.importorskip("scipy.stats")
    assert chi_square_p(statistic) == pytest.approx(scipy.chi2.sf(statistic, 1), rel=1e-10, abs=1e-300)


@pytest.mark.parametrize(
    ("statistic", "degrees", "p_value"),
    # The tables of every textbook, in which the points are rounded to three digits after the dot.
    [(12.706, 1, 0.05), (4.303, 2, 0.05), (2.262, 9, 0.05), (3.250, 9, 0.01), (2.045, 29, 0.05)],
)
def test_student_t_of_the_tables(statistic, degrees, p_value):
    assert student_t_p(statistic, degrees) == pytest.approx(p_value, rel=2e-3)


@pytest.mark.parametrize("statistic", [1e-200, 1e-8, 1e-3, 0.5, 3, 1e8])
def test_one_and_two_degrees_have_closed_forms(statistic):
    cauchy = 1 - 2 / math.pi * math.atan(statistic) if statistic < 1 else 2 / math.pi * math.atan(1 / statistic)
    assert student_t_p(statistic, 1) == pytest.approx(cauchy, rel=1e-12)
    if statistic < 1e3:
        assert student_t_p(statistic, 2) == pytest.approx(1 - statistic / math.sqrt(2 + statistic**2), rel=1e-12)


def test_limits():
    assert student_t_p(0, 9) == chi_square_p(0) == 1
    assert student_t_p(math.inf, 9) == student_t_p(-math.inf, 9) == student_t_p(1e200, 9) == 0
    assert chi_square_p(3.841) == pytest.approx(0.05, rel=1e-3)
    assert student_t_p(1.96, 10**7) == pytest.approx(0.05, rel=1e-3)
