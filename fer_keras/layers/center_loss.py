"""Center loss: features are drawn to the centre of their class (Wen et al., ECCV 2016)."""

import keras
import tensorflow as tf
from keras import ops

from fer_keras.layers.metric_loss import MetricLoss, sum_over_replicas


@keras.saving.register_keras_serializable("fer_keras")
class CenterLoss(MetricLoss):
    """Center loss with class centres that it owns and moves itself.

    `L_c = 1/2 Σ_i ‖x_i − c_{y_i}‖²`; the centres are non-trainable weights that move by
    `c_j ← c_j − α Σ_i δ(y_i = j) (c_j − x_i) / (1 + Σ_i δ(y_i = j))` after each training batch, summed over the global
    batch under `tf.distribute`. No gradient reaches them.

    Args:
        num_classes: int, number of classes K.
        alpha: float, step α of the centres.
        reduction: `"mean"` over the batch or `"sum"`, see `MetricLoss`.
        centers_initializer: initial centres, a Keras initializer for shape `(K, d)`. The default is Gaussian with
            norms near 1; with much smaller ones the first steps of the Island loss throw the centres far.
        **kwargs: passed to `keras.layers.Layer`.

    Call arguments:
        features: float tensor of shape `(batch, d)`.
        labels: integer tensor of shape `(batch,)` or `(batch, 1)`, in `[0, K)`.
        sample_weight: optional tensor of shape `(batch,)`.

    Raises:
        tf.errors.InvalidArgumentError: a label is outside `[0, K)` (not checked under XLA, which has no assertions).

    Example:

    >>> loss = CenterLoss(num_classes=3)
    >>> features, labels = np.random.normal(size=(8, 128)), np.arange(8) % 3
    >>> value = loss(features, labels)
    >>> loss.update(features, labels)
    """

    def __init__(self, num_classes, alpha=0.5, reduction="mean", centers_initializer=None, **kwargs):
        super().__init__(reduction=reduction, **kwargs)
        if num_classes < 1:
            raise ValueError(f"`num_classes` must be at least 1. Received: num_classes={num_classes}")
        if not 0 <= alpha <= 1:
            raise ValueError(f"`alpha` must be in [0, 1]. Received: alpha={alpha}")
        self.num_classes = int(num_classes)
        self.alpha = float(alpha)
        self.centers_initializer = keras.initializers.get(centers_initializer)

    def build(self, features_shape, labels_shape=None, sample_weight_shape=None):
        """Creates the centres for features of shape `(batch, d)`."""
        if len(features_shape) != 2 or features_shape[-1] is None:
            raise ValueError(
                f"{type(self).__name__} expects features of shape (batch, dimension) with a known dimension. "
                f"Received: shape {tuple(features_shape)}"
            )
        dimension = features_shape[-1]
        self.centers = self.add_weight(
            name="centers",
            shape=(self.num_classes, dimension),
            dtype="float32",
            initializer=self.centers_initializer or keras.initializers.RandomNormal(stddev=dimension**-0.5),
            trainable=False,
            # Every replica computes the same centres from all-reduced sums.
            aggregation="only_first_replica",
        )

    def call(self, features, labels, sample_weight=None):
        """Returns the loss of a batch as a float32 scalar."""
        return self.reduce(0.5 * self.squared_distances(features, labels), sample_weight)

    def squared_distances(self, features, labels):
        """Squared distance of every feature to the centre of its class.

        Args:
            features: tensor of shape `(batch, d)`.
            labels: integer tensor of shape `(batch,)` or `(batch, 1)`.

        Returns:
            A float32 tensor of shape `(batch,)`.
        """
        labels = self._checked_labels(labels)
        centers = ops.take(self.centers, labels, axis=0)
        return ops.sum(ops.square(ops.cast(features, "float32") - centers), axis=-1)

    def update(self, features, labels):
        """Moves the centres by one step, outside back-propagation.

        Args:
            features: tensor of shape `(batch, d)`.
            labels: integer tensor of shape `(batch,)` or `(batch, 1)`.
        """
        features = ops.stop_gradient(ops.cast(features, "float32"))
        # A one-hot product sums by class on every device and under XLA.
        members = ops.one_hot(self._checked_labels(labels), self.num_classes, dtype="float32")
        counts = sum_over_replicas(ops.sum(members, axis=0))[:, None]
        sums = sum_over_replicas(ops.matmul(ops.transpose(members), features))
        self.centers.assign(self.centers - self.alpha * self.center_step(counts, sums))

    def center_step(self, counts, sums):
        """Δc of a batch, which `update` takes α of.

        Args:
            counts: float tensor of shape `(K, 1)`, samples of each class in the global batch.
            sums: float tensor of shape `(K, d)`, their features summed by class.

        Returns:
            A float tensor of shape `(K, d)`.
        """
        return (counts * self.centers - sums) / (1.0 + counts)

    def _checked_labels(self, labels):
        labels = ops.reshape(ops.cast(labels, "int32"), (-1,))
        message = f"{self.name}: a label is outside [0, {self.num_classes})"
        tf.debugging.assert_non_negative(labels, message=message)
        tf.debugging.assert_less(labels, self.num_classes, message=message)
        return labels

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
