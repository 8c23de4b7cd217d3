"""What a network that restores faces sees in the place of what was covered."""

import keras
from keras import ops

from fer_keras.augmentation.draws import uniform

FILLS = ("mean", "noise", "smooth")


@keras.saving.register_keras_serializable("fer_keras")
class HoleFill(keras.layers.Layer):
    """Fills the covered pixels of faces from the face's open pixels, or with noise, as Li et al. 2017 did.

    Training draws new noise at every step. Outside of it the noise is always the same, so that a face is restored in
    the same way every time. It computes in float32 under every policy: open pixels come out bit-identical.

    Args:
        fill: `"mean"` of the open pixels, in every channel; `"smooth"`, what lies around the hole, spread into it from
            coarse to fine (pull-push, Gortler et al. 1996); both mid grey for a face without any open pixel. Or
            `"noise"`, uniform between black and white.
        seed: optional int, of the noise in training.
        **kwargs: passed to `keras.layers.Layer`.

    Call arguments:
        faces: tensor of shape `(batch, height, width, channels)`, values 0-255.
        mask: tensor of shape `(batch, height, width, 1)`, true, or above 0.5, for covered pixels.
        training: bool, whether noise is drawn anew.

    Returns:
        A float32 tensor of the shape of `faces`.

    Raises:
        ValueError: `fill` is none of these.

    Reference:
        - Li et al., Generative face completion, CVPR 2017.
        - Gortler, Grzeszczuk, Szeliski and Cohen, The lumigraph, SIGGRAPH 1996.
    """

    def __init__(self, fill="mean", seed=None, **kwargs):
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        if fill not in FILLS:
            raise ValueError(f"`fill` must be one of {', '.join(FILLS)}. Received: fill={fill!r}")
        self.fill = fill
        self.seed = seed
        if fill == "noise":
            self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, faces, mask, training=False):
        """Returns the faces with their holes filled."""
        faces, covered = ops.cast(faces, self.compute_dtype), ops.cast(mask, self.compute_dtype) > 0.5
        if self.fill != "noise":
            is_open = ops.cast(~covered, self.compute_dtype)
            count = ops.sum(is_open, axis=(1, 2), keepdims=True)
            mean = ops.sum(faces * is_open, axis=(1, 2), keepdims=True) / ops.maximum(count, 1.0)
            filling = ops.where(count > 0, mean, 127.5)
            if self.fill == "smooth":
                filling = _spread(faces, is_open, filling)
        elif training:
            filling = uniform(ops.shape(faces), ops.cast(self.seed_generator.next(), "int64"), 0.0, 255.0)
        else:
            filling = uniform((1, *ops.shape(faces)[1:]), (0, 0), 0.0, 255.0)
        return ops.where(covered, ops.cast(filling, self.compute_dtype), faces)

    def compute_output_shape(self, faces_shape, mask_shape=None):
        """Returns the shape of the faces."""
        return faces_shape

    def get_config(self):
        """Returns the layer's configuration."""
        return {**super().get_config(), "fill": self.fill, "seed": self.seed}


def _spread(faces, is_open, mean):
    """Faces of which every pixel comes from the finest level of a pyramid at which something around it is open."""
    levels = [(faces, is_open)]
    while max(levels[-1][0].shape[1:3]) > 2:
        colour, weight = levels[-1]
        colour = ops.average_pool(colour * weight, 2, padding="same")
        weight = ops.average_pool(weight, 2, padding="same")
        levels.append((colour / ops.maximum(weight, 1e-6), ops.minimum(1.0, 4 * weight)))
    filled = mean
    for colour, weight in reversed(levels):
        if filled is not mean:
            filled = ops.image.resize(filled, colour.shape[1:3], data_format="channels_last")
        filled = weight * colour + (1 - weight) * filled
    return filled
