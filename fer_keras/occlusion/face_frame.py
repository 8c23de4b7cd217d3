"""Face coordinates: where an occluder lies on a face, whatever the size, place and tilt of the face."""

import cv2
import numpy as np

from fer_keras.errors import InputError

_LEAST_UNIT = 2.0  # pixels between the eyes below which nothing could be told apart


class FaceFrame:
    """The landmarks of a face and the coordinates that they span.

    Face coordinates have their origin in the middle between the eyes; x runs along the eye line to the right of the
    picture, y at a right angle to it towards the chin. The unit is the distance of the eyes, of a face that is turned
    away the distance that it would have from the front. A face is about 2.2 units wide, its chin is at y = 1.8.

    Args:
        landmarks: float array of shape `(68, 2)`, x and y in pixels of the picture, iBUG order.
        shape: `(height, width)` of the picture.

    Raises:
        InputError: another shape, not finite, no distinct eyes (all zeros are "none found"), a face far larger than
            the picture, or none of the landmarks within it.
    """

    def __init__(self, landmarks, shape):
        landmarks = np.asarray(landmarks, np.float64)
        if landmarks.shape != (68, 2):
            raise InputError(f"landmarks must have the shape (68, 2), received {landmarks.shape}")
        if not np.isfinite(landmarks).all():
            raise InputError("landmarks must be finite, received NaN or infinity")
        if not landmarks.any():
            raise InputError("landmarks are all zero, which stands for a face whose landmarks were not found")
        left, right = landmarks[36:42].mean(axis=0), landmarks[42:48].mean(axis=0)
        across = right - left
        distance = np.hypot(*across)
        if not _LEAST_UNIT <= distance <= 2 * max(shape):
            raise InputError(
                f"the eyes must be {_LEAST_UNIT:g} to {2 * max(shape)} pixels apart in a picture of "
                f"{shape[1]}x{shape[0]}, received landmarks with {distance:g}"
            )
        self.landmarks = landmarks
        self.shape = tuple(shape)
        self.origin = (left + right) / 2
        self.right = across / distance
        self.down = np.array((-self.right[1], self.right[0]))
        # A face turned aside keeps its height; a chin at 1.8 units, dropped to 2.2 by a wide open mouth.
        self.unit = float(min(max(distance, 0.45 * np.hypot(*(landmarks[8] - self.origin))), 3 * distance))
        if not ((landmarks >= 0) & (landmarks <= (shape[1], shape[0]))).all(axis=1).any():
            raise InputError(f"the landmarks lie outside the picture of {shape[1]}x{shape[0]} pixels")

    def to_picture(self, points):
        """Face coordinates to pixels; any array of shape `(..., 2)`."""
        points = np.asarray(points, np.float64) * self.unit
        return self.origin + points[..., :1] * self.right + points[..., 1:] * self.down

    def to_face(self, points):
        """Pixels to face coordinates; any array of shape `(..., 2)`."""
        offsets = (np.asarray(points, np.float64) - self.origin) / self.unit
        return np.stack([offsets @ self.right, offsets @ self.down], axis=-1)

    def points(self):
        """The landmarks in face coordinates, a float array of shape `(68, 2)`."""
        return self.to_face(self.landmarks)

    def hull(self):
        """The pixels whose centres lie within the convex hull of the landmarks, a bool array of the picture's shape."""
        corners = cv2.convexHull(self.landmarks.astype(np.float32))[:, 0].astype(np.float64)
        low = np.clip(np.floor(corners.min(axis=0)), 0, self.shape[::-1]).astype(int)
        high = np.clip(np.ceil(corners.max(axis=0)), 0, self.shape[::-1]).astype(int)
        x, y = np.arange(low[0], high[0])[None] + 0.5, np.arange(low[1], high[1])[:, None] + 0.5
        sides = [
            (end[0] - start[0]) * (y - start[1]) - (end[1] - start[1]) * (x - start[0])
            for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True)
        ]
        inside = np.zeros(self.shape, bool)
        # The order of the corners may run either way.
        inside[low[1] : high[1], low[0] : high[0]] = (np.min(sides, axis=0) >= 0) | (np.max(sides, axis=0) <= 0)
        return inside
