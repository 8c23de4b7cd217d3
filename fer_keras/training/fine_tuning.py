"""Which layers a fine-tuning leaves as they are (layer-wise freezing, Ge et al. 2022)."""

import fnmatch

from fer_keras.errors import InputError


def freeze_layers(model, rates):
    """Makes the layers that have the learning rate 0 untrainable, their batch statistics too.

    Args:
        model: a `JointSupervision`.
        rates: dict of layer name, or pattern such as `"conv*"`, to the factor on the learning rate; the first that
            fits counts, as in `LayerwiseAdam`.

    Returns:
        A list of the names of the frozen layers.

    Raises:
        InputError: a pattern fits no layer with weights.
    """
    frozen = []
    layers = [layer for layer in [*model.backbone.layers, model.head] if layer.weights]
    for pattern in rates:
        if not any(fnmatch.fnmatchcase(layer.name, pattern) for layer in layers):
            names = ", ".join(layer.name for layer in layers)
            raise InputError(f"layer_rates names {pattern!r}, and the model has no such layer with weights: {names}")
    for layer in layers:
        fits = [rate for pattern, rate in rates.items() if fnmatch.fnmatchcase(layer.name, pattern)]
        if fits and fits[0] == 0:
            layer.trainable = False
            frozen.append(layer.name)
    return frozen
