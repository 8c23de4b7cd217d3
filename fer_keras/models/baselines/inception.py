"""The Inception network of Mollahosseini et al. (WACV 2016)."""

import dataclasses
from typing import ClassVar

import keras

from fer_keras.layers import PixelStandardization
from fer_keras.models.backbones.blocks import conv_block, face_input, feature_vector, inception_module, scaled
from fer_keras.models.baselines.recipe import Recipe
from fer_keras.models.joint_supervision import JointSupervision

# GoogLeNet's numbers of filters, see `inception_module`; pooling goes before 4a.
_MODULES = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
}


def inception_backbone(input_shape=(48, 48, 1), width=1.0, dropout=0.4, name="inception_backbone"):
    """The network up to its last hidden layer.

    Args:
        input_shape: `(height, width, channels)` of the faces.
        width: float, factor on the number of filters.
        dropout: float, rate before both fully connected layers.
        name: string, name of the model.

    Returns:
        A functional Keras model from raw pixels 0-255 to features `(batch, 128)`.
    """
    layers = keras.layers
    width = 0.625 * width
    faces = face_input(input_shape)
    x = PixelStandardization(name="standardize")(faces)
    x = conv_block(x, scaled(64, width), 7, "conv1", strides=2)
    x = layers.MaxPooling2D(3, strides=2, padding="same", name="pool1")(x)
    x = conv_block(x, scaled(192, width), 3, "conv2")
    x = layers.MaxPooling2D(3, strides=2, padding="same", name="pool2")(x)
    for module, filters in _MODULES.items():
        if module == "4a":
            x = layers.MaxPooling2D(3, strides=2, padding="same", name="pool3")(x)
        x = inception_module(x, [scaled(each, width) for each in filters], f"inception_{module}")
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dropout(dropout, name="fc1_dropout")(x)
    x = layers.Dense(scaled(256, width), use_bias=False, name="fc1")(x)
    x = layers.BatchNormalization(momentum=0.9, name="fc1_bn")(x)
    x = layers.Activation("relu", name="fc1_relu")(x)
    x = layers.Dropout(dropout, name="fc2_dropout")(x)
    return keras.Model(faces, feature_vector(x, 128, name="fc2"), name=name)


@dataclasses.dataclass(frozen=True)
class InceptionRecipe(Recipe):
    """Two convolutions, each followed by max pooling, four Inception layers, fully connected layers, softmax.

    As in the paper: 48×48 pixels of a registered face; that order of layers; flipped and shifted faces.

    Simplified: filters are 0.625 of GoogLeNet's, for the budget of 20 million multiply-adds; batch normalisation;
    fully connected layers of 160 and 128 units in place of thousands; the face is aligned by its eyes, not by an
    affine map of its landmarks; faces are shifted at random instead of cropped five ways; AdamW in place of
    gradient descent with momentum, which did much worse on new people of the built-in corpus. Filters of the fourth
    Inception layer and the learning rate are ours.

    Args:
        dropout: rate before both fully connected layers.
    """

    dropout: float = 0.4

    title: ClassVar[str] = "Inception"
    paper: ClassVar[str] = (
        "Mollahosseini et al., Going deeper in facial expression recognition using deep neural networks, WACV 2016"
    )

    def build(self, label_names, input_shape=(48, 48, 1)):
        """Makes the network, see `Recipe.build`."""
        backbone = inception_backbone(input_shape, self.width, self.dropout)
        return JointSupervision(backbone, label_names, name="inception")
