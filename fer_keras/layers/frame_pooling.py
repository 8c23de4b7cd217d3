"""The plain ways to make one feature of a sequence, in the place of attention."""

import keras
from keras import ops

from fer_keras.layers.frame_mask import frame_mask, require_sequences


@keras.saving.register_keras_serializable("fer_keras")
class FramePooling(keras.layers.Layer):
    """The mean of the states of a sequence, or its last state: what attention is compared with (Ge et al. 2022).

    Masked frames weigh exactly 0, whatever they hold; a sequence without any unmasked frame gives zeros.

    Args:
        how: `"mean"` or `"last"`, the last unmasked state.
        **kwargs: passed to `keras.layers.Layer`.

    Call arguments:
        sequences: float tensor of shape `(batch, frames, d)` with at least one frame.
        mask: optional bool tensor of shape `(batch, frames)`, true for frames that count.

    Returns:
        A tuple of the feature, `(batch, d)`, and the weights of the frames, `(batch, frames)`, as `AttentionPooling`
        with `return_weights` gives them.

    Raises:
        ValueError: `how` is none of these, or sequences or mask are not of the shapes above.
    """

    def __init__(self, how, **kwargs):
        super().__init__(**kwargs)
        if how not in ("mean", "last"):
            raise ValueError(f'`how` must be "mean" or "last". Received: how={how!r}')
        self.how = how
        self.supports_masking = True

    def call(self, sequences, mask=None):
        """Returns the feature of every sequence and the weights of its frames."""
        require_sequences(self, sequences.shape)
        dtype = keras.backend.result_type(self.compute_dtype, "float32")
        states = ops.cast(sequences, dtype)
        mask = ops.ones(ops.shape(states)[:2], "bool") if mask is None else frame_mask(self, mask, sequences)
        counts = ops.cast(mask, dtype)
        if self.how == "mean":
            weights = counts / ops.maximum(ops.sum(counts, axis=1, keepdims=True), 1)
        else:  # the frame that has no unmasked one behind it
            later = ops.flip(ops.cumsum(ops.flip(counts, axis=1), axis=1), axis=1)
            weights = counts * ops.cast(later == 1, dtype)
        states = ops.where(mask[..., None], states, 0)  # NaN in the padding times weight 0 is NaN
        feature = ops.cast(ops.sum(weights[..., None] * states, axis=1), self.compute_dtype)
        return feature, ops.cast(weights, self.compute_dtype)

    def compute_mask(self, sequences, previous_mask=None):
        """Returns none: the frames are gone."""
        return None

    def compute_output_shape(self, sequences_shape):
        """Returns the shapes of the feature and of the weights."""
        batch, frames, dimension = sequences_shape
        return (batch, dimension), (batch, frames)

    def get_config(self):
        """Returns the layer's configuration."""
        return {**super().get_config(), "how": self.how}
