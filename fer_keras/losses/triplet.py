"""Triplet loss with mining in the batch (FaceNet: Schroff et al., CVPR 2015)."""

import keras
import tensorflow as tf
from keras import ops

from fer_keras.layers.arguments import number
from fer_keras.layers.metric_loss import MetricLoss, class_indices, unit_vectors
from fer_keras.losses.pairs import batch_pairs


@keras.saving.register_keras_serializable("fer_keras")
class TripletLoss(MetricLoss):
    """Triplet loss: an anchor is nearer to its positive than to its negative, by a margin.

    `max(‖a − p‖² − ‖a − n‖² + m, 0)`, where positive p has the class of anchor a and negative n has not. Every sample
    of the batch is an anchor; `mining` chooses its triplets:

    - `"semi_hard"`: every positive, each with the nearest negative that is farther than the positive; where there is
      none, with the farthest negative. The anchor's loss is the mean over its positives.
    - `"hard"`: the farthest positive with the nearest negative.

    An anchor without a positive or without a negative has loss 0. Under `tf.distribute` positives and negatives come
    from the global batch.

    Args:
        margin: float m > 0; the paper's is 0.2, for features of length 1.
        mining: `"semi_hard"` or `"hard"`.
        normalize: bool, scale features to length 1 first, as in the paper.
        reduction: `"mean"` over the anchors or `"sum"`, see `MetricLoss`.
        **kwargs: passed to `keras.layers.Layer`.

    Call arguments:
        features: float tensor of shape `(batch, d)`.
        labels: integers of shape `(batch,)` or `(batch, 1)`, or soft rows of shape `(batch, K)`, whose largest entry
            is taken.
        sample_weight: optional tensor of shape `(batch,)`, weights of the anchors.

    Returns:
        The loss, a scalar.

    Raises:
        ValueError: features or labels have another shape.

    Example:
    >>> model = JointSupervision(backbone, label_names, metric_loss=TripletLoss(), metric_weight=1.0)

    and without `JointSupervision`:

    >>> value = TripletLoss(mining="hard")(features, labels)

    Reference:
        - Schroff et al., FaceNet: a unified embedding for face recognition and clustering, CVPR 2015.
    """

    def __init__(self, margin=0.2, mining="semi_hard", normalize=True, reduction="mean", **kwargs):
        super().__init__(reduction=reduction, **kwargs)
        if mining not in ("semi_hard", "hard"):
            raise ValueError(f'`mining` must be "semi_hard" or "hard". Received: mining={mining!r}')
        self.margin = number("margin", margin, above=0)
        self.mining = mining
        self.normalize = bool(normalize)

    def call(self, features, labels, sample_weight=None):
        """Returns the loss of a batch as a scalar."""
        features = ops.cast(features, self.variable_dtype)
        if self.normalize:
            features, _ = unit_vectors(features)
        distances, positive, negative = batch_pairs(
            features, class_indices(labels, name=self.name, batch=features.shape[0])
        )
        mine = _semi_hard if self.mining == "semi_hard" else _hard
        to_positive, to_negative, weight = mine(distances, positive, negative)
        excess = ops.relu(to_positive - to_negative + self.margin)
        return self.reduce(ops.sum(weight * excess, axis=-1), sample_weight)

    def get_config(self):
        """Returns the layer's configuration."""
        return {**super().get_config(), "margin": self.margin, "mining": self.mining, "normalize": self.normalize}


def _semi_hard(distances, positive, negative):
    """Distances to positives and to their negatives, and the triplets' weights, each `(batch, n)`."""
    masked = ops.where(negative, distances, float("inf"))
    order = ops.argsort(masked, axis=-1)
    farther = tf.searchsorted(ops.take_along_axis(masked, order, axis=-1), distances, side="right")
    negatives = ops.sum(ops.cast(negative, "int32"), axis=-1, keepdims=True)
    place = ops.maximum(ops.minimum(farther, negatives - 1), 0)
    chosen = ops.take_along_axis(order, place, axis=-1)
    valid = ops.cast(positive & (negatives > 0), distances.dtype)
    weight = valid / ops.maximum(ops.sum(valid, axis=-1, keepdims=True), 1.0)
    return distances, ops.take_along_axis(distances, chosen, axis=-1), weight


def _hard(distances, positive, negative):
    """Distance to the farthest positive and to the nearest negative, and 1 where both exist, each `(batch, 1)`."""
    # TensorFlow's own: Keras's refuse an empty batch.
    farthest = tf.reduce_max(tf.where(positive, distances, 0.0), axis=-1, keepdims=True)
    greatest = tf.reduce_max(distances, axis=-1, keepdims=True)
    nearest = tf.reduce_min(tf.where(negative, distances, greatest), axis=-1, keepdims=True)
    valid = ops.any(positive, axis=-1, keepdims=True) & ops.any(negative, axis=-1, keepdims=True)
    return farthest, nearest, ops.cast(valid, distances.dtype)
