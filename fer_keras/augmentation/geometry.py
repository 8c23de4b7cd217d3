"""Flip, rotation, scale and shift of faces and of their landmarks."""

import tensorflow as tf

from fer_keras.landmarks import MIRRORED_LANDMARKS


def move_faces(images, landmarks, draws, strength):
    """Moves faces about the middle of their pictures, as one resampling; border pixels are repeated beyond the border.

    Args:
        images: float32 tensor of shape `(batch, height, width, channels)`.
        landmarks: float tensor of shape `(batch, 68, 2)`, x and y in [0, 1] of the crop, or `None`.
        draws: float32 tensor of shape `(5, batch)`, uniform in [-1, 1): rotation, scale, flip, shift in x and in y.
        strength: an `AugmentationStrength`.

    Returns:
        The moved images, and the moved landmarks or `None`.
    """
    if not (strength.flip or strength.rotation or strength.scale or strength.shift):
        return images, None if landmarks is None else tf.cast(landmarks, tf.float32)
    height, width = tf.cast(tf.shape(images)[1], tf.float32), tf.cast(tf.shape(images)[2], tf.float32)
    angle = draws[0] * (strength.rotation * 3.141592653589793 / 180.0)
    scale = 1.0 + draws[1] * strength.scale
    flipped = draws[2] < 2.0 * strength.flip - 1.0
    flip = tf.where(flipped, -1.0, 1.0)
    cosine, sine = tf.cos(angle) * scale, tf.sin(angle) * scale
    # From a pixel of the result to the place in the picture that it shows: x' = a x + b y + c, y' = d x + e y + f.
    x, y = (width - 1.0) / 2.0, (height - 1.0) / 2.0
    a, b, d, e = flip * cosine, -flip * sine, sine, cosine
    c = x - a * x - b * y + draws[3] * strength.shift * width
    f = y - d * x - e * y + draws[4] * strength.shift * height
    zero = tf.zeros_like(a)
    images = tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.stack([a, b, c, d, e, f, zero, zero], axis=1),
        output_shape=tf.shape(images)[1:3],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="NEAREST",
    )
    if landmarks is None:
        return images, None
    return images, _move_landmarks(tf.cast(landmarks, tf.float32), (a, b, c, d, e, f), flipped, height, width)


def _move_landmarks(landmarks, transform, flipped, height, width):
    a, b, c, d, e, f = (value[:, None] for value in transform)
    # Pixels are counted from the centre of the first, landmarks from its outer corner.
    x, y = landmarks[..., 0] * width - 0.5 - c, landmarks[..., 1] * height - 0.5 - f
    determinant = a * e - b * d
    moved = tf.stack(
        [
            ((e * x - b * y) / determinant + 0.5) / width,
            ((a * y - d * x) / determinant + 0.5) / height,
        ],
        axis=-1,
    )
    moved = tf.where(flipped[:, None, None], tf.gather(moved, MIRRORED_LANDMARKS, axis=1), moved)
    found = tf.reduce_any(landmarks != 0.0, axis=(1, 2), keepdims=True)
    return tf.where(found, moved, 0.0)
