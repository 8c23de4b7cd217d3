"""Cutout: one erased block a face, as a small occlusion (DeVries & Taylor 2017)."""

import tensorflow as tf


def cut_out(images, draws, most):
    """Fills one block a face with the face's mean.

    Args:
        images: float32 tensor of shape `(batch, height, width, channels)`.
        draws: float32 tensor of shape `(4, batch)`, uniform in [0, 1): height, width, top and left of the block.
        most: float ≥ 0, largest side of the block as a share of the size; 0 leaves the pictures as they are.

    Returns:
        A float32 tensor of the same shape.
    """
    if not most:
        return images
    height, width = tf.cast(tf.shape(images)[1], tf.float32), tf.cast(tf.shape(images)[2], tf.float32)
    rows, columns = tf.range(height)[None, :, None], tf.range(width)[None, None, :]
    size_y, size_x = draws[0] * most * height, draws[1] * most * width
    top, left = draws[2] * (height - size_y), draws[3] * (width - size_x)
    block = (
        (rows >= top[:, None, None])
        & (rows < (top + size_y)[:, None, None])
        & (columns >= left[:, None, None])
        & (columns < (left + size_x)[:, None, None])
    )
    mean = tf.reduce_mean(images, axis=(1, 2), keepdims=True)
    return tf.where(block[..., None], mean, images)
