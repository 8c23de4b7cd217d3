"""A clip as a film strip, with the weights of its frames below."""

import cv2
import numpy as np

from fer_keras.faces.image import encode_png

_SIDE, _GAP, _BARS, _LINE = 64, 4, 40, 6  # pixels: a frame, between two, the bars' height, the apex line
_PAPER, _BAR, _APEX = (245, 245, 245), (26, 123, 189), (213, 94, 0)  # RGB


def draw_film_strip(clip, weights):
    """Draws the frames of a clip in a row, each frame's weight as a bar below it, and a line below the apex.

    Args:
        clip: a `ClipSet` of one clip.
        weights: float array, one a frame, in [0, 1]; the greatest gets the full height.

    Returns:
        A PNG as bytes.
    """
    count = len(clip.images)
    width = count * (_SIDE + _GAP) + _GAP
    canvas = np.full((_GAP + _SIDE + _GAP + _BARS + _GAP + _LINE + _GAP, width, 3), _PAPER, "uint8")
    heights = np.asarray(weights) / max(float(np.max(weights)), 1e-9) * _BARS
    foot = _GAP + _SIDE + _GAP + _BARS
    for place, (image, height, phase) in enumerate(zip(clip.images, heights, clip.phases, strict=True)):
        left = _GAP + place * (_SIDE + _GAP)
        picture = cv2.resize(image, (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC)
        canvas[_GAP : _GAP + _SIDE, left : left + _SIDE] = picture.reshape(_SIDE, _SIDE, -1)
        canvas[foot - max(1, round(height)) : foot, left : left + _SIDE] = _BAR
        if phase == "apex":
            canvas[foot + _GAP : foot + _GAP + _LINE, left - _GAP // 2 : left + _SIDE + _GAP // 2] = _APEX
    return encode_png(canvas)
