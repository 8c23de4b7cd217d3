"""Camera noise."""

import tensorflow as tf

from fer_keras.augmentation.draws import fold, normal, uniform


def add_noise(images, seed, most, frames=1):
    """Adds Gaussian noise of a strength that is drawn for every picture.

    Its standard deviation is uniform from 0 to `most` times 255. The channels of a pixel get the same noise, so that
    grey stays grey; values are cut off at 0 and 255.

    Args:
        images: float32 tensor of shape `(batch, height, width, channels)`, values 0-255.
        seed: int tensor of shape `(2,)`.
        most: float ≥ 0; 0 leaves the pictures as they are.
        frames: int or int scalar, how many successive pictures have noise of one strength.

    Returns:
        A float32 tensor of the same shape, values 0-255.
    """
    if not most:
        return images
    count, height, width = tf.shape(images)[0], tf.shape(images)[1], tf.shape(images)[2]
    deviation = tf.repeat(uniform((count // frames, 1, 1, 1), seed, 0.0), frames, axis=0) * (most * 255.0)
    noise = normal((count, height, width, 1), fold(seed, 1))
    return tf.clip_by_value(images + deviation * noise, 0.0, 255.0)
