"""Which frames of padded sequences count, and checks of sequences and masks."""

import keras
import tensorflow as tf
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

    Raises:
        ValueError: see `mask_of_lengths`.
        tf.errors.InvalidArgumentError: likewise.
    """

    def call(self, sequences, lengths):
        """Returns the mask."""
        return mask_of_lengths(sequences, lengths)

    def compute_output_spec(self, sequences, lengths):
        """Returns the shape and type of the mask."""
        return keras.KerasTensor(sequences.shape[:2], "bool")


def mask_of_lengths(sequences, lengths):
    """Makes the mask of padded sequences, and refuses lengths that are none of theirs.

    Args:
        sequences: tensor of shape `(batch, frames, ...)`.
        lengths: int tensor of shape `(batch,)`, how many frames count, from the first: 1 to `frames`.

    Returns:
        A bool tensor of shape `(batch, frames)`, true for frames that count.

    Raises:
        ValueError: the lengths are no whole numbers, not one a sequence, or out of their range.
        tf.errors.InvalidArgumentError: the same in a graph, where only its run shows it. XLA has no assertions: there
            a length beyond the frames counts as their number, and a sequence without a frame gives zeros.
    """
    lengths, expected = ops.convert_to_tensor(lengths), tuple(sequences.shape[:1])
    if not lengths.dtype.is_integer or not fits(tuple(lengths.shape), expected):
        raise ValueError(
            f"`lengths` must be whole numbers of shape (batch,), {expected} for these sequences. "
            f"Received: {lengths.dtype.name} of shape {tuple(lengths.shape)}"
        )
    lengths, frames = ops.cast(lengths, "int32"), ops.shape(sequences)[1]
    low, high = tf.reduce_min(lengths), tf.reduce_max(lengths)
    # Of no sequence at all the least is above the greatest, and both are in range.
    is_right = (low >= 1) & (high <= frames) & (tf.shape(lengths)[0] == tf.shape(sequences)[0])
    message = "lengths must be from 1 to the number of frames, one a clip. Received: least, greatest and frames"
    if tf.executing_eagerly():
        if not is_right:
            raise ValueError(f"{message} {int(low)}, {int(high)} and {int(frames)}")
    else:
        check = tf.raw_ops.Assert(condition=is_right, data=[message, low, high, frames])
        with tf.control_dependencies([check]):
            lengths = tf.identity(lengths)
    return ops.arange(frames, dtype="int32") < lengths[:, None]


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
