"""Training of static recognisers: the one function that the command line, the Trainer and the Tuner call."""

import dataclasses

import keras
import numpy as np
import tensorflow as tf

from fer_keras.augmentation import augment_faces
from fer_keras.errors import InputError
from fer_keras.layers import IslandLoss
from fer_keras.models import AlexNetEmotion
from fer_keras.training.checkpoint import TrainingCheckpoint
from fer_keras.training.reseed import Reseed


@dataclasses.dataclass(frozen=True)
class StaticConfig:
    """Everything that a static training depends on besides the faces.

    Args:
        image_size: height and width of the model's input in pixels.
        channels: 1 for grey, 3 for colour.
        width: factor on the number of filters.
        dropout: rate before FC6 and FC7.
        metric_weight: λ, weight of the improved Island loss; 0 trains with softmax alone.
        threshold: τ of the improved Island loss.
        pair_weight: λ1 of the improved Island loss.
        alpha: α, step of the centres.
        epochs: passes over the training faces.
        batch_size: faces a step.
        learning_rate: first learning rate; it falls to zero along a cosine.
        weight_decay: of AdamW.
        augment: vary the training faces.
        seed: of weights, order and augmentation.
    """

    image_size: int = 48
    channels: int = 1
    width: float = 1.0
    dropout: float = 0.3
    metric_weight: float = 0.01
    threshold: float = 0.0
    pair_weight: float = 10.0
    alpha: float = 0.5
    epochs: int = 100
    batch_size: int = 16
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    augment: bool = True
    seed: int = 0

    def __post_init__(self):
        ranges = {
            "image_size": (32, 1024),
            "width": (0.05, 8),
            "epochs": (1, 1_000_000),
            "batch_size": (1, 1_000_000),
            "learning_rate": (1e-9, 10),
            "dropout": (0, 0.95),
            "metric_weight": (0, 1e6),
            "threshold": (0, 1e9),
            "pair_weight": (0, 1e6),
            "alpha": (0, 1),
            "weight_decay": (0, 1),
            "seed": (0, 2**31 - 1),
        }
        for name, (least, most) in ranges.items():
            if not least <= getattr(self, name) <= most:  # false for NaN too
                raise InputError(f"{name} must be from {least:g} to {most:g}, received {getattr(self, name)}")
        if self.channels not in (1, 3):
            raise InputError(f"channels must be 1 (grey) or 3 (colour), received {self.channels}")


def train_static(faces, config, validation=None, checkpoint_dir=None, on_epoch=None):
    """Trains an AlexNet-Emotion.

    The result depends on the faces and the configuration alone: order and augmentation are drawn from the seed and
    the epoch, so that a resumed run ends with what an uninterrupted one ends with.

    Args:
        faces: `FaceSet` to train on.
        config: `StaticConfig`.
        validation: optional `FaceSet`, evaluated after every epoch; it shares no subject with `faces`.
        checkpoint_dir: optional folder; training saves its state there and continues from what it finds.
        on_epoch: optional callable `(epoch, logs)`, called after every epoch with its number from 1.

    Returns:
        The trained `AlexNetEmotion`, compiled.

    Raises:
        InputError: no face, one class only, or a subject on both sides.
    """
    present = np.unique(faces.labels)
    if len(present) < 2:
        raise InputError(
            f"training needs faces of at least 2 classes, received {len(faces)} faces of "
            f"{', '.join(faces.label_names[label] for label in present) or 'none'}"
        )
    shared = set(faces.subjects) & set(validation.subjects) if validation else set()
    if shared:
        raise InputError(f"subject '{min(shared)}' is in training and in validation; folds must be subject-independent")

    batch_size = min(config.batch_size, len(faces))
    steps = len(faces) // batch_size
    checkpoint = TrainingCheckpoint(checkpoint_dir) if checkpoint_dir else None
    model, done = checkpoint.latest() if checkpoint else (None, 0)
    if model is None:
        keras.utils.set_random_seed(config.seed)
        model = compile_static(build_static(faces.label_names, config), config, steps)
    callbacks = [Reseed(config.seed), _StopAtNaN()] + ([checkpoint] if checkpoint else [])
    if on_epoch:
        callbacks.append(keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: on_epoch(epoch + 1, logs)))
    model.fit(
        training_batches(faces, config, batch_size, first_epoch=done),
        epochs=config.epochs,
        initial_epoch=done,
        steps_per_epoch=steps,
        validation_data=(validation.images, validation.labels) if validation else None,
        callbacks=callbacks,
        verbose=0,
    )
    return model


class _StopAtNaN(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if not np.isfinite(logs["loss"]):
            raise InputError(f"the loss is {logs['loss']} after epoch {epoch + 1}; try a smaller learning_rate")


def build_static(label_names, config):
    """Builds the model of a configuration.

    Args:
        label_names: sequence of class names.
        config: `StaticConfig`.

    Returns:
        An `AlexNetEmotion`, not compiled.
    """
    island = IslandLoss(
        len(label_names), threshold=config.threshold, pair_weight=config.pair_weight, alpha=config.alpha
    )
    return AlexNetEmotion(
        label_names,
        image_size=config.image_size,
        channels=config.channels,
        width=config.width,
        dropout=config.dropout,
        metric_loss=island if config.metric_weight else None,
        metric_weight=config.metric_weight,
    )


def compile_static(model, config, steps_per_epoch):
    """Compiles a model with a configuration's optimizer and softmax loss.

    Args:
        model: a classifier that returns logits.
        config: `StaticConfig`.
        steps_per_epoch: int, for the learning rate's schedule.

    Returns:
        The model.
    """
    schedule = keras.optimizers.schedules.CosineDecay(config.learning_rate, config.epochs * steps_per_epoch)
    model.compile(
        optimizer=keras.optimizers.AdamW(schedule, weight_decay=config.weight_decay),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


def training_batches(faces, config, batch_size, first_epoch=0):
    """The batches of all epochs, each epoch in its own order.

    Args:
        faces: `FaceSet`.
        config: `StaticConfig`.
        batch_size: int; what is left over at the end of an epoch waits for the next order.
        first_epoch: int, the epoch to start with.

    Returns:
        A `tf.data.Dataset` of `(images, labels)` with float32 images of shape `(batch, height, width, channels)`.
    """
    images, labels = tf.constant(faces.images), tf.constant(faces.labels)
    steps = len(faces) // batch_size

    def epoch_batches(epoch):
        order = tf.random.experimental.stateless_shuffle(tf.range(len(faces)), tf.stack([config.seed, epoch]))
        rows = tf.data.Dataset.from_tensor_slices(order).batch(batch_size, drop_remainder=True)
        return rows.enumerate(tf.cast(epoch, tf.int64) * steps)

    def gather(step, rows):
        batch = tf.gather(images, rows)
        seed = tf.stack([tf.constant(config.seed, tf.int64), step])
        return augment_faces(batch, seed) if config.augment else tf.cast(batch, tf.float32), tf.gather(labels, rows)

    epochs = tf.data.Dataset.range(first_epoch, config.epochs, output_type=tf.int32)
    return epochs.flat_map(epoch_batches).map(gather, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
