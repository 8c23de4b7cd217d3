"""The two networks that restore a face: one says what is covered, the other paints it."""

import keras
from keras import ops

from fer_keras.layers.arguments import number, whole_number
from fer_keras.layers.hole_fill import HoleFill

_FILTERS = (16, 32, 64)
_DILATIONS = (2, 4, 8)
_HEAD_FILTERS = (16, 32, 64)
_NEXT_TO_NOTHING = 1e-3  # standard deviation of weights
_NEAR_ONE = 0.98  # of pixels from -1 to 1; the steps of tanh die out beyond


def restoration_generator(image_size=48, channels=1, width=1.0, fill="mean", name="restoration_generator"):
    """The encoder-decoder that paints a whole face from its open part.

    Two steps down to a quarter of the size, three dilated convolutions there, which see the whole face (Iizuka et al.
    2017, Globally and locally consistent image completion), and two steps up, with skips from the encoder. There is no
    batch normalisation: holes would shift its statistics.

    Args:
        image_size: int, height and width in pixels, a multiple of 16.
        channels: 1 for grey, 3 for colour.
        width: float, factor on the number of filters.
        fill: what the network sees in the hole, see `fer_keras.layers.HoleFill`. With `"smooth"` it paints what is to
            be added to that, and begins with next to nothing.
        name: string, name of the model.

    Returns:
        A functional model from a dict of `face`, raw pixels 0-255 `(batch, size, size, channels)`, and `mask`,
        `(batch, size, size, 1)`, 1 where the face is covered, to a whole face, float32 0-255. What the covered pixels
        of the input are makes no difference.

    Raises:
        ValueError: an argument is out of its range.
    """
    _check_shape(image_size, channels)
    layers = keras.layers
    first, second, third = _filters(_FILTERS, width)
    face = keras.Input((image_size, image_size, channels), name="face")
    mask = keras.Input((image_size, image_size, 1), name="mask")
    x = HoleFill(fill, name="fill")(face, mask)
    filled = layers.Rescaling(1 / 127.5, -1.0, dtype="float32", name="scale")(x)
    x = layers.Concatenate(name="face_and_mask")([filled, mask])
    fine = _convolution(first, 5, name="encoder1")(x)
    x = _convolution(second, 3, strides=2, name="encoder2_down")(fine)
    middle = _convolution(second, 3, name="encoder2")(x)
    x = _convolution(third, 3, strides=2, name="encoder3_down")(middle)
    x = _convolution(third, 3, name="encoder3")(x)
    for rate in _DILATIONS:
        x = _convolution(third, 3, dilation_rate=rate, name=f"dilated{rate}")(x)
    x = _up(x, middle, second, "decoder2")
    x = _up(x, fine, first, "decoder1")
    if fill == "smooth":
        small = keras.initializers.RandomNormal(stddev=_NEXT_TO_NOTHING)
        x = layers.Conv2D(channels, 3, padding="same", kernel_initializer=small, name="pixels")(x)
        x = _AddBeforeTanh(dtype="float32", name="on_filled")([x, filled])
    else:
        x = layers.Conv2D(channels, 3, padding="same", name="pixels")(x)
    x = layers.Activation("tanh", dtype="float32", name="range")(x)
    painted = layers.Rescaling(127.5, 127.5, dtype="float32", name="painted")(x)
    return keras.Model({"face": face, "mask": mask}, painted, name=name)


def occlusion_mask_head(image_size=48, channels=1, width=1.0, name="occlusion_mask_head"):
    """The small encoder-decoder that says which pixels of a face are covered.

    Args:
        image_size: int, height and width in pixels, a multiple of 16.
        channels: 1 for grey, 3 for colour.
        width: float, factor on the number of filters.
        name: string, name of the model.

    Returns:
        A functional model from raw pixels 0-255, `(batch, size, size, channels)`, to logits, float32
        `(batch, size, size, 1)`.

    Raises:
        ValueError: an argument is out of its range.
    """
    _check_shape(image_size, channels)
    layers = keras.layers
    first, second, third = _filters(_HEAD_FILTERS, width)
    face = keras.Input((image_size, image_size, channels), name="face")
    x = layers.Rescaling(1 / 127.5, -1.0, dtype="float32", name="scale")(face)
    fine = _convolution(first, 5, name="encoder1")(x)
    middle = _convolution(second, 3, strides=2, name="encoder2")(fine)
    x = _convolution(third, 3, strides=2, name="encoder3")(middle)
    for rate in _DILATIONS:
        x = _convolution(third, 3, dilation_rate=rate, name=f"dilated{rate}")(x)
    x = _up(x, middle, second, "decoder2")
    x = _up(x, fine, first, "decoder1")
    x = layers.Conv2D(1, 3, padding="same", name="mask")(x)
    logits = layers.Activation("linear", dtype="float32", name="mask_logits")(x)
    return keras.Model(face, logits, name=name)


def _check_shape(image_size, channels):
    if whole_number("image_size", image_size, least=16) % 16:
        raise ValueError(f"`image_size` must be a multiple of 16. Received: image_size={image_size}")
    if channels not in (1, 3):
        raise ValueError(f"`channels` must be 1 (grey) or 3 (colour). Received: channels={channels}")


def _filters(counts, width):
    number("width", width, above=0)
    return [max(1, round(count * width)) for count in counts]


def _convolution(filters, kernel, name, **options):
    return keras.layers.Conv2D(
        filters, kernel, padding="same", activation="elu", kernel_initializer="he_normal", name=name, **options
    )


def _up(x, skip, filters, name):
    """Doubles the size, joins what the encoder had there, and convolves."""
    x = keras.layers.UpSampling2D(name=f"{name}_up")(x)
    x = keras.layers.Concatenate(name=f"{name}_skip")([x, skip])
    return _convolution(filters, 3, name=name)(x)


@keras.saving.register_keras_serializable("fer_keras")
class _AddBeforeTanh(keras.layers.Layer):
    """Adds to pixels from -1 to 1 before `tanh`, which gives these pixels where nothing is added."""

    def call(self, inputs):
        added, pixels = inputs
        pixels = ops.clip(pixels, -_NEAR_ONE, _NEAR_ONE)
        return added + 0.5 * (ops.log1p(pixels) - ops.log1p(-pixels))

    def compute_output_shape(self, input_shapes):
        return input_shapes[1]
