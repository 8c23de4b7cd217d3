"""AlexNet-Emotion: the paper's static recogniser (Ge et al. 2022), sized for faces of 48×48 pixels."""

import keras

from fer_keras.layers import IslandLoss, KeyPointAngles, PixelStandardization
from fer_keras.models.joint_supervision import JointSupervision

FEATURE_DIM = 128  # FC7 in the paper
_LANDMARKS_DROPPED = 0.2  # share of training faces whose angle map is left empty


def alexnet_emotion_backbone(
    image_size=48,
    channels=1,
    width=1.0,
    dropout=0.3,
    angle_map=False,
    angle_reference=False,
    name="alexnet_emotion_backbone",
):
    """The convolutional network up to FC7.

    AlexNet's layout (pooling after convolutions 1, 2 and 5; fully connected layers 6 and 7) with batch normalisation
    and small kernels. At the default size it costs about 20 million multiply-adds a face.

    Args:
        image_size: int, height and width of the input in pixels, at least 32.
        channels: 1 for grey, 3 for colour.
        width: float, factor on the number of filters.
        dropout: float, rate before FC6 and FC7.
        angle_map: bool, whether the face's key-point angle map (`KeyPointAngles`, the layer `angles`) is stacked on its
            picture as one more channel. The model then takes a dict of `face` and `landmarks`.
        angle_reference: bool, whether the dict also has `reference`, the landmarks of each face's neutral or first
            frame, to take the changes of angles against, instead of the mean of training faces.
        name: string, name of the model.

    Returns:
        A functional Keras model from raw pixels `(batch, image_size, image_size, channels)`, 0-255, to features
        `(batch, 128)`. FC7 is linear after batch normalisation: a ReLU there would forbid negative cosines between
        class centres. With the angle map its input is `{"face": pixels, "landmarks": (batch, 68, 2)}`, x and y in
        [0, 1] of the crop, zeros where none were found.
    """
    if image_size < 32:
        raise ValueError(f"`image_size` must be at least 32. Received: image_size={image_size}")
    layers = keras.layers

    def block(x, index, filters, kernel, pool):
        x = layers.Conv2D(round(filters * width), kernel, padding="same", use_bias=False, name=f"conv{index}")(x)
        x = layers.BatchNormalization(momentum=0.9, name=f"conv{index}_bn")(x)
        x = layers.Activation("relu", name=f"conv{index}_relu")(x)
        return layers.MaxPooling2D(name=f"conv{index}_pool")(x) if pool else x

    faces = keras.Input((image_size, image_size, channels), name="face")
    x = PixelStandardization(name="standardize")(faces)
    inputs = faces
    if angle_map:
        landmarks = keras.Input((68, 2), name="landmarks")
        inputs = {"face": faces, "landmarks": landmarks}
        if angle_reference:
            inputs["reference"] = keras.Input((68, 2), name="reference")
        angles = KeyPointAngles(image_size, drop_rate=_LANDMARKS_DROPPED, name="angles")(
            landmarks, inputs.get("reference")
        )
        x = layers.Concatenate(name="face_and_angles")([x, angles])
    x = block(x, 1, 24, 5, pool=True)
    x = block(x, 2, 40, 3, pool=True)
    x = block(x, 3, 64, 3, pool=False)
    x = block(x, 4, 64, 3, pool=False)
    x = block(x, 5, 56, 3, pool=True)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dropout(dropout, name="fc6_dropout")(x)
    x = layers.Dense(round(192 * width), use_bias=False, name="fc6")(x)
    x = layers.BatchNormalization(momentum=0.9, name="fc6_bn")(x)
    x = layers.Activation("relu", name="fc6_relu")(x)
    x = layers.Dropout(dropout, name="fc7_dropout")(x)
    x = layers.Dense(FEATURE_DIM, use_bias=False, name="fc7")(x)
    features = layers.BatchNormalization(momentum=0.9, dtype="float32", name="fc7_bn")(x)
    return keras.Model(inputs, features, name=name)


@keras.saving.register_keras_serializable("fer_keras")
class AlexNetEmotion(JointSupervision):
    """AlexNet-Emotion, trained with softmax and the improved Island loss.

    Args:
        label_names: sequence of K class names, in the order of the outputs.
        image_size: int, height and width of the input in pixels.
        channels: 1 for grey, 3 for colour.
        width: float, factor on the number of filters.
        dropout: float, rate before FC6 and FC7.
        angle_map: bool, whether the key-point angle map is a channel beside the picture; `model.backbone`'s layer
            `angles` has the reference angles, which `adapt` takes from training landmarks.
        metric_loss: `"island"` for an `IslandLoss` with its defaults, any `fer_keras.layers.MetricLoss`, or `None`
            for softmax alone.
        metric_weight: float, λ, the weight of the metric loss.
        head: a layer from features to K logits, such as a margin head of `fer_keras.losses`; the default is dense.
        **kwargs: passed to `keras.Model`.

    Call arguments:
        inputs: tensor of shape `(batch, image_size, image_size, channels)`, raw pixels 0-255 of aligned faces. With
            `angle_map` a dict of it, `face`, and `landmarks`, `(batch, 68, 2)` in [0, 1] of the crop, zeros where none
            were found.

    Example:
    >>> model = AlexNetEmotion(label_names=("neutral", "happiness"))
    >>> model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    >>> model.fit(faces, labels)
    >>> keras.ops.softmax(model.predict(faces))

    Reference:
        - Ge et al., Facial expression recognition based on deep learning, CMPB 2022.
    """

    def __init__(
        self,
        label_names,
        image_size=48,
        channels=1,
        width=1.0,
        dropout=0.3,
        angle_map=False,
        metric_loss="island",
        metric_weight=0.01,
        head=None,
        **kwargs,
    ):
        if metric_loss == "island":
            metric_loss = IslandLoss(len(tuple(label_names)))
        self._options = {
            "image_size": image_size,
            "channels": channels,
            "width": width,
            "dropout": dropout,
            "angle_map": angle_map,
        }
        backbone = alexnet_emotion_backbone(**self._options)
        super().__init__(backbone, label_names, metric_loss, metric_weight, head, **kwargs)

    @property
    def backbone_options(self):
        """What `alexnet_emotion_backbone` made this model's backbone from, a dict."""
        return dict(self._options)

    def get_config(self):
        """Returns the model's configuration."""
        config = super().get_config()
        del config["backbone"]  # made from the options
        return {**config, **self._options}
