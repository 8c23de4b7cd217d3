"""A network in the style of VGG (Simonyan and Zisserman 2015)."""

import keras

from fer_keras.layers import PixelStandardization
from fer_keras.models.backbones.blocks import conv_block, face_input, feature_vector

_STAGES = ((12, 2), (28, 2), (56, 2), (88, 2))  # filters, convolutions


def vgg_style(input_shape=(48, 48, 1), feature_dim=128, width=1.0, dropout=0.3, name="vgg_style"):
    """Pairs of 3×3 convolutions, each pair followed by pooling, and one fully connected layer.

    Simplified: four stages of two convolutions with few filters instead of VGG-16's five with up to 512, batch
    normalisation, and 192 units instead of two layers of 4096.

    Args:
        input_shape: `(height, width, channels)` of the faces.
        feature_dim: int, dimension of the features.
        width: float, factor on the filters.
        dropout: float, rate before the fully connected layer and before the features.
        name: string, name of the model.

    Returns:
        A functional Keras model from raw pixels 0-255 to features `(batch, feature_dim)`.

    Reference:
        - Simonyan and Zisserman, Very deep convolutional networks for large-scale image recognition, ICLR 2015.
    """
    layers = keras.layers
    faces = face_input(input_shape)
    x = PixelStandardization(name="standardize")(faces)
    for stage, (filters, convolutions) in enumerate(_STAGES, 1):
        for number in range(convolutions):
            x = conv_block(x, round(filters * width), 3, f"conv{stage}_{number + 1}")
        x = layers.MaxPooling2D(name=f"pool{stage}")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dropout(dropout, name="fc1_dropout")(x)
    x = layers.Dense(round(192 * width), use_bias=False, name="fc1")(x)
    x = layers.BatchNormalization(momentum=0.9, name="fc1_bn")(x)
    x = layers.Activation("relu", name="fc1_relu")(x)
    x = layers.Dropout(dropout, name="features_dropout")(x)
    return keras.Model(faces, feature_vector(x, feature_dim), name=name)
