"""Training of static recognisers: the one function that the command line, the Trainer and the Tuner call."""

import dataclasses

import keras
import numpy as np
import tensorflow as tf

from fer_keras.augmentation import AugmentationStrength, augment_faces
from fer_keras.corpora.folds import hold_out_subjects
from fer_keras.errors import InputError
from fer_keras.layers import IslandLoss
from fer_keras.models import AlexNetEmotion, JointSupervision, backbones
from fer_keras.models.baselines.recipe import StopAtNaN
from fer_keras.models.preset import load_preset
from fer_keras.models.start_from import start_from
from fer_keras.training.best_epoch import BestEpoch
from fer_keras.training.checkpoint import TrainingCheckpoint
from fer_keras.training.fine_tuning import freeze_layers
from fer_keras.training.layerwise_adam import LayerwiseAdam
from fer_keras.training.replicas import synchronize_statistics
from fer_keras.training.reseed import Reseed


@dataclasses.dataclass(frozen=True)
class StaticConfig:
    """Everything that a static training depends on besides the faces.

    Args:
        backbone: one of `fer_keras.models.backbones.BACKBONES`.
        image_size: height and width of the model's input in pixels.
        channels: 1 for grey, 3 for colour.
        width: factor on the number of filters; networks of `keras.applications` have none.
        dropout: rate before FC6 and FC7 of AlexNet-Emotion.
        angle_map: whether the key-point angle map is a channel beside the picture; AlexNet-Emotion alone has it.
        metric_weight: λ, weight of the improved Island loss; 0 trains with softmax alone.
        threshold: τ of the improved Island loss.
        pair_weight: λ1 of the improved Island loss.
        alpha: α, step of the centres.
        epochs: passes over the training faces.
        batch_size: faces a step.
        learning_rate: first learning rate; it falls to zero along a cosine.
        weight_decay: decoupled, of the optimizer.
        augmentation: an `AugmentationStrength`, or `None` to leave training faces as they are.
        label_smoothing: share of every label that is spread over all classes, 0-1.
        class_balance: β, 0-1: a face of a class of n faces weighs in proportion to n to the power of −β. 0 weighs all
            faces alike, 1 all classes.
        soft_labels: train on the annotators' votes where a face has some, instead of its label.
        patience: stop after so many epochs without a lower loss on validation faces, and take the best epoch's weights;
            0 trains all epochs.
        pretrained: preset, by name or folder, whose weights training starts from; `""` for random ones.
        layer_rates: dict of layer name, or pattern such as `"conv*"`, to the factor on its learning rate; 0 freezes the
            layer. The first that fits counts.
        seed: of weights, order and augmentation.

    Raises:
        InputError: a value is out of its range.
    """

    backbone: str = "alexnet_emotion"
    image_size: int = 48
    channels: int = 1
    width: float = 1.0
    dropout: float = 0.3
    angle_map: bool = False
    metric_weight: float = 0.01
    threshold: float = 0.0
    pair_weight: float = 10.0
    alpha: float = 0.5
    epochs: int = 100
    batch_size: int = 16
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    augmentation: AugmentationStrength | None = dataclasses.field(default_factory=AugmentationStrength)
    label_smoothing: float = 0.0
    class_balance: float = 0.0
    soft_labels: bool = False
    patience: int = 0
    pretrained: str = ""
    layer_rates: dict = dataclasses.field(default_factory=dict)
    seed: int = 0

    def __post_init__(self):
        if isinstance(self.augmentation, dict):  # from JSON
            object.__setattr__(self, "augmentation", AugmentationStrength(**self.augmentation))
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
            "label_smoothing": (0, 0.99),
            "class_balance": (0, 1),
            "patience": (0, 1_000_000),
            "seed": (0, 2**31 - 1),
        }
        for name, (least, most) in ranges.items():
            if not least <= getattr(self, name) <= most:  # false for NaN too
                raise InputError(f"{name} must be from {least:g} to {most:g}, received {getattr(self, name)}")
        if self.channels not in (1, 3):
            raise InputError(f"channels must be 1 (grey) or 3 (colour), received {self.channels}")
        if self.backbone not in backbones.BACKBONES:
            raise InputError(f"backbone must be one of {', '.join(backbones.BACKBONES)}, received {self.backbone!r}")
        if self.angle_map and self.backbone != "alexnet_emotion":
            raise InputError(f"angle_map is for the backbone alexnet_emotion, received {self.backbone!r}")
        for pattern, rate in self.layer_rates.items():
            if not 0 <= rate <= 1e3:
                raise InputError(f"layer_rates must be from 0 to 1000, received {rate} for {pattern!r}")

    @property
    def total_epochs(self):
        """Passes of the whole training, for a progress bar."""
        return self.epochs


def train_static(faces, config, validation=None, checkpoint_dir=None, on_epoch=None, callbacks=(), start=None):
    """Trains a recogniser of single faces.

    The result depends on the faces and the configuration alone: order and augmentation are drawn from the seed and
    the epoch, so that a resumed run ends with what an uninterrupted one ends with.

    Args:
        faces: `FaceSet` to train on.
        config: `StaticConfig`.
        validation: optional `FaceSet`, evaluated after every epoch; it shares no subject with `faces`.
        checkpoint_dir: optional folder; training saves its state there and continues from what it finds.
        on_epoch: optional callable `(epoch, logs)`, called after every epoch with its number from 1.
        callbacks: further Keras callbacks; they come before the checkpoint of an epoch is written.
        start: optional callable that makes the model as `start_static` does, such as a `SharedStart`.

    Returns:
        The trained classifier, compiled: an `AlexNetEmotion`, or a `JointSupervision` with another backbone.

    Raises:
        InputError: no face, one class only, a subject on both sides, `patience` without validation, soft labels that no
            face has, an angle map without any landmarks, or a pretrained model that does not fit.
    """
    check_faces(faces, config, validation)
    checkpoint = TrainingCheckpoint(checkpoint_dir) if checkpoint_dir else None
    model, done = checkpoint.latest() if checkpoint else (None, 0)
    if model is None:
        model = (start or start_static)(faces.label_names, config, steps_per_epoch(faces, config))
    fit_static(model, faces, config, validation, checkpoint, on_epoch, callbacks, first_epoch=done)
    return model


def hold_out(faces, config):
    """Puts some subjects aside to validate on, where a training stops early.

    Args:
        faces: `FaceSet` of those that may be trained on.
        config: `StaticConfig`, or a recipe, which never stops early.

    Returns:
        A pair of `FaceSet`: a tenth less of the faces, whole subjects, and that tenth; all faces and `None` without
        `patience`.
    """
    if not getattr(config, "patience", 0):
        return faces, None
    held_out = np.isin(faces.subjects, list(hold_out_subjects(faces.subjects, faces.labels, seed=config.seed)))
    return faces.select(~held_out), faces.select(held_out)


def check_faces(faces, config, validation=None):
    """Says what is wrong with faces for a training; raises what `train_static` raises.

    Args:
        faces: `FaceSet` to train on.
        config: `StaticConfig`.
        validation: optional `FaceSet`.
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
    if config.patience and validation is None:
        raise InputError(f"patience={config.patience} needs faces to validate on; hold some subjects out")
    if config.soft_labels and not faces.votes.any():
        raise InputError("soft_labels needs annotators' votes, as FER+ has them; no face here has any")
    if config.angle_map and not faces.landmarks.any():
        raise InputError("angle_map needs landmarks; no face here has any (faces that come as crops have none)")


def check_start(label_names, config):
    """Says, before anything long, whether the model that a training starts with can be made.

    The preset that it starts from must be there and fit, and every pattern of `layer_rates` must meet a layer.

    Args:
        label_names: sequence of class names.
        config: `StaticConfig`.

    Raises:
        InputError: see `start_from` and `freeze_layers`.
    """
    if config.pretrained or config.layer_rates:
        model = build_static(label_names, config)
        freeze_layers(model, config.layer_rates)
        if config.pretrained:
            start_from(model, load_preset(config.pretrained)[0])


def start_static(label_names, config, steps_per_epoch, metrics=("accuracy",)):
    """Makes the model that a training starts with: seeded, frozen where asked, compiled.

    Args:
        label_names: sequence of class names.
        config: `StaticConfig`.
        steps_per_epoch: int, for the learning rate's schedule.
        metrics: what Keras's `compile` takes.

    Returns:
        The compiled model with random weights; what depends on faces or on a preset comes with `fit_static`.
    """
    keras.utils.set_random_seed(config.seed)
    model = build_static(label_names, config)
    freeze_layers(model, config.layer_rates)
    if tf.distribute.get_strategy().num_replicas_in_sync > 1:
        synchronize_statistics(model)
    return compile_static(model, config, steps_per_epoch, metrics)


class SharedStart:
    """`start_static` for trainings one after the other that differ in seed and faces alone, such as folds.

    Tracing and compiling cost as much as some epochs on a small corpus. What was compiled for the last training is used
    again: **the model that a training returned is overwritten by the next one.** Weights and steps are, bit by bit,
    those of a model of its own.
    """

    def __init__(self):
        self._key, self._model = None, None

    def __call__(self, label_names, config, steps_per_epoch):
        """Makes the model, or makes the last one new; arguments and result are those of `start_static`."""
        strategy = tf.distribute.get_strategy()  # its devices hold the weights
        key = (tuple(label_names), dataclasses.replace(config, seed=0), steps_per_epoch, strategy)
        if self._key != key:
            self._key, self._model = key, start_static(label_names, config, steps_per_epoch)
            return self._model
        keras.utils.set_random_seed(config.seed)
        self._model.set_weights(build_static(label_names, config).get_weights())
        for variable in self._model.optimizer.variables:
            variable.assign(keras.ops.zeros_like(variable))
        self._model.stop_training = False
        return self._model


def fit_static(
    model, faces, config, validation=None, checkpoint=None, on_epoch=None, callbacks=(), first_epoch=0, epochs=None
):
    """Trains a model that `start_static` made, or goes on with its training. Every static training ends up here.

    Args:
        model: the compiled model, trained in place.
        faces: `FaceSet` to train on.
        config: the model's `StaticConfig`.
        validation: optional `FaceSet`.
        checkpoint: optional `TrainingCheckpoint`.
        on_epoch: as in `train_static`.
        callbacks: as in `train_static`.
        first_epoch: int, epochs that the model has behind it; at 0 it starts from `config.pretrained`.
        epochs: int, the epoch to stop after, by default `config.epochs`.
    """
    if not first_epoch:
        if config.pretrained:
            start_from(model, load_preset(config.pretrained)[0])
        if config.angle_map:  # last: the reference angles are those of the faces here
            model.backbone.get_layer("angles").adapt(faces.landmarks)
    callbacks = [Reseed(config.seed), StopAtNaN(), *callbacks]
    if config.patience:
        callbacks.append(BestEpoch(config.patience, checkpoint and checkpoint.directory))
    if checkpoint:
        callbacks.append(checkpoint)
    if on_epoch:
        callbacks.append(keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: on_epoch(epoch + 1, logs)))
    validation_data = None
    if validation:
        validation_data = (validation.inputs(config.angle_map), _targets(validation, config))
    model.fit(
        training_batches(faces, config, min(config.batch_size, len(faces)), first_epoch=first_epoch),
        epochs=epochs or config.epochs,
        initial_epoch=first_epoch,
        steps_per_epoch=steps_per_epoch(faces, config),
        validation_data=validation_data,
        validation_batch_size=256,
        class_weight=_class_weights(faces, config),
        callbacks=callbacks,
        verbose=0,
    )


def steps_per_epoch(faces, config):
    """How many whole batches an epoch has.

    Args:
        faces: `FaceSet` to train on.
        config: `StaticConfig`.

    Returns:
        An int of at least 1.
    """
    return max(1, len(faces) // config.batch_size)


def _targets(faces, config):
    """What the loss compares with: labels, or rows of shares where some are soft."""
    if not (config.soft_labels or config.label_smoothing):
        return faces.labels
    rows = np.eye(len(faces.label_names), dtype="float32")[faces.labels]
    if config.soft_labels:
        rows = np.where(faces.votes.sum(axis=1, keepdims=True) > 0, faces.votes, rows)
    return rows


def _class_weights(faces, config):
    """Weights of the classes, 1 on average over the faces."""
    if not config.class_balance:
        return None
    counts = np.bincount(faces.labels, minlength=len(faces.label_names))
    weights = np.where(counts > 0, np.maximum(counts, 1.0) ** -config.class_balance, 0.0)
    weights *= counts.sum() / (weights * counts).sum()
    return dict(enumerate(weights.tolist()))


def build_static(label_names, config):
    """Builds the model of a configuration, with random weights.

    Args:
        label_names: sequence of class names.
        config: `StaticConfig`.

    Returns:
        An `AlexNetEmotion`, or a `JointSupervision` with another backbone, not compiled.
    """
    supervision = {"metric_weight": config.metric_weight, "metric_loss": None}
    if config.metric_weight:
        supervision["metric_loss"] = IslandLoss(
            len(label_names), threshold=config.threshold, pair_weight=config.pair_weight, alpha=config.alpha
        )
    if config.backbone == "alexnet_emotion":
        return AlexNetEmotion(
            label_names,
            image_size=config.image_size,
            channels=config.channels,
            width=config.width,
            dropout=config.dropout,
            angle_map=config.angle_map,
            **supervision,
        )
    options = {} if config.width == 1 else {"width": config.width}
    shape = (config.image_size, config.image_size, config.channels)
    try:
        backbone = backbones.get(config.backbone, shape, **options)
    except TypeError:
        raise InputError(f"the backbone {config.backbone} has no width; leave width at 1") from None
    return JointSupervision(backbone, label_names, **supervision)


def compile_static(model, config, steps_per_epoch, metrics=("accuracy",)):
    """Compiles a model with a configuration's optimizer and softmax loss.

    Args:
        model: a classifier that returns logits.
        config: `StaticConfig`.
        steps_per_epoch: int, for the learning rate's schedule.
        metrics: what Keras's `compile` takes.

    Returns:
        The model.
    """
    schedule = learning_rate_schedule(config, steps_per_epoch)
    rates = {pattern: rate for pattern, rate in config.layer_rates.items() if rate}
    if rates:
        optimizer = LayerwiseAdam(schedule, config.weight_decay, rates)
    else:
        optimizer = keras.optimizers.AdamW(schedule, weight_decay=config.weight_decay)
    if config.soft_labels or config.label_smoothing:
        loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=config.label_smoothing)
    else:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=optimizer, loss=loss, metrics=list(metrics))
    return model


def learning_rate_schedule(config, steps_per_epoch):
    """The learning rate over a training: from the configuration's to zero along a cosine.

    Args:
        config: `StaticConfig`.
        steps_per_epoch: int.

    Returns:
        A Keras schedule of `config.epochs * steps_per_epoch` steps.
    """
    return keras.optimizers.schedules.CosineDecay(config.learning_rate, config.epochs * steps_per_epoch)


def training_batches(faces, config, batch_size, first_epoch=0):
    """The batches of all epochs, each epoch in its own order.

    Args:
        faces: `FaceSet`.
        config: `StaticConfig`.
        batch_size: int; what is left over at the end of an epoch waits for the next order.
        first_epoch: int, the epoch to start with.

    Returns:
        A `tf.data.Dataset` of `(inputs, targets)`: float32 images of shape `(batch, height, width, channels)`, or with
        an angle map a dict of them, `face`, and of their `landmarks`; and labels or rows of shares.
    """
    images, targets = tf.constant(faces.images), tf.constant(_targets(faces, config))
    landmarks = tf.constant(faces.landmarks) if config.angle_map else None

    def gather(step, rows):
        batch = tf.gather(images, rows)
        points = None if landmarks is None else tf.gather(landmarks, rows)
        seed = tf.stack([tf.constant(config.seed, tf.int64), step])
        if config.augmentation is not None:
            varied = augment_faces(batch, seed, points, config.augmentation)
            batch, points = (varied, None) if points is None else varied
        batch = tf.cast(batch, tf.float32)
        inputs = batch if points is None else {"face": batch, "landmarks": points}
        return inputs, tf.gather(targets, rows)

    rows = ordered_rows(len(faces), batch_size, config.seed, config.epochs, first_epoch)
    return rows.map(gather, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def ordered_rows(count, batch_size, seed, epochs, first_epoch=0):
    """Which rows go into every step of all epochs, each epoch in its own order.

    Args:
        count: int, number of rows.
        batch_size: int; what is left over at the end of an epoch waits for the next order.
        seed: int.
        epochs: int, the epoch to stop before.
        first_epoch: int, the epoch to start with.

    Returns:
        A `tf.data.Dataset` of pairs of the step's number, int64, counted from the first epoch, and int32 rows of shape
        `(batch_size,)`. An epoch's order depends on the seed and its number alone.
    """
    steps = count // batch_size

    def epoch_batches(epoch):
        order = tf.random.experimental.stateless_shuffle(tf.range(count), tf.stack([seed, epoch]))
        rows = tf.data.Dataset.from_tensor_slices(order).batch(batch_size, drop_remainder=True)
        return rows.enumerate(tf.cast(epoch, tf.int64) * steps)

    return tf.data.Dataset.range(first_epoch, epochs, output_type=tf.int32).flat_map(epoch_batches)
