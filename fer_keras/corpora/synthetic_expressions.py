"""From an emotion to action units, and their course over a sequence.

The table joins three published mappings: the criteria that the labels of CK+ had to meet (Lucey et al. 2010, Table 2),
EMFACS (Friesen & Ekman 1983) and the frequencies of Du, Tao & Martinez (2014, Table 1).
"""

import dataclasses

import numpy as np

from fer_keras.corpora.synthetic_face import ACTION_UNITS
from fer_keras.emotions import EMOTIONS
from fer_keras.errors import InputError


@dataclasses.dataclass(frozen=True)
class Prototype:
    """The action units of an emotion.

    Args:
        one_of: tuples of units; one tuple is chosen and always shown.
        optional: dict of unit to the probability that it is shown too.
        highest: dict of unit to its highest intensity where that is below 5.
        one_sided: whether the face shows the units on one side only.
    """

    one_of: tuple
    optional: dict
    highest: dict = dataclasses.field(default_factory=dict)
    one_sided: bool = False


PROTOTYPES = {
    "neutral": Prototype(one_of=((),), optional={}),
    "anger": Prototype(
        one_of=((4, 23), (4, 24), (4, 23, 24)),  # Lucey: 23 or 24
        optional={5: 0.3, 7: 0.8, 10: 0.15, 17: 0.5},
    ),
    "contempt": Prototype(one_of=((14,), (12, 14)), optional={}, highest={12: 3.0}, one_sided=True),
    "disgust": Prototype(
        one_of=((9,), (10,), (9, 10), (9, 10)),  # Lucey: 9 or 10
        optional={4: 0.3, 7: 0.4, 15: 0.2, 16: 0.2, 17: 0.5, 25: 0.3},
    ),
    "fear": Prototype(
        one_of=((1, 2, 4, 5), (1, 2, 4, 20), (1, 2, 4, 20, 25), (1, 2, 4, 5, 20, 25)),  # Lucey: 1, 2 and 4
        optional={5: 0.63, 7: 0.3, 26: 0.3},
    ),
    "happiness": Prototype(one_of=((12,), (12, 25), (12, 25)), optional={6: 0.6, 26: 0.1}),
    "sadness": Prototype(
        one_of=((1, 4, 15),),
        optional={6: 0.2, 7: 0.2, 17: 0.67},
    ),
    "surprise": Prototype(
        one_of=((1, 2), (1, 2, 25, 26), (1, 2, 25, 26), (1, 2, 25, 27)),
        optional={5: 0.66},
        highest={5: 2.0},  # Lucey: 5 not stronger than B
    ),
}
"""Emotion to its action units. AU11 (nasolabial deepener, rare) is not drawn."""


def choose_units(emotion, strength, stray, rng):
    """Chooses the action units of one display and how strong they become.

    Args:
        emotion: canonical name, or `""` for a display without a name: one to three units at random.
        strength: `(low, high)` of the display's mean intensity, within [0, 5].
        stray: mean number of units that do not belong to the emotion, shown faintly.
        rng: `np.random.Generator`.

    Returns:
        Dict of action unit to `(left, right)`, the intensities at the apex in [0, 5].

    Raises:
        InputError: unknown emotion.
    """
    if emotion not in ("", *EMOTIONS):
        raise InputError(f"unknown emotion {emotion!r}; expected one of {', '.join(EMOTIONS)}")
    if emotion:
        prototype = PROTOTYPES[emotion]
        units = set(prototype.one_of[rng.integers(len(prototype.one_of))])
        units |= {unit for unit, probability in prototype.optional.items() if rng.random() < probability}
    else:
        prototype = Prototype(one_of=(), optional={})
        units = {int(unit) for unit in rng.choice(ACTION_UNITS, size=rng.integers(1, 4), replace=False)}
    if units & {26, 27}:
        units.add(25)  # an open jaw parts the lips
    mean = rng.uniform(*strength)
    sides = np.ones(2)
    if prototype.one_sided:
        sides[rng.integers(2)] = rng.uniform(0, 0.25)
    intensities = {}
    for unit in sorted(units):
        level = np.clip(mean + rng.normal(0, 0.6), 0.5, prototype.highest.get(unit, 5.0))
        intensities[unit] = np.clip(level * sides * (1 + rng.normal(0, 0.06, 2)), 0, 5)
    for unit in rng.choice(ACTION_UNITS[:-3], size=rng.poisson(stray)):  # stray units leave the mouth shut
        level = rng.uniform(0.3, 1.5)
        intensities.setdefault(int(unit), np.full(2, level))
    return {unit: (float(left), float(right)) for unit, (left, right) in sorted(intensities.items())}


def activation(frames, offset=False):
    """The course of a display: how much of its apex each frame shows.

    Args:
        frames: int, length of the sequence, at least 3.
        offset: whether the face relaxes again (as in MMI) or the sequence ends at the apex (as in CK+).

    Returns:
        Float array of shape `(frames,)` in [0, 1]: smooth from 0, and 1 at the apex.

    Raises:
        InputError: fewer than three frames.
    """
    if frames < 3:
        raise InputError(f"a sequence needs at least 3 frames, received frames={frames}")
    time = np.linspace(0, 1, frames)
    onset = np.clip(time / (0.35 if offset else 0.75), 0, 1)
    release = np.clip((1 - time) / 0.35, 0, 1) if offset else np.ones(frames)
    course = np.minimum(onset, release)
    return course * course * (3 - 2 * course)
