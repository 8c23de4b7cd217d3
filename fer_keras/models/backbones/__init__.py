"""Backbones by name: networks from raw pixels to features, for `JointSupervision`. One file, one network."""

import functools

from fer_keras.models.alexnet_emotion import alexnet_emotion_backbone
from fer_keras.models.backbones.application import APPLICATIONS, application
from fer_keras.models.backbones.googlenet_style import googlenet_style
from fer_keras.models.backbones.mobile_face_net import mobile_face_net
from fer_keras.models.backbones.vgg_style import vgg_style

__all__ = ["BACKBONES", "application", "get", "googlenet_style", "mobile_face_net", "vgg_style"]


def _alexnet_emotion(input_shape=(48, 48, 1), **options):
    height, width, channels = input_shape
    if height != width:
        raise ValueError(f"alexnet_emotion takes square faces. Received: input_shape={input_shape}")
    return alexnet_emotion_backbone(height, channels, **options)


BACKBONES = {
    "alexnet_emotion": _alexnet_emotion,
    "mobile_face_net": mobile_face_net,
    "vgg_style": vgg_style,
    "googlenet_style": googlenet_style,
    **{name: functools.partial(application, name) for name in APPLICATIONS},
}
"""The backbones by name: callables of `input_shape` and options."""


def get(name, input_shape=(48, 48, 1), **options):
    """Makes a backbone.

    Args:
        name: one of `BACKBONES`.
        input_shape: `(height, width, channels)` of the faces.
        **options: the network's own, see its function; `feature_dim` and `width` or, for the networks of
            `keras.applications`, `weights` and `resize_to`.

    Returns:
        A functional Keras model from raw pixels 0-255 of shape `(batch, *input_shape)` to features `(batch, d)`.

    Raises:
        ValueError: no such backbone, or the shape is wrong.

    Example:
    >>> backbone = backbones.get("mobile_face_net", (48, 48, 1))
    >>> model = JointSupervision(backbone, ("neutral", "happiness"), metric_loss=IslandLoss(2))
    """
    if name not in BACKBONES:
        raise ValueError(f"`name` must be one of {', '.join(BACKBONES)}. Received: name={name!r}")
    return BACKBONES[name](input_shape, **options)
