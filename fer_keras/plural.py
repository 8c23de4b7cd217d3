"""Counted things in words."""


def count(number, noun):
    """A number and its noun, such as `1 frame` or `2,000 frames`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
