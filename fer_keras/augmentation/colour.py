"""Brightness, contrast and tone curve of pictures, grey or in colour."""

import tensorflow as tf

from fer_keras.augmentation.draws import uniform


def vary_colour(images, seed, strength, frames=1):
    """Varies the light of every picture.

    For draws u₁, u₂, u₃ in [-1, 1) a value v in [0, 255] becomes `255 (v / 255)^((1 + gamma)^u₁)`, then
    `m + (v - m)(1 + contrast u₂)` with the picture's mean m over all channels, then `v + 255 brightness u₃`; in the
    end it is cut off at 0 and 255. The channels of a pixel are treated alike, so that grey stays grey.

    Args:
        images: float32 tensor of shape `(batch, height, width, channels)`, values 0-255.
        seed: int tensor of shape `(2,)`.
        strength: an `AugmentationStrength`.
        frames: int or int scalar, how many successive pictures share their draws.

    Returns:
        A float32 tensor of the same shape, values 0-255.
    """
    if not (strength.gamma or strength.contrast or strength.brightness):
        return images
    draws = tf.repeat(uniform((3, tf.shape(images)[0] // frames, 1, 1, 1), seed), frames, axis=1)
    if strength.gamma:
        images = 255.0 * tf.pow(images / 255.0, tf.pow(1.0 + strength.gamma, draws[0]))
    if strength.contrast:
        mean = tf.reduce_mean(images, axis=(1, 2, 3), keepdims=True)
        images = mean + (images - mean) * (1.0 + strength.contrast * draws[1])
    if strength.brightness:
        images = images + 255.0 * strength.brightness * draws[2]
    return tf.clip_by_value(images, 0.0, 255.0)
