"""CosFace: large margin cosine loss (Wang, Wang, Zhou et al., CVPR 2018)."""

import keras

from fer_keras.losses.am_softmax import AMSoftmax


@keras.saving.register_keras_serializable("fer_keras")
class CosFace(AMSoftmax):
    """Head whose labelled class has the logit `s (cos θ_y − m)` in training.

    The formula is AM-Softmax's, published in the same year; what differs is the paper's scale, 64 instead of 30.

    Args:
        num_classes: int, number of classes K.
        margin: float m ≥ 0; the paper's is 0.35.
        scale: float s > 0; the paper's is 64. See `CosineHead` for a lower bound.
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
    >>> model = JointSupervision(backbone, label_names, head=CosFace(len(label_names)))

    and without `JointSupervision`:

    >>> head = CosFace(num_classes=3)
    >>> loss = keras.losses.sparse_categorical_crossentropy(labels, head(features, labels), from_logits=True)
    >>> probabilities = keras.ops.softmax(head(features))

    Reference:
        - Wang et al., CosFace: large margin cosine loss for deep face recognition, CVPR 2018.
    """

    def __init__(self, num_classes, margin=0.35, scale=64.0, kernel_initializer="glorot_uniform", **kwargs):
        super().__init__(num_classes, margin, scale, kernel_initializer=kernel_initializer, **kwargs)
