"""IACNN: expression and identity learnt side by side (Meng et al., FG 2017)."""

import dataclasses
from typing import ClassVar

import keras
import numpy as np
from keras import ops

from fer_keras.augmentation import AugmentationStrength
from fer_keras.errors import InputError
from fer_keras.layers import PixelStandardization
from fer_keras.models.backbones.blocks import face_input, feature_vector
from fer_keras.models.baselines.il_cnn import prelu_trunk
from fer_keras.models.baselines.recipe import Recipe
from fer_keras.models.joint_supervision import JointSupervision

DIMENSION = 64  # of each of the two feature vectors


def iacnn_backbone(input_shape=(48, 48, 1), width=1.0, dropout=0.3, name="iacnn_backbone"):
    """One stream of the network: what it knows about the expression, and about the person.

    Args:
        input_shape: `(height, width, channels)` of the faces.
        width: float, factor on the number of filters.
        dropout: float, rate before the fully connected layers.
        name: string, name of the model.

    Returns:
        A functional Keras model from raw pixels 0-255 to features `(batch, 128)`; the first half are those of the
        layer `expression`, the second of the layer `identity`.
    """
    layers = keras.layers
    faces = face_input(input_shape)
    x = prelu_trunk(PixelStandardization(name="standardize")(faces), width)
    x = layers.Dropout(dropout, name="fc1_dropout")(x)
    x = layers.Dense(round(256 * width), name="fc1")(x)
    x = layers.PReLU(keras.initializers.Constant(0.25), name="fc1_prelu")(x)
    x = layers.Dropout(dropout, name="fc2_dropout")(x)
    both = [feature_vector(x, DIMENSION, name) for name in ("expression", "identity")]
    return keras.Model(faces, layers.Concatenate(dtype="float32", name="features")(both), name=name)


def pair_contrastive(margin):
    """Contrastive loss of neighbours in the batch: rows 0 and 1 are a pair, rows 2 and 3, and so on.

    `1/2 ‖x_i − x_j‖²` where the targets are the same, `1/2 max(m − ‖x_i − x_j‖, 0)²` where they are not.

    Args:
        margin: float m > 0.

    Returns:
        A loss for `compile`: a function of targets `(2n,)` or `(2n, 1)` and features `(2n, d)` that returns `(n,)`.
    """

    def loss(targets, features):
        targets = ops.reshape(targets, (-1, 2))
        features = ops.reshape(features, (-1, 2, features.shape[-1]))
        squared = ops.sum(ops.square(features[:, 0] - features[:, 1]), axis=-1)
        distance = ops.sqrt(ops.maximum(squared, 1e-12))  # the root's gradient is infinite at 0
        same = targets[:, 0] == targets[:, 1]
        return 0.5 * ops.where(same, squared, ops.square(ops.relu(margin - distance)))

    return loss


def paired_rows(labels, subjects, steps, batch_size, seed):
    """Chooses the pairs of every step: a third of one person, a third of one expression, a third at random.

    Args:
        labels: int array of n labels.
        subjects: int array of n persons.
        steps: int.
        batch_size: int, even.
        seed: int.

    Returns:
        An int32 array of shape `(steps, batch_size)`; a pair is two neighbours. Where a face has no partner of its
        kind, a random one takes its place.
    """
    random = np.random.default_rng([seed, 1])
    count, pairs = len(labels), steps * batch_size // 2
    first = np.concatenate([random.permutation(count) for _ in range(-(-pairs // count))])[:pairs]
    second = random.integers(0, count, pairs)
    kind = random.integers(0, 3, pairs)
    for wanted, of in ((1, subjects), (2, labels)):
        other = labels if of is subjects else subjects
        for place in np.flatnonzero(kind == wanted):
            face = first[place]
            # the same person with another expression, or the same expression of another person
            partners = np.flatnonzero((of == of[face]) & (other != other[face]))
            if len(partners):
                second[place] = random.choice(partners)
    return np.stack([first, second], axis=1).reshape(steps, batch_size).astype("int32")


@dataclasses.dataclass(frozen=True)
class IACNNRecipe(Recipe):
    """IACNN: softmax and a contrastive loss on the expression, a contrastive loss on the identity.

    As in the paper: two streams of one network on pairs of faces; an expression-sensitive contrastive loss draws faces
    of one expression together, an identity-sensitive one those of one person; softmax on the expression features and
    on both feature vectors together; one stream answers.

    Simplified: the streams are neighbouring rows of a batch. The trunk is that of IL-CNN, from the same laboratory;
    sizes, margin and weights of the losses are ours.

    It needs the subjects of the faces, two or more of them.

    Args:
        dropout: rate before the fully connected layers.
        margin: distance from which on two expressions, or two persons, are apart.
        expression_weight: weight of the expression-sensitive contrastive loss.
        identity_weight: weight of the identity-sensitive contrastive loss.
    """

    batch_size: int = 64
    dropout: float = 0.3
    margin: float = 10.0
    expression_weight: float = 0.02
    identity_weight: float = 0.02

    title: ClassVar[str] = "IACNN"
    paper: ClassVar[str] = (
        "Meng et al., Identity-aware convolutional neural network for facial expression recognition, FG 2017"
    )
    strength: ClassVar[AugmentationStrength] = AugmentationStrength(rotation=10.0, scale=0.0, shift=0.125, cutout=0.0)

    def build(self, label_names, input_shape=(48, 48, 1)):
        """Makes the network, see `Recipe.build`."""
        backbone = iacnn_backbone(input_shape, self.width, self.dropout)
        return JointSupervision(backbone, label_names, name="iacnn")

    def train(self, model, faces, validation, neutral, callbacks):
        """Trains on pairs of faces with both contrastive losses, see `Recipe.train`."""
        people, subjects = np.unique(faces.subjects, return_inverse=True)
        if len(people) < 2:
            raise InputError(f"IACNN learns from faces of at least 2 subjects, received those of {len(people)}")
        branches = {name: model.backbone.get_layer(name).output for name in ("expression", "identity")}
        classify = keras.layers.Dense(len(model.label_names), dtype="float32", name="expression_logits")
        outputs = {
            "logits": model.head(model.backbone.output),
            "expression_logits": classify(branches["expression"]),
            **branches,
        }
        cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        losses = {
            "logits": (cross_entropy, 1.0),
            "expression_logits": (cross_entropy, 1.0),
            "expression": (pair_contrastive(self.margin), self.expression_weight),
            "identity": (pair_contrastive(self.margin), self.identity_weight),
        }
        targets = dict.fromkeys(outputs, faces.labels) | {"identity": subjects.astype("int32")}
        size = max(min(self.batch_size, len(faces)) // 2 * 2, 2)
        steps = self.epochs * max(len(faces) // size, 1)
        rows = paired_rows(faces.labels, subjects, steps, size, self.seed)
        trainee = keras.Model(model.backbone.inputs, outputs, name="iacnn_training")
        self.fit_classifier(model, trainee, faces, validation, callbacks, losses, targets, rows)
