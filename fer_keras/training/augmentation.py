"""Random variation of training faces that leaves the expression as it is: flip, rotation, scale, shift, erased block.

Every draw comes from a counter (epoch and step), not from a stream, so that a run that was killed and resumed sees
the very pictures it would have seen.
"""

import tensorflow as tf

ROTATION = 12.0  # degrees, either way
SCALE = 0.10  # share of the size, either way
SHIFT = 0.06  # share of the size, either way
ERASED = 0.25  # largest side of the erased block, as a share of the size


def augment_faces(images, seed):
    """Varies a batch of faces.

    Args:
        images: uint8 or float tensor of shape `(batch, height, width, channels)`, values 0-255.
        seed: int tensor of shape `(2,)`; the same seed gives the same faces.

    Returns:
        A float32 tensor of the same shape, values 0-255.
    """
    images = tf.cast(images, tf.float32)
    count, height, width = tf.shape(images)[0], tf.shape(images)[1], tf.shape(images)[2]
    draws = tf.random.stateless_uniform((9, count), seed, -1.0, 1.0)
    images = _transform(images, draws, tf.cast(height, tf.float32), tf.cast(width, tf.float32))
    return _erase(images, (draws[5:] + 1.0) / 2.0, tf.cast(height, tf.float32), tf.cast(width, tf.float32))


def _transform(images, draws, height, width):
    """Flip, rotation, scale and shift about the centre, as one resampling."""
    angle = draws[0] * (ROTATION * 3.141592653589793 / 180.0)
    scale = 1.0 + draws[1] * SCALE
    flip = tf.where(draws[2] < 0.0, -1.0, 1.0)
    cosine, sine = tf.cos(angle) * scale, tf.sin(angle) * scale
    x, y = (width - 1.0) / 2.0, (height - 1.0) / 2.0
    a, b, d, e = flip * cosine, -flip * sine, sine, cosine
    c = x - a * x - b * y + draws[3] * SHIFT * width
    f = y - d * x - e * y + draws[4] * SHIFT * height
    zero = tf.zeros_like(a)
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.stack([a, b, c, d, e, f, zero, zero], axis=1),
        output_shape=tf.shape(images)[1:3],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="NEAREST",
    )


def _erase(images, draws, height, width):
    """Fills one block a face with the face's mean, as a small occlusion."""
    rows, columns = tf.range(height)[None, :, None], tf.range(width)[None, None, :]
    size_y, size_x = draws[0] * ERASED * height, draws[1] * ERASED * width
    top, left = draws[2] * (height - size_y), draws[3] * (width - size_x)
    block = (
        (rows >= top[:, None, None])
        & (rows < (top + size_y)[:, None, None])
        & (columns >= left[:, None, None])
        & (columns < (left + size_x)[:, None, None])
    )
    mean = tf.reduce_mean(images, axis=(1, 2), keepdims=True)
    return tf.where(block[..., None], mean, images)
