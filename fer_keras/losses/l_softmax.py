"""L-Softmax: a multiplicative margin on the angle (Liu et al., ICML 2016)."""

import math

import keras
from keras import ops

from fer_keras.layers.arguments import number, whole_number
from fer_keras.losses.margin_head import MarginHead


@keras.saving.register_keras_serializable("fer_keras")
class LSoftmax(MarginHead):
    """Head whose labelled class has the logit `‖w_y‖‖x‖ ψ(θ_y)` in training.

    `ψ(θ) = (−1)^k cos(mθ) − 2k` for `θ` in `[kπ/m, (k+1)π/m]` falls from 1 at θ = 0 to `1 − 2m` at θ = π. The others,
    and all in inference, have the plain `w_j · x`, without bias.

    As training from scratch with a large margin does not converge, the logit of the labelled class is
    `‖w_y‖‖x‖ (λ cos θ_y + ψ(θ_y)) / (1 + λ)`, and λ falls with the training steps t:
    `λ = max(annealing_end, annealing_start / (1 + annealing_rate · t))`. The head counts the steps itself, in a weight.

    Args:
        num_classes: int, number of classes K.
        margin: int m ≥ 1; 1 is plain softmax, the paper's are 2 to 4.
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
    >>> model = JointSupervision(backbone, label_names, head=LSoftmax(len(label_names)))

    and without `JointSupervision`:

    >>> head = LSoftmax(num_classes=3)
    >>> logits = head(features, labels, training=True)
    >>> loss = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
    >>> probabilities = keras.ops.softmax(head(features))

    Reference:
        - Liu et al., Large-margin softmax loss for convolutional neural networks, ICML 2016. The annealing's figures
          are those of the same authors' SphereFace code.
    """

    def __init__(
        self,
        num_classes,
        margin=4,
        annealing_start=1000.0,
        annealing_rate=0.12,
        annealing_end=5.0,
        kernel_initializer="glorot_uniform",
        **kwargs,
    ):
        super().__init__(num_classes, kernel_initializer=kernel_initializer, **kwargs)
        self.margin = whole_number("margin", margin, least=1)
        self.annealing_end = number("annealing_end", annealing_end, least=0)
        self.annealing_start = number("annealing_start", annealing_start, least=self.annealing_end)
        self.annealing_rate = number("annealing_rate", annealing_rate, least=0)

    def build(self, features_shape, labels_shape=None):
        """Creates the class vectors and the step counter."""
        super().build(features_shape, labels_shape)
        self.steps = self.add_weight(
            name="steps",
            shape=(),
            initializer="zeros",
            trainable=False,
            autocast=False,
            aggregation="only_first_replica",
        )

    def class_vectors(self):
        """The vectors w_j as columns, `(d, K)`."""
        return ops.convert_to_tensor(self.kernel)

    def logits(self, features):
        """`w_j · x`."""
        return ops.matmul(features, self.class_vectors())

    def margin_logit(self, logit, features, target, training):
        """`‖w_y‖‖x‖ (λ cos θ_y + ψ(θ_y)) / (1 + λ)`."""
        strength = self.annealing()
        if training:
            self.steps.assign(self.steps + 1.0)
        own_vector_squared = ops.matmul(target, ops.sum(ops.square(self.class_vectors()), axis=0)[:, None])
        squared = own_vector_squared * ops.sum(ops.square(features), axis=-1, keepdims=True)
        lengths = ops.sqrt(ops.maximum(squared, 1e-24))
        return (strength * logit + lengths * self.psi(logit / lengths)) / (1.0 + strength)

    def annealing(self):
        """λ at the current step."""
        return ops.maximum(self.annealing_start / (1.0 + self.annealing_rate * self.steps), self.annealing_end)

    def psi(self, cosine):
        """ψ as a function of cos θ.

        Args:
            cosine: tensor of cosines.

        Returns:
            A tensor of the same shape.
        """
        # cos(mθ) is the Chebyshev polynomial T_m(cos θ): no arc cosine, whose gradient is infinite at ±1.
        before, multiple = ops.ones_like(cosine), cosine
        for _ in range(self.margin - 1):
            before, multiple = multiple, 2.0 * cosine * multiple - before
        bounds = [math.cos(k * math.pi / self.margin) for k in range(1, self.margin)]
        k = sum((ops.cast(cosine < bound, cosine.dtype) for bound in bounds), start=ops.zeros_like(cosine))
        return (1.0 - 2.0 * (k % 2.0)) * multiple - 2.0 * k

    def get_config(self):
        """Returns the layer's configuration."""
        return {
            **super().get_config(),
            "margin": self.margin,
            "annealing_start": self.annealing_start,
            "annealing_rate": self.annealing_rate,
            "annealing_end": self.annealing_end,
        }
