"""Hand: the person's own, back of the hand towards the camera, laid over mouth, nose, eye or cheek."""

import dataclasses

import cv2
import numpy as np

from fer_keras.occlusion.shapes import stroke, superellipse

REACH = (-3.2, -2.2, 3.2, 4.6)

_UNIT = 63.0  # millimetres between the eyes of an adult
_CLOTH = 6.0  # how far a sleeve stands off the arm, in millimetres
_AROUND = 8.0  # how far about its parts the outline is known

# A right hand in millimetres: wrist at the origin, fingers towards -y, thumb at -x. Base joint, phalanges, radii of
# joints, direction in degrees from straight ahead.
_FINGERS = (
    ((-29.0, -88.0), (38.0, 23.0, 17.0), (9.6, 8.8, 8.0, 6.6), -7.0),
    ((-9.0, -95.0), (42.0, 27.0, 18.0), (9.8, 9.0, 8.1, 6.7), -1.0),
    ((12.0, -91.0), (39.0, 25.0, 18.0), (9.4, 8.6, 7.8, 6.4), 5.0),
    ((31.0, -80.0), (31.0, 18.0, 16.0), (8.4, 7.6, 6.8, 5.6), 13.0),
)
_THUMB = ((-22.0, -24.0), (40.0, 32.0, 24.0), (13.0, 11.0, 9.6, 7.6), -30.0)
_PALM = np.array([(-25, 4), (-33, -40), (-37, -84), (-12, -97), (14, -94), (38, -78), (34, -38), (25, 4)], float)


@dataclasses.dataclass(frozen=True)
class _Pose:
    """Where a hand lies: which millimetre of it on which face coordinate, pointing where, how often."""

    on_hand: tuple
    on_face: tuple  # landmarks whose mean it is
    angles: tuple  # range of the fingers' direction, degrees clockwise from up, for a hand from the left
    chance: float


_OTHER_EYE = {36: 45, 39: 42, 41: 46}
_POSES = (
    _Pose((0.0, -112.0), (48, 54, 57), (50, 84), 0.40),  # over the mouth
    _Pose((0.0, -122.0), (36, 39, 41), (5, 35), 0.25),  # over an eye
    _Pose((0.0, -118.0), (30, 33), (48, 76), 0.20),  # over nose and cheek
    _Pose((4.0, -132.0), (27, 27, 30), (58, 80), 0.15),  # over both eyes
)


def hand(canvas, face, light, rng):
    """Draws a hand, in the colour of the face's skin, with its forearm or sleeve.

    Args:
        canvas: the `Canvas` to paint on.
        face: the `FaceFrame`.
        light: the `Light`, for the colour of the skin.
        rng: `np.random.Generator` of its looks.
    """
    pose = _POSES[rng.choice(len(_POSES), p=[pose.chance for pose in _POSES])]
    side = 1.0 if rng.random() < 0.5 else -1.0  # of the picture the hand comes from: left, right
    angle = np.radians(rng.uniform(*pose.angles))
    size = rng.uniform(0.88, 1.02) / _UNIT
    spread = rng.uniform(0.1, 1.2)
    bends = rng.normal(0, 2.0, (5, 3))
    curls = rng.uniform(0.88, 1.0, 5)  # foreshortening of bent fingers
    jitter = rng.normal(0, 0.05, 2)
    tone = np.array(light.skin) / light.gain * rng.uniform(0.98, 1.12)
    sleeve = np.array(rng.uniform(25, 190, 3)) if rng.random() < 0.6 else None
    cuff = rng.uniform(18, 50)
    mottle, fine = canvas.field(rng, 0.25), canvas.field(rng, 0.05)

    points = face.points()
    places = pose.on_face if side > 0 else [_OTHER_EYE.get(place, place) for place in pose.on_face]
    target = points[list(places)].mean(axis=0) + jitter
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])

    def to_face(millimetres):
        turned = (np.asarray(millimetres, float) - pose.on_hand) @ turn * size
        return target + turned * (side, 1)

    relief = _Relief(canvas, to_face, size)
    relief.plate(_PALM, 13.0)
    relief.cone((0, 10), (0, 260), 25.0, 38.0, -4.0)
    relief.cone((0, -30), (0, 12), 24.0, 25.0, -6.0)
    chains = []
    for index, (base, lengths, radii, direction) in enumerate((*_FINGERS, _THUMB)):
        heading = np.radians(direction * (spread if index < 4 else 0.75 + 0.4 * spread))
        joints = [np.array(base)]
        for length, bend in zip(lengths, np.radians(bends[index]), strict=True):
            heading = heading + bend / 2
            joints.append(joints[-1] + np.array((np.sin(heading), -np.cos(heading))) * length * curls[index])
        height = (1.5, 2.5, 1.5, 0.0, -3.0)[index]
        for start, end, first, last in zip(joints[:-1], joints[1:], radii[:-1], radii[1:], strict=True):
            relief.cone(start, end, first, last, height)
        if index < 4:  # knuckles stand out
            relief.cone(joints[0], joints[0] + (0, 0.1), radii[0] + 0.5, radii[0] + 0.5, 4.0)
        relief.cone(joints[1], joints[1] + (0, 0.1), radii[1] + 0.5, radii[1] + 0.5, height)
        chains.append((joints, radii))

    mask = relief.mask()
    shade = relief.shade()
    canvas.paint(mask, tone, shade=shade * (1 + 0.035 * mottle + 0.02 * fine))
    creases, nails, beds = [], [], []
    for joints, radii in chains:
        creases += [line for number in (1, 2) for line in _creases(joints[number - 1], joints[number], radii[number])]
        nail = _nail(joints[-2], joints[-1], radii[-1])
        nails.append(to_face(nail))
        beds.append(to_face(nail.mean(axis=0) + 1.16 * (nail - nail.mean(axis=0))))
    canvas.shade(canvas.mask(*(to_face(line) for line in creases), soft=0.008) * mask, -0.16)
    canvas.paint(canvas.mask(*beds) * mask, tone * (0.76, 0.65, 0.63), 0.6)
    canvas.paint(canvas.mask(*nails) * mask, np.clip(tone * 0.75 + (70, 46, 44), 0, 250), 0.85, shade)
    if sleeve is not None:
        shirt = np.array([(-60, cuff), (60, cuff), (70, 300), (-70, 300)], float)
        cloth = relief.mask(_CLOTH) * canvas.mask(to_face(shirt))
        canvas.paint(cloth, sleeve, shade=shade * (1 + 0.10 * mottle))
        canvas.shade(canvas.mask(to_face(stroke([(-60, cuff + 9), (60, cuff + 9)], 1.6))) * cloth, -0.3)


def _creases(before, joint, radius):
    """Outlines of the three lines across a joint, in millimetres."""
    along = (joint - before) / np.hypot(*(joint - before))
    across = np.array((-along[1], along[0])) * radius * 0.55
    return [stroke([joint + along * shift - across, joint + along * shift + across], 1.3) for shift in (-2.6, 0.0, 2.6)]


def _nail(before, tip, radius):
    """Outline of the nail on a finger tip, in millimetres."""
    along = (tip - before) / np.hypot(*(tip - before))
    across = np.array((-along[1], along[0]))
    oval = superellipse(radius * 0.86, radius * 0.66)
    return tip + along * radius * 0.12 + oval[:, :1] * along + oval[:, 1:] * across


class _Relief:
    """Height of the hand's surface over the picture, in millimetres, put together from rounded parts."""

    def __init__(self, canvas, to_face, size):
        self._canvas, self._to_face, self._size = canvas, to_face, size
        self._scale = canvas.per_unit * size  # samples a millimetre
        self._height = np.full(canvas.shape, -1e3, np.float32)
        self._out = np.full(canvas.shape, -1e3, np.float32)  # how far inside the outline, in millimetres

    def cone(self, start, end, first, last, base):
        """Adds a rounded rod from `start` to `end` with radii `first` and `last`, its axis at height `base`."""
        (x0, y0), (x1, y1) = self._canvas.to_samples(self._to_face([start, end]))
        reach = (max(first, last) + _AROUND) * self._scale
        box = self._canvas.box(
            (int(min(x0, x1) - reach), int(max(x0, x1) + reach)), (int(min(y0, y1) - reach), int(max(y0, y1) + reach))
        )
        x = np.arange(box[1].start, box[1].stop, dtype=np.float32)[None] - np.float32(x0)
        y = np.arange(box[0].start, box[0].stop, dtype=np.float32)[:, None] - np.float32(y0)
        dx, dy = np.float32(x1 - x0), np.float32(y1 - y0)
        along = np.clip((x * dx + y * dy) / (dx * dx + dy * dy + np.float32(1e-9)), 0, 1)
        distance = np.hypot(x - along * dx, y - along * dy) / np.float32(self._scale)
        radius = np.float32(first) + np.float32(last - first) * along
        within = radius - distance
        np.maximum(self._out[box], within, out=self._out[box])
        height = np.sqrt(np.clip(radius**2 - distance**2, 0, None)) + np.float32(base)
        np.maximum(self._height[box], np.where(within > 0, height, -1e3), out=self._height[box])

    def plate(self, outline, thickness):
        """Adds a flat part with rounded edges."""
        solid = (self._canvas.mask(self._to_face(outline), soft=0.06) * 255).astype(np.uint8)
        inside = cv2.distanceTransform((solid > 127).astype(np.uint8), cv2.DIST_L2, 3) / np.float32(self._scale)
        np.maximum(self._out, np.where(inside > 0, inside, -1e3), out=self._out)
        edge = np.clip(1 - inside / (1.3 * thickness), 0, 1)
        height = thickness * np.sqrt(np.clip(1 - edge**2, 0, None))
        np.maximum(self._height, np.where(inside > 0, height, -1e3), out=self._height)

    def mask(self, wider=0.0):
        """Coverage of the outline, moved outwards by some millimetres."""
        return np.clip((self._out + np.float32(wider)) * np.float32(self._scale) + 0.5, 0, 1)

    def shade(self):
        """Brightness of the surface in the light from above: about 1 where it faces the viewer, dark in creases."""
        height = np.clip(self._height, -12, None)
        smooth = self._canvas.soften(height, 1.6 * self._size)
        slope_x = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, scale=self._scale / 8)
        slope_y = cv2.Sobel(smooth, cv2.CV_32F, 0, 1, scale=self._scale / 8)
        facing = (1 - 0.22 * slope_x + 0.34 * slope_y) / np.sqrt(1 + slope_x**2 + slope_y**2)
        hollow = np.clip((height - self._canvas.soften(height, 4.5 * self._size)) / 9.0, -1, 0.4)
        return np.clip(0.30 + 0.74 * facing + 0.55 * np.minimum(hollow, 0) + 0.10 * hollow, 0.2, 1.25)
