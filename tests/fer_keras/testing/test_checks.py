"""Every check passes what is right and names what is wrong."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from fer_keras.layers import CenterLoss, MetricLoss
from fer_keras.losses import AMSoftmax, FocalLoss
from fer_keras.models import JointSupervision
from fer_keras.testing import (
    check_classifier,
    check_config,
    check_gradient,
    check_layer,
    check_loss,
    check_margin_head,
    check_metric_loss,
    two_replicas,
)
from fer_keras.testing.problem import class_names, tiny_backbone, tiny_problem

pytestmark = pytest.mark.slow

INPUTS = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
register = keras.saving.register_keras_serializable("tests_of_testing")


@register
class Scale(keras.layers.Layer):
    def __init__(self, factor=2.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def build(self, shape):
        self.offset = self.add_weight(name="offset", shape=(shape[-1],), initializer="zeros")

    def call(self, inputs):
        return self.factor * inputs + self.offset

    def compute_output_shape(self, shape):
        return shape

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


@register
class TwoInputsTwoOutputs(keras.layers.Layer):
    def call(self, first, second):
        return first * second, ops.sum(first, axis=-1)

    def compute_output_shape(self, first_shape, second_shape):
        return first_shape, first_shape[:-1]


def variant(**members):
    """A registered Scale with some members replaced."""
    return register(type("Variant", (Scale,), members))


def test_layers_that_keep_the_contract():
    check_layer(functools.partial(Scale, 3.0), INPUTS)
    check_layer(TwoInputsTwoOutputs, INPUTS, 2 * INPUTS, fit=False)


@tf.custom_gradient
def wrong_gradient(x):
    return 2.0 * x, lambda dy: 3.0 * dy


@pytest.mark.parametrize(
    ("members", "message"),
    [
        (
            {"get_config": lambda self: {"name": self.name, "dtype": self.dtype_policy.name}},
            r"get_config\(\) lacks the constructor arguments \['factor'\]",
        ),
        ({"compute_output_shape": lambda self, shape: (shape[0], 7)}, r"compute_output_shape says \[\(None, 7\)\]"),
        ({"call": lambda self, inputs: wrong_gradient(inputs)}, r"gradient .*, finite difference"),
        ({"call": lambda self, inputs: inputs * 1e5}, "outputs under mixed_float16.* not finite"),
        ({"call": lambda self, inputs: ops.cast(inputs, "float32")}, "an output is float32, expected .* float16"),
        ({"call": lambda self, inputs: inputs * np.random.uniform()}, "outputs with jit_compile=False .* differs by"),
    ],
)
def test_layers_that_break_it(members, message):
    with pytest.raises(AssertionError, match=message):
        check_layer(variant(**members), INPUTS)


def test_layer_that_does_not_compile():
    def call(self, inputs):
        return tf.numpy_function(lambda x: x, [inputs], inputs.dtype)

    with pytest.raises(Exception, match="PyFunc"):
        check_layer(variant(call=call), INPUTS)


def test_config():
    assert isinstance(check_config(Scale(4.0)), Scale)

    class Unregistered(Scale):
        pass

    with pytest.raises(AssertionError, match="Unregistered is not registered"):
        check_config(Unregistered())
    plain = variant(get_config=lambda self: {**Scale.get_config(self), "factor": {1j}})
    with pytest.raises(Exception, match=r"plain data|complex|Unable|set"):
        check_config(plain())
    forgetful = variant(__init__=lambda self, factor=2.0, **kwargs: Scale.__init__(self, 1.0 + factor, **kwargs))
    with pytest.raises(AssertionError, match=r"has other values of \['factor'\]"):
        check_config(forgetful())


def test_gradient():
    check_gradient(lambda x, y: [ops.sum(x**3), x * y], np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    with pytest.raises(AssertionError, match=r"argument 1, entry \(0,\): gradient .*, finite difference"):
        check_gradient(lambda x, y: x * wrong_gradient(y), [1.0], [2.0])
    with pytest.raises(AssertionError, match="argument 0 has no gradient"):
        check_gradient(lambda x: ops.stop_gradient(x), [1.0])


def test_loss():
    check_loss(FocalLoss, np.array([0, 2, 1, 0]), INPUTS)

    @register
    class Total(keras.losses.Loss):
        def call(self, y_true, y_pred):
            return ops.sum(ops.square(y_pred))

    with pytest.raises(AssertionError, match=r"with reduction=None the loss has shape \(\), expected \(batch,\)"):
        check_loss(Total, INPUTS, INPUTS)


@register
class Drifting(CenterLoss):
    def call(self, features, labels, sample_weight=None):
        self.centers.assign(0.9 * self.centers)
        return super().call(features, labels, sample_weight)


@register
class WithoutWeights(MetricLoss):
    def call(self, features, labels, sample_weight=None):
        return self.reduce(ops.sum(ops.square(features), axis=-1))


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (functools.partial(Drifting, 3), "weights after `call`, which must not change them"),
        (WithoutWeights, "sample weights do not act on the loss"),
    ],
)
def test_metric_losses_that_break_the_contract(factory, message):
    with pytest.raises(AssertionError, match=message):
        check_metric_loss(factory)


@register
class Eased(AMSoftmax):
    def margin_cosine(self, cosine):
        return cosine + self.margin


def test_margin_head_that_makes_softmax_easier():
    with pytest.raises(AssertionError, match=r"labels change their logits by .*, expected not above 0"):
        check_margin_head(functools.partial(Eased, 3))


@register
class ExportsCenters(JointSupervision):
    def inference_model(self):
        model = super().inference_model()
        model.centers = self.metric_loss.centers
        return model


@register
class Unteachable(JointSupervision):
    def compute_loss(self, *args, **kwargs):
        return 1.0 + 0.0 * super().compute_loss(*args, **kwargs)


def test_classifiers_that_break_the_contract():
    def make(cls):
        return cls(tiny_backbone(4), class_names(3), metric_loss=CenterLoss(3))

    with pytest.raises(AssertionError, match=r"the export carries .*centers"):
        check_classifier(lambda: make(ExportsCenters), *tiny_problem(3))
    with pytest.raises(AssertionError, match="fit does not lower the loss"):
        check_classifier(lambda: make(Unteachable), *tiny_problem(3))


def test_classifier_that_a_call_builds():
    layers = [keras.layers.Flatten, functools.partial(keras.layers.Dense, 3, dtype="float32")]
    check_classifier(lambda: keras.Sequential([make() for make in layers]), *tiny_problem(3))


def test_classifier_with_dropout_and_batch_normalisation():
    def make():
        faces = keras.Input((5, 5, 1))
        x = keras.layers.Dense(8)(keras.layers.Flatten()(faces))
        x = keras.layers.Dropout(0.3)(keras.layers.BatchNormalization()(x))
        return JointSupervision(keras.Model(faces, x), class_names(3), metric_loss=CenterLoss(3))

    check_classifier(make, *tiny_problem(3), exact=False)


def test_classifier_of_named_inputs():
    pictures, labels = tiny_problem(3)

    def make():
        inputs = {"face": keras.Input((5, 5, 1), name="face"), "landmarks": keras.Input((2,), name="landmarks")}
        x = keras.layers.Concatenate()([keras.layers.Flatten()(inputs["face"]), inputs["landmarks"]])
        return JointSupervision(keras.Model(inputs, keras.layers.Dense(4)(x)), class_names(3))

    landmarks = np.random.default_rng(0).normal(size=(len(labels), 2)).astype("float32")
    check_classifier(make, {"face": pictures, "landmarks": landmarks}, labels)


def test_two_replicas():
    assert two_replicas().num_replicas_in_sync == 2
    assert two_replicas() is two_replicas()


@register
class LyingCenterLoss(CenterLoss):
    """Its configuration is complete, and always that of the default."""

    def get_config(self):
        return {**super().get_config(), "alpha": 0.5}


@register
class LyingMargin(AMSoftmax):
    def get_config(self):
        return {**super().get_config(), "margin": 0.35}


def test_configurations_that_lie_are_noticed():
    check_metric_loss(functools.partial(LyingCenterLoss, 3, alpha=0.5))
    with pytest.raises(AssertionError, match="made from the configuration learns"):
        check_metric_loss(functools.partial(LyingCenterLoss, 3, alpha=0.25))
    with pytest.raises(AssertionError, match="of a head made from the configuration"):
        check_margin_head(functools.partial(LyingMargin, 3, margin=0.2))


def test_small_gradients_are_compared_as_well():
    point = np.array([1.0, 2.0])
    check_gradient(lambda x: 1e-5 * ops.sum(x**3), point)
    with pytest.raises(AssertionError, match="argument 0"):
        check_gradient(lambda x: 1e-5 * ops.sum(wrong_gradient(x)), point)


def test_a_function_that_computes_in_float32_is_named():
    with pytest.raises(AssertionError, match=r'returns float32 for float64.*dtype="float64"'):
        check_gradient(lambda x: ops.sum(ops.cast(x, "float32") ** 2), np.array([1.0, 2.0]))


@register
class SmallFeatures(MetricLoss):
    """The example of MetricLoss's docstring."""

    def call(self, features, labels, sample_weight=None):
        features = ops.cast(features, self.variable_dtype)
        return self.reduce(ops.sum(ops.square(features), axis=-1), sample_weight)


def test_the_example_of_a_metric_loss_keeps_the_contract():
    check_metric_loss(SmallFeatures)
