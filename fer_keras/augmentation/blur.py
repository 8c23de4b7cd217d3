"""Blur of pictures, each by its own radius."""

import tensorflow as tf

from fer_keras.augmentation.draws import uniform


def blur_faces(images, seed, most, frames=1):
    """Blurs every picture with a Gaussian whose radius is drawn for it.

    The standard deviation is uniform from 0 to `most` times the width. The weights are normalised over the pixels
    that there are, so that the border is neither darkened nor repeated.

    Args:
        images: float32 tensor of shape `(batch, height, width, channels)`, values 0-255.
        seed: int tensor of shape `(2,)`.
        most: float ≥ 0, the largest standard deviation as a share of the width; 0 leaves the pictures as they are.
        frames: int or int scalar, how many successive pictures share their draws.

    Returns:
        A float32 tensor of the same shape, values 0-255.
    """
    if not most:
        return images
    count, height, width = tf.shape(images)[0], tf.shape(images)[1], tf.shape(images)[2]
    sigma = tf.repeat(uniform((count // frames, 1, 1), seed, 0.0), frames, axis=0) * (most * tf.cast(width, tf.float32))
    # Both passes as products with banded matrices: one compiled operation, whatever the radius of each picture.
    images = tf.einsum("bij,bjwc->biwc", _weights(height, sigma), images)
    return tf.einsum("bij,bhjc->bhic", _weights(width, sigma), images)


def _weights(size, sigma):
    place = tf.range(tf.cast(size, tf.float32))
    # Below a tenth of a pixel nothing is left of the neighbours.
    distance = (place[:, None] - place) / tf.maximum(sigma, 0.05)
    weights = tf.exp(-0.5 * tf.square(distance))
    return weights / tf.reduce_sum(weights, axis=-1, keepdims=True)
