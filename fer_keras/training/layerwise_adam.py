"""Adam with decoupled weight decay and a learning rate by layer, for fine-tuning."""

import fnmatch
import math

import keras
from keras import ops


@keras.saving.register_keras_serializable("fer_keras")
class LayerwiseAdam(keras.optimizers.Adam):
    """AdamW whose learning rate is multiplied by a factor of the layer's own.

    `θ ← θ − f η (wd θ + m̂ / (√v̂ + ε))`, with the factor `f` of the variable's layer, the learning rate η and Adam's
    moments m̂ and v̂ (Kingma & Ba 2015; Loshchilov & Hutter 2019, algorithm 2). Without factors it is
    `keras.optimizers.AdamW`. A factor of 0 freezes a layer's weights but not its batch statistics; `layer.trainable =
    False` freezes both and costs no gradient.

    Args:
        learning_rate: float or schedule, η.
        decay: float, wd ≥ 0.
        factors: dict of layer name, or pattern of names such as `"conv*"`, to factor ≥ 0; the first that fits counts.
            Layers that none fits have 1. The name is that of the layer which owns the weights, not of a model around
            it: those differ once a model was saved and loaded.
        **kwargs: passed to `keras.optimizers.Adam`.

    Raises:
        ValueError: a factor or `decay` is negative or not finite; at build, a name fits no layer.

    Example:
    >>> optimizer = LayerwiseAdam(1e-3, factors={"conv[12]*": 0.0, "conv*": 0.1})
    """

    def __init__(self, learning_rate=1e-3, decay=0.0, factors=None, name="layerwise_adam", **kwargs):
        super().__init__(learning_rate, name=name, **kwargs)
        self.decay = float(decay)
        self.factors = dict(factors or {})
        for what, value in {"decay": self.decay, **self.factors}.items():
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"`decay` and every factor must be finite and ≥ 0. Received: {what}={value}")

    def build(self, variables):
        """Creates the moments, and finds every variable's factor."""
        super().build(variables)
        layers = [variable.path.split("/")[-2] for variable in variables]
        for pattern in self.factors:
            if not fnmatch.filter(layers, pattern):
                raise ValueError(
                    f"`factors` names the layer '{pattern}', but only {', '.join(sorted(set(layers)))} train"
                )
        self._factor_of = [
            next((factor for pattern, factor in self.factors.items() if fnmatch.fnmatchcase(layer, pattern)), 1.0)
            for layer in layers
        ]

    def update_step(self, gradient, variable, learning_rate):
        """Updates one variable."""
        rate = ops.cast(learning_rate, variable.dtype) * self._factor_of[self._get_variable_index(variable)]
        if self.decay:
            self.assign_sub(variable, variable * (rate * self.decay))
        super().update_step(gradient, variable, rate)

    def get_config(self):
        """Returns the optimizer's configuration."""
        return {**super().get_config(), "decay": self.decay, "factors": self.factors}
