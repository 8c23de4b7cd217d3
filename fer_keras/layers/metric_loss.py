"""What every metric loss offers, so that a model can take any of them."""

import keras
import tensorflow as tf
from keras import ops

from fer_keras.layers.arguments import fits


class MetricLoss(keras.layers.Layer):
    """Base of the losses that act on features and labels.

    A metric loss is a layer, because what it learns besides the gradient (class centres) must be saved with the
    model. It is used in three steps, which `JointSupervision` takes for you:

    - `call(features, labels, sample_weight=None)` is pure and returns the loss as a scalar. Under `tf.distribute` it
      is the replica's share: its mean over replicas with equal parts is the loss of the global batch.
    - `update(features, labels)` lets the layer learn outside back-propagation. It does nothing by default.
    - `observe(features, labels)` feeds the layer's own metrics. It does nothing by default.

    It computes in the dtype of its weights, which is float32 unless `dtype` says otherwise, also under a global
    policy of mixed precision: sums of squares overflow in float16.

    Args:
        reduction: `"mean"` divides by the batch size, so that the loss's weight does not depend on it; `"sum"` is what
            most papers print.
        **kwargs: passed to `keras.layers.Layer`.

    Call arguments:
        features: float tensor of shape `(batch, d)`.
        labels: integers of shape `(batch,)` or `(batch, 1)`, or soft rows of shape `(batch, K)`, whose largest entry
            is taken.
        sample_weight: optional tensor of shape `(batch,)` or `(batch, 1)`; class weights given to `fit` arrive here.

    Example: a metric loss of your own.

    >>> @keras.saving.register_keras_serializable()
    ... class SmallFeatures(MetricLoss):
    ...     def call(self, features, labels, sample_weight=None):
    ...         features = ops.cast(features, self.variable_dtype)  # squares of float16 overflow
    ...         return self.reduce(ops.sum(ops.square(features), axis=-1), sample_weight)
    """

    def __init__(self, reduction="mean", **kwargs):
        kwargs.setdefault("dtype", "float32")
        super().__init__(autocast=False, **kwargs)
        if reduction not in ("mean", "sum"):
            raise ValueError(f'`reduction` must be "mean" or "sum". Received: reduction={reduction!r}')
        self.reduction = reduction

    def build(self, features_shape, labels_shape=None, sample_weight_shape=None):
        """Checks that features are of shape `(batch, d)`, and keeps d for the checks of later calls."""
        require_features(self, features_shape)
        self.input_spec = keras.layers.InputSpec(ndim=2, axes={-1: features_shape[-1]})

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
            A scalar of the values' dtype.

        Raises:
            ValueError: the weights have another shape.
        """
        if sample_weight is not None:
            values = values * _column(sample_weight, values, f"{self.name}: `sample_weight`")
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


def _column(values, like, name):
    """What belongs to samples, of shape `(batch,)` or `(batch, 1)`, as `(batch,)` in the dtype of another tensor."""
    values = ops.convert_to_tensor(values)
    shape = tuple(values.shape)
    if shape[1:] not in ((), (1,)) or not fits(shape[:1], (like.shape[0],)):
        raise ValueError(f"{name} must be of shape ({like.shape[0] or 'batch'},) or (…, 1). Received: shape={shape}")
    return ops.reshape(ops.cast(values, like.dtype), (-1,))


def require_features(layer, shape):
    """Raises `ValueError` unless a shape is `(batch, dimension)`, with the dimension that the layer was built for.

    Args:
        layer: the layer that asks, for the message.
        shape: the shape of its features.
    """
    known = layer.input_spec.axes[-1] if layer.built and layer.input_spec else None
    if known and (len(shape) != 2 or shape[-1] != known):
        raise ValueError(
            f"{type(layer).__name__} was built for features of shape (batch, {known}). Received: shape={tuple(shape)}"
        )
    if len(shape) != 2 or shape[-1] is None:
        raise ValueError(
            f"{type(layer).__name__} expects features of shape (batch, dimension) with a known dimension. "
            f"Received: shape={tuple(shape)}"
        )


def class_indices(labels, num_classes=None, name="labels", batch=None):
    """Labels of any accepted form as class indices.

    Args:
        labels: integers of shape `(batch,)` or `(batch, 1)`, or soft rows of shape `(batch, K)`, whose largest entry
            is taken.
        num_classes: optional int K, to check the labels with.
        name: string, who asks, for the message.
        batch: optional int, number of samples that the labels are for, `None` where it is unknown.

    Returns:
        An int32 tensor of shape `(batch,)`.

    Raises:
        ValueError: there are no labels, they are strings or of another shape, or not as many as the samples.
        tf.errors.InvalidArgumentError: a label is outside `[0, K)`. XLA has no assertions: under `jit_compile=True`,
            Keras's default on a GPU, such a label is not noticed here (Keras's sparse cross entropy is NaN for it).
    """
    if labels is None:
        raise ValueError(f"{name}: labels are needed. Received: None")
    labels = ops.convert_to_tensor(labels)
    if labels.dtype == tf.string:
        raise ValueError(f"{name}: labels must be class indices or soft rows. Received: strings")
    shape = tuple(labels.shape)
    if shape and not fits(shape[:1], (batch,)):
        raise ValueError(f"{name}: {shape[0]} labels for {batch} samples; one each is needed. Received: shape={shape}")
    if len(shape) == 2 and shape[1] not in (None, 1) and num_classes in (None, shape[1]):
        return ops.cast(ops.argmax(labels, axis=-1), "int32")
    if len(shape) == 2 and shape[1] is None:  # as batches of a generator: the form is known when they come
        soft = ops.cast(ops.argmax(labels, axis=-1), "int64")
        labels = ops.where(ops.shape(labels)[1] == 1, ops.cast(labels[:, 0], "int64"), soft)
        shape = shape[:1]
    if len(shape) != 1 and (len(shape) != 2 or shape[1] != 1):
        raise ValueError(
            f"{name} expects integer labels of shape (batch,) or (batch, 1), or soft rows of shape "
            f"(batch, {num_classes or 'classes'}). Received: shape={shape}"
        )
    labels = ops.reshape(ops.cast(labels, "int64"), (-1,))
    if num_classes is not None:
        # One assertion, without the branch that tf.debugging adds in graphs.
        low, high = tf.reduce_min(labels), tf.reduce_max(labels)
        message = f"{name}: labels must be in [0, {num_classes}). Received: least and greatest label"
        check = tf.raw_ops.Assert(condition=tf.logical_and(low >= 0, high < num_classes), data=[message, low, high])
        with tf.control_dependencies([check]):
            labels = tf.identity(labels)  # nothing is learnt before the check
    return ops.cast(labels, "int32")


def unit_vectors(vectors, axis=-1):
    """Scales vectors to length 1.

    Args:
        vectors: float tensor.
        axis: the axis along which a vector lies.

    Returns:
        A pair of the unit vectors and of 1/‖v‖ (with `axis` kept at size 1). Both are zero, with zero gradient, where
        a vector is zero.
    """
    squared = ops.sum(ops.square(vectors), axis=axis, keepdims=True)
    safe = squared > 1e-24
    inverse_norm = ops.where(safe, ops.rsqrt(ops.where(safe, squared, ops.ones_like(squared))), 0.0)
    return vectors * inverse_norm, inverse_norm


def sum_over_replicas(tensors):
    """Sums tensors over the replicas of the current strategy.

    Args:
        tensors: a tensor, or a list of them, computed by every replica.

    Returns:
        Their sums over the global batch; what came where there is one replica.
    """
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return tensors
    return context.all_reduce(tf.distribute.ReduceOp.SUM, tensors)
