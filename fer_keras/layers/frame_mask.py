"""Which frames of padded sequences count, and checks of sequences and masks."""

import keras
from keras import ops

from fer_keras.layers.arguments import fits


@keras.saving.register_keras_serializable("fer_keras")
class FrameMask(keras.layers.Layer):
    """Makes the mask of padded sequences from their lengths.

    Call arguments:
        sequences: tensor of shape `(batch, frames, ...)`.
        lengths: int tensor of shape `(batch,)`, how many frames count, from the first.

    Returns:
        A bool tensor of shape `(batch, frames)`, true for frames that count.
    """

    def call(self, sequences, lengths):
        """Returns the mask."""
        return ops.arange(ops.shape(sequences)[1], dtype="int32") < ops.cast(lengths, "int32")[:, None]

    def compute_output_spec(self, sequences, lengths):
        """Returns the shape and type of the mask."""
        return keras.KerasTensor(sequences.shape[:2], "bool")


def require_sequences(layer, shape):
    """Raises `ValueError` unless a shape is `(batch, frames, dimension)` with at least one frame.

    The dimension may be unknown only where the layer is built.

    Args:
        layer: the layer that asks, for the message.
        shape: the shape of its sequences.
    """
    if len(shape) != 3 or shape[1] == 0 or (shape[-1] is None and not layer.built):
        raise ValueError(
            f"{type(layer).__name__} expects sequences of shape (batch, frames, dimension) with at least one frame and "
            f"a known dimension. Received: shape {tuple(shape)}"
        )


def frame_mask(layer, mask, sequences):
    """Checks a mask against its sequences.

    Args:
        layer: the layer that asks, for the message.
        mask: tensor of shape `(batch, frames)`, true or not 0 for frames that count.
        sequences: tensor of shape `(batch, frames, d)`.

    Returns:
        The mask as a bool tensor.

    Raises:
        ValueError: the shapes do not belong together.
    """
    mask = ops.cast(mask, "bool")
    shape, expected = tuple(mask.shape), tuple(sequences.shape[:2])
    if not fits(shape, expected):
        raise ValueError(
            f"{type(layer).__name__} expects a mask of shape (batch, frames), {expected} for these sequences. "
            f"Received: shape {shape}"
        )
    return mask
