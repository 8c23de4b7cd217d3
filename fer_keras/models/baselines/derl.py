"""DeRL: what is left in a generator of the neutral face tells the expression (Yang et al., CVPR 2018)."""

import dataclasses
from typing import ClassVar

import keras

from fer_keras.models.backbones.blocks import conv_block, face_input, feature_vector
from fer_keras.models.baselines.neutral_face import neutral_face_generator, neutral_pairs, train_generator
from fer_keras.models.baselines.recipe import Recipe
from fer_keras.models.joint_supervision import JointSupervision

LOCAL_DIMENSION = 32


def derl_backbone(input_shape=(48, 48, 1), width=1.0, dropout=0.3, name="derl_backbone"):
    """The generator, and a small network on what each of its levels holds.

    Args:
        input_shape: `(height, width, channels)` of the faces, sizes divisible by 16.
        width: float, factor on the number of filters.
        dropout: float, rate before the features of each level.
        name: string, name of the model.

    Returns:
        A functional Keras model from raw pixels 0-255 to features `(batch, 128)`: 32 of each of the layers `local1` to
        `local4`. Its layer `generator` is the generator.
    """
    layers = keras.layers
    faces = face_input(input_shape)
    generator = neutral_face_generator(input_shape, width)
    maps = generator(faces)
    features = []
    for level in range(1, 5):
        encoded, decoded = maps[f"encoder{level}"], maps.get(f"decoder{level}")
        x = encoded if decoded is None else layers.Concatenate(name=f"residue{level}")([encoded, decoded])
        x = conv_block(x, round(32 * width), 3, f"local{level}_conv", strides=2 if level < 4 else 1)
        x = layers.Flatten(name=f"local{level}_flatten")(x)
        x = layers.Dropout(dropout, name=f"local{level}_dropout")(x)
        features.append(feature_vector(x, LOCAL_DIMENSION, name=f"local{level}"))
    features = layers.Concatenate(dtype="float32", name="features")(features)
    return keras.Model(faces, features, name=name)


@dataclasses.dataclass(frozen=True)
class DeRLRecipe(Recipe):
    """DeRL: first a generator that turns any face into the same person's neutral face, then classifiers of its maps.

    As in the paper: the generator, an auto-encoder, is trained as a conditional adversarial network with an L1 loss on
    pairs of a face and the neutral face of the same person; then it stays fixed. Encoder's and decoder's maps of one
    size together are the input of a local network; there are four, each with its own softmax loss, and one more loss
    on all their features together.

    Simplified: the paper pre-trains the generator on BU-4DFE and BP4D-Spontaneous; here it sees the training faces
    alone. It works at 48×48, and its narrowest map has nothing of the decoder beside it.

    It needs neutral faces of the training subjects: `fit(..., neutral=...)`, or faces labelled neutral among those to
    train on. A face is paired with the neutral face of its own sequence where there is one.

    Args:
        generator_epochs: passes of the generator over the faces, before the `epochs` of the classifiers.
        generator_learning_rate: of the generator and its discriminator.
        reconstruction_weight: weight of the L1 loss; that of the adversarial loss is 1.
        local_weight: weight of each local network's loss; that of all features together is 1.
        dropout: rate before the features of each level.
    """

    generator_epochs: int = 100
    generator_learning_rate: float = 5e-4
    reconstruction_weight: float = 100.0
    local_weight: float = 0.5
    dropout: float = 0.3

    title: ClassVar[str] = "DeRL"
    paper: ClassVar[str] = "Yang et al., Facial expression recognition by de-expression residue learning, CVPR 2018"
    needs_neutral: ClassVar[bool] = True

    def build(self, label_names, input_shape=(48, 48, 1)):
        """Makes the network, see `Recipe.build`."""
        backbone = derl_backbone(input_shape, self.width, self.dropout)
        return JointSupervision(backbone, label_names, name="derl")

    def train(self, model, faces, validation, neutral, callbacks):
        """Trains the generator, then the classifiers on it, see `Recipe.train`."""
        pictures, neutral_pictures = neutral_pairs(faces, neutral)
        generator = model.backbone.get_layer("generator")
        rows = self.shuffled_rows(len(pictures), self.generator_epochs)
        train_generator(
            generator,
            self.batches((pictures, neutral_pictures), (), rows).map(lambda pair, _: pair),
            steps_per_epoch=len(rows) // self.generator_epochs,
            epochs=self.generator_epochs,
            learning_rate=self.generator_learning_rate,
            reconstruction_weight=self.reconstruction_weight,
            width=self.width,
        )
        generator.trainable = False
        locals_ = {f"local{level}": model.backbone.get_layer(f"local{level}").output for level in range(1, 5)}
        outputs = {"logits": model.head(model.backbone.output)}
        for name, features in locals_.items():
            classify = keras.layers.Dense(len(model.label_names), dtype="float32", name=f"{name}_logits")
            outputs[f"{name}_logits"] = classify(features)
        cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        losses = {name: (cross_entropy, 1.0 if name == "logits" else self.local_weight) for name in outputs}
        trainee = keras.Model(model.backbone.inputs, outputs, name="derl_training")
        targets = dict.fromkeys(outputs, faces.labels)
        self.fit_classifier(model, trainee, faces, validation, callbacks, losses, targets)
        generator.trainable = True
