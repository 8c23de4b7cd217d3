"""What the peers of Table 1 have in common: a network, and how its paper trains it."""

import dataclasses
from typing import ClassVar

import keras
import numpy as np
import tensorflow as tf

from fer_keras.augmentation import AugmentationStrength, augment_faces
from fer_keras.errors import InputError
from fer_keras.models.joint_supervision import JointSupervision


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A network and its training, as data: `build` makes the network, `fit` trains one and returns it.

    What `fit` returns is a `JointSupervision` whose only input is the face, whatever the training needed besides; it
    depends on the faces and on the fields here alone. It is not compiled.

    To add one: subclass, set the class attributes, write `build`, and `train` if its training needs more than faces
    and labels.

    Args:
        epochs: passes over the training faces.
        batch_size: faces a step; less where there are fewer faces.
        learning_rate: first learning rate; it falls to zero along a cosine.
        weight_decay: decoupled, of the optimizer.
        width: factor on the number of filters.
        augment: vary the training faces by `strength`.
        seed: of weights, order and augmentation.

    Raises:
        InputError: a value is out of its range.
    """

    epochs: int = 100
    batch_size: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    width: float = 1.0
    augment: bool = True
    seed: int = 0

    title: ClassVar[str]
    """The name in Table 1."""
    paper: ClassVar[str]
    """The paper it follows."""
    needs_neutral: ClassVar[bool] = False
    """Whether `fit` has a use for neutral faces."""
    strength: ClassVar[AugmentationStrength] = AugmentationStrength(scale=0.05, cutout=0.0)
    """How training faces are varied."""

    def __post_init__(self):
        ranges = {
            "epochs": (1, 1_000_000),
            "batch_size": (1, 1_000_000),
            "learning_rate": (1e-9, 10),
            "weight_decay": (0, 1),
            "width": (0.05, 8),
            "seed": (0, 2**31 - 1),
        }
        for name, (least, most) in ranges.items():
            if not least <= getattr(self, name) <= most:  # false for NaN too
                raise InputError(f"{name} must be from {least:g} to {most:g}, received {getattr(self, name)}")

    @property
    def total_epochs(self):
        """Passes of the training that reports, for a progress bar."""
        return self.epochs

    def build(self, label_names, input_shape=(48, 48, 1)):
        """Makes the network, with random weights.

        Args:
            label_names: sequence of K class names, in the order of the outputs.
            input_shape: `(height, width, channels)` of the faces.

        Returns:
            A `JointSupervision` from raw pixels 0-255 to logits `(batch, K)`, not compiled.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement `build(label_names, input_shape)`")

    def optimizer(self, learning_rate):
        """Makes the optimizer for a learning rate, which may be a schedule."""
        return keras.optimizers.AdamW(learning_rate, weight_decay=self.weight_decay)

    def fit(self, faces, validation=None, neutral=None, callbacks=()):
        """Builds a network and trains it.

        Args:
            faces: `FaceSet` to train on.
            validation: optional `FaceSet`, evaluated after every epoch; it shares no subject with `faces`.
            neutral: optional `FaceSet` of neutral faces of the same subjects, for the recipe that needs them.
            callbacks: Keras callbacks of the training of the classifier. Their `logs` hold `loss`, `accuracy` and,
                with validation, `val_loss` and `val_accuracy`, in every recipe.

        Returns:
            The trained `JointSupervision`.

        Raises:
            InputError: fewer than two classes, a subject on both sides, faces of different sizes, or what the recipe
                needs is missing.
        """
        _check(faces, validation, neutral)
        keras.utils.set_random_seed(self.seed)
        model = self.build(faces.label_names, faces.images.shape[1:])
        self.train(model, faces, validation, neutral, callbacks)
        # the same layers without the training's optimizer
        return JointSupervision(
            model.backbone, model.label_names, model.metric_loss, model.metric_weight, model.head, name=model.name
        )

    def train(self, model, faces, validation, neutral, callbacks):
        """Trains a network of `build`; with softmax, and the model's metric loss if it has one, unless overridden."""
        self.fit_classifier(model, model, faces, validation, callbacks)

    def fit_classifier(self, model, trainee, faces, validation, callbacks, losses=None, targets=None, rows=None):
        """Trains a network with labels.

        Args:
            model: the `JointSupervision` that `fit` will return.
            trainee: the Keras model to train: `model` itself, or one that shares its weights and has more outputs, a
                dict whose entry `"logits"` is what `model` answers.
            faces: `FaceSet`.
            validation: `FaceSet` or `None`.
            callbacks: Keras callbacks.
            losses: dict of output to a pair of loss and weight, where the trainee has several.
            targets: dict of output to its targets, an array each, where the trainee has several.
            rows: int array `(steps, batch)`, the faces of every step of all epochs; by default each epoch has its own
                order.
        """
        rows = self.shuffled_rows(len(faces)) if rows is None else rows
        classify = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        schedule = keras.optimizers.schedules.CosineDecay(self.learning_rate, len(rows))
        if losses is None:
            trainee.compile(self.optimizer(schedule), classify, metrics=["accuracy"])
            follow = []
            validated = (validation.images, validation.labels) if validation else None
        else:
            trainee.compile(
                self.optimizer(schedule),
                {name: loss for name, (loss, _) in losses.items()},
                loss_weights={name: weight for name, (_, weight) in losses.items()},
                metrics={"logits": "accuracy"},
            )
            model.compile(loss=classify, metrics=["accuracy"])
            follow, validated = [_OneClassifier(model, validation)], None
        trainee.fit(
            self.batches(faces.images, faces.labels if targets is None else targets, rows),
            epochs=self.epochs,
            steps_per_epoch=len(rows) // self.epochs,
            validation_data=validated,
            callbacks=[*follow, StopAtNaN(), *callbacks],
            shuffle=False,
            verbose=0,
        )

    def shuffled_rows(self, count, epochs=None):
        """The faces of every step, each epoch in its own order.

        Args:
            count: int, number of faces.
            epochs: int, by default the recipe's.

        Returns:
            An int32 array of shape `(steps, batch)`; what is left over at the end of an epoch waits for the next.
        """
        size = min(self.batch_size, count)
        orders = [
            np.random.default_rng([self.seed, epoch]).permutation(count)[: count // size * size]
            for epoch in range(epochs or self.epochs)
        ]
        return np.concatenate(orders).reshape(-1, size).astype("int32")

    def batches(self, images, targets, rows):
        """The batches of all steps, varied by the seed and the step's number.

        Args:
            images: uint8 array `(n, height, width, channels)`, or a tuple of such arrays; they are varied alike.
            targets: array or dict of arrays of n entries.
            rows: int array `(steps, batch)`.

        Returns:
            A `tf.data.Dataset` of `(images, targets)`; images are float32, values 0-255.
        """
        images, targets = keras.tree.map_structure(tf.constant, (images, targets))

        def gather(step, chosen):
            seed = tf.stack([tf.constant(self.seed, tf.int64), step])

            def vary(pictures):
                batch = tf.gather(pictures, chosen)
                return augment_faces(batch, seed, strength=self.strength) if self.augment else tf.cast(batch, "float32")

            picked = keras.tree.map_structure(lambda each: tf.gather(each, chosen), targets)
            return keras.tree.map_structure(vary, images), picked

        steps = tf.data.Dataset.from_tensor_slices(rows).enumerate()
        return steps.map(gather, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def _check(faces, validation, neutral):
    present = np.unique(faces.labels)
    if len(present) < 2:
        names = ", ".join(faces.label_names[label] for label in present) or "none"
        raise InputError(f"training needs faces of at least 2 classes, received {len(faces)} faces of {names}")
    shared = set(faces.subjects) & set(validation.subjects) if validation else set()
    if shared:
        raise InputError(f"subject '{min(shared)}' is in training and in validation; folds must be subject-independent")
    for name, others in (("validation", validation), ("neutral", neutral)):
        if others is not None and others.images.shape[1:] != faces.images.shape[1:]:
            raise InputError(
                f"{name} faces are {'×'.join(map(str, others.images.shape[1:]))}; "
                f"expected {'×'.join(map(str, faces.images.shape[1:]))} as the training faces"
            )


class StopAtNaN(keras.callbacks.Callback):
    """Ends a training whose loss is no number."""

    def on_epoch_end(self, epoch, logs=None):
        """Raises `InputError` if the epoch's loss is not finite."""
        if not np.isfinite(logs["loss"]):
            raise InputError(f"the loss is {logs['loss']} after epoch {epoch + 1}; try a smaller learning_rate")


class _OneClassifier(keras.callbacks.Callback):
    """Reports a trainee of several outputs as if it were its classifier alone."""

    def __init__(self, classifier, validation):
        super().__init__()
        self.classifier, self.validation = classifier, validation

    def on_epoch_end(self, epoch, logs=None):
        logs["accuracy"] = logs["logits_accuracy"]
        if self.validation:
            found = self.classifier.evaluate(
                self.validation.images, self.validation.labels, return_dict=True, verbose=0
            )
            logs.update({f"val_{name}": value for name, value in found.items()})
