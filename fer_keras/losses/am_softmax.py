"""AM-Softmax: an additive margin on the cosine (Wang, Cheng, Liu and Liu 2018)."""

import keras

from fer_keras.losses.margin_head import CosineHead


@keras.saving.register_keras_serializable("fer_keras")
class AMSoftmax(CosineHead):
    """Head whose labelled class has the logit `s (cos θ_y − m)` in training.

    The others, and all in inference, have `s cos θ_j` with features and class vectors of length 1. `CosFace` is the
    same formula under another name, with that paper's scale.

    Args:
        num_classes: int, number of classes K.
        margin: float m ≥ 0; the paper's is 0.35.
        scale: float s > 0; the paper's is 30. See `CosineHead` for a lower bound.
        kernel_initializer: initial class vectors, see `MarginHead`.
        **kwargs: passed to `keras.layers.Layer`.

    Call arguments:
        features: float tensor of shape `(batch, d)`.
        labels: optional, gives the margin logits; see `MarginHead`.

    Returns:
        Logits of shape `(batch, K)`, in `[−s (1 + m), s]`.

    Raises:
        ValueError, tf.errors.InvalidArgumentError: see `MarginHead`.

    Example:
    >>> model = JointSupervision(backbone, label_names, head=AMSoftmax(len(label_names)))

    and without `JointSupervision`:

    >>> head = AMSoftmax(num_classes=3)
    >>> loss = keras.losses.sparse_categorical_crossentropy(labels, head(features, labels), from_logits=True)
    >>> probabilities = keras.ops.softmax(head(features))

    Reference:
        - Wang et al., Additive margin softmax for face verification, IEEE Signal Processing Letters 2018.
    """

    def __init__(self, num_classes, margin=0.35, scale=30.0, kernel_initializer="glorot_uniform", **kwargs):
        super().__init__(num_classes, margin, scale, kernel_initializer=kernel_initializer, **kwargs)

    def margin_cosine(self, cosine):
        """`cos θ − m`."""
        return cosine - self.margin
