"""ArcFace: an additive margin on the angle (Deng et al., CVPR 2019)."""

import math

import keras
from keras import ops

from fer_keras.layers.arguments import number
from fer_keras.losses.margin_head import CosineHead


@keras.saving.register_keras_serializable("fer_keras")
class ArcFace(CosineHead):
    """Head whose labelled class has the logit `s cos(θ_y + m)` in training.

    The others, and all in inference, have `s cos θ_j` with features and class vectors of length 1. Beyond `θ = π − m`,
    where `cos(θ + m)` would rise again, it goes on as `cos θ − m sin m`, as in the authors' code.

    Args:
        num_classes: int, number of classes K.
        margin: float m, an angle in radians in `[0, π)`; the paper's is 0.5.
        scale: float s > 0; the paper's is 64. See `CosineHead` for a lower bound.
        kernel_initializer: initial class vectors, see `MarginHead`.
        **kwargs: passed to `keras.layers.Layer`.

    Call arguments:
        features: float tensor of shape `(batch, d)`.
        labels: optional, gives the margin logits; see `MarginHead`.

    Returns:
        Logits of shape `(batch, K)`, in `[−s (1 + m sin m), s]`.

    Raises:
        ValueError, tf.errors.InvalidArgumentError: see `MarginHead`.

    Example:
    >>> model = JointSupervision(backbone, label_names, head=ArcFace(len(label_names)))

    and without `JointSupervision`:

    >>> head = ArcFace(num_classes=3)
    >>> loss = keras.losses.sparse_categorical_crossentropy(labels, head(features, labels), from_logits=True)
    >>> probabilities = keras.ops.softmax(head(features))

    Reference:
        - Deng et al., ArcFace: additive angular margin loss for deep face recognition, CVPR 2019.
    """

    def __init__(self, num_classes, margin=0.5, scale=64.0, kernel_initializer="glorot_uniform", **kwargs):
        super().__init__(num_classes, margin, scale, kernel_initializer=kernel_initializer, **kwargs)
        number("margin", margin, least=0, below=math.pi)

    def margin_cosine(self, cosine):
        """`cos(θ + m)`, monotonic in θ."""
        # (1 − c)(1 + c) keeps the digits that 1 − c² loses near θ = 0 and π. The sine's gradient is infinite at both:
        # there it is taken as 0.
        squared = (1.0 - cosine) * (1.0 + cosine)
        inside = squared > 0.0
        sine = ops.where(inside, ops.sqrt(ops.where(inside, squared, 1.0)), 0.0)
        turned = cosine * math.cos(self.margin) - sine * math.sin(self.margin)
        beyond = cosine - self.margin * math.sin(self.margin)
        return ops.where(cosine > -math.cos(self.margin), turned, beyond)
