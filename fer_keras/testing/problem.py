"""A problem and a backbone that cost nothing."""

import keras
import numpy as np

SIZE = 5


def tiny_problem(num_classes, samples=24, seed=0):
    """Noisy pictures whose mean picture tells their class.

    Args:
        num_classes: int.
        samples: int, number of pictures.
        seed: int.

    Returns:
        A pair of float32 pictures `(samples, 5, 5, 1)` and integer labels.
    """
    random = np.random.default_rng(seed)
    labels = np.arange(samples) % num_classes
    means = random.normal(size=(num_classes, SIZE, SIZE, 1))
    return (means[labels] + 0.5 * random.normal(size=(samples, SIZE, SIZE, 1))).astype("float32"), labels


def tiny_backbone(dimension):
    """A linear backbone for `tiny_problem`.

    Args:
        dimension: int, of the features.

    Returns:
        A functional model from `(batch, 5, 5, 1)` to `(batch, dimension)`.
    """
    faces = keras.Input((SIZE, SIZE, 1), name="face")
    features = keras.layers.Dense(dimension, name="features")(keras.layers.Flatten(name="flatten")(faces))
    return keras.Model(faces, features, name="tiny_backbone")


def class_names(num_classes):
    """Names for classes that mean nothing."""
    return tuple(f"class {index}" for index in range(num_classes))
