"""What every metric loss offers, so that a model can take any of them."""

import keras
import tensorflow as tf
from keras import ops


class MetricLoss(keras.layers.Layer):
    """Base of the losses that act on features and labels.

    A metric loss is a layer, because what it learns besides the gradient (class centres, class vectors) must be saved
    with the model. It is used in three steps, which `JointSupervision` takes for you:

    - `call(features, labels, sample_weight=None)` is pure and returns the loss as a float32 scalar. Under
      `tf.distribute` it is the replica's share: its mean over the replicas is the loss of the global batch.
    - `update(features, labels)` lets the layer learn outside back-propagation. It does nothing by default.
    - `observe(features, labels)` feeds the layer's own metrics. It does nothing by default.

    Its dtype is float32 under every policy, for sums of squares overflow in float16.

    Args:
        reduction: `"mean"` divides by the batch size, so that the loss's weight does not depend on it; `"sum"` is what
            most papers print.
        **kwargs: passed to `keras.layers.Layer`.
    """

    def __init__(self, reduction="mean", **kwargs):
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        if reduction not in ("mean", "sum"):
            raise ValueError(f'`reduction` must be "mean" or "sum". Received: reduction={reduction!r}')
        self.reduction = reduction
        self.supports_jit = True

    def call(self, features, labels, sample_weight=None):
        """Returns the loss as a scalar."""
        raise NotImplementedError(f"{type(self).__name__} must implement `call(features, labels, sample_weight=None)`")

    def update(self, features, labels):
        """Learns from a training batch, outside back-propagation."""

    def observe(self, features, labels):
        """Feeds the layer's metrics from a batch."""

    def reduce(self, values, sample_weight=None):
        """Reduces one value a sample to the replica's share of the global loss.

        Args:
            values: tensor of shape `(batch,)`.
            sample_weight: optional tensor of shape `(batch,)` or `(batch, 1)`.

        Returns:
            A float32 scalar.
        """
        if sample_weight is not None:
            values = values * ops.reshape(ops.cast(sample_weight, values.dtype), (-1,))
        total = ops.sum(values)
        if self.reduction == "sum":
            return total * tf.distribute.get_strategy().num_replicas_in_sync
        return total / ops.cast(ops.maximum(ops.shape(values)[0], 1), total.dtype)

    def compute_output_shape(self, features_shape, labels_shape=None, sample_weight_shape=None):
        """Returns the shape of the loss, a scalar."""
        return ()

    def get_config(self):
        """Returns the layer's configuration."""
        return {**super().get_config(), "reduction": self.reduction}


def sum_over_replicas(tensor):
    """Sums a tensor over the replicas of the current strategy.

    Args:
        tensor: a tensor computed by every replica.

    Returns:
        The sum over the global batch; the tensor itself where there is one replica.
    """
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return tensor
    return context.all_reduce(tf.distribute.ReduceOp.SUM, tensor)
