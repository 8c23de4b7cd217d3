"""Random numbers from counters: the same seed gives the same ones, everywhere.

The algorithm is named, since XLA would choose another than the rest of TensorFlow.
"""

import tensorflow as tf

_ALGORITHM = "philox"


def uniform(shape, seed, low=-1.0, high=1.0):
    """Float32 numbers in [low, high) of a shape, from an int seed of shape `(2,)`."""
    return tf.random.stateless_uniform(shape, seed, low, high, alg=_ALGORITHM)


def normal(shape, seed):
    """Float32 numbers of mean 0 and standard deviation 1 of a shape, from an int seed of shape `(2,)`."""
    return tf.random.stateless_normal(shape, seed, alg=_ALGORITHM)


def fold(seed, number):
    """A new seed of shape `(2,)` from a seed and a number."""
    return tf.random.experimental.stateless_fold_in(seed, number, alg=_ALGORITHM)
