"""Expression from clips: a network for faces, an IRNN over their features, attention over its states."""

import keras
from keras import ops

from fer_keras.layers import IRNN, AttentionPooling, FrameEncoder, FrameMask, FramePooling
from fer_keras.layers.arguments import fits
from fer_keras.layers.frame_mask import mask_of_lengths
from fer_keras.models.alexnet_emotion import AlexNetEmotion, alexnet_emotion_backbone
from fer_keras.models.joint_supervision import JointSupervision

RECURRENCES = ("irnn", "lstm", "gru", "none")
POOLINGS = ("attention", "mean", "last")


@keras.saving.register_keras_serializable("fer_keras")
class VideoEmotion(JointSupervision):
    """Classifies clips of a face: frame encoder, recurrence, pooling over frames, classifier (Ge et al. 2022).

    The encoder makes a feature of every frame, the recurrence (by default an IRNN) a state, the pooling (by default
    attention with the last state as query) one feature of the clip, `f_v = Σ ξ_t h_t`, and the head logits. The cost
    grows with the number of frames, not with its square. Frames beyond a clip's length change nothing.

    It is a `JointSupervision`: `fit`, `evaluate`, `predict`, metric losses on `f_v`, presets.

    Args:
        encoder: a functional model from faces `(n, height, width, channels)`, or a dict of `face` and `landmarks`, to
            features `(n, d)`, such as `AlexNetEmotion(...).backbone`.
        label_names: sequence of K class names, in the order of the outputs.
        recurrence: `"irnn"`, `"lstm"`, `"gru"`, or `"none"` to pool the features themselves.
        pooling: `"attention"`, or what the paper compares it with: `"mean"` of the states, or the `"last"` one.
        units: int, size of the recurrent state; with `"none"` that of the features.
        dropout: float, rate before the recurrence and before the head.
        fine_tune: bool, whether `fit` trains the encoder as well. Its batch statistics stay.
        metric_loss: see `JointSupervision`.
        metric_weight: see `JointSupervision`.
        head: see `JointSupervision`.
        scaled_attention: bool, whether attention's scores are scaled, see `AttentionPooling`. The paper's are not: on
            few clips all weight can then stay on the first frame (docs/decisions/0007-scaled-attention.md).
        **kwargs: passed to `keras.Model`.

    Call arguments:
        inputs: dict of `frames`, raw pixels 0-255 of aligned faces, `(batch, frames, height, width, channels)`;
            `lengths`, int `(batch,)`, how many of the frames count, from the first, 1 to `frames`; and with an encoder
            that takes landmarks `landmarks`, `(batch, frames, 68, 2)` in [0, 1] of the crop, zeros where none were
            found.

    Returns:
        Logits, float32 `(batch, K)`.

    Raises:
        ValueError: an argument is none of its values, or the parts do not fit together.
        tf.errors.InvalidArgumentError: from `fit`, `evaluate` and `predict`, lengths are out of their range, see
            `fer_keras.layers.FrameMask`.

    Example:
    >>> frame_model = AlexNetEmotion.from_preset("alexnet_emotion_fer2013")
    >>> model = VideoEmotion.from_frame_model(frame_model)
    >>> model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    >>> model.fit({"frames": frames, "lengths": lengths}, labels)
    >>> model.attend({"frames": frames, "lengths": lengths})["attention"]

    Reference:
        - Ge et al., Facial expression recognition based on deep learning, CMPB 2022, equations 7 to 9.
    """

    def __init__(
        self,
        encoder,
        label_names,
        recurrence="irnn",
        pooling="attention",
        units=128,
        dropout=0.3,
        fine_tune=False,
        metric_loss=None,
        metric_weight=0.01,
        head=None,
        scaled_attention=True,
        **kwargs,
    ):
        for name, value, known in (("recurrence", recurrence, RECURRENCES), ("pooling", pooling, POOLINGS)):
            if value not in known:
                raise ValueError(f"`{name}` must be one of {', '.join(known)}. Received: {name}={value!r}")
        shapes = _input_shapes(encoder)
        if len(shapes.get("face", ())) != 3 or None in shapes["face"] or len(encoder.output_shape) != 2:
            raise ValueError(
                "`encoder` must be a functional or Sequential model from faces, (n, height, width, channels), to "
                f"features of shape (n, d). Received: {encoder} from {shapes or 'unknown shapes'} to "
                f"{getattr(encoder, 'output_shape', None)}"
            )
        self._options = {
            "recurrence": recurrence,
            "pooling": pooling,
            "units": units,
            "dropout": dropout,
            "fine_tune": bool(fine_tune),
            "scaled_attention": bool(scaled_attention),
        }
        temporal = _temporal(encoder.output_shape[-1], recurrence, pooling, units, dropout, scaled_attention)
        super().__init__(_backbone(encoder, temporal), label_names, metric_loss, metric_weight, head, **kwargs)
        encoder.trainable = bool(fine_tune)

    @classmethod
    def from_frame_model(cls, model, label_names=None, angle_reference="training", **options):
        """Makes a video model around a trained model of single faces, which is copied.

        Args:
            model: a `JointSupervision` of single faces, such as an `AlexNetEmotion`. Of any other Keras model from
                faces to features of shape `(n, d)` take `VideoEmotion(model, label_names)`.
            label_names: names of the clips' classes; by default the model's.
            angle_reference: what the angles of the key-point angle map are compared with, where the model has one:
                `"training"`, the mean of the faces that it was trained on, as it learnt; or `"first"`, the first frame
                of the clip. An encoder that learnt the one reads the other worse until it is fine-tuned.
            **options: passed to `VideoEmotion`.

        Returns:
            A `VideoEmotion` with an untrained temporal part.

        Raises:
            ValueError: the model is none of single faces, or has no angle map for `angle_reference="first"`.
        """
        if not isinstance(model, JointSupervision) or isinstance(model, VideoEmotion):
            raise ValueError(
                "`model` must be a JointSupervision of single faces, such as an AlexNetEmotion; of another Keras model "
                f"from faces to features take VideoEmotion(model, label_names). Received: {model}"
            )
        if angle_reference not in ("training", "first"):
            raise ValueError(f'`angle_reference` must be "training" or "first". Received: {angle_reference!r}')
        if angle_reference == "training":
            encoder = model.backbone.__class__.from_config(model.backbone.get_config())
        elif isinstance(model, AlexNetEmotion) and model.takes_landmarks:
            encoder = alexnet_emotion_backbone(**model.backbone_options, angle_reference=True)
        else:
            raise ValueError('`angle_reference="first"` needs an AlexNetEmotion with angle_map=True')
        encoder.set_weights(model.backbone.get_weights())
        return cls(encoder, model.label_names if label_names is None else label_names, **options)

    @property
    def encoder(self):
        """The network for single faces."""
        return self.backbone.get_layer("frame_encoder").network

    @property
    def temporal(self):
        """The functional model from `features` and `lengths` to `feature` and `attention`."""
        return self.backbone.get_layer("temporal")

    @property
    def _cell(self):
        """One step of the recurrence, `None` without one."""
        if self._options["recurrence"] == "none":
            return None
        return self.temporal.get_layer("recurrence").cell

    @property
    def face_shape(self):
        """Shape of one face that the model takes: `(height, width, channels)`."""
        return tuple({tensor.name: tensor for tensor in self.backbone.inputs}["frames"].shape[2:])

    @property
    def takes_reference(self):
        """Whether `encode` takes `reference`, the landmarks of the clip's first frame."""
        return any(tensor.name == "reference" for tensor in self.encoder.inputs)

    def attend(self, inputs):
        """Answers, and says how much each frame counted.

        Args:
            inputs: as for a call.

        Returns:
            A dict of `logits`, float32 `(batch, K)`, and `attention`, float32 `(batch, frames)`, weights in [0, 1] that
            sum to 1; 0 beyond a clip's length.

        Raises:
            ValueError: an input is missing or of another shape, or lengths are out of their range.
            tf.errors.InvalidArgumentError: lengths are, in a graph.
        """
        tensors = {}
        for tensor in self.backbone.inputs:
            if tensor.name not in inputs:
                raise ValueError(f"inputs must have `{tensor.name}`. Received: {', '.join(inputs) or 'none'}")
            tensors[tensor.name] = ops.convert_to_tensor(inputs[tensor.name])
            shape = tuple(tensors[tensor.name].shape)
            if not fits(shape, tuple(tensor.shape)) or 0 in shape:
                raise ValueError(f"`{tensor.name}` must be of shape {tuple(tensor.shape)}. Received: shape {shape}")
        frames, lengths = tensors["frames"], tensors["lengths"]
        mask = mask_of_lengths(frames, lengths)
        more = [tensors["landmarks"]] if self.takes_landmarks else []
        features = self.backbone.get_layer("frame_encoder")(frames, mask, *more)
        logits, attention = self.classify_features(features, lengths)
        return {"logits": logits, "attention": attention}

    def encode(self, faces):
        """Features of single frames, to be kept and classified later.

        Args:
            faces: what the encoder takes: a tensor of shape `(n, height, width, channels)`, raw pixels 0-255, or a dict
                of it, `face`, of `landmarks`, `(n, 68, 2)`, and where `takes_reference` of `reference`, `(n, 68, 2)`.

        Returns:
            A tensor of shape `(n, d)`.
        """
        return self.encoder(faces, training=False)

    def classify_features(self, features, lengths):
        """The temporal part alone.

        Args:
            features: float tensor of shape `(batch, frames, d)`, see `encode`.
            lengths: int tensor of shape `(batch,)`.

        Returns:
            A pair of logits, float32 `(batch, K)`, and attention, float32 `(batch, frames)`.

        Raises:
            ValueError: lengths are not one a clip, or out of their range.
        """
        inputs = {"features": ops.convert_to_tensor(features), "lengths": ops.convert_to_tensor(lengths)}
        answers = self.temporal(inputs, training=False)
        return self.head(answers["feature"]), ops.cast(answers["attention"], "float32")

    def feature_model(self):
        """The part behind the encoder as a classifier of its own, for training on features that are kept.

        Returns:
            A `JointSupervision` that takes a dict of `features`, `(batch, frames, d)`, and `lengths`, `(batch,)`. It
            shares head, temporal part and metric loss with this model: what it learns, this model knows.
        """
        backbone = keras.Model(self.temporal.input, self.temporal.output["feature"], name="temporal_feature")
        return JointSupervision(backbone, self.label_names, self.metric_loss, self.metric_weight, self.head)

    def initial_state(self, batch_size=1, window=32):
        """The state before the first frame of a stream; it does not grow with the stream.

        Args:
            batch_size: int, streams side by side.
            window: int ≥ 1, how many of the latest frames attention looks back over. While a stream is no longer than
                that, `step` answers as the whole model does for the frames so far.

        Returns:
            A dict of `recurrent`, a list of tensors `(batch, units)`; `window`, the latest states, `(batch, window,
            units)`; and `count`, int32 `(batch,)`, how many of them there are.
        """
        if window < 1:
            raise ValueError(f"`window` must be at least 1. Received: window={window}")
        recurrent = [] if self._cell is None else self._cell.get_initial_state(batch_size=batch_size)
        dimension = self.temporal.output["feature"].shape[-1]
        return {
            "recurrent": list(recurrent) if isinstance(recurrent, (list, tuple)) else [recurrent],
            "window": ops.zeros((batch_size, window, dimension), self.compute_dtype),
            "count": ops.zeros((batch_size,), "int32"),
        }

    def step(self, features, state):
        """Takes one more frame of every stream.

        Args:
            features: tensor of shape `(batch, d)`, see `encode`.
            state: what `initial_state` or the last `step` gave.

        Returns:
            A triple of logits, float32 `(batch, K)`; attention, float32 `(batch, window)`, the latest frame last; and
            the next state.
        """
        recurrent = state["recurrent"]
        output = features = ops.cast(features, self.compute_dtype)
        if self._cell is not None:
            output, recurrent = self._cell(features, recurrent)
        window = ops.concatenate([state["window"][:, 1:], ops.cast(output, self.compute_dtype)[:, None]], axis=1)
        size = window.shape[1]
        count = ops.minimum(state["count"] + 1, size)
        mask = ops.arange(size) >= size - count[:, None]
        feature, attention = self.temporal.get_layer("pooling")(window, mask=mask)
        state = {"recurrent": list(recurrent), "window": window, "count": count}
        return self.head(feature), ops.cast(attention, "float32"), state

    def get_config(self):
        """Returns the model's configuration."""
        config = super().get_config()
        del config["backbone"]  # made of the encoder and the options
        return {**config, **self._options, "encoder": keras.saving.serialize_keras_object(self.encoder)}

    @classmethod
    def from_config(cls, config):
        """Makes the model from `get_config`'s result."""
        config = {"scaled_attention": False, **config}  # models saved before there was a choice
        return super().from_config({**config, "encoder": keras.saving.deserialize_keras_object(config["encoder"])})


def _temporal(dimension, recurrence, pooling, units, dropout, scaled_attention):
    """Functional model from features and lengths to the clip's feature and the frames' weights."""
    layers = keras.layers
    features = keras.Input((None, dimension), name="features")
    lengths = keras.Input((), dtype="int32", name="lengths")
    mask = FrameMask(name="mask")(features, lengths)
    states = layers.Dropout(dropout, name="features_dropout")(features)
    if recurrence != "none":
        kind = {"irnn": IRNN, "lstm": layers.LSTM, "gru": layers.GRU}[recurrence]
        # U would let states of long clips explode; within 1 they grow no faster than their inputs add up.
        options = {"recurrent_bound": 1.0} if recurrence == "irnn" else {}
        states = kind(units, return_sequences=True, name="recurrence", **options)(states, mask=mask)
    if pooling == "attention":
        pool = AttentionPooling(return_weights=True, scaled=scaled_attention, name="pooling")
    else:
        pool = FramePooling(pooling, name="pooling")
    feature, attention = pool(states, mask=mask)
    feature = layers.Dropout(dropout, name="feature_dropout")(feature)
    return keras.Model(
        {"features": features, "lengths": lengths}, {"feature": feature, "attention": attention}, name="temporal"
    )


def _input_shapes(encoder):
    """The shapes of what an encoder takes, without the batch, by name; a single input is the `face`."""
    tensors = getattr(encoder, "inputs", None) or ()
    if len(tensors) == 1:
        return {"face": tuple(tensors[0].shape[1:])}
    return {tensor.name: tuple(tensor.shape[1:]) for tensor in tensors}


def _backbone(encoder, temporal):
    """Functional model from frames and lengths to the clip's feature."""
    shapes = _input_shapes(encoder)
    inputs = {
        "frames": keras.Input((None, *shapes["face"]), name="frames"),
        "lengths": keras.Input((), dtype="int32", name="lengths"),
    }
    if "landmarks" in shapes:
        inputs["landmarks"] = keras.Input((None, 68, 2), name="landmarks")
    mask = FrameMask(name="frame_mask")(inputs["frames"], inputs["lengths"])
    more = [inputs["landmarks"]] if "landmarks" in inputs else []
    features = FrameEncoder(encoder, name="frame_encoder")(inputs["frames"], mask, *more)
    outputs = temporal({"features": features, "lengths": inputs["lengths"]})
    return keras.Model(inputs, outputs["feature"], name="video_emotion_backbone")
