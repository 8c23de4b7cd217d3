"""How a check fails: `AssertionError`, also under `python -O`, with what was found."""

import keras
import numpy as np


def require(condition, message):
    """Raises `AssertionError` with a message unless a condition holds.

    Args:
        condition: bool.
        message: string that names the subject, what was found and what was expected.
    """
    if not condition:
        raise AssertionError(message)


def require_close(actual, expected, subject, tolerance=1e-5):
    """Raises `AssertionError` unless two structures of arrays agree.

    Args:
        actual: array or nested structure of arrays.
        expected: the same structure.
        subject: string, what is compared.
        tolerance: float, relative to `max(1, |expected|)`; 0 for exact.
    """
    actual, expected = keras.tree.flatten(actual), keras.tree.flatten(expected)
    require(len(actual) == len(expected), f"{subject}: {len(actual)} arrays, expected {len(expected)}")
    for position, (one, other) in enumerate(zip(actual, expected, strict=True)):
        one, other = (np.asarray(keras.ops.convert_to_numpy(value), "float64") for value in (one, other))
        require(one.shape == other.shape, f"{subject}: array {position} has shape {one.shape}, expected {other.shape}")
        error = np.abs(one - other) / np.maximum(1.0, np.abs(other))
        worst = np.max(np.where(np.isnan(error), np.inf, error), initial=0.0)
        require(
            worst <= tolerance or np.array_equal(one, other, equal_nan=True),
            f"{subject}: array {position} of shape {one.shape} differs by {worst:.3g}, allowed {tolerance:.3g}",
        )


def require_finite(values, subject):
    """Raises `AssertionError` unless every number of a structure of arrays is finite.

    Args:
        values: array or nested structure of arrays.
        subject: string, what is looked at.
    """
    for position, value in enumerate(keras.tree.flatten(values)):
        found = np.asarray(keras.ops.convert_to_numpy(value), "float64")
        bad = np.sum(~np.isfinite(found))
        require(not bad, f"{subject}: array {position} of shape {found.shape} has {bad} values that are not finite")
