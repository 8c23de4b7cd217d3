"""Focal loss: cross entropy that turns away from easy samples (Lin et al., ICCV 2017)."""

import keras
import numpy as np
from keras import ops

from fer_keras.layers.arguments import fits, number
from fer_keras.layers.metric_loss import class_indices


@keras.saving.register_keras_serializable("fer_keras")
class FocalLoss(keras.losses.Loss):
    """Softmax focal loss on logits, for integer labels and for soft rows.

    `FL = −Σ_k y_k α_k (1 − p_k)^γ ln p_k` with `p = softmax(logits)`; with integer labels only the labelled class
    counts. γ = 0 without α is cross entropy. It keeps no state: give it to `compile`.

    Args:
        gamma: float γ ≥ 0, how much easy samples lose; the paper's is 2.
        alpha: weights of the classes: `None` for 1, a float for all, or K floats.
        reduction: Keras's reduction of the batch.
        name: string.
        **kwargs: passed to `keras.losses.Loss`.

    Call arguments:
        y_true: integers of shape `(batch,)` or `(batch, 1)` in `[0, K)`, or soft rows of shape `(batch, K)`.
        y_pred: logits of shape `(batch, K)`.

    Returns:
        The loss; of shape `(batch,)` with `reduction=None`, else a scalar.

    Raises:
        ValueError: labels or logits have another shape, or `alpha` does not have K entries.
        tf.errors.InvalidArgumentError: a label is outside `[0, K)`. Under XLA, which has no assertions, such a sample
            has loss 0.

    Example:
    >>> model.compile("adam", FocalLoss(gamma=2.0), metrics=["accuracy"])

    Reference:
        - Lin et al., Focal loss for dense object detection, ICCV 2017.
    """

    def __init__(self, gamma=2.0, alpha=None, reduction="sum_over_batch_size", name="focal_loss", **kwargs):
        super().__init__(name=name, reduction=reduction, **kwargs)
        self.gamma = number("gamma", gamma, least=0)
        if alpha is None or np.ndim(alpha) == 0:
            self.alpha = alpha if alpha is None else number("alpha", alpha, least=0)
        else:
            self.alpha = [number("alpha", value, least=0) for value in alpha]

    def call(self, y_true, y_pred):
        """Returns the loss of every sample."""
        if len(y_pred.shape) != 2 or y_pred.shape[-1] in (None, 1):
            raise ValueError(
                f"{self.name} expects logits of shape (batch, K) with K ≥ 2. Received: shape={tuple(y_pred.shape)}"
            )
        y_pred = ops.cast(y_pred, keras.backend.result_type(y_pred.dtype, "float32"))  # 1 − p has no digits in float16
        num_classes = y_pred.shape[-1]
        if tuple(y_true.shape)[1:] != (num_classes,):
            labels = class_indices(y_true, num_classes, self.name, batch=y_pred.shape[0])
            y_true = ops.one_hot(labels, num_classes)
        elif not fits(tuple(y_true.shape), tuple(y_pred.shape)):
            raise ValueError(
                f"{self.name}: soft rows must have the shape of the logits, {tuple(y_pred.shape)}. "
                f"Received: shape={tuple(y_true.shape)}"
            )
        if isinstance(self.alpha, list) and len(self.alpha) != num_classes:
            raise ValueError(f"`alpha` must have {num_classes} entries, one a class. Received: alpha={self.alpha}")
        y_true = ops.cast(y_true, y_pred.dtype)
        if self.alpha is not None:
            y_true = y_true * ops.convert_to_tensor(self.alpha, dtype=y_pred.dtype)
        log_probabilities = ops.log_softmax(y_pred, axis=-1)
        # expm1 keeps the digits of 1 − p; the bound keeps the power's gradient finite for γ < 1.
        doubt = ops.maximum(-ops.expm1(log_probabilities), 1e-12)
        return -ops.sum(y_true * ops.power(doubt, self.gamma) * log_probabilities, axis=-1)

    def get_config(self):
        """Returns the loss's configuration."""
        return {**super().get_config(), "gamma": self.gamma, "alpha": self.alpha, "dtype": self.dtype}
