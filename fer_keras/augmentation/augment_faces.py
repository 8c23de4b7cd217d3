"""Random variation of training faces that leaves the expression as it is.

Every draw comes from a counter (epoch and step), not from a stream, so that a run that was killed and resumed sees
the very pictures it would have seen. That is why Keras's random layers, which draw from a stream and know nothing of
landmarks, are not used here.
"""

import tensorflow as tf

from fer_keras.augmentation.blur import blur_faces
from fer_keras.augmentation.colour import vary_colour
from fer_keras.augmentation.cutout import cut_out
from fer_keras.augmentation.draws import fold, uniform
from fer_keras.augmentation.geometry import move_faces
from fer_keras.augmentation.noise import add_noise
from fer_keras.augmentation.strength import AugmentationStrength


def augment_faces(images, seed, landmarks=None, strength=None, frames=1):
    """Varies a batch of faces: flip, rotation, scale, shift, then colour, blur, noise and an erased block.

    Args:
        images: uint8 or float tensor of shape `(batch, height, width, channels)`, values 0-255.
        seed: int tensor of shape `(2,)`; the same seed gives the same faces. One effect's draws do not depend on
            whether another is on.
        landmarks: optional float tensor of shape `(batch, 68, 2)`, x and y in [0, 1] of the crop, zeros where none
            were found. They go where their faces go, which may be beyond the border; zeros stay.
        strength: an `AugmentationStrength`; by default flip, rotation, scale, shift and erased block alone.
        frames: int, or a tensor of one, how many successive faces share their draws, see `augment_clips`; the batch is
            a multiple of it.

    Returns:
        A float32 tensor of the images' shape, values 0-255; where landmarks are given, a pair of it and the float32
        landmarks. Everything but the geometry can be compiled with `jit_compile=True`.
    """
    strength = strength or AugmentationStrength()
    images = tf.cast(images, tf.float32)
    draws = tf.repeat(uniform((9, tf.shape(images)[0] // frames), seed), frames, axis=1)
    images, landmarks = move_faces(images, landmarks, draws[:5], strength)
    images = vary_colour(images, fold(seed, 1), strength, frames)
    images = blur_faces(images, fold(seed, 2), strength.blur, frames)
    images = add_noise(images, fold(seed, 3), strength.noise, frames)
    images = cut_out(images, (draws[5:] + 1.0) / 2.0, strength.cutout)
    return images if landmarks is None else (images, landmarks)
