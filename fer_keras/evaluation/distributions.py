"""p-values of Student's t and of χ², for an installation without SciPy."""

import math

_LARGEST_NUMBER_OF_TERMS = 10_000
_TINY = 1e-300  # in place of a zero divisor


def chi_square_p(statistic):
    """Chance of a χ² with one degree of freedom of at least so much: `erfc(√(x / 2))`.

    Args:
        statistic: float ≥ 0.

    Returns:
        A float in [0, 1].
    """
    return math.erfc(math.sqrt(statistic / 2))


def student_t_p(statistic, degrees):
    """Two-sided p-value of Student's t: `I_x(ν/2, 1/2)` at `x = ν / (ν + t²)` (Abramowitz & Stegun 26.5.27).

    Args:
        statistic: float, t; may be infinite.
        degrees: float > 0, ν, the degrees of freedom.

    Returns:
        A float in [0, 1].
    """
    square = statistic * statistic
    if math.isinf(square):
        return 0.0
    return _incomplete_beta(degrees / 2, 0.5, degrees / (degrees + square), square / (degrees + square))


def _incomplete_beta(a, b, x, y):
    """Regularised incomplete beta function `I_x(a, b)`; `y` is 1 − x, given apart so that a small one keeps its digits.

    The continued fraction (DLMF, https://dlmf.nist.gov/8.17.E22) converges quickly for x below (a + 1) / (a + b + 2);
    above, `I_x(a, b) = 1 − I_y(b, a)`.
    """
    if x == 0 or y == 0:
        return float(y == 0)
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(b, a, y, x)
    log_beta = math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
    return math.exp(a * math.log(x) + b * math.log(y) - log_beta) / (a * _continued_fraction(a, b, x))


def _continued_fraction(a, b, x):
    """`1 + d₁/(1 + d₂/(1 + …))` with the d of DLMF 8.17.23, from the front (Lentz's method)."""
    value, above, below = 1.0, 1.0, 0.0
    for term in range(1, _LARGEST_NUMBER_OF_TERMS):
        m = term // 2
        if term % 2:
            d = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            d = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        below = 1 / (1 + d * below or _TINY)
        above = 1 + d / above or _TINY
        value *= above * below
        if abs(above * below - 1) < 1e-15:
            break
    return value
