import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_keras.layers import IRNN, AttentionPooling
from fer_keras.testing import check_gradient, check_layer

QUERIES = ["last", "learned"]


def slow_attention(sequences, kernel, query=None, mask=None, scaled=False):
    """Equations 8 and 9, one sequence at a time, over the frames that count alone."""
    features, weights = np.zeros(sequences.shape[::2]), np.zeros(sequences.shape[:2])
    for row, states in enumerate(sequences.astype("float64")):
        frames = [t for t in range(len(states)) if mask is None or mask[row, t]]
        if not frames:
            continue
        c = states[frames[-1]] if query is None else query
        scores = np.array([c @ kernel @ states[t] for t in frames])
        if scaled:
            size = np.sqrt(np.mean([states[t] @ states[t] for t in frames]))
            scores = scores / (np.sqrt(len(c)) * (size**2 if query is None else size))
        likelihoods = np.exp(scores - scores.max())
        for t, weight in zip(frames, likelihoods / likelihoods.sum(), strict=True):
            weights[row, t] = weight
            features[row] += weight * states[t]
    return features, weights


def random_pooling(query, dimension, random, **options):
    layer = AttentionPooling(query=query, return_weights=True, **options)
    layer.build((None, None, dimension))
    weights = [random.normal(size=weight.shape, scale=0.4) for weight in layer.get_weights()]
    layer.set_weights(weights)
    kernel, *vector = (weight.astype("float64") for weight in layer.get_weights())
    return layer, kernel, vector[0][0] if vector else None


@settings(max_examples=30, deadline=None)
@given(
    query=st.sampled_from(QUERIES),
    scaled=st.booleans(),
    shape=st.tuples(st.integers(1, 4), st.integers(1, 20), st.integers(1, 6)),
    share=st.floats(0, 1),
    seed=st.integers(0, 99),
)
def test_equals_equations_8_and_9(query, scaled, shape, share, seed):
    random = np.random.default_rng(seed)
    layer, kernel, vector = random_pooling(query, shape[-1], random, scaled=scaled)
    sequences = random.normal(size=shape).astype("float32")
    for mask in (None, random.random(shape[:2]) < share):
        feature, weights = layer(sequences, mask=mask)
        expected_feature, expected_weights = slow_attention(sequences, kernel, vector, mask, scaled)
        np.testing.assert_allclose(weights, expected_weights, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(feature, expected_feature, rtol=1e-5, atol=1e-5)
        if mask is not None:
            assert np.all(weights.numpy()[~mask] == 0.0)
            assert np.all(feature.numpy()[~mask.any(axis=1)] == 0.0)


@settings(max_examples=25, deadline=None)
@given(
    query=st.sampled_from(QUERIES),
    scaled=st.booleans(),
    padding=st.integers(1, 9),
    garbage=st.sampled_from([0.0, 1e30, -7.0, np.inf, np.nan]),
    seed=st.integers(0, 99),
)
def test_padding_changes_nothing(query, scaled, padding, garbage, seed):
    random = np.random.default_rng(seed)
    layer, *_ = random_pooling(query, 3, random, scaled=scaled)
    sequences = random.normal(size=(2, 6, 3)).astype("float32")
    padded = np.concatenate([sequences, np.full((2, padding, 3), garbage, "float32")], axis=1)
    mask = np.broadcast_to(np.arange(6 + padding) < 6, (2, 6 + padding))

    def results(inputs, mask):
        with tf.GradientTape() as tape:
            feature, weights = layer(inputs, mask=mask)
            loss = tf.reduce_sum(feature**2)
        return [feature, weights[:, :6], *tape.gradient(loss, layer.trainable_weights)]

    for number, (one, other) in enumerate(zip(results(padded, mask), results(sequences, None), strict=True)):
        tolerance = 1e-6 if number < 2 else 1e-5  # gradients sum more rounding errors
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("scaled", [False, True])
def test_all_masked_gives_zeros_and_finite_gradients(query, scaled):
    layer, *_ = random_pooling(query, 3, np.random.default_rng(0), scaled=scaled)
    sequences = tf.constant(np.random.default_rng(1).normal(size=(2, 5, 3)), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(sequences)
        feature, weights = layer(sequences, mask=np.zeros((2, 5), bool))
        loss = tf.reduce_sum(feature + 1.0)
    np.testing.assert_array_equal(feature, 0.0)
    np.testing.assert_array_equal(weights, 0.0)
    for gradient in tape.gradient(loss, [sequences, *layer.trainable_weights]):
        np.testing.assert_array_equal(gradient, 0.0)


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize(("masked", "scaled"), [(False, False), (True, False), (False, True)])
def test_gradients_of_inputs_and_weights(query, masked, scaled):
    random = np.random.default_rng(2)
    layer, kernel, vector = random_pooling(query, 3, random, dtype="float64", scaled=scaled)
    mask = np.array([[True, True, False, True, False], [False] * 5]) if masked else None

    def function(sequences, *values):
        with keras.StatelessScope(zip(layer.trainable_variables, values, strict=True)):
            return layer(sequences, mask=mask)

    values = [kernel] if vector is None else [kernel, vector[None]]
    check_gradient(function, random.normal(size=(2, 5, 3)), *values)


def test_starts_as_the_mean():
    sequences = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
    np.testing.assert_allclose(AttentionPooling()(sequences), sequences.mean(axis=1), rtol=1e-5, atol=1e-6)


def test_scaled_scores_do_not_grow_with_the_states():
    random = np.random.default_rng(0)
    layer, *_ = random_pooling("last", 5, random, scaled=True)
    sequences = random.normal(size=(2, 6, 5)).astype("float32")
    _, weights = layer(sequences)
    for factor in (1e-3, 1e3):
        np.testing.assert_allclose(layer(factor * sequences)[1], weights, rtol=1e-4)


@pytest.mark.parametrize(("scaled", "greatest"), [(False, 0.99), (True, 0.3)])
def test_a_few_steps_on_states_that_add_up(scaled, greatest):
    """What leaves all weight on one frame, and that scaled scores do not."""
    random = np.random.default_rng(0)
    steps = np.maximum(random.normal(size=(32, 16, 64)), 0).astype("float32")
    states, labels = np.cumsum(steps, axis=1), random.integers(0, 3, 32)
    inputs = keras.Input((None, 64))
    feature, weights = AttentionPooling(return_weights=True, scaled=scaled)(inputs)
    model = keras.Model(inputs, keras.layers.Dense(3)(feature))
    model.compile(keras.optimizers.Adam(1e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(states, labels, epochs=5, batch_size=16, verbose=0)
    shown = keras.Model(inputs, weights).predict(states, verbose=0).max(axis=1).mean()
    assert (shown > greatest) if not scaled else (shown < greatest)


@pytest.mark.slow
def test_learns_which_frame_matters():
    random = np.random.default_rng(0)
    sequences = random.normal(size=(256, 8, 4)).astype("float32")
    marked = random.integers(0, 8, 256)
    sequences[:, :, 0] = 0.0
    sequences[np.arange(256), marked, 0] = 2.0
    targets = sequences[np.arange(256), marked, 1]
    inputs = keras.Input((None, 4))
    feature, weights = AttentionPooling(query="learned", return_weights=True)(inputs)
    model = keras.Model(inputs, keras.layers.Dense(1)(feature))
    model.compile(keras.optimizers.Adam(0.05), "mse")
    losses = model.fit(sequences, targets, epochs=25, verbose=0).history["loss"]
    assert losses[-1] < 0.3 * losses[0]
    found = keras.Model(inputs, weights).predict(sequences, verbose=0).argmax(axis=1)
    assert np.mean(found == marked) > 0.9


@pytest.mark.parametrize("policy", ["mixed_float16", "float16"])
def test_large_states_do_not_overflow_in_float16(policy):
    random = np.random.default_rng(0)
    layer, *_ = random_pooling("last", 64, random, dtype=policy)
    sequences = (1000.0 * random.random((2, 6, 64))).astype("float16")  # scores near 1e6
    feature, weights = layer(sequences)
    assert feature.dtype == weights.dtype == tf.float16
    assert np.all(np.isfinite(feature))
    np.testing.assert_allclose(np.sum(weights, axis=1), 1.0, rtol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(("query", "scaled"), [("last", False), ("learned", True)])
def test_contract(query, scaled):
    random = np.random.default_rng(3)
    initializer = keras.initializers.RandomNormal(stddev=0.3, seed=1)
    factory = functools.partial(
        AttentionPooling, query, return_weights=True, kernel_initializer=initializer, scaled=scaled
    )
    check_layer(factory, random.normal(size=(4, 7, 3)))


@pytest.mark.slow
def test_after_irnn_with_masks_and_unknown_frames(tmp_path):
    inputs = keras.Input((None, 3))
    states = IRNN(4, return_sequences=True)(keras.layers.Masking()(inputs))
    model = keras.Model(inputs, AttentionPooling(return_weights=True, kernel_initializer="he_normal")(states))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    model.export(str(tmp_path / "export"), verbose=False)
    exported = tf.saved_model.load(str(tmp_path / "export"))
    compiled = tf.function(model, jit_compile=True)
    for frames in (1, 9):
        sequences = np.random.default_rng(frames).normal(size=(2, frames, 3)).astype("float32")
        padded = np.concatenate([sequences, np.zeros((2, 4, 3), "float32")], axis=1)
        feature, weights = model.predict(sequences, verbose=0)
        for answer in (exported.serve(padded), compiled(padded), loaded.predict(padded, verbose=0)):
            np.testing.assert_allclose(answer[0], feature, rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(answer[1][:, :frames], weights, rtol=1e-5, atol=1e-6)
            np.testing.assert_array_equal(answer[1][:, frames:], 0.0)


def test_errors_say_what_came():
    with pytest.raises(ValueError, match=r"Received: query='first'"):
        AttentionPooling(query="first")
    with pytest.raises(ValueError, match=r"Received: shape \(2, 3\)"):
        AttentionPooling()(np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"Received: shape \(2, 0, 3\)"):
        AttentionPooling()(np.zeros((2, 0, 3)))
    layer = AttentionPooling()
    layer(np.zeros((2, 5, 3)))
    with pytest.raises(ValueError, match=r"at least one frame .* Received: shape \(2, 0, 3\)"):
        layer(np.zeros((2, 0, 3)))
