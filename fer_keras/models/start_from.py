"""Starting from what another model has learnt (multi-stage fine-tuning, Ge et al. 2022)."""

import keras
import numpy as np

from fer_keras.emotions import ALIASES
from fer_keras.errors import InputError


def start_from(model, source):
    """Copies the weights of every layer that two classifiers have in common, found by its name.

    A convolution that takes more channels than the source's (the key-point angle map beside the face) starts with zeros
    for them: at first the model answers as the source does. Dense heads share the outputs of labels that both know.

    Args:
        model: the `JointSupervision` to change.
        source: the trained `JointSupervision`.

    Returns:
        A list of the names of the layers that were copied.

    Raises:
        InputError: the backbones have no kernel in common.
    """
    held = {layer.name: layer for layer in source.backbone.layers}
    pairs = [(layer, held[layer.name]) for layer in model.backbone.layers if layer.name in held]
    copied = []
    for layer, other in pairs:
        weights = [
            _widen(theirs, ours.shape) for ours, theirs in zip(layer.get_weights(), other.get_weights(), strict=False)
        ]
        if weights and len(weights) == len(layer.weights) and all(each is not None for each in weights):
            layer.set_weights(weights)
            copied.append(layer.name)
    # Scales and offsets alone are no knowledge: they fit by chance where kernels do not.
    if not any(weight.ndim > 1 for name in copied for weight in held[name].get_weights()):
        raise InputError(
            f"{source.name} has no layer of the same name and shape as {model.name}; "
            "expected a pretrained model with the same backbone and width"
        )
    if isinstance(model.head, keras.layers.Dense) and isinstance(source.head, keras.layers.Dense):
        _copy_outputs(model, source)
    return copied


def _copy_outputs(model, source):
    """Takes over the weights of the labels that both models know."""
    kernel, bias = model.head.get_weights()
    theirs, their_bias = source.head.get_weights()
    if len(kernel) != len(theirs):
        return
    known = [ALIASES.get(name, name) for name in source.label_names]
    for place, name in enumerate(model.label_names):
        if ALIASES.get(name, name) in known:
            other = known.index(ALIASES.get(name, name))
            kernel[:, place], bias[place] = theirs[:, other], their_bias[other]
    model.head.set_weights([kernel, bias])


def _widen(weights, shape):
    """Weights in a shape that may have more input channels; `None` where it does not fit."""
    if weights.shape == shape:
        return weights
    if weights.ndim != 4 or len(shape) != 4 or weights.shape[:2] + weights.shape[3:] != shape[:2] + shape[3:]:
        return None
    more = shape[2] - weights.shape[2]
    return np.pad(weights, ((0, 0), (0, 0), (0, more), (0, 0))) if more > 0 else None
