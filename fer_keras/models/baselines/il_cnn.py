"""IL-CNN: a small network with the original Island loss (Cai et al., FG 2018)."""

import dataclasses
from typing import ClassVar

import keras

from fer_keras.augmentation import AugmentationStrength
from fer_keras.layers import IslandLoss, PixelStandardization
from fer_keras.models.backbones.blocks import face_input, feature_vector
from fer_keras.models.baselines.recipe import Recipe
from fer_keras.models.joint_supervision import JointSupervision


def prelu_trunk(x, width):
    """Three blocks of convolution, PReLU, batch normalisation and pooling, as IL-CNN and IACNN begin.

    Args:
        x: standardised faces.
        width: float, factor on the filters.

    Returns:
        The maps of the last block, flat.
    """
    layers = keras.layers
    for number, (filters, kernel) in enumerate(((32, 5), (56, 3), (96, 3)), 1):
        x = layers.Conv2D(round(filters * width), kernel, padding="same", name=f"conv{number}")(x)
        x = layers.PReLU(keras.initializers.Constant(0.25), shared_axes=[1, 2], name=f"conv{number}_prelu")(x)
        x = layers.BatchNormalization(momentum=0.9, name=f"conv{number}_bn")(x)
        x = layers.MaxPooling2D(name=f"conv{number}_pool")(x)
    return layers.Flatten(name="flatten")(x)


def il_cnn_backbone(input_shape=(48, 48, 1), width=1.0, dropout=0.3, name="il_cnn_backbone"):
    """The network up to its second fully connected layer.

    Args:
        input_shape: `(height, width, channels)` of the faces.
        width: float, factor on the number of filters.
        dropout: float, rate before both fully connected layers.
        name: string, name of the model.

    Returns:
        A functional Keras model from raw pixels 0-255 to features `(batch, 128)`.
    """
    layers = keras.layers
    faces = face_input(input_shape)
    x = prelu_trunk(PixelStandardization(name="standardize")(faces), width)
    x = layers.Dropout(dropout, name="fc1_dropout")(x)
    x = layers.Dense(round(256 * width), name="fc1")(x)
    x = layers.PReLU(keras.initializers.Constant(0.25), name="fc1_prelu")(x)
    x = layers.Dropout(dropout, name="fc2_dropout")(x)
    return keras.Model(faces, feature_vector(x, 128, name="fc2"), name=name)


@dataclasses.dataclass(frozen=True)
class ILCNNRecipe(Recipe):
    """IL-CNN: three convolutions, two fully connected layers, softmax and the original Island loss (τ = 0).

    As in the paper: 48×48 pixels of a face with its eyes aligned; after each convolution PReLU, batch normalisation
    and pooling; dropout in both fully connected layers; stochastic gradient descent with momentum, batches of 300;
    λ = 0.01, λ1 = 10, α = 0.5; flips, rotations of ±10°, and crops at random places.

    Simplified: the paper crops 48×48 out of 60×60 pixels; here the 48×48 of our own crop is shifted as far (±12.5 %),
    its border repeated. The numbers of filters, the rates of dropout and of learning are ours, the second fully
    connected layer is batch normalised, and the Island loss is the mean over the batch.

    Args:
        momentum: of the gradient descent.
        dropout: rate before both fully connected layers.
        metric_weight: λ, weight of the Island loss.
        pair_weight: λ1.
        alpha: α, step of the centres.
    """

    batch_size: int = 300
    learning_rate: float = 0.1
    momentum: float = 0.9
    dropout: float = 0.3
    metric_weight: float = 0.01
    pair_weight: float = 10.0
    alpha: float = 0.5

    title: ClassVar[str] = "IL-CNN"
    paper: ClassVar[str] = (
        "Cai et al., Island loss for learning discriminative features in facial expression recognition, FG 2018"
    )
    strength: ClassVar[AugmentationStrength] = AugmentationStrength(rotation=10.0, scale=0.0, shift=0.125, cutout=0.0)

    def build(self, label_names, input_shape=(48, 48, 1)):
        """Makes the network, see `Recipe.build`."""
        island = IslandLoss(len(label_names), pair_weight=self.pair_weight, alpha=self.alpha)
        backbone = il_cnn_backbone(input_shape, self.width, self.dropout)
        return JointSupervision(backbone, label_names, island, self.metric_weight, name="il_cnn")

    def optimizer(self, learning_rate):
        """Makes the optimizer, see `Recipe.optimizer`."""
        return keras.optimizers.SGD(learning_rate, self.momentum, weight_decay=self.weight_decay)
