"""Keras's global dtype policy for a while."""

import contextlib

import keras


@contextlib.contextmanager
def dtype_policy(name):
    """Sets the global dtype policy inside a `with` block.

    Args:
        name: string, such as `"mixed_float16"`.
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
