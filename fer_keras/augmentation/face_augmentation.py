"""Random variation of faces as a layer of a model."""

import dataclasses

import keras
import tensorflow as tf

from fer_keras.augmentation.augment_faces import augment_faces
from fer_keras.augmentation.strength import AugmentationStrength


@keras.saving.register_keras_serializable("fer_keras")
class FaceAugmentation(keras.layers.Layer):
    """Varies faces in training and leaves them as they are otherwise: `augment_faces` as a layer.

    It computes and answers in float32 under every policy, as float16 has 11 bits for 0-255 and their fractions. Its
    draws come from a `keras.random.SeedGenerator`, which `fer_keras.training.reseed.Reseed` sets at every epoch, so
    that a resumed training draws what it would have drawn.

    XLA has no kernel for the resampling. With flip, rotation, scale and shift at 0 the layer can be compiled with
    `jit_compile=True`; with them, Keras's `jit_compile="auto"` leaves the model uncompiled.

    Args:
        seed: int or `None`, of the draws.
        **kwargs: the strengths, see `AugmentationStrength`; all others are passed to `keras.layers.Layer`.

    Call arguments:
        images: uint8 or float tensor of shape `(batch, height, width, channels)`, values 0-255.
        landmarks: optional float tensor of shape `(batch, 68, 2)`, x and y in [0, 1] of the crop; zeros where none
            were found.
        training: bool, whether to vary them.

    Returns:
        A float32 tensor of the images' shape, values 0-255; with landmarks, a pair of it and the float32 landmarks.

    Raises:
        InputError: a strength is out of its range.

    Example:
    >>> vary = FaceAugmentation(seed=0, brightness=0.2, contrast=0.3, blur=0.02)
    >>> faces = keras.Input((48, 48, 1))
    >>> logits = backbone(vary(faces))
    """

    def __init__(self, seed=None, **kwargs):
        names = [field.name for field in dataclasses.fields(AugmentationStrength)]
        self.strength = AugmentationStrength(**{name: float(kwargs.pop(name)) for name in names if name in kwargs})
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        moves = self.strength.flip or self.strength.rotation or self.strength.scale or self.strength.shift
        self.supports_jit = not moves

    def call(self, images, landmarks=None, training=False):
        """Returns the varied images, and the landmarks with them if given."""
        images = tf.cast(images, tf.float32)
        if not training:
            return images if landmarks is None else (images, tf.cast(landmarks, tf.float32))
        seed = tf.cast(self.seed_generator.next(), tf.int64)
        return augment_faces(images, seed, landmarks, self.strength)

    def compute_output_shape(self, images_shape, landmarks_shape=None):
        """Returns the inputs' shapes."""
        return images_shape if landmarks_shape is None else (images_shape, landmarks_shape)

    def get_config(self):
        """Returns the layer's configuration."""
        return {**super().get_config(), "seed": self.seed, **dataclasses.asdict(self.strength)}
