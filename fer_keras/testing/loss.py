"""The contract of a loss given to `compile`."""

import keras
import numpy as np
import tensorflow as tf

from fer_keras.testing.config import check_config
from fer_keras.testing.gradient import check_gradient
from fer_keras.testing.requirement import require, require_close, require_finite


def check_loss(factory, y_true, y_pred, tolerance=1e-5):
    """Checks a `keras.losses.Loss` without state.

    Its configuration is complete; it returns one value a sample with `reduction=None`, whose mean is the loss; it is
    the same eagerly, in a graph and under `jit_compile=True`; its gradient agrees with finite differences.

    Args:
        factory: callable that makes the loss and passes keyword arguments (`reduction`, `dtype`) to it.
        y_true: array, labels.
        y_pred: array, predictions.
        tolerance: float, of comparisons between modes.

    Raises:
        AssertionError: the loss breaks the contract; the message says where.

    Example:
    >>> check_loss(FocalLoss, y_true=np.array([0, 2]), y_pred=np.random.normal(size=(2, 3)))
    """
    y_pred = np.asarray(y_pred, "float32")
    loss = factory()
    check_config(loss)
    value = loss(y_true, y_pred)
    require(tuple(value.shape) == (), f"the loss has shape {value.shape}, expected a scalar")
    each = keras.ops.convert_to_numpy(factory(reduction=None)(y_true, y_pred))
    require(each.shape == (len(y_pred),), f"with reduction=None the loss has shape {each.shape}, expected (batch,)")
    require_finite(each, "loss")
    require_close(value, each.mean(), "loss against the mean over the samples", tolerance)
    for jit_compile in (False, True):
        compiled = tf.function(lambda predictions: loss(y_true, predictions), jit_compile=jit_compile, autograph=False)
        require_close(compiled(y_pred), value, f"loss with jit_compile={jit_compile} against eagerly", tolerance)
    exact = factory(dtype="float64")
    check_gradient(lambda predictions: exact(y_true, predictions), y_pred)
