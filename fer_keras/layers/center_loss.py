"""Center loss: features are drawn to the centre of their class (Wen et al., ECCV 2016)."""

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from fer_keras.layers.arguments import number, whole_number
from fer_keras.layers.metric_loss import MetricLoss, class_indices, require_features, sum_over_replicas


@keras.saving.register_keras_serializable("fer_keras")
class CenterLoss(MetricLoss):
    """Center loss with class centres that it owns and moves itself.

    `L_c = 1/2 Σ_i ‖x_i − c_{y_i}‖²`; the centres are non-trainable weights that move by
    `c_j ← c_j − α Σ_i δ(y_i = j) (c_j − x_i) / (1 + Σ_i δ(y_i = j))` after each training batch, summed over the global
    batch under `tf.distribute`. No gradient reaches them. Sample and class weights act in the loss; the centre step
    counts every sample once, as printed.

    Args:
        num_classes: int, number of classes K.
        alpha: float, step α of the centres, in [0, 1].
        reduction: `"mean"` over the batch or `"sum"`, see `MetricLoss`.
        centers_initializer: initial centres, a Keras initializer for shape `(K, d)`. The default is Gaussian with
            norms near 1; with much smaller ones the first steps of the Island loss throw the centres far. See
            `initialize_centers` for class means, and give `keras.initializers.Constant(array)` for known ones.
        **kwargs: passed to `keras.layers.Layer`.

    Call arguments:
        features: float tensor of shape `(batch, d)`.
        labels: integers of shape `(batch,)` or `(batch, 1)` in `[0, K)`, or soft rows of shape `(batch, K)`, whose
            largest entry is taken.
        sample_weight: optional tensor of shape `(batch,)`.

    Returns:
        The loss, a scalar.

    Raises:
        ValueError: features or labels have another shape.
        tf.errors.InvalidArgumentError: a label is outside `[0, K)`. Under XLA, which has no assertions, the nearest
            class takes such a sample in the loss, and no centre moves for it.

    Example:
    >>> loss = CenterLoss(num_classes=3)
    >>> features, labels = np.random.normal(size=(8, 128)), np.arange(8) % 3
    >>> value = loss(features, labels)
    >>> loss.update(features, labels)

    Reference:
        - Wen et al., A discriminative feature learning approach for deep face recognition, ECCV 2016.
    """

    def __init__(self, num_classes, alpha=0.5, reduction="mean", centers_initializer=None, **kwargs):
        super().__init__(reduction=reduction, **kwargs)
        self.num_classes = whole_number("num_classes", num_classes, least=1)
        self.alpha = number("alpha", alpha, least=0, most=1)
        self.centers_initializer = keras.initializers.get(centers_initializer)

    def build(self, features_shape, labels_shape=None, sample_weight_shape=None):
        """Creates the centres for features of shape `(batch, d)`."""
        super().build(features_shape)
        dimension = features_shape[-1]
        self.centers = self.add_weight(
            name="centers",
            shape=(self.num_classes, dimension),
            initializer=self.centers_initializer or keras.initializers.RandomNormal(stddev=dimension**-0.5),
            trainable=False,
            autocast=False,
            # Every replica computes the same centres from all-reduced sums.
            aggregation="only_first_replica",
        )

    def call(self, features, labels, sample_weight=None):
        """Returns the loss of a batch as a scalar."""
        return self.reduce(0.5 * self.squared_distances(features, self._indices(features, labels)), sample_weight)

    def squared_distances(self, features, labels):
        """Squared distance of every feature to the centre of its class.

        Args:
            features: tensor of shape `(batch, d)`.
            labels: labels as in `call`; they are not checked here.

        Returns:
            A tensor of shape `(batch,)` in the dtype of the centres.
        """
        features = self._features(features)
        labels = class_indices(labels, name=self.name, batch=features.shape[0])
        # Keras's `take` would count labels below 0 from the last class.
        centers = tf.gather(tf.convert_to_tensor(self.centers), labels)
        return ops.sum(ops.square(ops.cast(features, centers.dtype) - centers), axis=-1)

    def update(self, features, labels):
        """Moves the centres by one step, outside back-propagation.

        Args:
            features: tensor of shape `(batch, d)`.
            labels: labels as in `call`.
        """
        counts, sums = sum_over_replicas(self._class_sums(features, labels))
        self.centers.assign(self.centers - self.alpha * self.center_step(counts, sums))

    def initialize_centers(self, features, labels):
        """Sets the centres to the means of their classes; a class without a sample keeps its centre.

        `JointSupervision.initialize_centers` does it in one pass over a data set.

        Args:
            features: tensor of shape `(samples, d)`.
            labels: labels as in `call`.
        """
        features = np.asarray(features)
        counts, sums = self._class_sums(features, labels)
        self.centers.assign(ops.where(counts > 0, sums / ops.maximum(counts, 1), self.centers))

    def center_step(self, counts, sums):
        """Δc of a batch, which `update` takes α of.

        Args:
            counts: float tensor of shape `(K, 1)`, samples of each class in the global batch.
            sums: float tensor of shape `(K, d)`, their features summed by class.

        Returns:
            A float tensor of shape `(K, d)`.
        """
        return (counts * self.centers - sums) / (1.0 + counts)

    def _class_sums(self, features, labels):
        """Samples of each class `(K, 1)` and their features summed `(K, d)`, without gradient."""
        features = self._features(features)
        members = self._indices(features, labels)
        features = ops.stop_gradient(ops.cast(features, self.variable_dtype))
        # A one-hot product sums by class on every device and under XLA.
        members = ops.one_hot(members, self.num_classes, axis=0, dtype=self.variable_dtype)
        return [ops.sum(members, axis=1, keepdims=True), ops.matmul(members, features)]

    def _features(self, features):
        """Features as a tensor of the right shape; the first that come build the layer."""
        features = ops.convert_to_tensor(features)
        if not self.built:
            self.build(features.shape)
        require_features(self, features.shape)
        return features

    def _indices(self, features, labels):
        return class_indices(labels, self.num_classes, self.name, batch=features.shape[0])

    def get_config(self):
        """Returns the layer's configuration."""
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "alpha": self.alpha,
            "centers_initializer": keras.initializers.serialize(self.centers_initializer)
            if self.centers_initializer
            else None,
        }
