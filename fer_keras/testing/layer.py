"""The contract of a layer."""

import pathlib
import tempfile

import keras
import numpy as np
import tensorflow as tf

from fer_keras.testing.config import check_config
from fer_keras.testing.gradient import check_gradient
from fer_keras.testing.policy import dtype_policy
from fer_keras.testing.replicas import two_replicas
from fer_keras.testing.requirement import require, require_close, require_finite


def check_layer(factory, *inputs, gradient=True, fit=True, half_tolerance=2e-2, tolerance=1e-5):
    """Checks a deterministic layer.

    - its configuration is complete, and `compute_output_shape` tells what comes out, with an unknown batch as well;
    - outputs are the same eagerly, in a graph and under `jit_compile=True`;
    - under `mixed_float16` they are near, and of the layer's compute dtype;
    - the gradient towards the inputs agrees with finite differences;
    - a model of it comes back exactly from a `.keras` file, and its export answers the same;
    - `fit` lowers the loss; eagerly, compiled and with two replicas it gives the same weights.

    Args:
        factory: callable that makes the layer and passes keyword arguments (`dtype`) to it, such as the class or a
            `functools.partial` of it.
        *inputs: float arrays, what the layer is called with; batches of an even size of at least 4.
        gradient: bool, whether the layer has a gradient towards its inputs. It is taken at `inputs`: choose them away
            from kinks.
        fit: bool, whether to train a model of the layer.
        half_tolerance: float, of `mixed_float16` against float32.
        tolerance: float, of the other comparisons.

    Raises:
        AssertionError: the layer breaks the contract; the message says where.

    Example:
    >>> check_layer(functools.partial(keras.layers.Dense, 3), np.random.normal(size=(8, 4)))
    """
    two_replicas()  # before TensorFlow starts
    inputs = tuple(np.asarray(array, "float32") for array in inputs)
    layer = factory()
    outputs = layer(*inputs)
    check_config(layer)
    _check_shapes(layer, inputs, outputs)
    for jit_compile in (False, True):
        compiled = tf.function(lambda *tensors: layer(*tensors), jit_compile=jit_compile, autograph=False)
        require_close(compiled(*inputs), outputs, f"outputs with jit_compile={jit_compile} against eagerly", tolerance)

    with dtype_policy("mixed_float16"):
        mixed = factory()
        mixed(*inputs)
        mixed.set_weights(layer.get_weights())
        halves = mixed(*inputs)
    require_finite(halves, "outputs under mixed_float16")
    require_close(halves, outputs, "outputs under mixed_float16 against float32", half_tolerance)
    for half in filter(_is_float, keras.tree.flatten(halves)):
        dtype = keras.backend.standardize_dtype(half.dtype)
        require(dtype == mixed.compute_dtype, f"an output is {dtype}, expected the compute dtype {mixed.compute_dtype}")

    if gradient:
        exact = factory(dtype="float64")
        exact(*(array.astype("float64") for array in inputs))
        check_gradient(exact, *inputs)
    _check_saving(layer, inputs, outputs, tolerance)
    if fit:
        _check_fit(factory, inputs, keras.tree.flatten(outputs), tolerance)


def _is_float(tensor):
    return keras.backend.is_float_dtype(keras.backend.standardize_dtype(tensor.dtype))


def _check_shapes(layer, inputs, outputs):
    symbols = [keras.KerasTensor((None, *array.shape[1:]), dtype="float32") for array in inputs]
    said = layer.compute_output_shape(*(symbol.shape for symbol in symbols))
    said = [said] if _is_shape(said) else list(said)
    symbolic = [tuple(tensor.shape) for tensor in keras.tree.flatten(layer(*symbols))]
    real = [(None, *tensor.shape[1:]) for tensor in keras.tree.flatten(outputs)]
    require(
        [tuple(shape) for shape in said] == symbolic == real,
        f"outputs have shapes {real}, but compute_output_shape says {said} and a symbolic call {symbolic}",
    )


def _is_shape(value):
    return all(size is None or isinstance(size, int) for size in value)


def _functional(layer, inputs):
    symbols = [keras.Input(array.shape[1:]) for array in inputs]
    return keras.Model(symbols, layer(*symbols))


def _check_saving(layer, inputs, outputs, tolerance):
    model = _functional(layer, inputs)
    with tempfile.TemporaryDirectory() as directory:
        file = pathlib.Path(directory) / "model.keras"
        model.save(file)
        loaded = keras.models.load_model(file)
        require_close(loaded(list(inputs)), model(list(inputs)), "outputs from the .keras file", tolerance=0.0)
        model.export(str(pathlib.Path(directory) / "export"), verbose=False)
        exported = tf.saved_model.load(str(pathlib.Path(directory) / "export"))
        answers = exported.serve(list(map(tf.constant, inputs)))
        require_close(answers, outputs, "outputs of the export", tolerance)


def _check_fit(factory, inputs, outputs, tolerance):
    rows = [np.reshape(keras.ops.convert_to_numpy(part), (len(part), -1)) for part in filter(_is_float, outputs)]
    length = float(np.mean(np.linalg.norm(np.concatenate(rows, axis=-1), axis=-1)))

    def new_model():
        body = _functional(factory(), inputs)
        parts = [keras.layers.Flatten()(part) for part in body.outputs if _is_float(part)]
        joined = keras.layers.Concatenate()(parts) if len(parts) > 1 else parts[0]
        # The steps of the optimizer suit features of length 1.
        scaled = keras.layers.Rescaling(1.0 / max(length, 1e-6))(joined)
        return keras.Model(body.inputs, keras.layers.Dense(1)(scaled))

    batch = len(inputs[0])
    targets = np.random.default_rng(0).normal(size=(batch, 1)).astype("float32")
    start_weights = new_model().get_weights()

    def trained(**options):
        model = new_model()
        model.set_weights(start_weights)
        model.compile(keras.optimizers.SGD(0.05), "mse", **{"jit_compile": False, **options})
        history = model.fit(list(inputs), targets, batch_size=batch, epochs=4, shuffle=False, verbose=0)
        return model.get_weights(), history.history["loss"]

    weights, losses = trained()
    require(losses[-1] < losses[0], f"fit does not lower the loss: {losses[0]:.6g} became {losses[-1]:.6g}")
    require_close(trained(run_eagerly=True)[0], weights, "weights with run_eagerly=True against without", tolerance)
    require_close(trained(jit_compile=True)[0], weights, "weights with jit_compile=True against without", tolerance)
    with two_replicas().scope():
        split, _ = trained()
    require_close(split, weights, "weights of two replicas against one", tolerance)
