"""What several networks here are made of."""

import keras

MOMENTUM = 0.9  # of batch normalisation; at Keras's 0.99 a short training ends with the averages of its start
LEAST_SIZE = 32


def face_input(input_shape):
    """The input of a network: raw pixels 0-255.

    Args:
        input_shape: `(height, width, channels)`, at least 32 pixels each way; 1 channel for grey, 3 for colour.

    Returns:
        A `keras.Input` called `face`.

    Raises:
        ValueError: the shape is another one.
    """
    shape = tuple(input_shape)
    if len(shape) != 3 or None in shape or min(shape[:2]) < LEAST_SIZE or shape[2] not in (1, 3):
        raise ValueError(
            f"`input_shape` must be (height, width, channels), at least {LEAST_SIZE} pixels each way and 1 or 3 "
            f"channels. Received: input_shape={input_shape}"
        )
    return keras.Input(shape, name="face")


def scaled(filters, width, multiple=8):
    """The number of filters times a factor, a multiple of 8 and at least 8."""
    return max(multiple, round(filters * width / multiple) * multiple)


def conv_block(x, filters, kernel, name, strides=1, activation="relu", depthwise=False):
    """Convolution, batch normalisation and an activation.

    Args:
        x: the maps.
        filters: int; of no account with `depthwise`.
        kernel: int, side of the window.
        name: string, name of the convolution; the others derive theirs from it.
        strides: int.
        activation: `"relu"`, `"prelu"` (one slope a channel), or `None` for a linear block.
        depthwise: bool, one window a channel.

    Returns:
        The new maps, of the same size as `x` but for the strides.
    """
    layers = keras.layers
    options = {"strides": strides, "padding": "same", "use_bias": False, "name": name}
    x = (layers.DepthwiseConv2D(kernel, **options) if depthwise else layers.Conv2D(filters, kernel, **options))(x)
    x = layers.BatchNormalization(momentum=MOMENTUM, name=f"{name}_bn")(x)
    if activation == "prelu":
        return layers.PReLU(keras.initializers.Constant(0.25), shared_axes=[1, 2], name=f"{name}_prelu")(x)
    return layers.Activation(activation, name=f"{name}_{activation}")(x) if activation else x


def inception_module(x, filters, name):
    """Four branches side by side (Szegedy et al. 2015): 1×1, 3×3, 5×5 and pooling, the last three with a reduction.

    Args:
        x: the maps.
        filters: six ints: of the 1×1 branch; of the reduction before 3×3 and of 3×3; of the reduction before 5×5 and
            of 5×5; of the pooling branch.
        name: string, prefix of the layers' names.

    Returns:
        The branches' maps, one after the other.
    """
    one, reduce_three, three, reduce_five, five, pool = filters
    pooled = keras.layers.MaxPooling2D(3, strides=1, padding="same", name=f"{name}_pool")(x)
    branches = [
        conv_block(x, one, 1, f"{name}_1x1"),
        conv_block(conv_block(x, reduce_three, 1, f"{name}_3x3_reduce"), three, 3, f"{name}_3x3"),
        conv_block(conv_block(x, reduce_five, 1, f"{name}_5x5_reduce"), five, 5, f"{name}_5x5"),
        conv_block(pooled, pool, 1, f"{name}_pool_1x1"),
    ]
    return keras.layers.Concatenate(name=f"{name}_concat")(branches)


def feature_vector(x, dimension, name="features"):
    """A linear layer and batch normalisation in float32: features that may be negative, for metric losses.

    Args:
        x: tensor of shape `(batch, n)`.
        dimension: int.
        name: string, name of the normalisation.

    Returns:
        A tensor of shape `(batch, dimension)`.
    """
    x = keras.layers.Dense(dimension, use_bias=False, name=f"{name}_dense")(x)
    return keras.layers.BatchNormalization(momentum=MOMENTUM, dtype="float32", name=name)(x)
