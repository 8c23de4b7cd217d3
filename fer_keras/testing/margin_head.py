"""The contract of a margin head, see `fer_keras.losses.MarginHead`."""

import numpy as np
import tensorflow as tf
from keras import ops

from fer_keras.models import JointSupervision
from fer_keras.testing.classifier import check_classifier
from fer_keras.testing.config import check_config
from fer_keras.testing.gradient import check_gradient
from fer_keras.testing.layer import check_layer
from fer_keras.testing.problem import class_names, tiny_backbone, tiny_problem
from fer_keras.testing.replicas import two_replicas
from fer_keras.testing.requirement import require, require_close


def check_margin_head(factory, num_classes=3, dimension=4, learning_rate=0.01, tolerance=1e-5):
    """Checks a margin head, alone and in `JointSupervision`.

    - without labels it passes `check_layer` (but for `fit`, which `check_classifier` covers);
    - labels lower the labelled class's logit and leave the others, also in a head made from the configuration;
    - integer labels of shape `(batch,)` and `(batch, 1)` and soft rows give the same;
    - the gradient of the margin logits agrees with finite differences;
    - margin logits are the same eagerly and under `jit_compile=True`;
    - in `JointSupervision` it passes `check_classifier`.

    Args:
        factory: callable that makes the head for `num_classes` classes and passes keyword arguments (`dtype`) to it.
        num_classes: int, number of classes.
        dimension: int, of the features.
        learning_rate: float, of SGD in `check_classifier`.
        tolerance: float, of comparisons between modes.

    Raises:
        AssertionError: the head breaks the contract; the message says where.

    Example:
    >>> check_margin_head(functools.partial(ArcFace, 3), num_classes=3)
    """
    two_replicas()  # before TensorFlow starts
    random = np.random.default_rng(0)
    features = random.normal(size=(4 * num_classes, dimension)).astype("float32")
    labels = random.permutation(np.arange(4 * num_classes) % num_classes)
    check_layer(factory, features, fit=False, tolerance=tolerance)

    head = factory()
    plain, margin = ops.convert_to_numpy(head(features)), head(features, labels)
    target = np.eye(num_classes, dtype="float32")[labels]
    change = ops.convert_to_numpy(margin) - plain
    require_close((1 - target) * change, np.zeros_like(plain), "logits of the classes without the label", tolerance)
    require(
        np.all(change <= tolerance * np.abs(plain).max()) and np.min(change) < 0,
        f"labels change their logits by {change.min():.4g} to {change.max():.4g}, expected not above 0, some below",
    )
    copy = check_config(head)
    if not copy.built:  # the configuration may bring the shapes of the build
        copy.build(features.shape)
    copy.set_weights(head.get_weights())
    require_close(copy(features, labels), margin, "margin logits of a head made from the configuration", tolerance)
    require_close(head(features, labels[:, None]), margin, "logits with labels of shape (batch, 1)", tolerance)
    soft = 0.8 * target + 0.2 / num_classes
    require_close(head(features, soft), margin, "logits with soft rows", tolerance)

    exact = factory(dtype="float64")
    exact.build(features.shape)
    check_gradient(lambda x: exact(x, labels), features)

    compiled = tf.function(lambda *batch: head(*batch), jit_compile=True, autograph=False)
    require_close(compiled(features, labels), margin, "margin logits with jit_compile=True", tolerance)

    def classifier():
        return JointSupervision(tiny_backbone(dimension), class_names(num_classes), head=factory())

    check_classifier(classifier, *tiny_problem(num_classes), learning_rate=learning_rate, tolerance=tolerance)
