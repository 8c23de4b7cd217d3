"""Softmax and a metric loss on the same features: L = L_s + λ L_metric."""

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from fer_keras.errors import InputError
from fer_keras.layers.arguments import number
from fer_keras.layers.metric_loss import MetricLoss, class_indices
from fer_keras.losses.margin_head import MarginHead


@keras.saving.register_keras_serializable("fer_keras")
class JointSupervision(keras.Model):
    """A classifier whose features are trained by a metric loss beside softmax (Ge et al. 2022, equation 3).

    It is an ordinary Keras classifier: `compile(optimizer, loss, metrics)`, `fit(x, y)`, `evaluate(x, y)` and
    `predict(x)`, which returns logits. Labels are never an input. In training, `compute_loss`

    - gives the compiled loss the margin logits, if `head` is a `fer_keras.losses.MarginHead`; metrics, `evaluate`
      (its loss too) and `predict` see the logits of inference;
    - adds `metric_weight × metric_loss(features, labels)`, and lets the metric loss update its centres.

    The metric `metric_loss` is the metric loss before its weight. Class weights and sample weights given to `fit` act
    on both losses. A `.keras` file keeps the centres; a SavedModel made by `export` does not carry them.

    Args:
        backbone: a functional or Sequential Keras model from faces to features of shape `(batch, d)`. Of a subclassed
            model the shapes are not known beforehand: give `keras.Model(inputs, model(inputs))` with
            `inputs = keras.Input(...)`.
        label_names: sequence of K class names, in the order of the outputs.
        metric_loss: a `fer_keras.layers.MetricLoss`, or `None` for the compiled loss alone.
        metric_weight: float λ ≥ 0.
        head: a layer from features to K logits, such as a `fer_keras.losses.MarginHead`; the default is a dense layer
            in float32.
        **kwargs: passed to `keras.Model`.

    Call arguments:
        inputs: what the backbone takes: faces of shape `(batch, height, width, channels)`, values 0-255.

    Labels given to `fit` and `evaluate` are integers of shape `(batch,)` or `(batch, 1)`, or soft rows of shape
    `(batch, K)`, whose largest entry is what the metric loss and the margin take.

    Raises:
        ValueError: the parts do not fit together.
        tf.errors.InvalidArgumentError: from `fit` and `evaluate`, a label is outside `[0, K)`; see `class_indices`.

    Example:
    >>> model = JointSupervision(backbone, ("neutral", "happiness"), metric_loss=IslandLoss(2), metric_weight=0.01)
    >>> model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    >>> model.fit(faces, labels)

    with a margin instead, or as well:

    >>> model = JointSupervision(backbone, ("neutral", "happiness"), head=ArcFace(2))
    """

    def __init__(self, backbone, label_names, metric_loss=None, metric_weight=0.01, head=None, **kwargs):
        super().__init__(**kwargs)
        self.label_names = (label_names,) if isinstance(label_names, str) else tuple(label_names)
        num_classes = len(self.label_names)
        if len(set(self.label_names)) < max(num_classes, 2):
            raise ValueError(f"`label_names` must be two or more distinct names. Received: {self.label_names}")
        features_shape = _features_shape(backbone)
        if not (metric_loss is None or isinstance(metric_loss, MetricLoss)):
            raise ValueError(f"`metric_loss` must be a fer_keras.layers.MetricLoss or None. Received: {metric_loss}")
        if not (head is None or isinstance(head, keras.layers.Layer)) or isinstance(head, MetricLoss):
            raise ValueError(
                "`head` must be a layer from features to logits, such as a fer_keras.losses.MarginHead. "
                f"Received: {head}"
            )
        if metric_loss is not None and getattr(metric_loss, "num_classes", num_classes) != num_classes:
            raise ValueError(
                f"`metric_loss` is for {metric_loss.num_classes} classes, but there are {num_classes} `label_names`"
            )
        self.backbone = backbone
        self.head = keras.layers.Dense(num_classes, dtype="float32", name="logits") if head is None else head
        outputs = self.head.compute_output_shape(features_shape)[-1]
        if outputs != num_classes:
            raise ValueError(f"`head` returns {outputs} logits, but there are {num_classes} `label_names`")
        self.metric_loss = metric_loss
        self.metric_weight = number("metric_weight", metric_weight, least=0)
        if not self.head.built:
            self.head.build(features_shape)
        if metric_loss is not None:
            if not metric_loss.built:
                metric_loss.build(features_shape)
            self.metric_loss_tracker = keras.metrics.Mean(name="metric_loss")
        self.build(backbone.input_shape)

    @property
    def face_shape(self):
        """Shape of one face that the model takes: `(height, width, channels)`."""
        by_name = {tensor.name: tensor for tensor in self.backbone.inputs}
        return tuple(by_name.get("face", self.backbone.inputs[0]).shape[1:])

    @property
    def takes_landmarks(self):
        """Whether the input is a dict of `face` and `landmarks` instead of the face alone."""
        return any(tensor.name == "landmarks" for tensor in self.backbone.inputs)

    def build(self, input_shape):
        """Marks the model as built; its parts are built when they are given."""
        self.built = True

    def call(self, inputs, training=False):
        """Returns the logits, a float32 tensor of shape `(batch, K)`."""
        features = self.backbone(inputs, training=training)
        logits = self.head(features)
        # The features travel to compute_loss with the logits, as Keras's masks do: one pass, and no state on the
        # model that replicas would share.
        logits._fer_features = features
        return logits

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The compiled loss, on margin logits in training, and the weighted metric loss, whose centres it updates."""
        features = getattr(y_pred, "_fer_features", None)
        if features is None:  # predictions made elsewhere, as in Keras's symbolic build
            features = self.backbone(x, training=training)
        if training and isinstance(self.head, MarginHead):
            y_pred = self.head(features, y, training=True)
        loss = super().compute_loss(x, y, y_pred, sample_weight, training=training)
        if self.metric_loss is None:
            return loss
        labels = class_indices(y, name=self.name)
        metric_loss = self.metric_loss(features, labels, sample_weight)
        if len(metric_loss.shape):
            raise ValueError(f"`metric_loss` must return a scalar. Received: shape={tuple(metric_loss.shape)}")
        self.metric_loss.observe(features, labels)
        self.metric_loss_tracker.update_state(metric_loss, sample_weight=ops.shape(features)[0])
        if training:
            self.metric_loss.update(features, labels)
        metric_loss = ops.cast(metric_loss, loss.dtype)
        return loss + self.metric_weight * metric_loss / tf.distribute.get_strategy().num_replicas_in_sync

    def initialize_centers(self, x, y=None, batch_size=32):
        """Sets the centres of the metric loss to the class means of the features, in one pass.

        It makes sense for a backbone that has learnt already, with softmax or from a preset. The pair term of the
        Island loss pushes centres by steps of about α λ1 / (K − 1) over their norm: where the means have norms far
        below 1 they are thrown apart all the same, and a smaller `pair_weight` keeps them.

        Args:
            x: a `tf.data.Dataset` or other iterable of batches `(x, y)`, or an array of faces.
            y: labels, with an array of faces.
            batch_size: int, faces a step, with an array of faces.

        Raises:
            ValueError: the metric loss has no centres, or there are no faces or no labels.
        """
        if not hasattr(self.metric_loss, "initialize_centers"):
            raise ValueError(f"the metric loss has no centres. Received: metric_loss={self.metric_loss}")
        if y is None and hasattr(x, "shape"):
            raise ValueError("an array of faces needs labels. Received: y=None")
        if isinstance(x, list) and len(self.backbone.inputs) > 1:  # tf.data would stack a list
            x = tuple(x)
        batches = x if y is None else tf.data.Dataset.from_tensor_slices((x, y)).batch(batch_size)
        features, labels = [], []
        for faces, targets, *_ in batches:
            features.append(ops.convert_to_numpy(self.backbone(faces, training=False)))
            labels.append(ops.convert_to_numpy(class_indices(targets)))
        if not features:
            raise ValueError("centres need faces to start from. Received: no batch")
        self.metric_loss.initialize_centers(np.concatenate(features), np.concatenate(labels))

    def inference_model(self):
        """The part that answers: a functional model from faces to logits, without the metric loss."""
        inputs = self.backbone.inputs
        if self.takes_landmarks:
            inputs = {tensor.name: tensor for tensor in inputs}
        elif len(inputs) == 1:
            inputs = inputs[0]
        else:
            inputs = self.backbone.input  # a dict, if the backbone takes one
        return keras.Model(inputs, self.head(self.backbone(inputs)), name=f"{self.name}_inference")

    def export(self, filepath, format="tf_saved_model", **kwargs):  # noqa: A002 (Keras's name)
        """Exports the inference part, see `keras.Model.export`."""
        self.inference_model().export(filepath, format=format, **kwargs)

    def save_to_preset(self, directory, about=None):
        """Writes the model as a preset that `from_preset` and `Recognizer.from_preset` read.

        Args:
            directory: the folder to write; what it held is replaced when everything new is on disk.
            about: optional dict of plain data kept with the model (corpus, protocol, figures).
        """
        from fer_keras.models.preset import save_preset

        save_preset(self, directory, about or {})

    @classmethod
    def from_preset(cls, directory, label_names=None):
        """Loads a model that `save_to_preset` wrote, to use it or to train it on.

        Args:
            directory: name of a preset that comes with the package, a preset folder, or a `.keras` file.
            label_names: optional sequence of the class names to train for, in the order of your labels. The network is
                the preset's; outputs of names that it knows start as they were, those of others at random, and class
                centres anew. By default the preset's own classes in its own order: **labels in another order would be
                mixed up without a word.**

        Returns:
            The model, of this class.

        Raises:
            InputError: there is no preset, or it holds another kind of model.

        Example:
        >>> model = AlexNetEmotion.from_preset("alexnet_emotion_fer2013", label_names=("neutral", "happiness"))
        """
        from fer_keras.models.preset import load_preset

        model, _ = load_preset(directory)
        if not isinstance(model, cls):
            raise InputError(f"{directory}: holds a {type(model).__name__}, expected a {cls.__name__}")
        return model if label_names is None else model.with_labels(label_names)

    def with_labels(self, label_names):
        """A copy for other classes: the same backbone, and the outputs of classes that both know.

        Args:
            label_names: sequence of the new class names, in the order of the outputs.

        Returns:
            A new model of the same class, not compiled; its metric loss starts anew.

        Raises:
            InputError: the names are no list of two or more distinct strings, or the head has no number of classes.
        """
        from fer_keras.models.start_from import start_from

        if isinstance(label_names, (str, set, frozenset, dict)):  # one name, or names without an order
            raise InputError(f"label_names must be a list or tuple of names, received {label_names!r}")
        label_names = list(label_names)
        if not all(isinstance(name, str) and name for name in label_names) or len(set(label_names)) < 2:
            raise InputError(f"label_names must be two or more distinct names, received {label_names}")
        config = self.get_config()
        for part, counts in (("metric_loss", ("num_classes",)), ("head", ("num_classes", "units"))):
            own = (config[part] or {}).get("config", {})
            count = next((name for name in counts if name in own), None)
            if count:
                own[count] = len(label_names)
            elif part == "head":
                raise InputError(f"the head {type(self.head).__name__} cannot be made for other classes")
        model = type(self).from_config({**config, "label_names": label_names})
        start_from(model, self)
        return model

    def get_config(self):
        """Returns the model's configuration."""
        return {
            **super().get_config(),
            "backbone": keras.saving.serialize_keras_object(self.backbone),
            "label_names": list(self.label_names),
            "metric_loss": keras.saving.serialize_keras_object(self.metric_loss),
            "metric_weight": self.metric_weight,
            "head": keras.saving.serialize_keras_object(self.head),
        }

    @classmethod
    def from_config(cls, config):
        """Makes the model from `get_config`'s result."""
        parts = ("backbone", "metric_loss", "head")
        restored = {part: keras.saving.deserialize_keras_object(config[part]) for part in parts if part in config}
        return cls(**{**config, **restored})


def _features_shape(backbone):
    """The shape of a backbone's features, `(None, d)`."""
    shape = getattr(backbone, "output_shape", None) if getattr(backbone, "inputs", None) else None
    if shape is None:
        raise ValueError(
            "`backbone` must be a functional or Sequential model with an input shape. Of a subclassed model give "
            f"`keras.Model(inputs, model(inputs))` with `inputs = keras.Input(...)`. Received: {backbone}"
        )
    if not isinstance(shape, tuple) or len(shape) != 2:
        raise ValueError(
            f"`backbone` must return features of shape (batch, dimension). Received a backbone that returns {shape}"
        )
    return shape
