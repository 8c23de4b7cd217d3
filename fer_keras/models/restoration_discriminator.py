"""The network that tells restored faces, or parts of faces, from real ones."""

import keras

from fer_keras.layers.arguments import number, whole_number

_FILTERS = (16, 32, 64, 64)
_LEAST_SIZE = 4


def restoration_discriminator(size, channels=1, width=1.0, name="restoration_discriminator"):
    """Strided convolutions with spectral normalisation (Miyato et al., ICLR 2018) and one answer a picture.

    Kernels are brought to a spectral norm of 1 in float32 under every policy, at every step of the discriminator's own
    training; when the generator learns from it, it stays as it is.

    Args:
        size: int, height and width of its pictures in pixels, at least 4.
        channels: 1 for grey, 3 for colour.
        width: float, factor on the number of filters.
        name: string, name of the model.

    Returns:
        A functional model from raw pixels 0-255, `(batch, size, size, channels)`, to answers, float32 `(batch, 1)`,
        greater for pictures that look real.

    Raises:
        ValueError: an argument is out of its range.
    """
    whole_number("size", size, least=_LEAST_SIZE)
    number("width", width, above=0)
    layers = keras.layers
    pictures = keras.Input((size, size, channels), name="picture")
    x = layers.Rescaling(1 / 127.5, -1.0, dtype="float32", name="scale")(pictures)
    depth = 0
    while size > _LEAST_SIZE:
        filters = max(1, round(_FILTERS[min(depth, len(_FILTERS) - 1)] * width))
        depth, size = depth + 1, (size + 1) // 2
        convolution = layers.Conv2D(filters, 5, strides=2, padding="same", kernel_initializer="he_normal")
        x = _normalized(convolution, f"convolution{depth}")(x)
        # Of LeakyReLU's gradient TensorFlow's graph optimizer prints an error on CPUs.
        x = layers.ELU(name=f"activation{depth}")(x)
    x = layers.Flatten(name="flatten")(x)
    answers = _normalized(layers.Dense(1), "answer")(x)
    return keras.Model(
        pictures, layers.Activation("linear", dtype="float32", name="answer_float32")(answers), name=name
    )


def _normalized(layer, name):
    # In half precision the kernel would be rounded at every step.
    return keras.layers.SpectralNormalization(layer, dtype="float32", name=name)
