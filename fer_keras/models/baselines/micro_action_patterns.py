"""Micro-action-patterns: how much of each learnt pattern is in every small patch of a face (AUDN's first module)."""

import keras
import numpy as np
from keras import ops

_WHITENING = 0.1  # added to the eigenvalues of the patches' covariance


@keras.saving.register_keras_serializable("fer_keras")
class MicroActionPatterns(keras.layers.Layer):
    """A convolution of patches, each brought to mean 0 and standard deviation 1 first, and a sigmoid.

    `σ(k_f · (p − mean(p)) / √(var(p) + ε) + b_f)` for every patch p and pattern f; the mean is over the patch and its
    channels. `learn_patterns` gives kernel and bias; gradient descent may change them.

    It computes in float32 under every policy.

    Args:
        filters: int, number of patterns.
        size: int, side of a patch in pixels.
        epsilon: float ε > 0, added to the variance, so that flat patches stay flat.
        **kwargs: passed to `keras.layers.Layer`.

    Call arguments:
        images: float tensor of shape `(batch, height, width, channels)`, standardised.

    Returns:
        A float32 tensor of shape `(batch, height − size + 1, width − size + 1, filters)`, values 0-1.
    """

    def __init__(self, filters, size=6, epsilon=0.1, **kwargs):
        kwargs.setdefault("dtype", "float32")
        super().__init__(autocast=False, **kwargs)
        if filters < 1 or size < 1 or not epsilon > 0:
            raise ValueError(
                "`filters`, `size` and `epsilon` must be positive. "
                f"Received: filters={filters}, size={size}, epsilon={epsilon}"
            )
        self.filters, self.size, self.epsilon = int(filters), int(size), float(epsilon)

    def build(self, images_shape):
        """Creates kernel and bias."""
        shape = (self.size, self.size, images_shape[-1], self.filters)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer="glorot_uniform", autocast=False)
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros", autocast=False)

    def call(self, images):
        """Returns the patterns' shares."""
        images = ops.cast(images, self.variable_dtype)
        kernel = self.kernel - ops.mean(self.kernel, axis=(0, 1, 2))  # takes the patch's mean away
        first, second = (
            ops.average_pool(ops.mean(values, axis=-1, keepdims=True), self.size, strides=1, padding="valid")
            for values in (images, ops.square(images))
        )
        deviation = ops.sqrt(ops.maximum(second - ops.square(first), 0.0) + self.epsilon)
        return ops.sigmoid(ops.conv(images, kernel, padding="valid") / deviation + self.bias)

    def compute_output_shape(self, images_shape):
        """Returns the shape of the maps."""
        sides = [None if side is None else side - self.size + 1 for side in images_shape[1:3]]
        return (images_shape[0], *sides, self.filters)

    def get_config(self):
        """Returns the layer's configuration."""
        return {**super().get_config(), "filters": self.filters, "size": self.size, "epsilon": self.epsilon}


def learn_patterns(images, filters, size=6, epsilon=0.1, patches=20_000, iterations=10, seed=0):
    """Learns patterns without labels: whitened patches, gathered by spherical k-means (Coates and Ng 2012).

    Args:
        images: float array `(n, height, width, channels)`, standardised.
        filters: int, number of patterns.
        size: int, side of a patch.
        epsilon: float, as the layer's.
        patches: int, number of patches to learn from.
        iterations: int, of k-means.
        seed: int.

    Returns:
        A pair of float32 arrays, kernel `(size, size, channels, filters)` and bias `(filters,)`; a response is two
        standard deviations wide over the patches, and 0 one deviation above its mean.
    """
    random = np.random.default_rng([seed, 2])
    count, height, width, channels = images.shape
    rows = random.integers(0, count, patches)
    tops, lefts = random.integers(0, height - size + 1, patches), random.integers(0, width - size + 1, patches)
    steps = np.arange(size)
    taken = images[rows[:, None, None], (tops[:, None] + steps)[:, :, None], (lefts[:, None] + steps)[:, None, :]]
    taken = taken.reshape(patches, -1).astype("float64")
    taken -= taken.mean(axis=1, keepdims=True)
    taken /= np.sqrt(taken.var(axis=1, keepdims=True) + epsilon)

    middle = taken.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov(taken - middle, rowvar=False))
    whitening = vectors / np.sqrt(np.maximum(values, 0.0) + _WHITENING) @ vectors.T
    white = (taken - middle) @ whitening
    patterns = _unit(white[random.choice(patches, filters, replace=patches < filters)] + 1e-6)
    for _ in range(iterations):
        likeness = white @ patterns.T
        nearest = likeness.argmax(axis=1)
        sums = np.zeros_like(patterns)
        np.add.at(sums, nearest, likeness[np.arange(patches), nearest, None] * white)
        patterns = _unit(sums + 1e-3 * patterns)  # a pattern without a patch stays

    responses = white @ patterns.T
    gain = 2.0 / (responses.std(axis=0) + 1e-6)
    kernel = whitening @ patterns.T * gain
    bias = -middle @ kernel - gain * (responses.mean(axis=0) + responses.std(axis=0))
    return kernel.reshape(size, size, channels, filters).astype("float32"), bias.astype("float32")


def _unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
