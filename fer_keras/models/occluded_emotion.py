"""Expression of occluded faces: the face is restored, then read."""

import keras

from fer_keras.models.face_restorer import FaceRestorer
from fer_keras.models.joint_supervision import JointSupervision


@keras.saving.register_keras_serializable("fer_keras")
class OccludedEmotion(JointSupervision):
    """Restoration followed by recognition as one classifier of faces, and one SavedModel.

    The restorer's mask head says what is covered; a face that it holds for open, see `FaceRestorer`, reaches the
    recogniser bit-identical. It is a `JointSupervision`: `fit` on expressions trains recogniser, head and
    the restorer's generator end to end. The mask head, whose decision has no gradient, stays as it is; with
    `model.restorer.trainable = False` before `compile` so does the whole restorer.

    Args:
        restorer: a `FaceRestorer` with a mask head, such as `RestorationGAN(...).inference_restorer`; a copy is kept.
        recognizer: a functional model from faces, or a dict of `face` and `landmarks`, to features `(batch, d)`, such
            as `AlexNetEmotion(...).backbone`, for faces of the restorer's shape; no copy.
        label_names: sequence of K class names, in the order of the outputs.
        metric_loss: see `JointSupervision`.
        metric_weight: see `JointSupervision`.
        head: see `JointSupervision`.
        **kwargs: passed to `keras.Model`.

    Call arguments:
        inputs: what the recogniser takes: occluded or open faces, raw pixels 0-255, `(batch, height, width, channels)`.

    Returns:
        Logits, float32 `(batch, K)`.

    Raises:
        ValueError: the restorer is none or has no mask head, or the parts do not fit together.

    Example:
    >>> classifier = AlexNetEmotion.from_preset("alexnet_emotion_fer2013")
    >>> model = OccludedEmotion.from_classifier(gan.inference_restorer, classifier)
    >>> keras.ops.softmax(model.predict(faces))
    """

    def __init__(self, restorer, recognizer, label_names, metric_loss=None, metric_weight=0.01, head=None, **kwargs):
        if not isinstance(restorer, FaceRestorer):
            raise ValueError(
                "`restorer` must be a FaceRestorer; of a RestorationGAN give `inference_restorer`. "
                f"Received: {restorer}"
            )
        if not restorer.blind:
            raise ValueError(f"`restorer` must have a mask head (blind=True). Received: {restorer}")
        restorer = _copy(restorer)  # what is trainable is set below, which must not stop a GAN from learning
        backbone = _backbone(restorer, recognizer)
        super().__init__(backbone, label_names, metric_loss, metric_weight, head, **kwargs)
        restorer.trainable = True
        restorer.mask_head.trainable = False
        self._names = restorer.name, recognizer.name

    @classmethod
    def from_classifier(cls, restorer, classifier, **kwargs):
        """Puts copies of a trained restorer and of a trained classifier together.

        Args:
            restorer: a `FaceRestorer` with a mask head.
            classifier: a `JointSupervision`, such as an `AlexNetEmotion`.
            **kwargs: passed to `OccludedEmotion`.

        Returns:
            An `OccludedEmotion`, not compiled, that answers to restored faces as the classifier does.
        """
        classifier = _copy(classifier)
        supervision = (classifier.metric_loss, classifier.metric_weight, classifier.head)
        return cls(restorer, classifier.backbone, classifier.label_names, *supervision, **kwargs)

    @property
    def restorer(self):
        """The `FaceRestorer`: `model.restorer(faces)` is a dict of `restored` and `mask`."""
        return self.backbone.get_layer(self._names[0])

    @property
    def recognizer(self):
        """The network from restored faces to features."""
        return self.backbone.get_layer(self._names[1])

    def get_config(self):
        """Returns the model's configuration."""
        config = super().get_config()
        del config["backbone"]  # made of the two
        parts = {"restorer": self.restorer, "recognizer": self.recognizer}
        return {**config, **{name: keras.saving.serialize_keras_object(part) for name, part in parts.items()}}

    @classmethod
    def from_config(cls, config):
        """Makes the model from `get_config`'s result."""
        parts = ("restorer", "recognizer")
        restored = {part: keras.saving.deserialize_keras_object(config[part]) for part in parts}
        return super().from_config({**config, **restored})


def _backbone(restorer, recognizer):
    """Functional model from what the recogniser takes to its features of the restored face."""
    taken = {tensor.name: tuple(tensor.shape[1:]) for tensor in recognizer.inputs}
    name = "face" if "face" in taken else recognizer.inputs[0].name
    if taken[name] != restorer.face_shape:
        raise ValueError(
            f"`recognizer` takes faces of shape {taken[name]}, but `restorer` those of shape {restorer.face_shape}"
        )
    face = keras.Input(restorer.face_shape, name="face")
    restored = restorer(face)["restored"]
    if len(taken) == 1:
        return keras.Model(face, recognizer(restored), name="occluded_emotion_backbone")
    others = {other: keras.Input(shape, name=other) for other, shape in taken.items() if other != name}
    features = recognizer({name: restored, **others})
    return keras.Model({"face": face, **others}, features, name="occluded_emotion_backbone")


def _copy(model):
    copy = type(model).from_config(model.get_config())
    copy.set_weights(model.get_weights())
    return copy
