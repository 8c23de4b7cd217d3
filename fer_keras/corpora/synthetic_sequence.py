"""A drawn sequence: one person, one display, filmed frame by frame.

Everything follows from the seed: a person from `(seed, subject)`, a sequence from `(seed, subject, sequence)`, so
that neither order nor process matters.
"""

import dataclasses

import numpy as np

from fer_keras.corpora.synthetic_drawing import Scene, draw_face, photograph
from fer_keras.corpora.synthetic_expressions import activation, choose_units
from fer_keras.corpora.synthetic_face import Pose, make_person, move_points, project

VERSION = 1
"""Version of the drawing; goes up whenever the same seed gives other bytes."""


@dataclasses.dataclass(frozen=True)
class Size:
    """How large and how hard the corpus is.

    Args:
        subjects: number of people.
        frames: frames a sequence, at least 3.
        width: pixels.
        height: pixels.
        eye_distance: mean distance between the eyes in pixels.
        strength: `(low, high)` of the intensity of displays at the apex, within [0, 5].
        stray: mean number of faint action units that do not belong to the emotion.
        turn: standard deviation of the head's yaw in degrees; pitch and roll vary 0.6 times as much.
        gain: `(low, high)` of the brightness of the whole picture.
        noise: `(low, high)` of the sensor noise in grey levels.
        blur: `(low, high)` of the lens blur in pixels.
    """

    subjects: int
    frames: int
    width: int
    height: int
    eye_distance: float
    strength: tuple
    stray: float
    turn: float
    gain: tuple
    noise: tuple
    blur: tuple


SIZES = {
    "small": Size(20, 6, 160, 160, 46.0, (3.0, 4.8), 0.0, 5.0, (0.85, 1.0), (1.0, 4.0), (0.3, 0.7)),
    "standard": Size(60, 12, 320, 240, 62.0, (1.0, 4.0), 1.0, 9.0, (0.6, 1.0), (3.0, 12.0), (0.6, 2.0)),
}
"""The presets: `small` for the demo, `standard` to compare methods on; 840 and 5040 labelled-sequence frames."""


@dataclasses.dataclass(frozen=True)
class Frame:
    """One picture of a drawn sequence.

    Args:
        image: uint8 array of shape `(height, width, 3)`, BGR, or `(height, width)`, grey.
        landmarks: float array of shape `(68, 2)`, x and y in pixels; exact.
        intensities: dict of action unit to `(left, right)`, each in [0, 5].
    """

    image: np.ndarray
    landmarks: np.ndarray
    intensities: dict


def draw_sequence(size, seed, subject, sequence, emotion, offset=False):
    """Draws one sequence of one person, from the neutral face to the apex.

    Args:
        size: a `Size`.
        seed: int ≥ 0, of the whole corpus.
        subject: int ≥ 0, the person; every fifth is filmed in colour, the others in grey.
        sequence: int ≥ 1, number of the sequence of this person.
        emotion: canonical name, or `""` for action units at random.
        offset: whether the face returns to neutral (as in MMI) or the sequence ends at the apex (as in CK+).

    Yields:
        `size.frames` values of `Frame`, in order.

    Raises:
        InputError: unknown emotion, or a size with fewer than three frames.
    """
    person = make_person(np.random.default_rng([seed, subject, 0]))
    rng = np.random.default_rng([seed, subject, sequence])
    channels = 3 if subject % 5 == 4 else 1
    apex = choose_units(emotion, size.strength, size.stray, rng)
    lags = {unit: rng.uniform(0.8, 1.3) for unit in apex}  # units do not start all at once
    scene = Scene(
        background=tuple(tuple(float(value) for value in rng.uniform(40, 210) + rng.normal(0, 8, 3)) for _ in range(2)),
        light=float(rng.uniform(0, 360)),
        slope=float(rng.uniform(0, 0.3)),
        gain=float(rng.uniform(*size.gain)),
        blur=float(rng.uniform(*size.blur)),
        noise=float(rng.uniform(*size.noise)),
    )
    eye_distance = size.eye_distance * rng.uniform(0.92, 1.05)
    # The head drifts from one pose to another.
    spread = np.array((size.turn, 0.6 * size.turn, 0.6 * size.turn, 0.015 * size.width, 0.015 * size.height))
    first = np.clip(rng.normal(0, 1, 5), -2, 2) * spread
    last = first + np.clip(rng.normal(0, 0.3, 5), -0.6, 0.6) * spread
    steps = []
    for index, course in enumerate(activation(size.frames, offset)):
        yaw, pitch, roll, right, down = first + (last - first) * index / (size.frames - 1)
        pose = Pose((size.width / 2 + right, 0.42 * size.height + down), eye_distance, yaw, pitch, roll)
        intensities = {
            unit: (left * course ** lags[unit], other * course ** lags[unit]) for unit, (left, other) in apex.items()
        }
        steps.append((intensities, project(move_points(person, intensities), pose)))
    # The camera is aimed so that no landmark of the sequence leaves the picture.
    landmarks = np.concatenate([points[:68] for _, points in steps])
    margin, far = 2.0, np.array((size.width, size.height)) - 3.0
    aim = np.maximum(margin - landmarks.min(axis=0), 0) + np.minimum(far - landmarks.max(axis=0), 0)
    for intensities, points in steps:
        points = points + aim
        picture = draw_face((size.width, size.height), person, points, intensities, scene, channels)
        image = photograph(picture, scene, rng)
        yield Frame(image[..., 0] if channels == 1 else image, points[:68], intensities)
