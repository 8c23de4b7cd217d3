"""Per-picture standardisation of raw pixels."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("fer_keras")
class PixelStandardization(keras.layers.Layer):
    """Brings every picture to mean 0 and standard deviation 1, against differences of light and camera.

    It computes in float32 under every policy: squares of raw pixels overflow in float16.

    Args:
        epsilon: float, least standard deviation in grey levels, so that flat pictures become zeros.
        **kwargs: passed to `keras.layers.Layer`.

    Call arguments:
        images: tensor of shape `(batch, height, width, channels)`, values 0-255.
    """

    def __init__(self, epsilon=1.0, **kwargs):
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        self.epsilon = float(epsilon)

    def call(self, images):
        """Returns the standardised pictures, in float32."""
        images = ops.cast(images, "float32")
        mean = ops.mean(images, axis=(1, 2, 3), keepdims=True)
        deviation = ops.sqrt(ops.mean(ops.square(images - mean), axis=(1, 2, 3), keepdims=True))
        return (images - mean) / ops.maximum(deviation, self.epsilon)

    def compute_output_shape(self, input_shape):
        """Returns the input's shape."""
        return input_shape

    def get_config(self):
        """Returns the layer's configuration."""
        return {**super().get_config(), "epsilon": self.epsilon}
