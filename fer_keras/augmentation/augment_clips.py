"""Random variation of training clips: every frame of a clip is varied alike."""

import tensorflow as tf

from fer_keras.augmentation.augment_faces import augment_faces


def augment_clips(clips, seed, landmarks=None, strength=None):
    """Varies a batch of clips as `augment_faces` varies faces, with one draw a clip.

    All frames of a clip are mirrored, moved, coloured, blurred and covered alike, so that what moves in a clip is the
    face alone. Noise is as strong in every frame of a clip, and another in each, as a camera's is. A clip of one frame
    is varied as that face is.

    Args:
        clips: uint8 or float tensor of shape `(batch, frames, height, width, channels)`, values 0-255, at least one
            frame.
        seed: int tensor of shape `(2,)`; the same seed gives the same clips, every clip of a batch its own.
        landmarks: optional float tensor of shape `(batch, frames, 68, 2)`, x and y in [0, 1] of the crop, zeros where
            none were found. They go where their faces go; zeros stay.
        strength: an `AugmentationStrength`; by default that of `augment_faces`.

    Returns:
        A float32 tensor of the clips' shape, values 0-255; where landmarks are given, a pair of it and the float32
        landmarks.
    """
    clips = tf.convert_to_tensor(clips)
    shape = tf.shape(clips)
    images = tf.reshape(clips, tf.concat([[shape[0] * shape[1]], shape[2:]], axis=0))
    points = None if landmarks is None else tf.reshape(landmarks, (shape[0] * shape[1], 68, 2))
    varied = augment_faces(images, seed, points, strength, frames=shape[1])
    if landmarks is None:
        return tf.ensure_shape(tf.reshape(varied, shape), clips.shape)
    images, points = varied
    return (
        tf.ensure_shape(tf.reshape(images, shape), clips.shape),
        tf.reshape(points, (shape[0], shape[1], 68, 2)),
    )
