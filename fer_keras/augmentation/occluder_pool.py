"""Occluders that are drawn once and laid over faces again and again: drawing takes longer than training."""

import numpy as np
import tensorflow as tf

from fer_keras.augmentation.draws import fold, uniform
from fer_keras.augmentation.occlude_faces import ANY_FACE
from fer_keras.occlusion import OCCLUDERS, occluder_layer

_EYES = slice(36, 48)  # of the landmarks
_GLASSES = 0.45  # share of the face that sunglasses cover in their own size


class OccluderPool:
    """Many occluders as layers, each drawn in the light of some face, for an input pipeline.

    A face gets one of them at random, moved by whole pixels so that the middle between the eyes is where it was on the
    face that it was drawn on. It fits less closely than one of `occlude_faces`; its mask is as exact.

    Args:
        layers: float16 array of shape `(n, height, width, channels + 1)`, see `fer_keras.occlusion.occluder_layer`.
        eyes: float32 array of shape `(n, 2)`, x and y in pixels of the middle between the eyes.
        blocks: int, how many from the first are random blocks, which faces without landmarks may get.
    """

    def __init__(self, layers, eyes, blocks):
        self.layers, self.eyes = tf.constant(layers), tf.constant(eyes, tf.float32)
        self.blocks = blocks

    @classmethod
    def draw(cls, images, landmarks, seed, kinds=tuple(OCCLUDERS), coverage=None):
        """Draws one occluder on every face; of all kinds equally many, as far as faces have landmarks.

        Args:
            images: uint8 array of shape `(n, height, width, channels)`, 1 or 3 channels.
            landmarks: float array of shape `(n, 68, 2)`, x and y in [0, 1] of the crop, zeros where none were found.
            seed: sequence of ints ≥ 0.
            kinds: sequence of `fer_keras.occlusion.OCCLUDERS`.
            coverage: `(low, high)` of the share of the face that random blocks cover, or `None` for any. Half of the
                sunglasses are reduced to shares of it as well.

        Returns:
            An `OccluderPool`, of fewer than n occluders where faces without landmarks cannot get one; `None` if there
            is none.
        """
        blocks, others = [], []
        size = (images.shape[2], images.shape[1])
        for row, (image, points) in enumerate(zip(images, landmarks, strict=True)):
            rng = np.random.default_rng([*seed, row])
            kind = kinds[row % len(kinds)]
            if not points.any():
                points, kind = ANY_FACE, "random_block"
            if kind not in kinds:
                continue
            share = rng.uniform(*coverage) if coverage and kind == "random_block" else None
            if coverage and kind == "sunglasses" and coverage[0] < _GLASSES and rng.random() < 0.5:
                share = rng.uniform(coverage[0], min(coverage[1], _GLASSES))
            picture = image[..., 0] if image.shape[-1] == 1 else image
            layer = occluder_layer(picture, points * size, kind, rng, share).astype("float16")
            (blocks if kind == "random_block" else others).append((layer, points[_EYES].mean(axis=0) * size))
        if not blocks and not others:
            return None
        layers, eyes = zip(*blocks, *others, strict=True)
        return cls(np.stack(layers), np.stack(eyes), len(blocks))

    def __len__(self):
        """How many occluders there are."""
        return len(self.layers)

    @tf.autograph.experimental.do_not_convert  # AutoGraph took it for `__len__`
    def lay_over(self, images, landmarks, seed, probability=1.0):
        """Lays an occluder of the pool over faces.

        Args:
            images: float32 tensor of shape `(batch, height, width, channels)`, whole numbers 0-255.
            landmarks: float32 tensor of shape `(batch, 68, 2)`, x and y in [0, 1] of the crop, zeros where none were
                found: such faces get random blocks alone, or nothing.
            seed: int tensor of shape `(2,)`; the same seed gives the same occluders.
            probability: of a face to be occluded, 0-1.

        Returns:
            `(images, masks)`, float32: whole numbers 0-255, and 0 or 1 of shape `(batch, height, width, 1)`. Pixels
            outside the masks are as they were.
        """
        shape = tf.shape(images)
        hit, place = tf.unstack(uniform((2, shape[0]), fold(seed, 4), 0.0, 1.0))
        found = tf.reduce_any(landmarks != 0, axis=(1, 2))
        choice = tf.where(found, float(len(self)), float(self.blocks))
        hit = (hit < probability) & (choice > 0)
        row = tf.cast(tf.clip_by_value(place * choice, 0.0, tf.maximum(choice - 1, 0)), tf.int32)
        points = tf.where(found[:, None, None], landmarks, tf.constant(ANY_FACE, tf.float32))
        eyes = tf.reduce_mean(points[:, _EYES], axis=1) * tf.cast(shape[2:0:-1], tf.float32)
        x, y = tf.unstack(tf.round(eyes - tf.gather(self.eyes, row)), axis=1)
        one, zero = tf.ones_like(x), tf.zeros_like(x)
        layers = tf.raw_ops.ImageProjectiveTransformV3(
            images=tf.cast(tf.gather(self.layers, row), tf.float32),
            transforms=tf.stack([one, zero, -x, zero, one, -y, zero, zero], axis=1),
            output_shape=shape[1:3],
            fill_value=0.0,
            interpolation="NEAREST",
            fill_mode="CONSTANT",
        )
        colour, coverage = layers[..., :-1], layers[..., -1:]
        masks = (coverage > 0) & hit[:, None, None, None]
        occluded = tf.clip_by_value(tf.round(images * (1 - coverage) + colour), 0.0, 255.0)
        return tf.where(masks, occluded, images), tf.cast(masks, tf.float32)
