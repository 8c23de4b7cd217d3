"""What the margin softmax heads share: class vectors, and a margin on the logit of the labelled class."""

import keras
from keras import ops

from fer_keras.layers.arguments import number, whole_number
from fer_keras.layers.metric_loss import class_indices, require_features, unit_vectors


class MarginHead(keras.layers.Layer):
    """Base of the heads that make softmax harder for the labelled class in training.

    `head(features)` returns the logits of inference. `head(features, labels)` returns the margin logits: the same,
    but for the labelled class's, which is made smaller. Softmax cross entropy on them is the loss of the paper.
    `JointSupervision(..., head=head)` takes the margin logits for the compiled loss in training, and those of
    inference for everything else.

    It computes in the dtype of its weights, which is float32 unless `dtype` says otherwise, also under a global
    policy of mixed precision.

    Args:
        num_classes: int, number of classes K.
        kernel_initializer: initial class vectors, a Keras initializer for shape `(d, K)`.
        **kwargs: passed to `keras.layers.Layer`.

    Call arguments:
        features: float tensor of shape `(batch, d)`.
        labels: optional; integers of shape `(batch,)` or `(batch, 1)` in `[0, K)`, or soft rows of shape
            `(batch, K)`, whose largest entry gets the margin.
        training: bool; with labels, lets a head that anneals its margin count the step.

    Returns:
        Logits of shape `(batch, K)`.

    Raises:
        ValueError: features or labels have another shape.
        tf.errors.InvalidArgumentError: a label is outside `[0, K)`. Under XLA, which has no assertions, such a sample
            gets no margin.
    """

    def __init__(self, num_classes, kernel_initializer="glorot_uniform", **kwargs):
        kwargs.setdefault("dtype", "float32")
        super().__init__(autocast=False, **kwargs)
        self.num_classes = whole_number("num_classes", num_classes, least=2)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, features_shape, labels_shape=None):
        """Creates the class vectors for features of shape `(batch, d)`."""
        require_features(self, features_shape)
        self.input_spec = keras.layers.InputSpec(ndim=2, axes={-1: features_shape[-1]})
        self.kernel = self.add_weight(
            name="kernel",
            shape=(features_shape[-1], self.num_classes),
            initializer=self.kernel_initializer,
            autocast=False,
        )

    def call(self, features, labels=None, training=False):
        """Returns the logits, with the margin if there are labels."""
        features = ops.cast(features, self.variable_dtype)
        logits = self.logits(features)
        if labels is None:
            return logits
        indices = class_indices(labels, self.num_classes, self.name, batch=features.shape[0])
        target = ops.one_hot(indices, self.num_classes, dtype=self.variable_dtype)
        own = ops.sum(target * logits, axis=-1, keepdims=True)
        return logits + target * (self.margin_logit(own, features, target, training) - own)

    def logits(self, features):
        """The logits of inference.

        Args:
            features: tensor of shape `(batch, d)`.

        Returns:
            A tensor of shape `(batch, K)`.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement `logits(features)`")

    def margin_logit(self, logit, features, target, training):
        """The logit of the labelled class with its margin.

        Args:
            logit: tensor of shape `(batch, 1)`, the logit without margin.
            features: tensor of shape `(batch, d)`.
            target: tensor of shape `(batch, K)`, one-hot rows of the labels.
            training: bool, as given to `call`.

        Returns:
            A tensor of shape `(batch, 1)`.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must implement `margin_logit(logit, features, target, training)`"
        )

    def compute_output_shape(self, features_shape, labels_shape=None):
        """Returns `(batch, K)`."""
        return (features_shape[0], self.num_classes)

    def get_config(self):
        """Returns the layer's configuration."""
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


class CosineHead(MarginHead):
    """Base of the heads on the cosines between features and class vectors, both of length 1: `s cos(θ_j)`.

    Args:
        num_classes: int, number of classes K.
        margin: float m ≥ 0.
        scale: float s > 0. Softmax over K cosines can reach the probability p only if
            `s ≥ (K−1)/K · ln((K−1) p / (1−p))`, which is 5.5 for 7 classes and p = 0.99.
        kernel_initializer: initial class vectors, see `MarginHead`.
        **kwargs: passed to `keras.layers.Layer`.
    """

    def __init__(self, num_classes, margin, scale, kernel_initializer="glorot_uniform", **kwargs):
        super().__init__(num_classes, kernel_initializer=kernel_initializer, **kwargs)
        self.margin = number("margin", margin, least=0)
        self.scale = number("scale", scale, above=0)

    def logits(self, features):
        """`s cos(θ_j)`."""
        return self.scale * ops.matmul(unit_vectors(features)[0], unit_vectors(self.kernel, axis=0)[0])

    def margin_logit(self, logit, features, target, training):
        """`s ψ(θ_y)`."""
        return self.scale * self.margin_cosine(logit / self.scale)

    def margin_cosine(self, cosine):
        """ψ: the cosine of the labelled class with its margin.

        Args:
            cosine: tensor of cosines.

        Returns:
            A tensor of the same shape.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement `margin_cosine(cosine)`")

    def get_config(self):
        """Returns the layer's configuration."""
        return {**super().get_config(), "margin": self.margin, "scale": self.scale}
