"""Scarf: cloth wound about the neck in loops that hang in front, drawn up over the mouth or the nose."""

import numpy as np

from fer_keras.occlusion.shapes import smooth_curve

REACH = (-3.0, 0.0, 3.0, 4.6)

# The cloth, a second colour of its pattern, and that of its thin lines.
_COLOURS = (
    ((150, 30, 40), (70, 18, 30), (228, 214, 190)),
    ((40, 54, 96), (124, 138, 166), (214, 214, 208)),
    ((66, 90, 70), (28, 38, 34), (196, 172, 96)),
    ((190, 162, 124), (54, 46, 42), (160, 40, 40)),
    ((104, 104, 110), (54, 54, 60), (186, 186, 190)),
    ((214, 206, 192), (160, 148, 132), (110, 98, 86)),
    ((126, 64, 102), (66, 36, 66), (222, 186, 200)),
    ((46, 46, 50), (92, 92, 98), (140, 140, 140)),
)
_PATTERNS = ("plain", "stripes", "plaid", "knit")


def scarf(canvas, face, light, rng):
    """Draws a scarf from the nose or the mouth downwards, wider than the face.

    Args:
        canvas: the `Canvas` to paint on.
        face: the `FaceFrame`.
        light: the `Light`; kept for the interface, the whole sheet is lit afterwards.
        rng: `np.random.Generator` of its looks.
    """
    colours = [np.array(tone, np.float32) for tone in _COLOURS[rng.integers(len(_COLOURS))]]
    colours[0] = colours[0] * np.float32(rng.uniform(0.85, 1.1))
    pattern = _PATTERNS[rng.integers(len(_PATTERNS))]
    top, slant = rng.uniform(0, 1), rng.normal(0, 0.05)
    loops = int(rng.integers(2, 4))
    thickness, hangs = rng.uniform(0.34, 0.5, loops).tolist(), rng.uniform(0.3, 0.6, loops).tolist()
    leans, phases = rng.normal(0, 0.09, loops).tolist(), rng.uniform(0, 2 * np.pi, loops + 1).tolist()
    folds, stripe, tilts = rng.uniform(1.6, 2.6), rng.uniform(0.12, 0.2), rng.uniform(-0.6, 0.6, loops + 1).tolist()
    waves, wrinkles, wool = canvas.field(rng, 0.7), canvas.field(rng, 0.22), canvas.field(rng, 0.05)

    points = face.points()
    upper, half, middle = _upper_edge(canvas, points, top, slant)
    across = (canvas.x - middle) / half  # -1 and 1 at the sides of the face
    bowl = np.clip(1 - across**2, -0.6, 1)  # 1 in the middle, 0 at the sides: how far a loop hangs down
    edge = np.float32(canvas.per_unit)
    # The lowest loop lies at the back: the loops are laid one over the other from below.
    starts = [upper + 0.03 * wrinkles]
    for loop in range(loops):
        depth = thickness[loop] + hangs[loop] * bowl + leans[loop] * across + 0.04 * waves
        starts.append(starts[-1] + np.maximum(depth, 0.05))
    for loop in reversed(range(loops + 1)):
        along = canvas.y - starts[loop]
        depth = starts[loop + 1] - starts[loop] if loop < loops else np.full_like(along, 1.6)
        share = np.clip(along / depth, 0, 1)
        # A loop bulges at its sides; what is below the loops spreads over the shoulders.
        bulge = 0.16 * np.sqrt(np.clip(1 - (2 * share - 1) ** 2, 0, 1)) if loop < loops else 0.1 + 0.5 * share
        side = (1.0 + 0.05 * loop + bulge + 0.02 * wrinkles - np.abs(across)) * half
        below = 0.10 * (1 - share)  # the loop above overlaps this one
        mask = np.clip((along + below) * edge + 0.5, 0, 1) * np.clip(side * edge + 0.5, 0, 1)
        mask = mask * np.clip((depth - along) * edge + 0.5, 0, 1)
        u = across * half + 0.05 * waves + tilts[loop] * share
        v = along + 0.04 * wrinkles
        tone = _pattern(pattern, u + 0.37 * loop, v, stripe, colours, wool)
        # Folds follow the loop, converge at its sides and fade in and out.
        swing = 2 * np.pi * folds * share + 2.2 * tilts[loop] * across + 0.9 * waves + phases[loop]
        ridges = (0.6 * np.sin(swing) + 0.4 * np.sin(2.1 * swing + 1.3 * across)) * (0.75 + 0.25 * wrinkles)
        roundness = np.sqrt(np.clip(1 - (1.7 * share - 0.75) ** 2, 0, 1)) if loop < loops else 0.75
        shade = 0.52 + 0.46 * roundness + 0.15 * ridges
        shade = shade * (1 - 0.45 * np.exp(-np.clip(along, 0, None) / 0.10) * (loop > 0))  # under the loop above
        shade = shade * (1 - 0.5 * np.clip(np.abs(across) - 0.35, 0, 0.9) ** 1.5)
        canvas.paint(mask, tone, shade=np.clip(shade, 0.15, 1.2))


def _upper_edge(canvas, points, top, slant):
    """Where the cloth begins, as y at every sample; half its width there, and its middle."""
    start = points[29] * (1 - top) + (points[33] * 0.6 + points[51] * 0.4) * top
    left, right = points[2] + (-0.10, -0.02 - slant), points[14] + (0.10, -0.02 + slant)
    curve = smooth_curve(
        [
            left + (-0.8, 0.30),
            left,
            (left + start) / 2 + (0, 0.10 * top + 0.04),
            start,
            (right + start) / 2 + (0, 0.10 * top + 0.04),
            right,
            right + (0.8, 0.30),
        ]
    )
    places = np.linspace(curve[:, 0].min(), curve[:, 0].max(), 256)
    order = np.argsort(curve[:, 0])
    heights = np.interp(places, curve[order, 0], curve[order, 1]).astype(np.float32)
    columns = (canvas.x - places[0]) / (places[1] - places[0])
    upper = canvas.sample(heights[None], np.clip(columns, 1, 253), np.zeros_like(columns))
    return upper, float(right[0] - left[0]) / 2, float(right[0] + left[0]) / 2


def _pattern(name, u, v, stripe, colours, wool):
    """Colours of the cloth at its own coordinates, an array of shape `(rows, columns, 3)`."""
    main, second, third = colours
    cloth = 1 + 0.07 * wool[..., None]
    if name == "plain":
        return main * cloth
    if name == "knit":
        # Columns of stitches, each a slanting pair.
        columns = np.mod(u / 0.12, 1)
        stitch = np.cos(2 * np.pi * (v / 0.085 + np.abs(columns - 0.5)))
        groove = np.cos(2 * np.pi * columns)
        return main * (cloth + (0.20 * stitch - 0.16 * np.clip(groove, 0, 1))[..., None])
    band, line = _bands(v / (2 * stripe))
    if name == "plaid":
        other_band, other_line = _bands(u / (2 * stripe))
        band, line = (band + other_band) / 2, 0.8 * np.maximum(line, other_line)
    tone = main + (second - main) * band[..., None]
    return (tone + (third - tone) * line[..., None]) * cloth


def _bands(place):
    """Broad bands and the thin lines between them, 0 or 1."""
    return (np.mod(place, 1) < 0.5).astype(np.float32), (np.mod(place + 0.25, 1) < 0.08).astype(np.float32)
