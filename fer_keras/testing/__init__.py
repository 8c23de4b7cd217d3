"""What every layer, loss and model of fer-keras keeps, as checks that you can run on your own.

They raise `AssertionError` with a message that says what was found and what was expected.

>>> from fer_keras.testing import check_layer
>>> check_layer(functools.partial(MyLayer, units=3), np.random.normal(size=(8, 4)))
"""

from fer_keras.testing.classifier import check_classifier
from fer_keras.testing.config import check_config
from fer_keras.testing.gradient import check_gradient
from fer_keras.testing.layer import check_layer
from fer_keras.testing.loss import check_loss
from fer_keras.testing.margin_head import check_margin_head
from fer_keras.testing.metric_loss import check_metric_loss
from fer_keras.testing.replicas import two_replicas

__all__ = [
    "check_classifier",
    "check_config",
    "check_gradient",
    "check_layer",
    "check_loss",
    "check_margin_head",
    "check_metric_loss",
    "two_replicas",
]
