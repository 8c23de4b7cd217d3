"""A-Softmax (SphereFace): a multiplicative margin on the angle, class vectors of length 1 (Liu et al., CVPR 2017)."""

import keras

from fer_keras.layers.metric_loss import unit_vectors
from fer_keras.losses.l_softmax import LSoftmax


@keras.saving.register_keras_serializable("fer_keras")
class ASoftmax(LSoftmax):
    """Head whose labelled class has the logit `‖x‖ ψ(θ_y)` in training: L-Softmax with class vectors of length 1.

    `ψ(θ) = (−1)^k cos(mθ) − 2k` for `θ` in `[kπ/m, (k+1)π/m]`. The others, and all in inference, have `‖x‖ cos θ_j`.
    The margin is annealed as in `LSoftmax`, with the same arguments.

    Args:
        num_classes: int, number of classes K.
        margin: int m ≥ 1; the paper's is 4.
        annealing_start: float, λ before the first step; 0, with `annealing_end=0`, gives the pure margin.
        annealing_rate: float, how fast λ falls.
        annealing_end: float, least λ.
        kernel_initializer: initial class vectors, see `MarginHead`.
        **kwargs: passed to `keras.layers.Layer`.

    Call arguments:
        features: float tensor of shape `(batch, d)`.
        labels: optional, gives the margin logits; see `MarginHead`.
        training: bool; with labels, counts a step of the annealing.

    Returns:
        Logits of shape `(batch, K)`.

    Raises:
        ValueError, tf.errors.InvalidArgumentError: see `MarginHead`.

    Example:
    >>> model = JointSupervision(backbone, label_names, head=ASoftmax(len(label_names)))

    and without `JointSupervision`:

    >>> head = ASoftmax(num_classes=3)
    >>> logits = head(features, labels, training=True)
    >>> loss = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
    >>> probabilities = keras.ops.softmax(head(features))

    Reference:
        - Liu et al., SphereFace: deep hypersphere embedding for face recognition, CVPR 2017.
    """

    def class_vectors(self):
        """The vectors w_j, of length 1, as columns, `(d, K)`."""
        return unit_vectors(self.kernel, axis=0)[0]
