"""What occluders are painted on: a transparent sheet over a picture, finer than its pixels."""

import cv2
import numpy as np

from fer_keras.errors import InputError

_SHIFT = 4  # fractional bits of OpenCV's fixed-point coordinates
_FINE = 32.0  # samples an eye distance below which fine parts, such as a frame of metal, would break up
_MOST_SAMPLES = 4
_GRID = 40  # values along a side of random fields, which repeat beyond it
_LEAST = 1 / 255  # coverage that can change a pixel
_LUMINANCE = np.array((0.299, 0.587, 0.114), np.float32)


class Canvas:
    """A sheet with colour and coverage that is laid over a picture in the end.

    Colours are RGB, 0-255. Polygons are given in face coordinates, see `FaceFrame`, so that what is drawn follows the
    face; everything random is fixed to the face as well.

    Args:
        face: the `FaceFrame`.
        reach: `(left, top, right, bottom)` in face coordinates beyond which nothing will be painted; keeps the
            sheet small in a large picture.

    Attributes:
        x: float32 array of shape `(rows, columns)`, face coordinate of every sample.
        y: the same for y.
        per_unit: samples an eye distance.
    """

    def __init__(self, face, reach):
        self.face = face
        self.samples = int(np.clip(round(_FINE / face.unit), 1, _MOST_SAMPLES))
        self.per_unit = self.samples * face.unit
        left, top, right, bottom = reach
        corners = face.to_picture([(left, top), (right, top), (left, bottom), (right, bottom)])
        height, width = face.shape
        low = np.clip(np.floor(corners.min(axis=0)), 0, (width, height)).astype(int)
        high = np.clip(np.ceil(corners.max(axis=0)), 0, (width, height)).astype(int)
        (self._left, self._top), (columns, rows) = low, high - low
        self.shape = (int(rows) * self.samples, int(columns) * self.samples)
        self._box = (slice(low[1], high[1]), slice(low[0], high[0]))
        self._colour = np.zeros((*self.shape, 3), np.float32)  # times coverage
        self._alpha = np.zeros(self.shape, np.float32)
        columns = (np.arange(self.shape[1]) + 0.5) / self.samples + self._left - face.origin[0]
        rows = (np.arange(self.shape[0]) + 0.5) / self.samples + self._top - face.origin[1]
        (right_x, right_y), (down_x, down_y) = face.right / face.unit, face.down / face.unit
        self.x = np.add.outer(rows * right_y, columns * right_x).astype(np.float32)
        self.y = np.add.outer(rows * down_y, columns * down_x).astype(np.float32)

    def to_samples(self, points):
        """Face coordinates to samples of the sheet, counted from the centre of the first."""
        return (self.face.to_picture(points) - (self._left, self._top)) * self.samples - 0.5

    def mask(self, *polygons, soft=0.0):
        """Coverage of polygons.

        Args:
            *polygons: arrays of shape `(n, 2)` in face coordinates.
            soft: float, standard deviation of its edge in eye distances.

        Returns:
            A float32 array of the sheet's shape, 0-1.
        """
        corners = np.clip(self.to_samples(np.concatenate(polygons)), -1e5, 1e5)
        mask, pad = np.zeros(self.shape, np.float32), 2 + int(4 * soft * self.per_unit)
        columns, rows = zip(corners.min(axis=0).astype(int) - pad, corners.max(axis=0).astype(int) + pad, strict=True)
        box = self.box(columns, rows)
        part = np.zeros(mask[box].shape, np.uint8)
        if part.size:
            fixed = np.round((corners - (box[1].start, box[0].start)) * (1 << _SHIFT)).astype(np.int32)
            for outline in np.split(fixed, np.cumsum([len(polygon) for polygon in polygons[:-1]])):
                cv2.fillPoly(part, [outline], 255, cv2.LINE_AA, _SHIFT)
            mask[box] = self.soften(part, soft) * np.float32(1 / 255)
        return mask

    def box(self, columns, rows):
        """The part of the sheet within `(first, last)` columns and rows, as two slices."""
        (left, right), (top, bottom) = columns, rows
        height, width = self.shape
        left, top = max(0, min(width, left)), max(0, min(height, top))
        return slice(top, max(top, min(height, bottom + 1))), slice(left, max(left, min(width, right + 1)))

    def soften(self, values, soft):
        """Blurs values; `soft` is the standard deviation in eye distances."""
        # A stack blur of this window has that standard deviation, at a tenth of a Gaussian blur's cost.
        window = min(2 * round(2.45 * soft * self.per_unit - 1) + 1, 511)
        return cv2.stackBlur(values, (window, window)) if window >= 3 else values

    def field(self, rng, cell):
        """A smooth random field that is fixed to the face.

        Args:
            rng: `np.random.Generator`; as much is drawn whatever the size of the picture.
            cell: float, size of its structures in eye distances.

        Returns:
            A float32 array of the sheet's shape, mean about 0, standard deviation somewhat below 1.
        """
        grid = rng.standard_normal((_GRID, _GRID), dtype=np.float32)
        field = self.sample(grid, self.x / np.float32(cell), self.y / np.float32(cell))
        # What is finer than a sample would turn into noise.
        return field * np.float32(np.clip(cell * self.per_unit - 1, 0, 1))

    @staticmethod
    def sample(grid, columns, rows):
        """Reads a small float32 array at fractional places, smoothly; it repeats itself beyond its edges."""
        if not columns.size:
            return np.zeros(columns.shape, np.float32)
        columns, rows = columns.astype(np.float32), rows.astype(np.float32)
        return cv2.remap(grid, columns, rows, cv2.INTER_CUBIC, None, cv2.BORDER_WRAP)

    def paint(self, mask, colour, opacity=1.0, shade=None):
        """Lays a colour over the sheet.

        Args:
            mask: array of the sheet's shape, 0-1.
            colour: three values, or an array of shape `(rows, columns, 3)`.
            opacity: float, 0-1.
            shade: optional array of the sheet's shape that the colour is multiplied with.
        """
        box = _bounds(mask)
        if box is None:
            return
        colour = np.asarray(colour, np.float32)
        colour = colour[box] if colour.ndim == 3 else colour
        if shade is not None:
            colour = colour * shade[box][..., None].astype(np.float32)
        part = (mask[box] * np.float32(opacity))[..., None]
        self._colour[box] += part * (colour - self._colour[box])
        self._alpha[box] += part[..., 0] * (1 - self._alpha[box])

    def shade(self, mask, amount):
        """Darkens (amount < 0) or brightens (amount > 0) what is painted there, by a share."""
        box = _bounds(mask)
        if box is not None:
            self._colour[box] *= (1 + np.float32(amount) * mask[box])[..., None]

    def light(self, light):
        """Puts what is painted into the light of the face."""
        across = np.clip(1 + np.float32(light.slope) * self.x, 0.5, 1.5) * np.float32(light.gain)
        self._colour *= across[..., None]

    def touched(self, coverage):
        """The pixels of the picture that a mask touches, a bool array of the picture's shape."""
        mask = np.zeros(self.face.shape, bool)
        if coverage.size:
            mask[self._box] = self._shrink(coverage) >= _LEAST
        return mask

    def fit(self, draw, coverage, most):
        """Finds the scale at which a shape covers a share of the face.

        Args:
            draw: function from a scale to a mask of the sheet's shape, which grows with it.
            coverage: float, share of the convex hull of the landmarks, of its part inside the picture.
            most: float, the greatest scale.

        Returns:
            What the nearest share found misses, its mask, and its scale.

        Raises:
            InputError: no pixel of the hull lies in the picture.
        """
        hull = self.face.hull()
        if not hull.any():
            raise InputError("coverage is a share of the face, but no pixel of the picture lies within its landmarks")
        low, high, found = 0.0, most, (np.inf, None, None)
        for _ in range(16):
            scale = (low + high) / 2
            mask = draw(scale)
            share = np.count_nonzero(self.touched(mask) & hull) / np.count_nonzero(hull)
            found = min(found, (abs(share - coverage), mask, scale), key=lambda fit: fit[0])
            if found[0] < 0.002:
                break
            low, high = (scale, high) if share < coverage else (low, scale)
        return found

    def lay_over(self, image, noise, rng):
        """Lays the sheet over a picture.

        Args:
            image: uint8 array of shape `(height, width, 3)`, RGB, or `(height, width)`, grey; left as it is.
            noise: float, standard deviation of the camera's noise on what is painted, in grey levels.
            rng: `np.random.Generator` of the noise.

        Returns:
            `(picture, mask)`: a new array like `image`, and a bool array of shape `(height, width)`, true where the
            sheet covers any part of a pixel. Other pixels are those of `image`.
        """
        picture, mask = image.copy(), self.touched(self._alpha)
        if not mask.any():
            return picture, mask
        alpha, colour, noise = self._pixels(image.ndim == 2, noise, rng)
        covered = mask[self._box]
        laid = np.clip(np.round(picture[self._box] * (1 - alpha) + colour + noise), 0, 255).astype(np.uint8)
        picture[self._box][covered] = laid[covered]
        return picture, mask

    def layer(self, channels, noise, rng):
        """The sheet itself in pixels of the picture: what `lay_over` lays over it.

        Args:
            channels: 1 for grey, 3 for colour.
            noise: as for `lay_over`.
            rng: as for `lay_over`.

        Returns:
            A float32 array of shape `(height, width, channels + 1)`: colour times coverage, and coverage, 0-1, which is
            above 0 exactly for the pixels of the mask. A picture p becomes `p (1 − coverage) + colour`.
        """
        layer, mask = np.zeros((*self.face.shape, channels + 1), np.float32), self.touched(self._alpha)
        if mask.any():
            alpha, colour, noise = self._pixels(channels == 1, noise, rng)
            parts = [np.reshape(part, (*alpha.shape[:2], -1)) for part in (colour + noise, alpha)]
            layer[self._box] = np.concatenate(parts, axis=-1) * mask[self._box][..., None]
        return layer

    def _pixels(self, grey, noise, rng):
        """Coverage, colour times coverage and noise in pixels of the picture."""
        alpha, colour = self._shrink(self._alpha), self._shrink(self._colour)
        noise = rng.standard_normal(alpha.shape, dtype=np.float32) * np.float32(noise) * alpha
        if grey:
            return alpha, colour @ _LUMINANCE, noise
        return alpha[..., None], colour, noise[..., None]

    def _shrink(self, values):
        """Averages samples to pixels."""
        if self.samples == 1:
            return values
        rows, columns = values.shape[:2]
        return cv2.resize(values, (columns // self.samples, rows // self.samples), interpolation=cv2.INTER_AREA)


def _bounds(mask):
    """The rows and columns where a mask is not zero, `None` if it is zero everywhere."""
    if not mask.size:
        return None
    columns, rows = np.flatnonzero(mask.max(axis=0)), np.flatnonzero(mask.max(axis=1))
    return (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)) if len(rows) else None
