"""Improved Island loss: compact classes, centres apart, hard samples only (Ge et al. 2022, after Cai et al. 2018)."""

import keras
from keras import ops

from fer_keras.layers.arguments import number
from fer_keras.layers.center_loss import CenterLoss
from fer_keras.layers.metric_loss import unit_vectors


@keras.saving.register_keras_serializable("fer_keras")
class IslandLoss(CenterLoss):
    """Improved Island loss (Ge et al. 2022); `threshold=0` gives the original (Cai et al. 2018).

    `L_IL = L_c + λ1 Σ_j Σ_{k≠j} (cos(c_j, c_k) + 1)` with `L_c = 1/2 Σ_i max(‖x_i − c_{y_i}‖² − τ, 0)`: only samples
    beyond the radius √τ of their class centre count. The pair term has no gradient towards the features; it acts
    through the step of the centres, `c_j ← c_j − α Δc_j`,

    `Δc_j = Σ_i δ(y_i=j)(c_j − x_i) / (1 + Σ_i δ(y_i=j))
            + λ1/(K−1) Σ_{k≠j} [c_k/(‖c_k‖‖c_j‖) − (c_k·c_j) c_j/(‖c_k‖‖c_j‖³)]`.

    The metric `hard_fraction` is the share of samples beyond the radius. Both pair sums cost O(K d).

    The pair term is large next to the rest: with centres at right angles it is λ1 K (K−1), 420 for 7 classes. It is a
    constant for the gradient, but part of the value that `fit` shows as `metric_loss` and, times λ, in `loss`.

    Args:
        num_classes: int, number of classes K.
        threshold: float τ ≥ 0, in squared units of the features.
        pair_weight: float λ1 ≥ 0, weight of the pair term.
        alpha: float, step α of the centres in [0, 1].
        reduction: `"mean"` over the batch or `"sum"` of `L_c`, see `MetricLoss`; the pair term counts once.
        centers_initializer: initial centres, see `CenterLoss`.
        **kwargs: passed to `keras.layers.Layer`.

    Call arguments:
        features: float tensor of shape `(batch, d)`.
        labels: integers of shape `(batch,)` or `(batch, 1)` in `[0, K)`, or soft rows of shape `(batch, K)`, whose
            largest entry is taken.
        sample_weight: optional tensor of shape `(batch,)`.

    Returns:
        The loss, a scalar.

    Raises:
        ValueError: features or labels have another shape.
        tf.errors.InvalidArgumentError: a label is outside `[0, K)`, see `CenterLoss`.

    Example:
    >>> model = JointSupervision(backbone, names, metric_loss=IslandLoss(len(names), threshold=9.0), metric_weight=0.01)

    and without `JointSupervision`:

    >>> loss = IslandLoss(num_classes=3)
    >>> features, labels = np.random.normal(size=(8, 128)), np.arange(8) % 3
    >>> value = loss(features, labels)
    >>> loss.update(features, labels)

    Reference:
        - Ge et al., Facial expression recognition based on deep learning, CMPB 2022, equations 1, 2, 5 and 6.
        - Cai et al., Island loss for learning discriminative features in facial expression recognition, FG 2018.
    """

    def __init__(
        self,
        num_classes,
        threshold=0.0,
        pair_weight=10.0,
        alpha=0.5,
        reduction="mean",
        centers_initializer=None,
        **kwargs,
    ):
        super().__init__(
            num_classes, alpha=alpha, reduction=reduction, centers_initializer=centers_initializer, **kwargs
        )
        self.threshold = number("threshold", threshold, least=0)
        self.pair_weight = number("pair_weight", pair_weight, least=0)
        self.hard_fraction = keras.metrics.Mean(name="hard_fraction")

    def call(self, features, labels, sample_weight=None):
        """Returns the loss of a batch as a scalar."""
        excess = ops.relu(self.squared_distances(features, self._indices(features, labels)) - self.threshold)
        return self.reduce(0.5 * excess, sample_weight) + self.pair_weight * self.pair_sum()

    def pair_sum(self):
        """Σ_j Σ_{k≠j} (cos(c_j, c_k) + 1) over ordered pairs, with unit vectors ĉ as ‖Σ ĉ‖² − K + K(K−1)."""
        unit, _ = unit_vectors(self.centers)
        own = ops.sum(ops.square(unit))  # K, less the centres that are zero
        pairs = self.num_classes * (self.num_classes - 1)
        return ops.sum(ops.square(ops.sum(unit, axis=0))) - own + pairs

    def center_step(self, counts, sums):
        """Δc of a batch, equation 5. See `CenterLoss.center_step`."""
        unit, inverse_norm = unit_vectors(self.centers)
        total = ops.sum(unit, axis=0, keepdims=True)
        # k = j adds ĉ_j − ĉ_j = 0, so the sum over all k is the sum over k ≠ j.
        cosine_gradient = (total - ops.sum(unit * total, axis=-1, keepdims=True) * unit) * inverse_norm
        return super().center_step(counts, sums) + self.pair_weight / max(self.num_classes - 1, 1) * cosine_gradient

    def observe(self, features, labels):
        """Feeds `hard_fraction`."""
        self.hard_fraction.update_state(self.squared_distances(features, labels) > self.threshold)

    def get_config(self):
        """Returns the layer's configuration."""
        return {**super().get_config(), "threshold": self.threshold, "pair_weight": self.pair_weight}
