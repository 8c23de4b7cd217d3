"""Landmarks as corpora state them: usable or none at all."""

import numpy as np

from fer_keras.corpora.listing import read_small
from fer_keras.faces.align import landmarks_to_eyes
from fer_keras.faces.image import MAX_SIDE


def usable_landmarks(numbers):
    """Makes landmarks of a corpus's numbers, where a face can be aligned by them.

    Args:
        numbers: sequence or array of 136 numbers or texts of numbers, x and y in turn, in pixels.

    Returns:
        A float64 array of shape `(68, 2)`; `None` where the numbers are not 136, not finite, far beyond any picture,
        or leave the eyes less than a pixel apart.
    """
    try:
        points = np.asarray(numbers, np.float64)
    except (TypeError, ValueError):
        return None
    if points.size != 136:
        return None
    points = points.reshape(68, 2)
    if not (np.abs(points) <= MAX_SIDE).all():  # false for NaN as well
        return None
    left, right = landmarks_to_eyes(points)
    return points if np.hypot(*(right - left)) >= 1 else None


def read_numbers(path, columns):
    """Reads a text file of numbers.

    Args:
        path: the file; blanks or commas are between the numbers.
        columns: int, numbers in every row.

    Returns:
        A float array of shape `(rows, columns)`, or `None` if the file is missing or broken.
    """
    content, _ = read_small(path)
    if content is None:
        return None
    try:
        rows = [
            [float(word) for word in line.replace(b",", b" ").split()] for line in content.splitlines() if line.strip()
        ]
    except ValueError:
        return None
    if any(len(row) != columns for row in rows):
        return None
    numbers = np.array(rows, float).reshape(-1, columns)
    return numbers if np.isfinite(numbers).all() else None


def read_landmarks(path):
    """Reads a file of 68 rows of x and y in pixels, as CK+ has them.

    Args:
        path: the file.

    Returns:
        As `usable_landmarks`; `None` also if the file is missing or broken.
    """
    numbers = read_numbers(path, 2)
    return None if numbers is None else usable_landmarks(numbers)


def format_numbers(rows):
    """Formats rows of numbers as the text files of CK+ have them.

    Args:
        rows: iterable of rows of numbers.

    Returns:
        A string, one line a row.
    """
    return "".join("".join(f"   {value:.7e}" for value in row) + "\n" for row in rows)
