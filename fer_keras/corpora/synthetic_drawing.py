"""Pixels of a drawn face: from its points and action units to a picture, then to a photograph of it."""

import dataclasses

import cv2
import numpy as np

_SHIFT = 4  # fractional bits of OpenCV's fixed-point coordinates
_SCALE = 1 << _SHIFT


@dataclasses.dataclass(frozen=True)
class Scene:
    """What surrounds the face and how it is photographed; fixed over a sequence.

    Args:
        background: two BGR colours, at the top and at the bottom.
        light: direction the light comes from, degrees clockwise from the right of the picture.
        slope: how much brighter than the middle the lit side is, as a fraction.
        gain: brightness of the whole picture, 1 for neutral.
        blur: standard deviation of the lens blur in pixels.
        noise: standard deviation of the sensor noise in grey levels.
    """

    background: tuple
    light: float
    slope: float
    gain: float
    blur: float
    noise: float


_LUMINANCE = np.array((0.114, 0.587, 0.299), np.float32)  # of B, G, R (ITU-R BT.601)


class _Canvas:
    """A float32 picture, colour (BGR) or grey, on which soft, antialiased shapes are laid."""

    def __init__(self, height, width, channels):
        self.pixels = np.zeros((height, width, channels), np.float32)

    def tone(self, colour):
        """The values of a BGR colour on this canvas."""
        colour = np.asarray(colour, np.float32)
        return colour if self.pixels.shape[2] == 3 else colour @ _LUMINANCE[:, None]

    def _mask(self, polygon, soft):
        """Coverage in [0, 1] of a polygon and the region it touches, or `None` outside the picture."""
        height, width = self.pixels.shape[:2]
        pad = 2 + int(3 * soft)
        left, top = np.maximum(np.floor(polygon.min(axis=0)).astype(int) - pad, 0)
        right, bottom = np.minimum(np.ceil(polygon.max(axis=0)).astype(int) + pad + 1, (width, height))
        if right <= left or bottom <= top:
            return None
        mask = np.zeros((bottom - top, right - left), np.uint8)
        # The antialiased edge that OpenCV adds is centred on the outline.
        fixed = np.round((polygon - (left, top)) * _SCALE).astype(np.int32)
        cv2.fillPoly(mask, [fixed], 255, cv2.LINE_AA, _SHIFT)
        if soft > 0.3:
            # A stack blur of this window has the standard deviation `soft`, at a tenth of a Gaussian blur's cost.
            window = 2 * max(1, round(2.45 * soft - 1)) + 1
            mask = cv2.stackBlur(mask, (window, window))
        return mask.astype(np.float32) / 255.0, (slice(top, bottom), slice(left, right))

    def fill(self, polygon, colour, opacity=1.0, soft=0.0, inside=None):
        """Lays a colour over a polygon, `inside` another polygon if given."""
        found = self._mask(polygon, soft)
        if found is None or opacity <= 0:
            return
        mask, region = found
        if inside is not None:
            clip = np.zeros(mask.shape, np.uint8)
            fixed = np.round((inside - (region[1].start, region[0].start)) * _SCALE).astype(np.int32)
            cv2.fillPoly(clip, [fixed], 255, cv2.LINE_AA, _SHIFT)
            mask = mask * (clip.astype(np.float32) / 255.0)
        target = self.pixels[region]
        target += (self.tone(colour) - target) * (mask * np.float32(opacity))[..., None]

    def shade(self, polygon, amount, soft=0.0):
        """Darkens (amount < 0) or brightens (amount > 0) a polygon by a fraction."""
        if abs(amount) < 0.01:
            return
        found = self._mask(polygon, soft)
        if found is not None:
            mask, region = found
            self.pixels[region] *= (1 + np.float32(amount) * mask)[..., None]


def _open_spline(count, steps=4):
    """Matrix that turns `count` points into a smooth open curve through them (Catmull-Rom)."""
    rows = []
    for index in range(count - 1):
        for time in np.arange(steps) / steps:
            row = np.zeros(count)
            weights = (
                -time + 2 * time**2 - time**3,
                2 - 5 * time**2 + 3 * time**3,
                time + 4 * time**2 - 3 * time**3,
                -(time**2) + time**3,
            )
            for offset, weight in zip((-1, 0, 1, 2), weights, strict=True):
                row[min(max(index + offset, 0), count - 1)] += weight / 2
            rows.append(row)
    rows.append(np.eye(count)[-1])
    return np.array(rows)


_SPLINES = {count: _open_spline(count) for count in range(3, 18)}


def _curve(points):
    points = np.asarray(points, float)
    return _SPLINES[len(points)] @ points


def _outline(upper, lower):
    """A closed shape with two corners from two curves that share their ends, both left to right."""
    return np.concatenate([_curve(upper), _curve(lower)[::-1][1:-1]])


def _stroke(points, width, taper=True):
    """The polygon of a brush stroke along a smooth curve, `width` pixels at its middle."""
    curve = _curve(points)
    along = np.empty_like(curve)
    along[1:-1] = curve[2:] - curve[:-2]
    along[[0, -1]] = curve[[1, -1]] - curve[[0, -2]]
    normal = along[:, ::-1] * (-1, 1) / (np.hypot(along[:, :1], along[:, 1:]) + 1e-9)
    half = width / 2
    if taper:
        half = half * np.sqrt(np.sin(np.linspace(0.12, np.pi - 0.12, len(curve))))[:, None]
    return np.concatenate([curve + normal * half, (curve - normal * half)[::-1]])


_CIRCLE = np.stack([np.cos(np.arange(24) * np.pi / 12), np.sin(np.arange(24) * np.pi / 12)], axis=1)


def _ellipse(centre, radius_x, radius_y):
    return np.asarray(centre) + _CIRCLE * (radius_x, radius_y)


def draw_face(size, person, points, intensities, scene, channels=3):
    """Draws a face and what is around it, as yet without the faults of a camera.

    Args:
        size: `(width, height)` in pixels.
        person: a `Person`.
        points: float array of shape `(90, 2)` in pixels, as `project` gives it.
        intensities: dict of action unit to `(left, right)`, each in [0, 5], for the lines of the skin.
        scene: a `Scene`.
        channels: 3 for BGR, 1 for grey.

    Returns:
        Float32 array of shape `(height, width, channels)`, 0-255.
    """
    width, height = size
    ramp = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    canvas = _Canvas(height, width, channels)
    top, bottom = (canvas.tone(colour) for colour in scene.background)
    canvas.pixels += top + (bottom - top) * ramp
    unit = float(np.linalg.norm(points[68] - points[69]))  # pixels between the eyes
    _draw_head(canvas, person, points, unit)
    _draw_skin_lines(canvas, person, points, unit, intensities)
    _draw_nose(canvas, points, unit)
    bared = max(sum(intensities.get(au, (0, 0))) / 10 for au in (10, 12, 16, 20))
    _draw_mouth(canvas, person, points, unit, bared)
    for eye in (range(36, 42), range(42, 48)):
        _draw_eye(canvas, person, points[list(eye)], points[68 if eye[0] == 36 else 69], unit)
    _draw_brows(canvas, person, points, unit)
    _draw_hair(canvas, person, points, unit)
    if person.glasses:
        _draw_glasses(canvas, points, unit)
    return np.clip(canvas.pixels, 0, 255)


def _draw_head(canvas, person, points, unit):
    skin = np.array(person.skin)
    if person.hair_style != "bald":
        ends = points[[15, 1]]
        if person.hair_style == "long":
            right = _curve(points[[87, 14, 12, 11]] + np.array([(0, 0), (0.35, 0.1), (0.42, 0.3), (0.1, 0.45)]) * unit)
            left = _curve(points[[5, 4, 2, 79]] + np.array([(-0.1, 0.45), (-0.42, 0.3), (-0.35, 0.1), (0, 0)]) * unit)
            ends = np.concatenate([right, left])
        behind = np.concatenate([_curve(points[79:88]), ends])
        canvas.fill(behind, np.array(person.hair) * 0.75)
    middle = points[8, 0]
    drop = points[8, 1]
    below = canvas.pixels.shape[0] + unit
    neck = np.array([(-0.62, -0.7), (-0.6, 0.35), (-0.9, 0.6), (0.9, 0.6), (0.6, 0.35), (0.62, -0.7)]) * unit
    shoulders = np.array([(-0.75, 0.42), (-2.0, 0.8), (-2.2, 9), (2.2, 9), (2.0, 0.8), (0.75, 0.42), (0, 0.62)]) * unit
    canvas.fill(np.minimum(neck + (middle, drop), (np.inf, below)), skin * 0.72)
    canvas.fill(np.minimum(shoulders + (middle, drop), (np.inf, below)), person.clothes, soft=0.02 * unit)
    for ear, outward in ((points[0], -1), (points[16], 1)):
        canvas.fill(_ellipse(ear + (0.05 * outward * unit, 0.12 * unit), 0.12 * unit, 0.30 * unit), skin * 0.85)
    face = np.concatenate([_curve(points[0:17]), _curve(points[78:69:-1])])
    canvas.fill(face, skin * 0.80)
    # Lit from the front: the skin brightens away from the outline.
    centre = face.mean(axis=0)
    canvas.fill(centre + (face - centre) * 0.80, skin, soft=0.16 * unit)
    canvas.shade(_ellipse(points[70:79].mean(axis=0) + (0, 0.42 * unit), 0.6 * unit, 0.2 * unit), 0.05, 0.15 * unit)
    for cheek in points[88:90]:
        canvas.shade(_ellipse(cheek, 0.28 * unit, 0.2 * unit), 0.06, 0.14 * unit)
    for eye in (points[36:42], points[42:48]):
        canvas.shade(_ellipse(eye.mean(axis=0) - (0, 0.06 * unit), 0.32 * unit, 0.17 * unit), -0.14, 0.08 * unit)
    if person.beard:
        mouth = points[48:60].mean(axis=0)
        cheeks = mouth + np.array([(0.78, -0.25), (0.5, -0.12), (0.3, 0.12), (0, 0.22)]) * unit
        cheeks = np.concatenate([cheeks, cheeks[2::-1] * (-1, 1) + (2 * mouth[0], 0)])
        beard = np.concatenate([_curve(points[2:15]), _curve(cheeks)])
        canvas.fill(beard, person.hair, opacity=0.7 * person.beard, soft=0.05 * unit)
        lip = np.concatenate([points[[48, 49, 51, 53, 54]], points[[35, 33, 31]] + np.array((0.0, 0.07 * unit))])
        canvas.fill(lip, person.hair, opacity=0.75 * person.beard, soft=0.03 * unit)


def _draw_skin_lines(canvas, person, points, unit, intensities):
    """Furrows and bulges; each appears with its action units, on their side."""

    def level(side, **shares):
        return sum(intensities.get(int(name[2:]), (0, 0))[side] / 5 * share for name, share in shares.items())

    def line(curve, strength, width=0.05, soft=0.012):
        if strength > 0.04:
            canvas.shade(_stroke(curve, width * unit), -0.34 * min(1.2, strength * person.furrows), soft * unit)

    def at(index, right, down):
        return points[index] + (right * unit, down * unit)

    for side, outward, outer, inner, wing, corner, cheek, jaw in (
        (0, -1, 36, 39, 31, 48, 88, 5),
        (1, 1, 45, 42, 35, 54, 89, 11),
    ):
        brow = {0: (21, 19, 17), 1: (22, 24, 26)}[side]
        # Nasolabial furrow, with the cheek bulging above it.
        fold = level(side, au6=0.5, au9=0.9, au10=0.9, au12=0.9, au20=0.25) + 0.12
        start, end = at(wing, 0.05 * outward, -0.08), at(corner, 0.13 * outward, 0.02)
        line([start, (start + end) / 2 + (0.06 * outward * unit, -0.02 * unit), end], fold, 0.06, 0.02)
        canvas.shade(
            _ellipse(points[cheek], 0.26 * unit, 0.16 * unit), 0.22 * level(side, au6=1, au12=0.6, au9=0.3), 0.09 * unit
        )
        # Crow's feet and the pouch under the eye.
        feet = level(side, au6=1.0)
        for turn in (-0.12, 0.02, 0.15):
            line(
                [
                    at(outer, 0.06 * outward, turn * 0.3),
                    at(outer, 0.16 * outward, turn),
                    at(outer, 0.27 * outward, turn * 2),
                ],
                feet,
                0.035,
            )
        pouch = level(side, au6=0.8, au7=0.6, au9=0.5)
        line([at(outer, 0.08, 0.14), (points[outer] + points[inner]) / 2 + (0, 0.20 * unit), at(inner, 0, 0.13)], pouch)
        # Frown: upright lines between the brows; a bulge over them when the inner ends are also raised.
        frown = level(side, au4=1.0)
        line(
            [
                at(brow[0], -0.10 * outward, -0.06),
                at(brow[0], -0.12 * outward, 0.06),
                at(brow[0], -0.08 * outward, 0.20),
            ],
            frown,
        )
        canvas.shade(_ellipse(at(brow[0], -0.02 * outward, 0.14), 0.14 * unit, 0.08 * unit), -0.25 * frown, 0.05 * unit)
        # Raised brows fold the forehead.
        for height in (0.20, 0.34, 0.48):
            inner_raise, outer_raise = level(side, au1=0.9), level(side, au2=0.9)
            line(
                [
                    at(brow[0], -0.2 * outward, -height),
                    at(brow[0], 0, -height - 0.02),
                    at(brow[1], -0.1 * outward, -height),
                ],
                inner_raise,
                0.045,
            )
            line(
                [
                    at(brow[1], -0.1 * outward, -height),
                    at(brow[1], 0.1 * outward, -height),
                    at(brow[2], -0.05 * outward, -height + 0.05),
                ],
                outer_raise,
                0.045,
            )
        # Wrinkled nose.
        wrinkle = level(side, au9=1.0)
        for down in (0.02, 0.12, 0.22):
            line(
                [at(27, 0.02 * outward, down), at(27, 0.12 * outward, down + 0.02), at(27, 0.2 * outward, down + 0.09)],
                wrinkle,
                0.04,
            )
        # Dimple beside the corner of the mouth, lines below it.
        dimple = level(side, au14=1.3, au12=0.25, au20=0.3)
        line(
            [at(corner, 0.07 * outward, -0.12), at(corner, 0.11 * outward, 0.0), at(corner, 0.06 * outward, 0.13)],
            dimple,
            0.07,
        )
        droop = level(side, au15=1.0, au17=0.2)
        line(
            [at(corner, 0.04 * outward, 0.04), at(corner, 0.08 * outward, 0.14), at(corner, 0.07 * outward, 0.28)],
            droop,
            0.05,
        )
        # Puckered chin, stretched neck side of the mouth.
        chin = level(side, au17=1.0)
        line([at(57, 0.0, 0.13), at(57, 0.14 * outward, 0.12), at(57, 0.24 * outward, 0.20)], chin, 0.06, 0.02)
        for right, down in ((0.05, 0.22), (0.13, 0.26), (0.07, 0.32)):
            canvas.shade(
                _ellipse(at(57, right * outward, down), 0.035 * unit, 0.025 * unit), -0.28 * chin, 0.012 * unit
            )
        stretch = level(side, au20=1.0)
        line(
            [at(corner, 0.1 * outward, -0.04), at(corner, 0.17 * outward, 0.08), (points[corner] + points[jaw]) / 2],
            stretch,
            0.05,
        )
        # Pressed lips bulge at their borders.
        press = level(side, au23=0.7, au24=0.9)
        line([at(51, 0.0, -0.05), at(51, 0.12 * outward, -0.06), at(51, 0.24 * outward, -0.01)], press, 0.05, 0.02)


def _draw_nose(canvas, points, unit):
    bridge = points[[27, 29, 30]]
    canvas.shade(_stroke(bridge, 0.12 * unit), 0.10, 0.05 * unit)
    for wing, outward in ((31, -1), (35, 1)):
        side = (
            points[[27, 29, 30]] + np.array([(0.10 * outward, 0.05), (0.13 * outward, 0), (0.17 * outward, 0)]) * unit
        )
        canvas.shade(_stroke(side, 0.09 * unit), -0.12, 0.04 * unit)
        around = points[wing] + np.array([(0.0, -0.17), (0.06 * outward, -0.06), (0.0, 0.03)]) * unit
        canvas.shade(_stroke(around, 0.05 * unit), -0.35, 0.015 * unit)
        nostril = (points[wing] + points[33]) / 2 + (0, -0.02 * unit)
        canvas.shade(_ellipse(nostril, 0.075 * unit, 0.035 * unit), -0.6, 0.015 * unit)
    under = points[[31, 33, 35]] + np.array((0, 0.04 * unit))
    canvas.shade(_stroke(under, 0.06 * unit), -0.22, 0.025 * unit)
    canvas.shade(_ellipse(points[30] + (0, 0.03 * unit), 0.08 * unit, 0.07 * unit), 0.10, 0.04 * unit)


def _draw_mouth(canvas, person, points, unit, bared):
    """Lips, and teeth and tongue between them; `bared` in [0, 1] is how far the lips uncover the teeth."""
    lips = np.array(person.lips)
    inner = _outline(points[60:65], points[[60, 67, 66, 65, 64]])
    canvas.shade(_ellipse(points[57] + (0, 0.12 * unit), 0.22 * unit, 0.05 * unit), -0.18, 0.04 * unit)
    gap = float(points[66, 1] - points[62, 1]) / unit
    if gap > 0.015:
        canvas.fill(inner, (34, 22, 56))
        if gap > 0.30:
            canvas.fill(
                _ellipse(points[66] - (0, 0.02 * unit), 0.2 * unit, 0.13 * unit), (92, 82, 165), 0.9, 0.02 * unit, inner
            )
        depth = min(0.03 + 0.11 * bared, 0.6 * gap) * unit
        teeth = np.concatenate([_curve(points[60:65]) - (0, 0.06 * unit), _curve(points[64:59:-1]) + (0, depth)])
        canvas.fill(teeth, (212, 222, 228), 0.95, 0.0, inner)
    canvas.fill(_outline(points[48:55], np.concatenate([points[[48]], points[60:65], points[[54]]])), lips * 0.92)
    canvas.fill(
        _outline(
            np.concatenate([points[[48]], points[[60, 67, 66, 65, 64]], points[[54]]]),
            points[[48, 59, 58, 57, 56, 55, 54]],
        ),
        lips,
    )
    canvas.shade(_ellipse((points[57] + points[66]) / 2, 0.13 * unit, 0.02 * unit), 0.12, 0.025 * unit)
    line = np.concatenate([points[[48]], points[60:65], points[[54]]])
    canvas.shade(_stroke(line, 0.045 * unit), -0.6 if gap <= 0.015 else -0.35, 0.008 * unit)
    for corner in points[[48, 54]]:
        canvas.shade(_ellipse(corner, 0.04 * unit, 0.035 * unit), -0.35, 0.015 * unit)


def _draw_eye(canvas, person, eye, iris, unit):
    shape = _outline(eye[:4], eye[[0, 5, 4, 3]])
    canvas.fill(shape, (214, 218, 222))
    canvas.fill(_ellipse(iris, 0.118 * unit, 0.118 * unit), np.array(person.iris) * 0.75, 1.0, 0.0, shape)
    canvas.fill(_ellipse(iris, 0.055 * unit, 0.055 * unit), (14, 12, 12), 1.0, 0.0, shape)
    canvas.fill(
        _ellipse(iris + (0.035 * unit, -0.035 * unit), 0.02 * unit, 0.02 * unit), (245, 245, 245), 0.9, 0.0, shape
    )
    canvas.fill(_stroke(eye[:4], 0.05 * unit), (24, 20, 24), 0.9)
    canvas.shade(_stroke(eye[[0, 5, 4, 3]], 0.03 * unit), -0.45)
    crease = eye[:4] + np.array([(0, -0.03), (0, -0.075), (0, -0.075), (0, -0.05)]) * unit
    canvas.shade(_stroke(crease, 0.03 * unit), -0.35, 0.01 * unit)


def _draw_brows(canvas, person, points, unit):
    colour = np.minimum(np.array(person.hair) * 0.8, np.array(person.skin) * 0.55)
    for brow in (points[17:22], points[22:27]):
        canvas.fill(_stroke(brow, 1.3 * person.brow_width * unit), colour, 0.9, 0.014 * unit)


def _draw_hair(canvas, person, points, unit):
    if person.hair_style == "bald":
        return
    cap = np.concatenate([_curve(points[79:88]), _curve(points[78:69:-1])])
    canvas.fill(cap, person.hair, soft=0.02 * unit)
    canvas.shade(_stroke(points[80:87] * 0.6 + points[71:78] * 0.4, 0.22 * unit), 0.25, 0.1 * unit)


def _draw_glasses(canvas, points, unit):
    for eye in (points[36:42], points[42:48]):
        rim = _ellipse(eye.mean(axis=0) + (0, 0.04 * unit), 0.39 * unit, 0.29 * unit)
        canvas.fill(_stroke(np.concatenate([rim[::2], rim[:1]]), 0.04 * unit, taper=False), (40, 36, 36), 0.85)
    canvas.fill(_stroke(points[[39, 27, 42]] + np.array((0, -0.02 * unit)), 0.04 * unit), (40, 36, 36), 0.85)


def photograph(picture, scene, rng):
    """Takes a photograph of a drawn picture: light from a side, lens blur, sensor noise.

    Args:
        picture: float32 array of shape `(height, width, channels)`, 0-255; left as it is.
        scene: a `Scene`.
        rng: `np.random.Generator` of the noise.

    Returns:
        uint8 array of the same shape.
    """
    height, width = picture.shape[:2]
    angle = np.radians(scene.light)
    across = np.linspace(-1, 1, width, dtype=np.float32) * np.float32(np.cos(angle))
    down = np.linspace(-1, 1, height, dtype=np.float32) * np.float32(np.sin(angle))
    light = np.float32(scene.gain) * (1 + np.float32(scene.slope) * (across[None, :] + down[:, None]))
    pixels = picture * light[..., None]
    if scene.blur > 0.2:
        pixels = cv2.GaussianBlur(pixels, (0, 0), scene.blur).reshape(picture.shape)
    pixels += rng.standard_normal((height, width, 1), dtype=np.float32) * np.float32(scene.noise)
    return np.clip(np.round(pixels), 0, 255).astype(np.uint8)
