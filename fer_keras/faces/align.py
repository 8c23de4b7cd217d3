"""The crop geometry of every face crop in fer_keras, stated and made here alone.

A crop is a square with the eyes level. The distance of the eye centres is `EYE_DISTANCE` of the crop's side, their
midpoint lies on the vertical middle line, `EYE_LINE` of the side below the upper edge. That leaves 2.3 eye distances
below the eyes, room for the chin of a wide open mouth, and 0.8 above them, room for raised brows.

Coordinates are continuous: (0, 0) is the outer corner of the first pixel, whose centre is (0.5, 0.5), and (width,
height) is the opposite corner. So resizing a crop multiplies its points, and dividing by the side gives [0, 1].
"""

import cv2
import numpy as np

EYE_DISTANCE = 0.32
EYE_LINE = 0.26

# Samples along one side of an output pixel: at 16 × 16 a coarser picture cannot be told from the exact average.
_MOST_SAMPLES = 16


def landmarks_to_eyes(landmarks):
    """Gives the eye centres of a face with 68 landmarks.

    Args:
        landmarks: float array of shape `(68, 2)`, x and y in iBUG order.

    Returns:
        A float array of shape `(2, 2)`, the mean of the six contour points of each eye, image-left eye first.
    """
    landmarks = np.asarray(landmarks, np.float64)
    if landmarks.shape != (68, 2):
        raise ValueError(f"landmarks must have the shape (68, 2). Received: shape {landmarks.shape}")
    return np.stack([landmarks[36:42].mean(axis=0), landmarks[42:48].mean(axis=0)])


def alignment_matrix(eyes, size):
    """Gives the similarity transform from a picture to the aligned crop of one face.

    Args:
        eyes: float array of shape `(2, 2)`, x and y of the eye centres in the picture, image-left eye first.
        size: side of the crop in pixels.

    Returns:
        A float64 array of shape `(2, 3)` for `transform_points` and `warp`.

    Raises:
        ValueError: the eyes are not two distinct finite points.
    """
    eyes = np.asarray(eyes, np.float64)
    if eyes.shape != (2, 2) or not np.isfinite(eyes).all() or np.array_equal(eyes[0], eyes[1]):
        raise ValueError(f"eyes must be two distinct points, shape (2, 2). Received: eyes={eyes.tolist()}")
    across = eyes[1] - eyes[0]
    # Divided twice, since the square of a tiny distance would be lost.
    length = np.hypot(*across)
    cosine, sine = across / length * (EYE_DISTANCE * size / length)
    linear = np.array([[cosine, sine], [-sine, cosine]])
    target = np.array([0.5 * size, EYE_LINE * size])
    return np.column_stack([linear, target - linear @ eyes.mean(axis=0)])


def transform_points(points, matrix):
    """Applies an affine transform to points.

    Args:
        points: float array of shape `(..., 2)`, x and y.
        matrix: float array of shape `(2, 3)`.

    Returns:
        A float64 array of the points' shape.
    """
    matrix = np.asarray(matrix, np.float64)
    return np.asarray(points, np.float64) @ matrix[:, :2].T + matrix[:, 2]


def align_landmarks(landmarks, eyes):
    """Gives the landmarks of a face in its crop, as models with a key-point angle map take them.

    Args:
        landmarks: float array of shape `(68, 2)`, x and y in the picture, or `None` where none were found.
        eyes: float array of shape `(2, 2)`, the eyes that `align_face` takes.

    Returns:
        A float32 array of shape `(68, 2)`, x and y in [0, 1] of the crop, beyond it where the face is; zeros where none
        were found.

    Raises:
        ValueError: the eyes are not two distinct finite points.
    """
    if landmarks is None:
        return np.zeros((68, 2), np.float32)
    return transform_points(landmarks, alignment_matrix(eyes, 1)).astype(np.float32)


def warp(image, matrix, size, spacing=1):
    """Resamples a square out of a picture; each output pixel averages the area that it covers.

    Args:
        image: uint8 array of shape `(height, width, 3)`, sides below 32,767 pixels.
        matrix: float array of shape `(2, 3)`, picture to square in continuous coordinates, a similarity transform.
        size: side of the square in pixels.
        spacing: the most pixels of the picture from one sample to the next. A sample blends two pixels each way, so
            2 still leaves none out, weighs them unevenly, and takes down to a quarter of the time.

    Returns:
        A uint8 array of shape `(size, size, 3)`. Beyond the picture its border pixels are repeated: a constant would
        draw an edge that no face has, a reflection a second chin.
    """
    matrix = np.asarray(matrix, np.float64)
    scale = np.hypot(matrix[0, 0], matrix[1, 0])
    # A shrinking bilinear warp skips pixels, so it is done finer by a whole factor and averaged down.
    samples = int(np.clip(np.ceil(1.0 / (spacing * scale)), 1, _MOST_SAMPLES))
    shifted = samples * matrix
    shifted[:, 2] += shifted[:, :2].sum(axis=1) / 2 - 0.5  # OpenCV counts from pixel centres
    side = samples * size
    square = cv2.warpAffine(image, shifted, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return square if samples == 1 else cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA)


def align_face(image, eyes, size=112):
    """Cuts one face out of a picture in the geometry of this module.

    Args:
        image: uint8 array of shape `(height, width, 3)`, sides below 32,767 pixels.
        eyes: float array of shape `(2, 2)`, x and y of the eye centres in pixels, image-left eye first.
        size: side of the crop in pixels.

    Returns:
        A uint8 array of shape `(size, size, 3)`; the same input always gives the same pixels.

    Raises:
        ValueError: the eyes are not two distinct finite points.
    """
    return warp(image, alignment_matrix(eyes, size), size)
