"""Outlines that several occluders are made of. Points are rows of x and y; y runs down."""

import numpy as np

_CATMULL_ROM = np.array([[0, 2, 0, 0], [-1, 0, 1, 0], [2, -5, 4, -1], [-1, 3, -3, 1]]) / 2
_TURN = np.linspace(0, 2 * np.pi, 48, endpoint=False)


def smooth_curve(points, steps=8):
    """A smooth open curve through points (Catmull-Rom).

    Args:
        points: array of shape `(n, 2)`, n ≥ 2.
        steps: int, pieces between two points.

    Returns:
        A float array of shape `((n − 1) steps + 1, 2)` that passes through every point.
    """
    points = np.asarray(points, float)
    padded = np.concatenate([points[:1], points, points[-1:]])
    powers = (np.arange(steps) / steps)[:, None] ** np.arange(4)
    # One row of four neighbours for every piece.
    neighbours = np.stack([padded[shift : len(points) - 1 + shift] for shift in range(4)], axis=1)
    return np.concatenate([((powers @ _CATMULL_ROM) @ neighbours).reshape(-1, 2), points[-1:]])


def stroke(curve, width):
    """The outline of a band along a curve.

    Args:
        curve: array of shape `(n, 2)`, n ≥ 2.
        width: float, or array of n floats, across the band.

    Returns:
        A float array of shape `(2 n, 2)`, a closed polygon.
    """
    curve = np.asarray(curve, float)
    along = np.gradient(curve, axis=0)
    across = along[:, ::-1] * (-1, 1) / (np.hypot(along[:, :1], along[:, 1:]) + 1e-9)
    half = np.broadcast_to(np.asarray(width, float) / 2, len(curve))[:, None]
    return np.concatenate([curve + across * half, (curve - across * half)[::-1]])


def superellipse(radius_x, radius_y, power=2.0):
    """An outline between an ellipse (power 2) and a rectangle (large power) about the origin.

    Args:
        radius_x: float, half the width.
        radius_y: float, half the height.
        power: float ≥ 1.

    Returns:
        A float array of shape `(48, 2)`, a closed polygon.
    """
    circle = np.stack([np.cos(_TURN), np.sin(_TURN)], axis=1)
    return np.sign(circle) * np.abs(circle) ** (2 / power) * (radius_x, radius_y)
