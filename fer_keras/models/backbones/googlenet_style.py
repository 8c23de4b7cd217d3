"""A network in the style of GoogLeNet (Szegedy et al. 2015)."""

import keras

from fer_keras.layers import PixelStandardization
from fer_keras.models.backbones.blocks import conv_block, face_input, feature_vector, inception_module, scaled

# The paper's numbers of filters, see `inception_module`; pooling goes before 4a and 5a.
_MODULES = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


def googlenet_style(input_shape=(48, 48, 1), feature_dim=128, width=0.25, dropout=0.3, name="googlenet_style"):
    """GoogLeNet's stem and nine inception modules, a mean over the map, and features.

    Simplified: made for 48×48 instead of 224×224, so the stem halves the size twice instead of three times; all filters
    are a quarter of the paper's; batch normalisation instead of local response normalisation; no auxiliary classifiers.

    Args:
        input_shape: `(height, width, channels)` of the faces.
        feature_dim: int, dimension of the features.
        width: float, factor on the filters.
        dropout: float, rate before the features.
        name: string, name of the model.

    Returns:
        A functional Keras model from raw pixels 0-255 to features `(batch, feature_dim)`.

    Reference:
        - Szegedy et al., Going deeper with convolutions, CVPR 2015.
    """
    layers = keras.layers
    faces = face_input(input_shape)
    x = PixelStandardization(name="standardize")(faces)
    x = conv_block(x, scaled(64, width), 7, "stem1", strides=2)
    x = conv_block(x, scaled(64, width), 1, "stem2_reduce")
    x = conv_block(x, scaled(192, width), 3, "stem2")
    x = layers.MaxPooling2D(3, strides=2, padding="same", name="pool2")(x)
    for module, filters in _MODULES.items():
        if module in ("4a", "5a"):
            x = layers.MaxPooling2D(3, strides=2, padding="same", name=f"pool{module[0]}")(x)
        x = inception_module(x, [scaled(each, width) for each in filters], f"inception_{module}")
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    x = layers.Dropout(dropout, name="features_dropout")(x)
    return keras.Model(faces, feature_vector(x, feature_dim), name=name)
