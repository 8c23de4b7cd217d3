"""DeepID2's verification loss, which goes with identification, that is softmax (Sun et al., NIPS 2014)."""

import keras
from keras import ops

from fer_keras.layers.arguments import number
from fer_keras.layers.metric_loss import MetricLoss, class_indices
from fer_keras.losses.pairs import batch_pairs


@keras.saving.register_keras_serializable("fer_keras")
class VerificationLoss(MetricLoss):
    """Contrastive loss on all pairs of the batch.

    A pair of one class costs `1/2 ‖x_i − x_j‖²`, a pair of two classes `1/2 max(m − ‖x_i − x_j‖, 0)²`. A sample's loss
    is the mean over its pairs with all others of the (global) batch. `JointSupervision` adds it to softmax, which
    makes DeepID2's identification + verification; the paper's weight is 0.05.

    Args:
        margin: float m > 0, in units of the features: the distance from which on two classes are apart. DeepID2 sets
            it to the threshold that verifies best on held-out pairs. Features of d dimensions with variance 1 start
            at distances near √(2d).
        reduction: `"mean"` over the samples or `"sum"`, see `MetricLoss`.
        **kwargs: passed to `keras.layers.Layer`.

    Call arguments:
        features: float tensor of shape `(batch, d)`.
        labels: integers of shape `(batch,)` or `(batch, 1)`, or soft rows of shape `(batch, K)`, whose largest entry
            is taken.
        sample_weight: optional tensor of shape `(batch,)`; a pair counts with the mean of its samples' weights.

    Returns:
        The loss, a scalar.

    Raises:
        ValueError: features or labels have another shape.

    Example:
    >>> model = JointSupervision(backbone, label_names, metric_loss=VerificationLoss(margin=16.0), metric_weight=0.05)

    and without `JointSupervision`:

    >>> value = VerificationLoss(margin=16.0)(features, labels)

    Reference:
        - Sun et al., Deep learning face representation by joint identification-verification, NIPS 2014.
    """

    def __init__(self, margin, reduction="mean", **kwargs):
        super().__init__(reduction=reduction, **kwargs)
        self.margin = number("margin", margin, above=0)

    def call(self, features, labels, sample_weight=None):
        """Returns the loss of a batch as a scalar."""
        features = ops.cast(features, self.variable_dtype)
        squared, positive, negative = batch_pairs(
            features, class_indices(labels, name=self.name, batch=features.shape[0])
        )
        distances = ops.sqrt(ops.maximum(squared, 1e-12))  # the root's gradient is infinite at 0
        apart = ops.square(ops.relu(self.margin - distances))
        costs = ops.where(positive, squared, ops.where(negative, apart, 0.0))
        others = ops.cast(ops.maximum(ops.shape(squared)[1] - 1, 1), squared.dtype)
        return self.reduce(0.5 * ops.sum(costs, axis=-1) / others, sample_weight)

    def get_config(self):
        """Returns the layer's configuration."""
        return {**super().get_config(), "margin": self.margin}
