"""MobileFaceNet: a small network made for aligned faces (Chen et al. 2018)."""

import keras

from fer_keras.layers import PixelStandardization
from fer_keras.models.backbones.blocks import conv_block, face_input, feature_vector, scaled

# Expansion, channels, blocks, stride of the first: table 1 of the paper, but for the strides.
_STAGES = ((2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1))


def mobile_face_net(input_shape=(48, 48, 1), feature_dim=128, width=0.625, name="mobile_face_net"):
    """MobileFaceNet up to its features.

    Inverted bottlenecks with PReLU; at the end a depthwise convolution over the whole map instead of a mean, since
    the middle of an aligned face says something else than its border.

    Simplified: the paper's input is 112×112; at 48×48 all channels are 0.625 of its own, for the budget of 20 million
    multiply-adds.

    Args:
        input_shape: `(height, width, channels)` of the faces.
        feature_dim: int, dimension of the features.
        width: float, factor on the channels; 1 is the paper's.
        name: string, name of the model.

    Returns:
        A functional Keras model from raw pixels 0-255 to features `(batch, feature_dim)`.

    Reference:
        - Chen et al., MobileFaceNets: efficient CNNs for accurate real-time face verification, CCBR 2018.
    """
    layers = keras.layers
    faces = face_input(input_shape)
    x = PixelStandardization(name="standardize")(faces)
    x = conv_block(x, scaled(64, width), 3, "stem", strides=2, activation="prelu")
    x = conv_block(x, None, 3, "stem_depthwise", activation="prelu", depthwise=True)
    for stage, (expansion, channels, blocks, stride) in enumerate(_STAGES, 1):
        for block in range(blocks):
            x = _bottleneck(
                x, expansion, scaled(channels, width), stride if block == 0 else 1, f"stage{stage}_{block + 1}"
            )
    x = conv_block(x, scaled(512, width), 1, "last", activation="prelu")
    x = layers.DepthwiseConv2D(x.shape[1:3], use_bias=False, name="global_depthwise")(x)
    x = layers.BatchNormalization(momentum=0.9, name="global_depthwise_bn")(x)
    x = layers.Flatten(name="flatten")(x)
    return keras.Model(faces, feature_vector(x, feature_dim), name=name)


def _bottleneck(x, expansion, channels, stride, name):
    before = x
    x = conv_block(x, before.shape[-1] * expansion, 1, f"{name}_expand", activation="prelu")
    x = conv_block(x, None, 3, f"{name}_depthwise", strides=stride, activation="prelu", depthwise=True)
    x = conv_block(x, channels, 1, f"{name}_project", activation=None)
    return keras.layers.Add(name=f"{name}_add")([before, x]) if x.shape == before.shape else x
