"""The neutral face of a person, from any face of that person: DeRL's generator and its training."""

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from fer_keras.errors import InputError
from fer_keras.models.backbones.blocks import MOMENTUM, face_input
from fer_keras.models.baselines.recipe import StopAtNaN

_FILTERS = (24, 48, 96, 128)


def neutral_face_generator(input_shape=(48, 48, 1), width=1.0):
    """An auto-encoder whose every level can be looked at.

    Args:
        input_shape: `(height, width, channels)` of the faces, sizes divisible by 16.
        width: float, factor on the number of filters.

    Returns:
        A functional Keras model called `generator` from raw pixels 0-255 to a dict: `encoder1` to `encoder4`, maps of
        a half to a sixteenth of the size; `decoder3` to `decoder1`, maps of the way back; `neutral`, the face, -1..1.

    Raises:
        ValueError: a size is not divisible by 16.
    """
    layers = keras.layers
    if input_shape[0] % 16 or input_shape[1] % 16:
        raise ValueError(f"height and width must be divisible by 16. Received: input_shape={input_shape}")
    faces = face_input(input_shape)
    filters = [round(each * width) for each in _FILTERS]
    x = layers.Rescaling(1 / 127.5, offset=-1, name="rescale")(faces)
    maps = {}
    for level in range(1, 5):
        x = layers.Conv2D(filters[level - 1], 4, strides=2, padding="same", name=f"encoder{level}_conv")(x)
        x = layers.BatchNormalization(momentum=MOMENTUM, name=f"encoder{level}_bn")(x)
        x = maps[f"encoder{level}"] = layers.LeakyReLU(0.2, name=f"encoder{level}")(x)
    for level in range(3, 0, -1):
        x = layers.Conv2DTranspose(filters[level - 1], 4, strides=2, padding="same", name=f"decoder{level}_conv")(x)
        x = layers.BatchNormalization(momentum=MOMENTUM, name=f"decoder{level}_bn")(x)
        x = maps[f"decoder{level}"] = layers.Activation("relu", name=f"decoder{level}")(x)
    x = layers.Conv2DTranspose(input_shape[2], 4, strides=2, padding="same", name="neutral_conv")(x)
    maps["neutral"] = layers.Activation("tanh", dtype="float32", name="neutral")(x)
    return keras.Model(faces, maps, name="generator")


def neutral_discriminator(input_shape, width=1.0):
    """Tells whether the second of two faces is a photograph of the first, without expression, patch by patch.

    Args:
        input_shape: `(height, width, channels)` of the faces.
        width: float, factor on the number of filters.

    Returns:
        A functional Keras model from a face and a neutral face, -1..1, to logits `(batch, height/8, width/8, 1)`.
    """
    layers = keras.layers
    pair = [keras.Input(input_shape, name=name) for name in ("given", "neutral")]
    x = layers.Concatenate(name="pair")(pair)
    for level, filters in enumerate((24, 48, 96), 1):
        x = layers.Conv2D(round(filters * width), 4, strides=2, padding="same", name=f"conv{level}")(x)
        x = layers.LeakyReLU(0.2, name=f"conv{level}_relu")(x)
    return keras.Model(pair, layers.Conv2D(1, 3, padding="same", dtype="float32", name="logits")(x))


def neutral_pairs(faces, neutral=None):
    """Pairs every face with a neutral face of the same person.

    Args:
        faces: `FaceSet`.
        neutral: `FaceSet` of neutral faces, or `None` for the faces labelled neutral among `faces`.

    Returns:
        A pair of uint8 arrays `(n, height, width, channels)`, faces and the neutral faces to them. Persons without a
        neutral face are left out; neutral faces are paired with themselves.

    Raises:
        InputError: nobody has a neutral face.
    """
    if neutral is None:
        neutral = faces.select(np.array(faces.label_names)[faces.labels] == "neutral")
    by_subject, by_sequence = {}, {}
    for row, (subject, sequence) in enumerate(zip(neutral.subjects, neutral.sequences, strict=True)):
        by_subject.setdefault(subject, row)
        by_sequence.setdefault(sequence, row)
    matches = [
        (row, by_sequence.get(sequence, by_subject[subject]))
        for row, (subject, sequence) in enumerate(zip(faces.subjects, faces.sequences, strict=True))
        if subject in by_subject
    ]
    if not matches:
        raise InputError("DeRL learns from neutral faces of the training subjects, received none")
    rows, others = np.array(matches).T
    # A neutral face stays as it is.
    pictures = np.concatenate([faces.images[rows], neutral.images])
    return pictures, np.concatenate([neutral.images[others], neutral.images])


def train_generator(
    generator, batches, steps_per_epoch, epochs, learning_rate, reconstruction_weight=100.0, width=1.0, callbacks=()
):
    """Trains a generator of neutral faces as a conditional adversarial network with an L1 loss (Isola et al. 2017).

    Args:
        generator: model of `neutral_face_generator`.
        batches: `tf.data.Dataset` of pairs of faces and their neutral faces, float32, 0-255.
        steps_per_epoch: int.
        epochs: int.
        learning_rate: float, of Adam, for both networks; it falls to zero along a cosine.
        reconstruction_weight: float, weight of the L1 loss on -1..1; that of the adversarial loss is 1.
        width: float, factor on the discriminator's filters.
        callbacks: Keras callbacks; their `logs` hold `loss`, `reconstruction` (mean absolute error) and
            `discrimination`.
    """
    training = _Adversaries(generator, neutral_discriminator(generator.input_shape[1:], width), reconstruction_weight)

    def adam():
        schedule = keras.optimizers.schedules.CosineDecay(learning_rate, epochs * steps_per_epoch)
        optimizer = keras.optimizers.Adam(schedule, beta_1=0.5)
        half = keras.config.dtype_policy().compute_dtype == "float16"
        return keras.optimizers.LossScaleOptimizer(optimizer) if half else optimizer

    training.compile(adam(), adam())
    callbacks = [StopAtNaN(), *callbacks]
    training.fit(batches, epochs=epochs, steps_per_epoch=steps_per_epoch, callbacks=callbacks, shuffle=False, verbose=0)


class _Adversaries(keras.Model):
    """Generator and discriminator for the time of the training; nothing of it is kept but the generator."""

    def __init__(self, generator, discriminator, reconstruction_weight):
        super().__init__(name="neutral_face_training")
        self.generator, self.discriminator = generator, discriminator
        self.reconstruction_weight = reconstruction_weight
        self.trackers = {name: keras.metrics.Mean(name=name) for name in ("loss", "reconstruction", "discrimination")}

    def compile(self, generator_optimizer, discriminator_optimizer):
        super().compile()
        self.generator_optimizer, self.discriminator_optimizer = generator_optimizer, discriminator_optimizer
        generator_optimizer.build(self.generator.trainable_variables)
        discriminator_optimizer.build(self.discriminator.trainable_variables)

    @property
    def metrics(self):
        return list(self.trackers.values())

    def train_step(self, data):
        given, neutral = (picture / 127.5 - 1.0 for picture in data)
        with tf.GradientTape(persistent=True) as tape:
            made = self.generator(data[0], training=True)["neutral"]
            on_made = self.discriminator([given, made], training=True)
            # one pass of the discriminator on what was made serves both: its own loss and the generator's
            on_real = self.discriminator([given, neutral], training=True)
            reconstruction = ops.mean(ops.abs(made - neutral))
            loss = _cross_entropy(on_made, 1.0) + self.reconstruction_weight * reconstruction
            discrimination = 0.5 * (_cross_entropy(on_real, 1.0) + _cross_entropy(on_made, 0.0))
            scaled_loss = self.generator_optimizer.scale_loss(loss)
            scaled_discrimination = self.discriminator_optimizer.scale_loss(discrimination)
        for optimizer, scaled_value, network in (
            (self.generator_optimizer, scaled_loss, self.generator),
            (self.discriminator_optimizer, scaled_discrimination, self.discriminator),
        ):
            weights = network.trainable_variables
            optimizer.apply_gradients(zip(tape.gradient(scaled_value, weights), weights, strict=True))
        for tracker, value in zip(self.metrics, (loss, reconstruction, discrimination), strict=True):
            tracker.update_state(value)
        return {tracker.name: tracker.result() for tracker in self.metrics}


def _cross_entropy(logits, target):
    """Mean binary cross entropy of logits against one target, 0 or 1."""
    return ops.mean(ops.softplus(logits) - target * logits)
