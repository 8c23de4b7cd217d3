"""Attention over the frames of a sequence (Ge et al. 2022): their states, weighted, become one feature."""

import keras
import tensorflow as tf
from keras import ops

from fer_keras.layers.frame_mask import frame_mask, require_sequences


@keras.saving.register_keras_serializable("fer_keras")
class AttentionPooling(keras.layers.Layer):
    """Weighs the states of a sequence by their agreement with a query, and sums them. O(frames).

    `a_i = cᵀ V h_i`, `ξ_i = exp(a_i) / Σ_t exp(a_t)`, `f_v = Σ_i ξ_i h_i`, where c is the video coding vector, the
    last unmasked state, or a learned vector. V starts as zero, so that attention starts as the mean: the scores of a
    random V would grow with the square of the states and leave all weight on one frame. Masked frames weigh exactly 0,
    whatever they hold; a sequence without any unmasked frame gives zeros.

    States that are never negative and add up, as an IRNN's, make the scores grow fast in training too: all entries of V
    are pulled to the same side, to where states are small, since a head that knows nothing yet errs least there. A few
    steps of Adam leave all weight on the first frame, and gradients of almost 0 to bring it back. With `scaled` the
    scores are `a_i = cᵀ V h_i / (√d r²)`, where r is the root mean square of the norms of the unmasked states (with a
    learned query `qᵀ V h_i / (√d r)`): they grow neither with the states nor with d.

    Scores, weights and sum are computed in float32 at least, for scores overflow in float16.

    Args:
        query: `"last"` for the last unmasked state, or `"learned"` for one vector, the same for every sequence.
        return_weights: bool, whether to return the weights as well.
        kernel_initializer: initial V, a Keras initializer for shape `(d, d)`.
        scaled: bool, whether scores are scaled as above; the paper's are not.
        **kwargs: passed to `keras.layers.Layer`.

    Call arguments:
        sequences: float tensor of shape `(batch, frames, d)` with at least one frame. The number of frames may be
            unknown (`None`) until the call.
        mask: optional bool tensor of shape `(batch, frames)`, true for frames that count. A mask that the sequences
            carry is found by itself.

    Returns:
        The feature, `(batch, d)`; with `return_weights` a tuple of it and the weights, `(batch, frames)` in [0, 1] with
        sum 1 (0 where every frame is masked).

    Raises:
        ValueError: an argument is not one of its values, or sequences or mask are not of the shapes above.

    Example:
    >>> states = IRNN(64, return_sequences=True)(np.random.normal(size=(8, 16, 128)))
    >>> feature, weights = AttentionPooling(return_weights=True)(states)
    >>> feature.shape, weights.shape
    (TensorShape([8, 64]), TensorShape([8, 16]))

    Reference:
        - Ge et al., Facial expression recognition based on deep learning, CMPB 2022, equations 8 and 9.
    """

    def __init__(self, query="last", return_weights=False, kernel_initializer="zeros", scaled=False, **kwargs):
        super().__init__(**kwargs)
        if query not in ("last", "learned"):
            raise ValueError(f'`query` must be "last" or "learned". Received: query={query!r}')
        self.query = query
        self.return_weights = bool(return_weights)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.scaled = bool(scaled)
        self.supports_masking = True

    def build(self, sequences_shape):
        """Creates the weights for sequences of shape `(batch, frames, d)`."""
        require_sequences(self, sequences_shape)
        dimension = sequences_shape[-1]
        self.input_spec = keras.layers.InputSpec(ndim=3, axes={-1: dimension})
        self.kernel = self.add_weight(
            name="kernel", shape=(dimension, dimension), initializer=self.kernel_initializer, autocast=False
        )
        if self.query == "learned":
            self.query_vector = self.add_weight(
                name="query",
                shape=(1, dimension),
                initializer=keras.initializers.RandomNormal(stddev=dimension**-0.5),
                autocast=False,
            )

    def call(self, sequences, mask=None):
        """Returns the feature of every sequence, and the weights with `return_weights`."""
        require_sequences(self, sequences.shape)
        dtype = keras.backend.result_type(self.compute_dtype, "float32")
        states, kernel = ops.cast(sequences, dtype), ops.cast(self.kernel, dtype)
        mask = ops.ones(ops.shape(states)[:2], "bool") if mask is None else frame_mask(self, mask, sequences)
        states = ops.where(mask[..., None], states, 0)  # NaN in the padding times weight 0 is NaN

        keys = states
        if self.scaled:
            count = ops.sum(ops.cast(mask, dtype), axis=1)
            mean_square = tf.math.divide_no_nan(ops.sum(ops.square(states), axis=(1, 2)), count)
            keys = states * ops.rsqrt(ops.maximum(mean_square, 1e-12))[:, None, None]
            kernel = kernel * states.shape[-1] ** -0.5

        if self.query == "last":
            positions = ops.arange(ops.shape(keys)[1], dtype="int32")
            last = tf.reduce_max(tf.where(mask, positions, 0), axis=1, keepdims=True)
            query = ops.sum(ops.where((positions == last)[..., None], keys, 0), axis=1)
        else:
            query = ops.cast(self.query_vector, dtype)

        scores = ops.sum(keys * ops.matmul(query, kernel)[:, None], axis=-1)
        # TensorFlow's own: Keras's refuse an empty batch.
        scores = tf.where(mask, scores, tf.reduce_min(scores, axis=1, keepdims=True))
        likelihoods = ops.exp(scores - tf.stop_gradient(tf.reduce_max(scores, axis=1, keepdims=True)))
        likelihoods = ops.where(mask, likelihoods, 0)
        total = ops.sum(likelihoods, axis=1, keepdims=True)
        weights = likelihoods / ops.where(total > 0, total, 1)
        feature = ops.cast(ops.sum(weights[..., None] * states, axis=1), self.compute_dtype)
        return (feature, ops.cast(weights, self.compute_dtype)) if self.return_weights else feature

    def compute_mask(self, sequences, previous_mask=None):
        """Returns none: the frames are gone."""
        return None

    def compute_output_shape(self, sequences_shape):
        """Returns the shape of the feature, and of the weights with `return_weights`."""
        batch, frames, dimension = sequences_shape
        return ((batch, dimension), (batch, frames)) if self.return_weights else (batch, dimension)

    def get_config(self):
        """Returns the layer's configuration."""
        return {
            **super().get_config(),
            "query": self.query,
            "return_weights": self.return_weights,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "scaled": self.scaled,
        }
