"""Drawn faces for visitors with no picture at hand: nobody's, so that nobody has to be asked."""

import dataclasses
import random

import cv2

from fer_keras.corpora.motion_jpeg import encode_avi
from fer_keras.corpora.synthetic import SIZES, draw_sequence

_LABELS = ("anger", "happiness", "sadness", "surprise")
_COLOUR_PERSON = 4  # every fifth person is drawn in colour
_SIZE = dataclasses.replace(
    SIZES["small"], width=400, height=400, eye_distance=110.0, frames=24, strength=(4.5, 5.0), noise=(0.5, 1.0)
)
_RATE = 12  # frames a second

KINDS = ("picture", "clip")


def sample(kind):
    """Draws someone, another one each time.

    Args:
        kind: str, one of `KINDS`.

    Returns:
        bytes, a PNG or an AVI file.
    """
    seed, label = random.randrange(10**6), random.choice(_LABELS)
    if kind == "clip":
        return encode_avi([frame.image for frame in draw_sequence(_SIZE, seed, _COLOUR_PERSON, 1, label, True)], _RATE)
    *_, apex = draw_sequence(dataclasses.replace(_SIZE, frames=3), seed, _COLOUR_PERSON, 1, label)
    return cv2.imencode(".png", apex.image)[1].tobytes()
