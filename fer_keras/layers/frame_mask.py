"""Masks of the frames of sequences."""

from keras import ops

from fer_keras.layers.arguments import fits


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
