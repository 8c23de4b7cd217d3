import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_keras.layers import IRNN, IRNNCell, SpectralBound
from fer_keras.testing import check_config, check_gradient, check_layer, two_replicas

# Up to 64 frames there is no loop; beyond, it has whole turns of 16, or a rest.
LENGTHS = (1, 2, 16, 64, 65, 80)


def slow_irnn(sequences, kernel, recurrent_kernel, bias, state=None, mask=None):
    """Equation 7, one frame of one sequence at a time."""
    batch, frames, _ = sequences.shape
    states = np.zeros((batch, frames, len(bias)))
    for row in range(batch):
        h = np.zeros(len(bias)) if state is None else state[row].astype("float64")
        for t in range(frames):
            if mask is None or mask[row, t]:
                h = np.maximum(sequences[row, t] @ kernel + h @ recurrent_kernel + bias, 0.0)
            states[row, t] = h
    return states


def random_weights(layer, random):
    weights = [random.normal(size=weight.shape, scale=0.4) for weight in layer.get_weights()]
    layer.set_weights(weights)
    return [weight.astype("float32").astype("float64") for weight in weights]


def random_mask(random, batch, frames):
    mask = random.random((batch, frames)) < 0.6
    mask[0] = False
    return mask


@pytest.mark.parametrize("frames", LENGTHS)
@pytest.mark.parametrize("masked", [False, True])
def test_states_equal_equation_7(frames, masked):
    random = np.random.default_rng(frames)
    layer = IRNN(5, return_sequences=True, return_state=True)
    layer.build((None, None, 4))
    weights = random_weights(layer, random)
    sequences = random.normal(size=(3, frames, 4)).astype("float32")
    state = random.random((3, 5)).astype("float32")
    mask = random_mask(random, 3, frames) if masked else None

    states, last = layer(sequences, initial_state=state, mask=mask)

    expected = slow_irnn(sequences, *weights, state=state, mask=mask)
    np.testing.assert_allclose(states, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(last, states[:, -1])


@pytest.mark.parametrize("masked", [False, True])
def test_equals_simple_rnn(masked):
    random = np.random.default_rng(0)
    sequences = random.normal(size=(4, 11, 6)).astype("float32")
    mask = random.random((4, 11)) < 0.7 if masked else None
    ours = IRNN(7, return_sequences=True)
    theirs = keras.layers.SimpleRNN(
        7, activation="relu", recurrent_initializer="identity", return_sequences=True, name="theirs"
    )
    ours(sequences), theirs(sequences)
    np.testing.assert_array_equal(ours.get_weights()[1], theirs.get_weights()[1])
    ours.set_weights(theirs.get_weights())

    def output_and_gradients(layer):
        inputs = tf.constant(sequences)
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            output = layer(inputs, mask=mask)
            loss = tf.reduce_sum(output * tf.cos(tf.range(7, dtype="float32")))
        return [output, *tape.gradient(loss, [inputs, *layer.trainable_weights])]

    for one, other in zip(output_and_gradients(ours), output_and_gradients(theirs), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("frames", [3, 64, 67, 80])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("return_sequences", [False, True])
def test_gradients_of_inputs_state_and_weights(frames, masked, return_sequences):
    random = np.random.default_rng(1)
    layer = IRNN(4, return_sequences=return_sequences, return_state=True, dtype="float64")
    layer.build((None, frames, 3))
    mask = random_mask(random, 2, frames) if masked else None
    projection = layer.cell

    def function(sequences, state, kernel, recurrent_kernel, bias):
        weights = [projection.kernel, projection.recurrent_kernel, projection.bias]
        values = [kernel, recurrent_kernel, bias]
        with keras.StatelessScope(zip(weights, values, strict=True)):
            return layer(sequences, initial_state=state, mask=mask)

    check_gradient(
        function,
        random.normal(size=(2, frames, 3)),
        random.random((2, 4)),
        random.normal(size=(3, 4)),
        0.5 * random.normal(size=(4, 4)),
        random.normal(size=4),
    )


@pytest.mark.slow
def test_second_derivative_exists():
    layer = IRNN(3, dtype="float64")
    sequences = tf.constant(np.random.default_rng(0).normal(size=(2, 5, 3)))
    layer(sequences)
    check_gradient(lambda x: _gradient(layer, x), sequences)


def _gradient(layer, sequences):
    with tf.GradientTape() as tape:
        tape.watch(sequences)
        value = tf.reduce_sum(layer(sequences) ** 3)
    return tape.gradient(value, sequences)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(
    batch=st.integers(1, 4),
    frames=st.integers(1, 20),
    padding=st.integers(1, 9),
    garbage=st.sampled_from([0.0, 1e30, -7.0, np.inf, np.nan]),
    seed=st.integers(0, 99),
)
def test_padding_changes_nothing(batch, frames, padding, garbage, seed):
    random = np.random.default_rng(seed)
    sequences = random.normal(size=(batch, frames, 3)).astype("float32")
    padded = np.concatenate([sequences, np.full((batch, padding, 3), garbage, "float32")], axis=1)
    mask = np.arange(frames + padding)[None] < np.full((batch, 1), frames)
    layer = IRNN(4)

    def output_and_gradients(inputs, mask):
        with tf.GradientTape() as tape:
            output = layer(inputs, mask=mask)
            loss = tf.reduce_sum(output)
        return [output, *tape.gradient(loss, layer.trainable_weights)]

    for one, other in zip(output_and_gradients(padded, mask), output_and_gradients(sequences, None), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6)


def test_carried_mask_is_found_with_and_without_initial_state():
    sequences = np.random.default_rng(0).normal(size=(2, 6, 3)).astype("float32")
    sequences[:, 4:] = 0.0
    layer = IRNN(4)
    masked = keras.layers.Masking()(sequences)
    zeros = np.zeros((2, 4), "float32")
    layer.build((None, None, 3))
    layer.cell.bias.assign(np.ones(4))
    np.testing.assert_allclose(layer(masked), layer(sequences[:, :4]), rtol=1e-6)
    np.testing.assert_allclose(layer(masked, initial_state=zeros), layer(sequences[:, :4]), rtol=1e-6)


def test_mask_goes_on_with_the_sequences():
    inputs = keras.Input((None, 3))
    masked = keras.layers.Masking()(inputs)
    pooled = keras.layers.GlobalAveragePooling1D()(IRNN(4, return_sequences=True)(masked))
    model = keras.Model(inputs, pooled)
    sequences = np.random.default_rng(0).normal(size=(2, 6, 3)).astype("float32")
    padded = np.concatenate([sequences, np.zeros_like(sequences)], axis=1)
    np.testing.assert_allclose(model.predict(padded, verbose=0), model.predict(sequences, verbose=0), rtol=1e-5)


def test_a_stream_in_pieces_equals_the_whole():
    sequences = np.random.default_rng(0).normal(size=(2, 13, 3)).astype("float32")
    layer = IRNN(4, return_sequences=True, return_state=True)
    whole, last = layer(sequences)
    state, parts = None, []
    for piece in (sequences[:, :1], sequences[:, 1:4], sequences[:, 4:]):
        part, state = layer(piece, initial_state=state)
        parts.append(part)
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole, rtol=1e-6)
    np.testing.assert_allclose(state, last, rtol=1e-6)


def test_cell_in_keras_rnn_equals_the_layer():
    sequences = np.random.default_rng(0).normal(size=(2, 9, 3)).astype("float32")
    layer = IRNN(4, return_sequences=True)
    expected = layer(sequences)
    recurrent = keras.layers.RNN(layer.cell, return_sequences=True)
    np.testing.assert_allclose(recurrent(sequences), expected, rtol=1e-6)
    state = layer.cell.get_initial_state(batch_size=2)
    for t in range(9):
        output, state = layer.cell(sequences[:, t], state)
    np.testing.assert_allclose(output, expected[:, -1], rtol=1e-6)


def test_starts_as_scaled_identity():
    layer = IRNN(4, recurrent_scale=0.5, kernel_initializer="zeros")
    state = np.array([[1.0, 2.0, 3.0, 4.0]], "float32")
    np.testing.assert_allclose(layer(np.ones((1, 2, 3)), initial_state=state), state / 4)


@pytest.mark.slow
def test_bound_holds_in_training_and_stops_explosion():
    random = np.random.default_rng(0)
    sequences = random.normal(size=(16, 12, 6)).astype("float32")
    targets = np.full((16, 1), 1e3, "float32")

    def largest_singular_value(bound):
        model = keras.Sequential([IRNN(8, recurrent_bound=bound), keras.layers.Dense(1)])
        model.compile(keras.optimizers.Adam(0.05), "mse")
        model.fit(sequences, targets, epochs=10, verbose=0)
        return np.linalg.norm(model.layers[0].cell.get_weights()[1], 2)

    assert largest_singular_value(None) > 1.5
    assert largest_singular_value(1.0) < 1.01


@settings(max_examples=25, deadline=None)
@given(size=st.integers(1, 40), bound=st.floats(0.1, 4.0), seed=st.integers(0, 99))
def test_spectral_bound_scales_the_matrix(size, bound, seed):
    matrix = np.random.default_rng(seed).normal(size=(size, size)).astype("float32")
    bounded = SpectralBound(bound)(matrix).numpy()
    norm = np.linalg.norm(matrix, 2)
    np.testing.assert_allclose(bounded, matrix * min(1.0, bound / norm), rtol=0.005, atol=1e-6)


def test_spectral_bound_leaves_zero_and_the_identity():
    np.testing.assert_array_equal(SpectralBound(1.0)(np.zeros((3, 3), "float32")), np.zeros((3, 3)))
    np.testing.assert_allclose(SpectralBound(1.0)(np.eye(64, dtype="float32")), np.eye(64), rtol=1e-5)
    check_config(SpectralBound(2.0))


@pytest.mark.slow
def test_bound_under_two_replicas():
    sequences = np.random.default_rng(0).normal(size=(8, 5, 3)).astype("float32")
    with two_replicas().scope():
        model = keras.Sequential([IRNN(4, recurrent_bound=1.0), keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(0.5), "mse")
    model.fit(sequences, np.ones((8, 1), "float32"), batch_size=8, epochs=3, verbose=0)
    assert np.linalg.norm(model.layers[0].cell.get_weights()[1], 2) < 1.01


@pytest.mark.parametrize(
    "options",
    [
        {"return_sequences": True, "return_state": True, "recurrent_scale": 0.9},
        pytest.param({"recurrent_bound": 1.5}, marks=pytest.mark.slow),
    ],
)
@pytest.mark.slow
def test_contract(options):
    sequences = np.random.default_rng(3).normal(size=(4, 11, 3))
    check_layer(functools.partial(IRNN, 4, kernel_initializer="he_normal", **options), sequences)


def test_cell_config_is_complete():
    check_config(IRNNCell(4, 0.5, 2.0, "he_normal"))


@pytest.mark.slow
def test_export_with_unknown_number_of_frames(tmp_path):
    inputs = keras.Input((None, 3))
    model = keras.Model(inputs, IRNN(4, return_sequences=True)(keras.layers.Masking()(inputs)))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    model.export(str(tmp_path / "export"), verbose=False)
    exported = tf.saved_model.load(str(tmp_path / "export"))
    for frames in (1, 5, 8, 21):
        sequences = np.random.default_rng(frames).normal(size=(2, frames, 3)).astype("float32")
        sequences[0, frames // 2 :] = 0.0
        expected = model.predict(sequences, verbose=0)
        np.testing.assert_array_equal(loaded.predict(sequences, verbose=0), expected)
        np.testing.assert_allclose(exported.serve(sequences), expected, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"jit_compile": True}, {"jit_compile": False}, {"run_eagerly": True}])
def test_fit_lowers_the_loss_on_masked_sequences(options):
    random = np.random.default_rng(0)
    sequences = random.normal(size=(32, 10, 3)).astype("float32")
    sequences[::2, 6:] = 0.0
    targets = sequences.sum(axis=(1, 2))
    inputs = keras.Input((None, 3))
    features = IRNN(16)(keras.layers.Masking()(inputs))
    model = keras.Model(inputs, keras.layers.Dense(1)(features))
    model.compile(keras.optimizers.Adam(0.01), "mse", **options)
    losses = model.fit(sequences, targets, epochs=8, verbose=0).history["loss"]
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.slow
def test_trains_in_mixed_float16():
    random = np.random.default_rng(0)
    sequences = random.normal(size=(32, 10, 3)).astype("float32")
    sequences[::2, 6:] = 0.0
    inputs = keras.Input((None, 3))
    features = IRNN(16, dtype="mixed_float16")(keras.layers.Masking()(inputs))
    assert features.dtype == "float16"
    model = keras.Model(inputs, keras.layers.Dense(1, dtype="float32")(features))
    model.compile(keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.01)), "mse", jit_compile=False)
    losses = model.fit(sequences, sequences.sum(axis=(1, 2)), epochs=8, verbose=0).history["loss"]
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_initial_state_of_any_dtype(policy):
    sequences = np.random.default_rng(0).normal(size=(2, 5, 3))
    layer = IRNN(4, dtype=policy)
    expected = layer(sequences, initial_state=np.ones((2, 4), layer.compute_dtype))
    for state in (np.ones((2, 4), "int64"), np.ones((2, 4), "float64"), np.ones((2, 4)).tolist()):
        np.testing.assert_array_equal(layer(sequences, initial_state=state), expected)


def test_dimension_that_a_graph_does_not_know():
    sequences = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
    layer = IRNN(4)
    expected = layer(sequences)
    answer = tf.function(lambda x: layer(x), input_signature=[tf.TensorSpec((None, None, None))])
    np.testing.assert_allclose(answer(sequences), expected, rtol=1e-6)


def test_empty_batch():
    # What a replica gets of a last, small batch.
    layer = IRNN(4, return_sequences=True)
    with tf.GradientTape() as tape:
        output = layer(np.zeros((0, 5, 3)), mask=np.zeros((0, 5), bool))
        loss = tf.reduce_sum(output)
    assert output.shape == (0, 5, 4)
    for gradient in tape.gradient(loss, layer.trainable_weights):
        np.testing.assert_array_equal(gradient, 0.0)


def test_errors_say_what_came():
    with pytest.raises(ValueError, match=r"Received: shape \(2, 3\)"):
        IRNN(4)(np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"Received: shape \(2, 0, 3\)"):
        IRNN(4)(np.zeros((2, 0, 3)))
    layer = IRNN(4)
    layer(np.zeros((2, 5, 3)))
    with pytest.raises(ValueError, match=r"at least one frame .* Received: shape \(2, 0, 3\)"):
        layer(np.zeros((2, 0, 3)))
    with pytest.raises(ValueError, match=r"Received: shape \(2, 5, 3\)"):
        IRNNCell(4).build((2, 5, 3))
    with pytest.raises(ValueError, match="Received: units=0"):
        IRNN(0)
    with pytest.raises(ValueError, match=r"Received: recurrent_scale=-1"):
        IRNN(4, recurrent_scale=-1)
    with pytest.raises(ValueError, match=r"Received: recurrent_bound=0"):
        IRNN(4, recurrent_bound=0)
