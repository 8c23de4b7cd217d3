"""Gradients against finite differences."""

import keras
import numpy as np
import tensorflow as tf

from fer_keras.testing.requirement import require


def check_gradient(function, *arrays, step=1e-6, tolerance=1e-5, entries=24, seed=0):
    """Compares the gradient of a function with central differences, in float64.

    Args:
        function: takes float64 tensors and returns a float tensor or a nested structure of them. What is not scalar
            is weighted at random and summed. It must be smooth near the arrays: choose them away from kinks.
        *arrays: the point, converted to float64.
        step: float, of the differences.
        tolerance: float, allowed error relative to the greatest entry of the array's gradient; what rounding in
            float64 does to the differences is allowed besides.
        entries: int, how many entries of each array are tried at most, chosen at random.
        seed: int, of that choice.

    Raises:
        AssertionError: an entry differs, the gradient does not exist, or the function does not compute in float64.

    Example:
    >>> check_gradient(lambda x: keras.ops.sum(x**3), np.array([1.0, 2.0]))
    """
    random = np.random.default_rng(seed)
    arrays = [np.array(keras.ops.convert_to_numpy(array), "float64") for array in arrays]
    outputs = keras.tree.flatten(function(*map(tf.constant, arrays)))
    for output in outputs:
        require(
            output.dtype == tf.float64,
            f"the function returns {output.dtype.name} for float64, too coarse for differences; "
            'make what it calls with dtype="float64"',
        )
    weights = [tf.constant(random.uniform(0.5, 1.5, output.shape)) for output in outputs]

    @tf.function(autograph=False)
    def value(*tensors):
        flat = keras.tree.flatten(function(*tensors))
        return sum(
            tf.reduce_sum(weight * tf.cast(output, tf.float64)) for weight, output in zip(weights, flat, strict=True)
        )

    @tf.function(autograph=False)
    def gradients(*tensors):
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            total = value(*tensors)
        return tape.gradient(total, tensors, unconnected_gradients="none")

    found = gradients(*map(tf.constant, arrays))
    for position, (array, gradient) in enumerate(zip(arrays, found, strict=True)):
        require(gradient is not None, f"argument {position} has no gradient")
        gradient = gradient.numpy()
        chosen = random.permutation(array.size)[:entries]
        for entry in chosen:
            index = np.unravel_index(entry, array.shape)
            shifted = [array.copy(), array.copy()]
            shifted[0][index] += step
            shifted[1][index] -= step
            high, low = (
                value(*(tf.constant(a) for a in [*arrays[:position], s, *arrays[position + 1 :]])) for s in shifted
            )
            expected = (float(high) - float(low)) / (2.0 * step)
            rounding = 1e-15 / step * (1.0 + abs(float(high)))
            require(
                abs(gradient[index] - expected) <= tolerance * np.abs(gradient).max() + rounding,
                f"argument {position}, entry {tuple(map(int, index))}: gradient {gradient[index]:.8g}, "
                f"finite difference {expected:.8g}",
            )
