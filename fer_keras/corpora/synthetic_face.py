"""Geometry of a drawn face: 68 landmarks of a person, moved by action units and by the pose of the head.

Face coordinates have the mean eye distance as unit and the middle between the eyes as origin; x points to the right
of the picture, y down, z towards the viewer. "Left" is the left of the picture. Proportions are rounded averages of
adult faces; the movements follow the descriptions of the Facial Action Coding System (Ekman, Friesen & Hager 2002).
"""

import dataclasses

import numpy as np

from fer_keras.errors import InputError
from fer_keras.landmarks import MIRRORED_LANDMARKS

# The left half and the midline of the mean face, index: (x, y, z). 0-67 are the iBUG landmarks, the rest helps drawing.
_LEFT_HALF = {
    **{0: (-1.10, 0.00, -0.95), 1: (-1.09, 0.27, -0.90), 2: (-1.06, 0.54, -0.82), 3: (-1.01, 0.82, -0.70)},
    **{4: (-0.93, 1.10, -0.54), 5: (-0.80, 1.37, -0.36), 6: (-0.60, 1.60, -0.18), 7: (-0.33, 1.75, -0.04)},
    8: (0.0, 1.80, 0.0),
    **{17: (-0.93, -0.20, -0.28), 18: (-0.78, -0.33, -0.10), 19: (-0.58, -0.37, 0.02), 20: (-0.39, -0.35, 0.08)},
    21: (-0.20, -0.29, 0.12),
    **{27: (0.0, -0.02, 0.14), 28: (0.0, 0.20, 0.24), 29: (0.0, 0.40, 0.36), 30: (0.0, 0.58, 0.46)},
    **{31: (-0.25, 0.71, 0.18), 32: (-0.13, 0.76, 0.24), 33: (0.0, 0.79, 0.28)},
    **{36: (-0.74, 0.01, -0.14), 37: (-0.60, -0.095, -0.04), 38: (-0.41, -0.095, 0.0), 39: (-0.27, 0.03, 0.0)},
    **{40: (-0.41, 0.08, 0.0), 41: (-0.60, 0.08, -0.04)},
    **{48: (-0.40, 1.13, 0.04), 49: (-0.26, 1.07, 0.14), 50: (-0.10, 1.03, 0.22), 51: (0.0, 1.05, 0.24)},
    **{59: (-0.26, 1.22, 0.12), 58: (-0.12, 1.27, 0.18), 57: (0.0, 1.28, 0.20)},
    **{60: (-0.36, 1.13, 0.05), 61: (-0.12, 1.125, 0.18), 62: (0.0, 1.13, 0.20)},
    **{67: (-0.12, 1.125, 0.18), 66: (0.0, 1.13, 0.20)},
    68: (-0.505, -0.005, 0.0),  # iris
    **{70: (-1.10, -0.30, -0.90), 71: (-1.02, -0.62, -0.72), 72: (-0.82, -0.90, -0.50), 73: (-0.46, -1.06, -0.32)},
    74: (0.0, -1.11, -0.25),  # 70-78: hairline, left to right
    **{79: (-1.20, -0.15, -1.0), 80: (-1.20, -0.70, -0.95), 81: (-1.00, -1.22, -0.85), 82: (-0.56, -1.54, -0.75)},
    83: (0.0, -1.64, -0.7),  # 79-87: outline of the hair, left to right
    88: (-0.62, 0.58, 0.0),  # cheek
}
_POINTS = 90


def _mirror_table():
    table = np.arange(_POINTS)
    table[:68] = MIRRORED_LANDMARKS
    for first, last in ((68, 69), (70, 78), (79, 87), (88, 89)):
        table[first : last + 1] = np.arange(last, first - 1, -1)
    return table


_MIRROR = _mirror_table()


def _both_sides(left, dimensions):
    """Fills a `(90, dimensions)` array from its left half; what is not named is zero."""
    values = np.zeros((_POINTS, dimensions))
    for index, value in left.items():
        mirrored = np.array(value) * ([-1] + [1] * (dimensions - 1))
        values[_MIRROR[index]] = mirrored
        values[index] = value
    return values


_MEAN = _both_sides(_LEFT_HALF, 3)

# How each unit at full strength moves the points of the left side: index: (dx, dy). The midline moves with both sides.
_MOVES = {
    1: {21: (0.0, -0.23), 20: (0.0, -0.17), 19: (0.0, -0.05)},
    2: {17: (0.0, -0.16), 18: (0.0, -0.22), 19: (0.0, -0.17), 20: (0.0, -0.07)},
    4: {21: (0.10, 0.15), 20: (0.09, 0.14), 19: (0.07, 0.10), 18: (0.04, 0.04)},
    5: {37: (0.0, -0.085), 38: (0.0, -0.085)},
    6: {41: (0.0, -0.05), 40: (0.0, -0.04), 36: (0.0, 0.01), 37: (0.0, 0.02), 88: (0.0, -0.14)},
    7: {37: (0.0, 0.05), 38: (0.0, 0.05), 40: (0.0, -0.05), 41: (0.0, -0.05)},
    9: {
        **{30: (0.0, -0.04), 31: (-0.03, -0.11), 32: (0.0, -0.07), 33: (0.0, -0.05), 29: (0.0, -0.03)},
        **{21: (0.05, 0.10), 20: (0.04, 0.08), 19: (0.02, 0.04), 40: (0.0, -0.03), 38: (0.0, 0.03), 88: (0.04, -0.10)},
        **{49: (0.0, -0.07), 50: (0.0, -0.09), 51: (0.0, -0.06), 61: (0.0, -0.06), 62: (0.0, -0.05)},
    },
    10: {
        **{49: (0.0, -0.11), 50: (0.0, -0.15), 51: (0.0, -0.12), 61: (0.0, -0.12), 62: (0.0, -0.11)},
        **{48: (0.02, 0.02), 31: (-0.02, -0.04), 88: (0.02, -0.06)},
    },
    12: {
        **{48: (-0.17, -0.19), 60: (-0.16, -0.17), 49: (-0.10, -0.06), 59: (-0.11, -0.07), 88: (-0.04, -0.12)},
        **{61: (-0.03, 0.01), 67: (-0.03, 0.02), 58: (-0.03, 0.0), 31: (-0.03, 0.0)},
    },
    14: {48: (-0.11, -0.05), 60: (-0.10, -0.05), 49: (-0.06, -0.01), 59: (-0.06, -0.03)},
    15: {48: (-0.03, 0.19), 60: (-0.02, 0.17), 49: (0.0, 0.07), 59: (-0.02, 0.10), 58: (0.0, 0.02)},
    16: {57: (0.0, 0.10), 58: (0.0, 0.11), 59: (0.0, 0.06), 66: (0.0, 0.09), 67: (0.0, 0.08)},
    17: {
        **{57: (0.0, -0.09), 58: (0.0, -0.08), 59: (0.0, -0.02), 66: (0.0, -0.06), 67: (0.0, -0.05)},
        **{62: (0.0, -0.06), 61: (0.0, -0.05), 51: (0.0, -0.05), 50: (0.0, -0.04)},
        **{48: (0.0, 0.05), 60: (0.0, 0.05), 8: (0.0, -0.06), 7: (0.0, -0.04)},
    },
    20: {48: (-0.21, 0.07), 60: (-0.20, 0.06), 49: (-0.11, 0.02), 59: (-0.12, 0.0), 50: (-0.03, 0.02), 5: (-0.03, 0)},
    23: {
        **{48: (0.08, 0.0), 60: (0.07, 0.0), 49: (0.05, 0.02), 59: (0.05, -0.02), 50: (0.0, 0.035), 51: (0.0, 0.035)},
        **{57: (0.0, -0.05), 58: (0.0, -0.05)},
    },
    24: {
        **{49: (0.01, 0.035), 50: (0.0, 0.06), 51: (0.0, 0.06), 57: (0.0, -0.09), 58: (0.0, -0.085), 59: (0.02, -0.05)},
        **{48: (0.03, 0.0), 60: (0.03, 0.0)},
    },
    25: {
        **{61: (0.0, -0.025), 62: (0.0, -0.025), 50: (0.0, -0.02), 51: (0.0, -0.02), 66: (0.0, 0.12), 67: (0.0, 0.11)},
        **{57: (0.0, 0.09), 58: (0.0, 0.08), 59: (0.0, 0.04)},
    },
    26: {
        **{66: (0.0, 0.24), 67: (-0.04, 0.23), 57: (0.0, 0.24), 58: (-0.02, 0.24), 59: (0.0, 0.20), 48: (0.06, 0.10)},
        **{
            60: (0.06, 0.10),
            61: (-0.02, 0.0),
            8: (0.0, 0.24),
            7: (0.0, 0.23),
            6: (0.01, 0.19),
            5: (0.02, 0.13),
            4: (0.02, 0.06),
        },
    },
    27: {
        **{66: (0.0, 0.42), 67: (-0.05, 0.40), 57: (0.0, 0.42), 58: (-0.02, 0.42), 59: (0.02, 0.34), 48: (0.10, 0.19)},
        **{60: (0.10, 0.19), 8: (0.0, 0.40), 7: (0.0, 0.38), 6: (0.02, 0.31), 5: (0.03, 0.21), 4: (0.03, 0.10)},
        **{61: (-0.03, -0.03), 62: (0.0, -0.03), 50: (0.0, -0.02), 51: (0.0, -0.02), 49: (0.04, 0.0)},
    },
}

ACTION_UNITS = tuple(_MOVES)
"""The action units that the drawn face can show."""

_SIDE = np.sign(np.round(_MEAN[:, :1], 6))
_SHARE = np.stack([(1 - _SIDE) / 2, (1 + _SIDE) / 2])  # how much each point follows the left and the right side
_FIELD = np.stack([_both_sides(moves, 2) * share for moves in _MOVES.values() for share in _SHARE])


@dataclasses.dataclass(frozen=True)
class Person:
    """Looks of one drawn person.

    Args:
        points: float array of shape `(90, 3)`, the neutral face in face coordinates; the first 68 are the landmarks.
        skin: BGR, each 0-255.
        hair: BGR of hair, brows and beard.
        iris: BGR.
        lips: BGR.
        clothes: BGR.
        hair_style: `"short"`, `"long"` or `"bald"`.
        beard: density of beard and moustache in [0, 1], 0 for none.
        glasses: whether the person wears glasses.
        brow_width: thickness of the brows in eye distances.
        furrows: depth of the lines that expressions leave, about 0.6 (smooth) to 1.3.
    """

    points: np.ndarray
    skin: tuple
    hair: tuple
    iris: tuple
    lips: tuple
    clothes: tuple
    hair_style: str
    beard: float
    glasses: bool
    brow_width: float
    furrows: float


_SKINS = ((198, 214, 238), (178, 200, 232), (150, 182, 222), (120, 158, 206), (86, 122, 172), (62, 88, 132))
_HAIRS = ((28, 26, 30), (30, 40, 60), (40, 64, 98), (84, 132, 176), (50, 72, 132), (140, 144, 148))
_IRISES = ((38, 52, 74), (56, 84, 96), (118, 98, 66), (88, 104, 76))


def make_person(rng):
    """Draws the looks of a person at random.

    Args:
        rng: `np.random.Generator`; the same state gives the same person.

    Returns:
        A `Person`.
    """
    points = _MEAN.copy()

    def scale(indices, centre, spread_x, spread_y):
        factors = 1 + np.clip(rng.normal(0, (spread_x, spread_y)), -0.25, 0.25)
        points[indices, :2] = centre + (points[indices, :2] - centre) * factors

    eyes, brows, nose, mouth = np.r_[36:48, 68:70], np.r_[17:27], np.r_[27:36], np.r_[48:68]
    opening = 1 + np.clip(rng.normal(0, (0.05, 0.14)), -0.25, 0.25)
    for eye in (np.r_[36:42], np.r_[42:48]):
        centre = points[eye, :2].mean(axis=0)
        points[eye, :2] = centre + (points[eye, :2] - centre) * opening
    tilt = rng.normal(0, 0.05)
    points[eyes, 1] += tilt * (0.5 - np.abs(points[eyes, 0]))
    scale(nose, (0.0, 0.0), 0.12, 0.06)
    scale(mouth, (0.0, 1.13), 0.08, 0.18)
    points[mouth, 1] += rng.normal(0, 0.03)
    # Resting faces differ as well: corners of the mouth, brows' height and slope look like faint expressions.
    points[mouth, 1] += rng.normal(0, 0.035) * (np.abs(points[mouth, 0]) / 0.4) ** 2
    points[brows, 1] += rng.normal(0, 0.03) + rng.normal(0, 0.06) * (np.abs(points[brows, 0]) - 0.55)
    lower = np.r_[0:17]
    scale(lower, (0.0, 0.0), 0.04, 0.05)
    points[lower, 0] *= 1 + rng.normal(0, 0.05) * np.clip(points[lower, 1], 0, None)
    scale(np.r_[70:88], (0.0, -0.2), 0.03, 0.07)

    def colour(palette):
        base = np.array(palette[rng.integers(len(palette))])
        return tuple(float(value) for value in np.clip(base * rng.uniform(0.9, 1.1) + rng.normal(0, 4, 3), 8, 250))

    skin = colour(_SKINS)
    hair_style = ("short", "long", "short", "long", "bald")[rng.integers(5)]
    beard = rng.uniform(0.35, 0.9) if hair_style != "long" and rng.random() < 0.35 else 0.0
    red = np.array((0.66, 0.60, 0.84)) * rng.uniform(0.88, 1.05)
    return Person(
        points=points,
        skin=skin,
        hair=colour(_HAIRS),
        iris=colour(_IRISES),
        lips=tuple(float(value) for value in np.array(skin) * red),
        clothes=tuple(float(value) for value in rng.uniform(30, 200, 3)),
        hair_style=hair_style,
        beard=float(beard),
        glasses=bool(rng.random() < 0.2),
        brow_width=float(rng.uniform(0.07, 0.12)),
        furrows=float(rng.uniform(0.6, 1.3)),
    )


@dataclasses.dataclass(frozen=True)
class Pose:
    """Where the head is and how it is turned.

    Args:
        centre: `(x, y)` in pixels of the point between the eyes of a head that looks straight ahead.
        eye_distance: pixels a unit of face coordinates.
        yaw: degrees, positive turns the face to the right of the picture.
        pitch: degrees, positive nods down.
        roll: degrees, positive tilts clockwise.
    """

    centre: tuple
    eye_distance: float
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0


def move_points(person, intensities):
    """Moves a person's neutral face by action units.

    Args:
        person: a `Person`.
        intensities: dict of action unit to `(left, right)`, each in [0, 5] (FACS A = 1 ... E = 5).

    Returns:
        Float array of shape `(90, 3)` in face coordinates.

    Raises:
        InputError: a unit that the face cannot show.
    """
    weights = np.zeros((len(ACTION_UNITS), 2))
    for unit, sides in intensities.items():
        if unit not in _MOVES:
            raise InputError(f"action unit {unit!r} cannot be drawn; expected one of {ACTION_UNITS}")
        weights[ACTION_UNITS.index(unit)] = np.array(sides) / 5.0
    points = person.points.copy()
    points[:, :2] += np.tensordot(weights.reshape(-1), _FIELD, axes=1)
    # Lids and lips meet, they never cross.
    for upper, lower in ((37, 41), (38, 40), (43, 47), (44, 46)):
        middle, half = (points[upper, 1] + points[lower, 1]) / 2, (points[lower, 1] - points[upper, 1]) / 2
        half = max(half, 0.02)
        points[upper, 1], points[lower, 1] = middle - half, middle + half
    for upper, lower in ((61, 67), (62, 66), (63, 65)):
        points[lower, 1] = max(points[lower, 1], points[upper, 1])
    for outer, inner in ((50, 61), (51, 62), (52, 63)):
        points[outer, 1] = min(points[outer, 1], points[inner, 1] - 0.02)
    for outer, inner in ((58, 67), (57, 66), (56, 65)):
        points[outer, 1] = max(points[outer, 1], points[inner, 1] + 0.025)
    return points


def project(points, pose):
    """Turns face coordinates into pixels, with weak perspective.

    Args:
        points: float array of shape `(n, 3)` in face coordinates.
        pose: a `Pose`.

    Returns:
        Float array of shape `(n, 2)`, x and y in pixels.
    """
    yaw, pitch, roll = np.radians((pose.yaw, pose.pitch, pose.roll))
    about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]])
    about_z = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    pivot = np.array((0.0, 0.6, -0.9))  # about where the head turns on the neck
    turned = (points - pivot) @ (about_z @ about_x @ about_y).T + pivot
    nearness = 1 / (1 - turned[:, 2:] / 12.0)  # the camera is 12 eye distances away
    return turned[:, :2] * nearness * pose.eye_distance + np.array(pose.centre)
