"""Checks of the arguments that layers and losses are made with, and of the shapes that they are called with."""

import math
import numbers


def number(name, value, least=-math.inf, most=math.inf, above=-math.inf, below=math.inf):
    """Gives an argument as a float.

    Args:
        name: string, the argument's name for the message.
        value: what was given.
        least: float, least value allowed.
        most: float, greatest value allowed.
        above: float, which the value must exceed.
        below: float, which the value must stay under.

    Returns:
        A float.

    Raises:
        ValueError: it is no finite number, or out of its range.
    """
    try:
        given = float(value)
    except (TypeError, ValueError):
        given = math.nan
    if not (math.isfinite(given) and least <= given <= most and above < given < below):
        limits = [
            f"{sign} {limit:g}"
            for sign, limit in (("≥", least), (">", above), ("≤", most), ("<", below))
            if math.isfinite(limit)
        ]
        expected = " and ".join(["a finite number", *limits])
        raise ValueError(f"`{name}` must be {expected}. Received: {name}={value!r}")
    return given


def whole_number(name, value, least):
    """Gives an argument as an int.

    Args:
        name: string, the argument's name for the message.
        value: what was given; 8.0 and NumPy's integers count as whole.
        least: int, least value allowed.

    Returns:
        An int.

    Raises:
        ValueError: it is no whole number, or below `least`.
    """
    is_whole = isinstance(value, numbers.Real) and not isinstance(value, bool) and value == value // 1
    if not is_whole or value < least:
        raise ValueError(f"`{name}` must be a whole number of at least {least}. Received: {name}={value!r}")
    return int(value)


def fits(shape, expected):
    """Whether a shape is the expected one, as far as both are known.

    Args:
        shape: tuple of ints, `None` where a size is unknown.
        expected: tuple of ints, likewise.

    Returns:
        A bool.
    """
    return len(shape) == len(expected) and all(
        None in sizes or sizes[0] == sizes[1] for sizes in zip(shape, expected, strict=True)
    )
