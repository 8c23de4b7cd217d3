"""The contract of a metric loss, see `fer_keras.layers.MetricLoss`."""

import numpy as np
import tensorflow as tf

from fer_keras.models import JointSupervision
from fer_keras.testing.classifier import check_classifier
from fer_keras.testing.config import check_config
from fer_keras.testing.gradient import check_gradient
from fer_keras.testing.policy import dtype_policy
from fer_keras.testing.problem import class_names, tiny_backbone, tiny_problem
from fer_keras.testing.replicas import two_replicas
from fer_keras.testing.requirement import require, require_close, require_finite


def check_metric_loss(factory, num_classes=3, dimension=4, metric_weight=0.1, tolerance=1e-5):
    """Checks a metric loss, alone and in `JointSupervision`.

    - its configuration is complete: a layer made from it gives the same loss and learns the same; its output is a
      scalar;
    - `call` changes no weight, and is linear in the sample weights;
    - integer labels of shape `(batch,)` and `(batch, 1)` and soft rows give the same;
    - the gradient towards the features agrees with finite differences;
    - `call` and `update` give the same eagerly and under `jit_compile=True`;
    - under `mixed_float16` its weights are float32, and it does not overflow for features that float16 holds;
    - in `JointSupervision` it passes `check_classifier`.

    Args:
        factory: callable that makes the layer and passes keyword arguments (`dtype`) to it, such as the class or a
            `functools.partial` of it.
        num_classes: int, number of classes of the problem.
        dimension: int, of the features.
        metric_weight: float, in `JointSupervision`.
        tolerance: float, of comparisons between modes.

    Raises:
        AssertionError: the layer breaks the contract; the message says where.

    Example:
    >>> check_metric_loss(functools.partial(CenterLoss, 3, alpha=0.3), num_classes=3)
    """
    two_replicas()  # before TensorFlow starts
    random = np.random.default_rng(0)
    features = random.normal(size=(3 * num_classes, dimension)).astype("float32")
    labels = random.permutation(np.arange(3 * num_classes) % num_classes)

    layer = factory()
    copy = check_config(layer)
    value = layer(features, labels)
    shape = layer.compute_output_shape(features.shape, labels.shape)
    require(tuple(value.shape) == tuple(shape) == (), f"the loss has shape {value.shape}, expected a scalar")

    before = layer.get_weights()
    none, half, full = (float(layer(features, labels, np.full(len(labels), weight))) for weight in (0.0, 0.5, 1.0))
    require_close(layer.get_weights(), before, "weights after `call`, which must not change them", tolerance=0.0)
    if not copy.built:  # the configuration may bring the shapes of the build
        copy.build(features.shape)
    copy.set_weights(before)
    require_close(copy(features, labels), value, "loss of a layer made from the configuration", tolerance)
    require(none != full, "sample weights do not act on the loss")
    require_close(np.array(full), value, "loss with sample weights of 1 against none", tolerance)
    require_close(np.array(half), np.array((none + full) / 2), "loss with sample weights of 0.5", tolerance)
    require_close(layer(features, labels[:, None]), value, "loss with labels of shape (batch, 1)", tolerance)
    soft = 0.8 * np.eye(num_classes, dtype="float32")[labels] + 0.2 / num_classes
    require_close(layer(features, soft), value, "loss with soft rows", tolerance)

    exact = factory(dtype="float64")
    exact.build(features.shape)
    check_gradient(lambda x: exact(x, labels), features)

    @tf.function(jit_compile=True, autograph=False)
    def step(features, labels):
        value = layer(features, labels)
        layer.update(features, labels)
        return value

    require_close(step(features, labels), value, "loss with jit_compile=True against eagerly", tolerance)
    compiled = layer.get_weights()
    layer.set_weights(before)
    for one in (layer, copy):
        one.update(features, labels)
    require_close(copy.get_weights(), layer.get_weights(), "weights that a layer made from the configuration learns")
    require_close(compiled, layer.get_weights(), "weights after `update` with jit_compile=True", tolerance)

    with dtype_policy("mixed_float16"):
        mixed = factory()
        value = mixed((300.0 * features).astype("float16"), labels)
    require_finite(value, "loss under mixed_float16 for features near 300")
    for weight in mixed.weights:
        require(weight.dtype == "float32", f"{weight.path} is {weight.dtype} under mixed_float16, expected float32")

    def classifier():
        names = class_names(num_classes)
        return JointSupervision(tiny_backbone(dimension), names, metric_loss=factory(), metric_weight=metric_weight)

    check_classifier(classifier, *tiny_problem(num_classes), tolerance=tolerance)
