"""Random block: a patch of any look anywhere on the face, where no particular object is meant."""

import numpy as np

from fer_keras.occlusion.shapes import smooth_curve, superellipse

REACH = (-4.0, -4.0, 4.0, 6.0)

_FILLS = ("plain", "noise", "stripes", "checks", "clouds")
_FACE_AREA = 3.4  # of the hull of the landmarks, in squared eye distances
_TRIES = 8
_CLOSE = 0.012  # of the share asked for; the promise is 0.02


def random_block(canvas, face, light, rng, coverage=None):
    """Draws a rectangle, an ellipse or an irregular patch.

    Args:
        canvas: the `Canvas` to paint on.
        face: the `FaceFrame`.
        light: the `Light`; kept for the interface, the whole sheet is lit afterwards.
        rng: `np.random.Generator` of place, shape and looks.
        coverage: share of the convex hull of the landmarks to cover, in (0, 1], met within 0.02 on faces whose eyes
            are 12 or more pixels apart; `None` for a block of any size from about 0.1 to 0.5.

    Raises:
        InputError: no pixel of the face lies in the picture.
    """
    share = rng.uniform(0.1, 0.5)
    # As much is drawn whether it is used or not, so that the look does not depend on the coverage.
    tries = [(_outline(rng), rng.dirichlet(np.full(68, 0.2))) for _ in range(_TRIES)]
    texture, shade = _texture(canvas, rng)
    places = [weights @ face.points() for _, weights in tries]
    if coverage is None:
        block = canvas.mask(places[0] + tries[0][0] * np.sqrt(share * _FACE_AREA))
    else:
        fits = []
        for (outline, _), place in zip(tries, places, strict=True):
            fits.append(_fit(canvas, place, outline, coverage))
            if fits[-1][0] <= _CLOSE:
                break
        block = min(fits, key=lambda fit: fit[0])[1]
    canvas.paint(block, texture, shade=shade)


def _fit(canvas, place, outline, coverage):
    """Grows an outline about a place until it covers a share of the face; returns what it misses and its mask."""
    return canvas.fit(lambda scale: canvas.mask(place + outline * scale), coverage, 8.0)[:2]


def _outline(rng):
    """A closed outline about the origin with an area of about 1, convex or nearly so."""
    kind = rng.choice(("rectangle", "ellipse", "patch"))
    aspect = np.exp(rng.normal(0, 0.3))
    angle = rng.normal(0, 0.12)
    bumps = rng.uniform(0.75, 1.2, 9)
    if kind == "patch":
        turn = np.arange(9) * 2 * np.pi / 9
        corners = np.stack([np.cos(turn), np.sin(turn)], axis=1) * bumps[:, None]
        outline = smooth_curve(np.concatenate([corners, corners[:1]]))[:-1]
    else:
        outline = superellipse(1, 1, 2.0 if kind == "ellipse" else 40.0)
    x, y = outline.T
    area = 0.5 * abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))
    outline = outline * (np.sqrt(aspect), 1 / np.sqrt(aspect)) / np.sqrt(area)
    return outline @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


def _texture(canvas, rng):
    """Colours and shade all over the sheet."""
    fill = _FILLS[rng.integers(len(_FILLS))]
    # Mostly darker or brighter than skin, so that the block stands out in grey as well.
    first, second = (rng.uniform(*(((5, 90), (150, 250))[rng.integers(2)]), 3).astype(np.float32) for _ in range(2))
    angle, width = rng.uniform(0, np.pi), rng.uniform(0.12, 0.4)
    fine, coarse = canvas.field(rng, 0.07), canvas.field(rng, 0.45)
    cosine, sine = np.float32(np.cos(angle) / width), np.float32(np.sin(angle) / width)
    along = canvas.x * cosine + canvas.y * sine
    across = canvas.y * cosine - canvas.x * sine
    mix = {
        "plain": lambda: 0.08 * coarse,
        "noise": lambda: 0.5 + 0.5 * fine,
        "stripes": lambda: np.mod(np.floor(along), 2),
        "checks": lambda: np.mod(np.floor(along) + np.floor(across), 2),
        "clouds": lambda: 0.5 + 0.4 * coarse,
    }[fill]()
    texture = first + (second - first) * np.clip(mix, -0.2, 1.2)[..., None]
    return np.clip(texture, 0, 255), 1 + 0.06 * coarse + 0.03 * fine
