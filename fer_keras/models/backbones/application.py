"""Networks of `keras.applications` as backbones."""

import keras

from fer_keras.models.backbones.blocks import MOMENTUM, face_input, feature_vector

APPLICATIONS = {
    "mobile_net_v2": "MobileNetV2",
    "mobile_net_v3_small": "MobileNetV3Small",
    "mobile_net_v3_large": "MobileNetV3Large",
    "efficient_net_v2_b0": "EfficientNetV2B0",
    "conv_next_tiny": "ConvNeXtTiny",
}
"""Our names, and the classes of `keras.applications`."""

_SCALED_OUTSIDE = ("mobile_net_v2",)  # takes -1..1; the others take raw pixels


def application(name, input_shape=(48, 48, 1), feature_dim=128, weights=None, resize_to=None, dropout=0.2, **options):
    """A network of `keras.applications`, as it is, between raw pixels and features.

    Grey faces are given to it as three equal channels. It halves its input five times: of 48 pixels 2 are left, so
    `resize_to=96` or more is worth trying, at four times the cost and more.

    Args:
        name: one of `APPLICATIONS`.
        input_shape: `(height, width, channels)` of the faces.
        feature_dim: int, dimension of the features, or `None` for the mean over the network's last map.
        weights: `None` for random ones, `"imagenet"` (Keras downloads them) or a file. Without, batch normalisation
            averages with momentum 0.9 instead of the networks' 0.99 to 0.999, which short trainings do not reach.
        resize_to: int, side in pixels that faces are resized to inside the model; `None` leaves them.
        dropout: float, rate before the features.
        **options: passed to the constructor, such as `alpha` for MobileNetV2.

    Returns:
        A functional Keras model from raw pixels 0-255 to features.

    Raises:
        ValueError: no such application, or the input's shape is wrong.
    """
    if name not in APPLICATIONS:
        raise ValueError(f"`name` must be one of {', '.join(APPLICATIONS)}. Received: name={name!r}")
    layers = keras.layers
    faces = face_input(input_shape)
    x = faces
    if resize_to:
        x = layers.Resizing(resize_to, resize_to, name="resize")(x)
    if x.shape[-1] == 1:
        x = layers.Concatenate(name="three_channels")([x, x, x])
    if name in _SCALED_OUTSIDE:
        x = layers.Rescaling(1 / 127.5, offset=-1, name="rescale")(x)
    network = getattr(keras.applications, APPLICATIONS[name])(
        include_top=False, weights=weights, input_shape=x.shape[1:], pooling="avg", **options
    )
    if weights is None:
        for layer in network.layers:
            if isinstance(layer, layers.BatchNormalization):
                layer.momentum = MOMENTUM
    x = network(x)
    if feature_dim:
        x = layers.Dropout(dropout, name="features_dropout")(x)
        x = feature_vector(x, feature_dim)
    else:
        x = layers.Activation("linear", dtype="float32", name="features")(x)
    return keras.Model(faces, x, name=f"{name}_backbone")
