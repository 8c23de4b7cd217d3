"""The part of a face around a hole, at one size whatever the size of the hole."""

import keras
from keras import ops

from fer_keras.layers.arguments import number, whole_number


@keras.saving.register_keras_serializable("fer_keras")
class HoleWindow(keras.layers.Layer):
    """Resamples the bounding box of a hole, with some of what is around it, to a fixed window.

    The box reaches beyond the hole by a share of its size on either side, is at least half as large as the window, and
    ends at the border of the picture; without any hole it is the whole picture. It is resampled linearly, with a filter
    as wide as a pixel of the window where that is larger than one of the picture. Both axes are products with small
    matrices, which XLA compiles and gradients pass, unlike `tf.image.crop_and_resize`.

    It computes in float32 under every policy.

    Args:
        size: int, height and width of the window.
        margin: float ≥ 0, how far the box reaches beyond the hole, as a share of the hole's size.
        **kwargs: passed to `keras.layers.Layer`.

    Call arguments:
        faces: tensor of shape `(batch, height, width, channels)`.
        mask: tensor of shape `(batch, height, width, 1)`, true, or above 0.5, for covered pixels.

    Returns:
        A float32 tensor of shape `(batch, size, size, channels)`.
    """

    def __init__(self, size, margin=0.25, **kwargs):
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        self.size = whole_number("size", size, least=1)
        self.margin = number("margin", margin, least=0)

    def call(self, faces, mask):
        """Returns the windows."""
        faces, covered = ops.cast(faces, self.compute_dtype), ops.cast(mask, "float32")[..., 0] > 0.5
        rows = self._weights(ops.any(covered, axis=2))
        columns = self._weights(ops.any(covered, axis=1))
        return ops.einsum("bkh,blw,bhwc->bklc", rows, columns, faces)

    def _weights(self, covered):
        """How much every pixel along an axis counts in every one of the window: `(batch, size, length)`.

        Args:
            covered: bool tensor of shape `(batch, length)`, the lines that the hole touches.
        """
        length = covered.shape[1]
        places = ops.arange(length, dtype=self.compute_dtype)
        hole = ops.any(covered, axis=1)
        low = ops.where(hole, ops.min(ops.where(covered, places, length), axis=1), 0.0)
        high = ops.where(hole, ops.max(ops.where(covered, places + 1, 0.0), axis=1), float(length))
        reach = ops.maximum((high - low) * (0.5 + self.margin), self.size / 4)
        middle = (low + high) / 2
        low, high = ops.maximum(middle - reach, 0.0), ops.minimum(middle + reach, float(length))
        step = ((high - low) / self.size)[:, None]
        centres = low[:, None] + (ops.arange(self.size, dtype=self.compute_dtype) + 0.5) * step - 0.5
        width = ops.maximum(step, 1.0)[..., None]
        weights = ops.relu(1.0 - ops.abs(centres[..., None] - places) / width)
        return weights / ops.sum(weights, axis=-1, keepdims=True)

    def compute_output_shape(self, faces_shape, mask_shape=None):
        """Returns the shape of the windows."""
        return (faces_shape[0], self.size, self.size, faces_shape[-1])

    def get_config(self):
        """Returns the layer's configuration."""
        return {**super().get_config(), "size": self.size, "margin": self.margin}
