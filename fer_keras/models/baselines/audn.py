"""AUDN: networks inspired by action units, learnt without labels but for the last layer (Liu et al. 2013-2015)."""

import dataclasses
from typing import ClassVar

import keras
import numpy as np

from fer_keras.augmentation import AugmentationStrength
from fer_keras.layers import PixelStandardization
from fer_keras.models.backbones.blocks import face_input
from fer_keras.models.baselines.feature_groups import FeatureGroups, correlated_groups
from fer_keras.models.baselines.micro_action_patterns import MicroActionPatterns, learn_patterns
from fer_keras.models.baselines.recipe import Recipe
from fer_keras.models.baselines.restricted_boltzmann import hidden_probabilities, train_machines
from fer_keras.models.joint_supervision import JointSupervision

_MOST_FACES = 4000  # that the steps without labels look at


def audn_backbone(
    input_shape=(48, 48, 1), width=1.0, filters=80, patch=6, pool=6, groups=64, members=128, units=(64, 32),
    name="audn_backbone",
):  # fmt: skip
    """The three modules: micro-action-patterns, groups, and a small network on each group.

    Args:
        input_shape: `(height, width, channels)` of the faces.
        width: float, factor on the numbers of patterns, groups and members.
        filters: int, number of patterns.
        patch: int, side of a patch in pixels.
        pool: int, side of the windows of max pooling.
        groups: int, number of groups.
        members: int, features in a group.
        units: ints, units of the layers of each group's network.
        name: string, name of the model.

    Returns:
        A functional Keras model from raw pixels 0-255 to features `(batch, groups × last of units)`, standardised.
    """
    layers = keras.layers
    faces = face_input(input_shape)
    x = PixelStandardization(name="standardize")(faces)
    x = MicroActionPatterns(max(round(filters * width), 1), patch, name="patterns")(x)
    x = layers.MaxPooling2D(pool, name="pool")(x)
    x = layers.Flatten(name="flatten")(x)
    groups = max(round(groups * width), 1)
    x = FeatureGroups(groups, min(max(round(members * width), 1), x.shape[-1]), name="groups")(x)
    for number, hidden in enumerate(units, 1):
        # one kernel a group
        x = layers.EinsumDense(
            "bgm,gmh->bgh", (groups, hidden), bias_axes="gh", activation="sigmoid", name=f"group_layer{number}"
        )(x)
    x = layers.Flatten(name="concatenate")(x)
    x = layers.BatchNormalization(momentum=0.9, center=False, scale=False, dtype="float32", name="features")(x)
    return keras.Model(faces, x, name=name)


@dataclasses.dataclass(frozen=True)
class AUDNRecipe(Recipe):
    """AUDN: patterns of small patches, groups of patterns that vary together, a network on each group.

    As in the paper: a convolution and max pooling give micro-action-patterns; correlated ones are grouped, each group
    a receptive field over the whole face; restricted Boltzmann machines, layer by layer, make a small network of each
    group; a linear classifier takes all their outputs. Labels are used for the last step alone.

    Simplified: patterns come from spherical k-means on whitened patches; groups grow around features drawn at random;
    the linear classifier is softmax, trained by gradient descent, instead of a support vector machine. All sizes are
    ours.

    Args:
        filters: number of patterns.
        groups: number of groups.
        members: features in a group.
        units: units of the layers of each group's network.
        machine_epochs: passes of each layer's machines over the faces, before the `epochs` of the classifier.
        fine_tune: train everything with labels, instead of the classifier alone.
    """

    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    filters: int = 80
    groups: int = 64
    members: int = 128
    units: tuple = (64, 32)
    machine_epochs: int = 30
    fine_tune: bool = False

    title: ClassVar[str] = "AUDN"
    paper: ClassVar[str] = (
        "Liu et al., AU-inspired deep networks for facial expression feature learning, Neurocomputing 159, 2015"
    )
    strength: ClassVar[AugmentationStrength] = AugmentationStrength(rotation=4.0, scale=0.03, shift=0.03, cutout=0.0)

    def build(self, label_names, input_shape=(48, 48, 1)):
        """Makes the network, see `Recipe.build`."""
        sizes = {"filters": self.filters, "groups": self.groups, "members": self.members, "units": tuple(self.units)}
        return JointSupervision(audn_backbone(input_shape, self.width, **sizes), label_names, name="audn")

    def train(self, model, faces, validation, neutral, callbacks):
        """Learns patterns, groups and machines without labels, then the classifier, see `Recipe.train`."""
        some = np.random.default_rng([self.seed, 5]).permutation(len(faces))[:_MOST_FACES]
        learn_backbone(model.backbone, faces.images[some], self.machine_epochs, self.seed)
        model.backbone.trainable = self.fine_tune
        self.fit_classifier(model, model, faces, validation, callbacks)
        model.backbone.trainable = True


def learn_backbone(backbone, images, machine_epochs=30, seed=0):
    """Learns AUDN's features without labels, module by module.

    Args:
        backbone: model of `audn_backbone`.
        images: uint8 array `(n, height, width, channels)`.
        machine_epochs: int, passes of each layer's machines over the faces.
        seed: int.
    """
    layer = backbone.get_layer
    patterns = layer("patterns")
    kernel, bias = learn_patterns(
        _outputs(backbone, "standardize", images), patterns.filters, patterns.size, patterns.epsilon, seed=seed
    )
    patterns.kernel.assign(kernel)
    patterns.bias.assign(bias)

    groups = layer("groups")
    groups.set_groups(*correlated_groups(_outputs(backbone, "flatten", images), groups.groups, groups.members, seed))

    values = _outputs(backbone, "groups", images)
    machines = [each for each in backbone.layers if each.name.startswith("group_layer")]
    for place, machine in enumerate(machines):
        weights, bias, _ = train_machines(values, machine.kernel.shape[-1], machine_epochs, seed=seed + place)
        machine.kernel.assign(weights)
        machine.bias.assign(bias)
        values = hidden_probabilities(values, weights, bias)
    values = values.reshape(len(values), -1)
    layer("features").moving_mean.assign(values.mean(axis=0))
    layer("features").moving_variance.assign(values.var(axis=0))


def _outputs(backbone, name, images):
    """What a layer answers to faces, as float32."""
    part = keras.Model(backbone.inputs, backbone.get_layer(name).output)
    return part.predict(images, batch_size=256, verbose=0).astype("float32")
