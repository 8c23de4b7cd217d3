"""Surgical mask: a pleated cloth over nose, mouth and chin, held by loops about the ears."""

import numpy as np

from fer_keras.occlusion.shapes import smooth_curve, stroke

REACH = (-1.8, -0.3, 1.8, 3.0)

# With how often they are worn.
_COLOURS = (
    ((150, 196, 222), 0.30),  # light blue
    ((226, 232, 236), 0.25),  # white
    ((132, 198, 186), 0.15),  # green
    ((40, 42, 46), 0.15),  # black
    ((226, 176, 192), 0.075),  # pink
    ((92, 108, 150), 0.075),  # dark blue
)


def surgical_mask(canvas, face, light, rng):
    """Draws a surgical mask from the bridge of the nose to below the chin.

    Args:
        canvas: the `Canvas` to paint on.
        face: the `FaceFrame`.
        light: the `Light`; kept for the interface, the whole sheet is lit afterwards.
        rng: `np.random.Generator` of its looks.
    """
    colour, _ = _COLOURS[rng.choice(len(_COLOURS), p=[chance for _, chance in _COLOURS])]
    colour = np.array(colour) * rng.uniform(0.92, 1.05)
    height = rng.uniform(0.0, 0.85)  # of the upper edge on the nose: below its bridge, or half way down
    wide, low = rng.normal(0.02, 0.02), rng.uniform(0.06, 0.16)
    slant = rng.normal(0, 0.02)
    pleats = int(rng.integers(2, 5))
    pleat_places = np.sort(0.22 + 0.52 * (np.arange(pleats) + rng.uniform(0.2, 0.8, pleats)) / pleats)
    loop_width, loop_shade = rng.uniform(0.03, 0.045), rng.uniform(0.85, 1.0)
    wrinkles, weave = canvas.field(rng, 0.28), canvas.field(rng, 0.06)

    points = face.points()
    outward = np.sign(points[:, :1] - points[[33], 0]) * (1, 0)
    jaw = points + outward * wide
    bridge = _between(points[28], points[29], height)
    upper = smooth_curve(
        [
            _between(jaw[2], jaw[1], 0.4) + (0.04, -slant),
            (jaw[2] + points[31]) / 2 + (0, -0.24 - slant),
            bridge + (-0.13, 0.06),
            bridge,
            bridge + (0.13, 0.06),
            (jaw[14] + points[35]) / 2 + (0, -0.24 + slant),
            _between(jaw[14], jaw[15], 0.4) + (-0.04, slant),
        ]
    )
    below = jaw[[13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3]].copy()
    below[:, 1] += low * np.array((0, 0.1, 0.5, 0.9, 1, 1, 1, 0.9, 0.5, 0.1, 0))
    below[[0, -1]] *= 0.98  # the loops draw the corners in
    lower = smooth_curve(below)
    outline = np.concatenate([upper, lower])

    loops = []
    for sign, top, bottom, ear in ((-1, upper[0], lower[-1], 0), (1, upper[-1], lower[0], 16)):
        hook = points[ear] + (0.10 * sign, 0.10)
        if sign * (hook[0] - top[0]) < 0.02:  # the far ear of a face that is turned aside
            continue
        for start, bend in ((top, -0.03), (bottom, 0.06)):
            string = smooth_curve([start, (start + hook) / 2 + (0, bend), hook])
            loops.append(stroke(string, loop_width))
    if loops:
        canvas.paint(canvas.mask(*loops), np.array((226, 228, 230)) * loop_shade)

    cloth = canvas.mask(outline)
    canvas.paint(cloth, colour, shade=1 + 0.04 * wrinkles + 0.02 * weave)
    # Rounded like the face below it: darker towards the sides, and below the chin.
    x, y = canvas.x - np.float32(points[33, 0]), canvas.y - np.float32(bridge[1])
    side = x / np.float32(max(1e-3, np.abs(points[3, 0] - points[13, 0]) / 2))
    canvas.shade(cloth * np.clip(np.abs(side) - 0.25, 0, 1) ** 1.5, -0.55)
    canvas.shade(cloth * np.clip((canvas.y - np.float32(points[8, 1] + low - 0.45)) / 0.5, 0, 1) ** 2, -0.38)
    ridge = np.exp(-0.5 * (x / 0.16) ** 2 - 0.5 * ((y - 0.35) / 0.3) ** 2)
    canvas.shade(cloth * ridge, 0.10)
    # Beside the nose the cloth is hollow.
    for sign in (-1, 1):
        hollow = (x - sign * 0.36) ** 2 / 0.035 + (y - 0.32) ** 2 / 0.09
        canvas.shade(cloth * np.exp(-0.5 * hollow), -0.10)

    folds = []
    for place in pleat_places:
        left, right = (_between(upper[end], lower[other], place) for end, other in ((0, -1), (-1, 0)))
        centre = _between(bridge, below[5], place) + (0, 0.06 * (place - 0.5))
        fold = [left, (left + centre) / 2 + (0, 0.03), centre, (right + centre) / 2 + (0, 0.03), right]
        folds.append(smooth_curve(fold))
    canvas.shade(canvas.mask(*(stroke(fold, 0.05) for fold in folds), soft=0.012) * cloth, -0.28)
    canvas.shade(canvas.mask(*(stroke(fold - (0, 0.06), 0.06) for fold in folds), soft=0.02) * cloth, 0.10)
    # The seam, stiffened by a wire over the nose.
    canvas.shade(canvas.mask(stroke(upper + (0, 0.05), 0.10)) * cloth, 0.08)
    canvas.shade(canvas.mask(stroke(upper + (0, 0.105), 0.022)) * cloth, -0.22)
    canvas.shade(canvas.mask(stroke(np.concatenate([outline, outline[:1]]), 0.035)) * cloth, -0.18)


def _between(first, second, share):
    return first + (second - first) * share
