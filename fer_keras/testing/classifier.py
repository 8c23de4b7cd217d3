"""The contract of a classifier: a Keras user may do anything with it."""

import pathlib
import tempfile

import keras
import tensorflow as tf

from fer_keras.testing.config import check_config
from fer_keras.testing.policy import dtype_policy
from fer_keras.testing.replicas import two_replicas
from fer_keras.testing.requirement import require, require_close, require_finite


def check_classifier(factory, x, y, batch_size=8, learning_rate=0.01, epochs=20, exact=True, tolerance=1e-5):
    """Checks a classifier that returns logits.

    - its configuration is complete;
    - `fit` lowers the loss;
    - `jit_compile=True`, `run_eagerly=True` and two replicas give the same weights after one epoch;
    - under `mixed_float16` it trains to finite weights in float32, and its logits are float32;
    - a `.keras` file brings back the same weights and predictions;
    - the SavedModel that `export` writes gives the same logits, takes what `predict` takes and no labels, and carries
      nothing of the metric loss (no centres).

    Args:
        factory: callable without arguments that returns a new model, not compiled.
        x: array of inputs, or dict of arrays by name, at least one batch per replica; a few dozen.
        y: integer labels.
        batch_size: int, even.
        learning_rate: float, of SGD.
        epochs: int, in which the loss falls.
        exact: `False` for models with dropout or batch normalisation, where replicas and compilers may differ: their
            weights need only be finite.
        tolerance: float, of those weights.

    Raises:
        AssertionError: the model breaks the contract; the message says where.

    Example:
    >>> check_classifier(lambda: JointSupervision(backbone(), ("neutral", "fear"), head=ArcFace(2)), faces, labels)
    """
    two_replicas()  # before TensorFlow starts

    def new_model():
        model = factory()
        if not model.built:
            model(keras.tree.map_structure(lambda one: one[:1], x))
        return model

    start = new_model()
    check_config(start)
    start_weights = start.get_weights()

    def trained(epochs=1, **options):
        model = new_model()
        model.set_weights(start_weights)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        # Keras compiles by itself where it can, which would leave nothing to compare with.
        options = {"jit_compile": False, **options}
        model.compile(keras.optimizers.SGD(learning_rate), loss, **options)
        history = model.fit(x, y, batch_size=batch_size, epochs=epochs, shuffle=False, verbose=0).history
        return model, history

    model, history = trained()
    reference = model.get_weights()
    require_finite(reference, "weights after one epoch")
    history = model.fit(x, y, batch_size=batch_size, epochs=epochs, shuffle=False, verbose=0).history["loss"]
    require(history[-1] < history[0], f"fit does not lower the loss: {history[0]:.6g} became {history[-1]:.6g}")

    def compare(other, subject):
        if exact:
            require_close(other.get_weights(), reference, subject, tolerance)
        else:
            require_finite(other.get_weights(), subject)

    compare(trained(jit_compile=True)[0], "weights with jit_compile=True against without")
    compare(trained(run_eagerly=True)[0], "weights with run_eagerly=True against without")
    with two_replicas().scope():
        split, _ = trained()
    compare(split, "weights of two replicas against one")

    with dtype_policy("mixed_float16"):
        mixed, _ = trained()
    require_finite(mixed.get_weights(), "weights under mixed_float16")
    for weight in mixed.trainable_weights:
        require(weight.dtype == "float32", f"{weight.path} is {weight.dtype} under mixed_float16, expected float32")
    dtype = keras.backend.standardize_dtype(mixed(keras.tree.map_structure(lambda one: one[:2], x)).dtype)
    require(dtype == "float32", f"logits are {dtype} under mixed_float16, expected float32")

    logits = model(x)
    require_close(model.predict(x, verbose=0), logits, "logits of predict against those of a call", tolerance)
    with tempfile.TemporaryDirectory() as directory:
        file = pathlib.Path(directory) / "model.keras"
        model.save(file)
        loaded = keras.models.load_model(file)
        require_close(loaded.get_weights(), model.get_weights(), "weights from the .keras file", tolerance=0.0)
        require_close(loaded(x), logits, "logits from the .keras file", tolerance=0.0)
        _check_export(model, x, logits, pathlib.Path(directory) / "export")


def _check_export(model, x, logits, directory):
    model.export(directory, verbose=False)
    exported = tf.saved_model.load(str(directory))
    signature = exported.signatures["serving_default"]
    inputs = signature.structured_input_signature[1]
    require(
        len(inputs) == len(keras.tree.flatten(x)),
        f"the exported signature takes {sorted(inputs)}, expected {len(keras.tree.flatten(x))} inputs and no labels",
    )
    named = x if isinstance(x, dict) else {next(iter(inputs)): x}
    require(set(inputs) == set(named), f"the exported signature takes {sorted(inputs)}, expected {sorted(named)}")
    answer = next(iter(signature(**{name: tf.cast(named[name], spec.dtype) for name, spec in inputs.items()}).values()))
    require_close(answer, logits, "logits of the export", 1e-5)
    metric_loss = getattr(model, "metric_loss", None)
    unneeded = {variable.path for variable in metric_loss.variables} if metric_loss else set()
    carried = unneeded & {variable.name.split(":")[0] for variable in exported.variables}
    require(not carried, f"the export carries {sorted(carried)}, which inference does not need")
