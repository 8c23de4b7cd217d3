"""Sunglasses: two lenses in a frame, with arms that run to the ears."""

import functools

import numpy as np

from fer_keras.occlusion.shapes import smooth_curve, stroke, superellipse

REACH = (-1.8, -0.75, 1.8, 0.85)

# Half width, half height, power of the outline, upsweep of the outer corner, narrowing downwards, drop at the outside.
_SHAPES = {
    "wayfarer": (0.43, 0.33, 3.2, 0.05, 0.10, 0.0),
    "aviator": (0.44, 0.40, 2.3, 0.0, 0.16, 0.07),
    "round": (0.38, 0.38, 2.0, 0.0, 0.0, 0.0),
    "rectangle": (0.44, 0.27, 5.0, 0.0, 0.03, 0.0),
    "cat_eye": (0.43, 0.33, 2.6, 0.14, 0.12, 0.0),
    "large": (0.455, 0.43, 2.6, 0.02, 0.08, 0.02),
}
_PLASTIC = ((16, 16, 18), (30, 24, 22), (86, 52, 28), (150, 28, 34), (236, 232, 224), (34, 52, 92))
_METAL = ((186, 152, 84), (178, 180, 184), (60, 60, 64))
# Colours of the lens at its top and bottom, and how often they are worn.
_LENSES = (
    ((12, 12, 14), (22, 22, 26), 0.40),
    ((34, 20, 14), (72, 48, 30), 0.20),
    ((16, 28, 22), (44, 62, 50), 0.15),
    ((14, 16, 30), (46, 50, 78), 0.15),
    ((46, 78, 128), (176, 150, 112), 0.10),  # mirrored sky over ground
)


def sunglasses(canvas, face, light, rng, coverage=None):
    """Draws sunglasses over the eyes.

    Args:
        canvas: the `Canvas` to paint on.
        face: the `FaceFrame`.
        light: the `Light`; kept for the interface, the whole sheet is lit afterwards.
        rng: `np.random.Generator` of their looks.
        coverage: share of the convex hull of the landmarks to cover, in (0, 1]; `None` for the size that such glasses
            have, about 0.45. Smaller ones have smaller lenses, larger ones at most half as large again.

    Raises:
        InputError: a coverage is given, and no pixel of the face lies in the picture.
    """
    half_width, half_height, power, sweep, narrowing, drop = _SHAPES[rng.choice(list(_SHAPES))]
    size = rng.uniform(0.94, 1.06)
    metal = rng.random() < 0.3
    palette = _METAL if metal else _PLASTIC
    colour = np.array(palette[rng.integers(len(palette))]) * rng.uniform(0.9, 1.1)
    rim = rng.uniform(0.022, 0.032) if metal else rng.uniform(0.045, 0.075)
    *lens, _ = _LENSES[rng.choice(len(_LENSES), p=[chance for *_, chance in _LENSES])]
    lens_top, lens_bottom = (np.array(tone, np.float32) * np.float32(rng.uniform(0.8, 1.2)) for tone in lens)
    opacity = rng.uniform(0.88, 1.0)
    low = rng.uniform(0.03, 0.09)  # lenses hang a little below the eyes
    tilt = np.radians(rng.normal(0, 1.5))
    glare, glare_place, glare_width = rng.uniform(0.05, 0.4), rng.uniform(-0.2, 0.15), rng.uniform(0.08, 0.2)
    clouds = canvas.field(rng, 0.5)

    base = superellipse(half_width, half_height, power) * size
    base[:, 1] -= sweep * np.clip(base[:, 0] / half_width, 0, None) * (base[:, 1] < 0)
    base[:, 0] *= 1 - narrowing * base[:, 1] / half_height
    base[:, 0] += drop * np.clip(base[:, 1] / half_height, 0, None)
    build = functools.partial(_Parts, face.points(), base, half_width, half_height, rim, metal, low, tilt)
    if coverage is None:
        parts = build(1.0)
    else:
        parts = build(canvas.fit(lambda scale: canvas.mask(*build(scale).all()), coverage, 1.5)[2])
        half_height = half_height * parts.scale
    lenses, rims, centres, middle = parts.lenses, parts.rims, parts.centres, parts.middle
    for arm in parts.arms:
        canvas.paint(canvas.mask(arm), colour * 0.8)
    for bar in parts.bars:
        canvas.paint(canvas.mask(bar), colour)

    frame = np.maximum(*(canvas.mask(outline) for outline in rims))
    glass = np.maximum(*(canvas.mask(lens) for lens in lenses))
    canvas.paint(np.maximum(frame - glass, 0), colour)
    # Plastic shines along its upper edge.
    shine = np.maximum(*(canvas.mask(outline + (0, 0.35 * rim)) for outline in rims))
    canvas.shade(np.maximum(frame - shine, 0), 1.2 if metal else 0.8)

    depth = np.clip((canvas.y - np.float32(middle)) / np.float32(2 * half_height) + 0.5, 0, 1)
    tone = lens_top + (lens_bottom - lens_top) * depth[..., None]
    canvas.paint(glass, tone, opacity, shade=1 + 0.12 * clouds)
    for centre, lens in zip(centres, lenses, strict=True):
        # A window or the sky, seen in the lens as a slanting band.
        across = 0.8 * (canvas.x - np.float32(centre[0])) + 0.6 * (canvas.y - np.float32(centre[1]))
        band = np.exp(-0.5 * ((across - np.float32(glare_place)) / np.float32(glare_width)) ** 2)
        canvas.paint(canvas.mask(lens) * band * (1 - 0.7 * depth), (235, 238, 240), glare)


class _Parts:
    """Outlines of the parts of glasses in face coordinates.

    Args:
        points: the landmarks.
        base: outline of a lens about the origin, its outer side to the right.
        half_width: half of its width.
        half_height: half of its height.
        rim: width of the frame.
        metal: bool, whether a second bar runs along the brows.
        low: how far below the eyes the lenses hang.
        tilt: of the glasses, radians.
        scale: factor on lenses and frame.
    """

    def __init__(self, points, base, half_width, half_height, rim, metal, low, tilt, scale):
        self.scale = scale
        half_height, wider = half_height * scale, (1 + rim / half_width, 1 + rim / half_height)
        self.arms, self.lenses, self.rims, self.centres = [], [], [], []
        turn = np.array([[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]])
        for outward, eye, ear in ((-1, slice(36, 42), 0), (1, slice(42, 48), 16)):
            centre = points[eye].mean(axis=0)
            # The far lens of a face that is turned aside is narrower.
            shrink = np.clip(abs(centre[0] - points[27, 0]) / 0.5, 0.55, 1.15)
            centre = centre @ turn.T + (0, low)
            stretch = (outward * shrink * scale, scale)
            outline = centre + (base * wider * stretch) @ turn.T
            hinge = outline[np.argmax(outward * outline[:, 0])] * (1, 0) + (0, centre[1] - 0.55 * half_height)
            end = points[ear] + (0.06 * outward, -0.08)
            if outward * (end[0] - hinge[0]) > 0.02:
                curve = smooth_curve([hinge, (hinge + end) / 2 + (0, -0.01), end])
                self.arms.append(stroke(curve, 1.3 * max(rim, 0.04)))
            self.lenses.append(centre + (base * stretch) @ turn.T)
            self.rims.append(outline)
            self.centres.append(centre)
        self.middle = (self.centres[0][1] + self.centres[1][1]) / 2
        start, end = self.rims[0][:, 0].max() - 0.05, self.rims[1][:, 0].min() + 0.05
        bow = smooth_curve([(start, 0.0), ((start + end) / 2, -0.05), (end, 0.0)])
        bow = bow + (0, self.middle - 0.45 * half_height)
        self.bars = [stroke(bow, max(1.3 * rim, 0.045))]
        if metal:
            self.bars.append(stroke(bow - (0, 0.42 * half_height), 1.2 * rim))

    def all(self):
        """All outlines."""
        return [*self.arms, *self.rims, *self.bars]
