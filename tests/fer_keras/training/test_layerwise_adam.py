import keras
import numpy as np
import pytest
import tensorflow as tf

from fer_keras.training.layerwise_adam import LayerwiseAdam


def small_model(**compiled):
    keras.utils.set_random_seed(3)
    backbone = keras.Sequential([keras.layers.Dense(5, name="low"), keras.layers.Dense(4, name="high")], name="body")
    model = keras.Sequential([keras.Input((6,)), backbone, keras.layers.Dense(3, name="logits")])
    model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), **compiled)
    return model


def weights(model):
    return {v.path.split("/", 1)[-1]: v.numpy().copy() for v in model.trainable_variables}


def train(optimizer, steps=6, **compiled):
    model = small_model(optimizer=optimizer, **compiled)
    random = np.random.default_rng(0)
    x, y = random.normal(size=(steps * 8, 6)).astype("float32"), random.integers(0, 3, steps * 8)
    model.fit(x, y, batch_size=8, epochs=1, shuffle=False, verbose=0)
    return model


@pytest.mark.parametrize("jit_compile", [False, True])
def test_without_factors_it_is_adamw(jit_compile):
    schedule = keras.optimizers.schedules.CosineDecay(0.01, 10)
    ours = train(LayerwiseAdam(schedule, decay=0.1), jit_compile=jit_compile)
    theirs = train(keras.optimizers.AdamW(schedule, weight_decay=0.1), jit_compile=jit_compile)
    for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


def test_one_step_is_the_equation():
    """Adam's first step is f η (wd θ + sign of the gradient)."""
    factors = {"h?gh": 2.0, "[hl]*w*": 0.1, "high*": 9}
    model = small_model(optimizer=LayerwiseAdam(0.01, decay=0.5, factors=factors, epsilon=1e-12))
    before = weights(model)
    x, y = np.random.default_rng(1).normal(size=(8, 6)).astype("float32"), np.arange(8) % 3
    with tf.GradientTape() as tape:
        loss = model.compute_loss(y=y, y_pred=model(x, training=True))
    gradients = [g.numpy() for g in tape.gradient(loss, [v.value for v in model.trainable_variables])]
    model.train_on_batch(x, y)
    for (path, old), new, gradient in zip(before.items(), weights(model).values(), gradients, strict=True):
        factor = 2.0 if "high" in path else 0.1 if "low" in path else 1.0
        expected = old - factor * 0.01 * (0.5 * old)
        expected = expected - factor * 0.01 * np.sign(gradient)
        np.testing.assert_allclose(new, expected, rtol=1e-4, atol=1e-6, err_msg=path)


def test_factor_zero_freezes():
    model = small_model(optimizer=LayerwiseAdam(0.05, decay=0.5, factors={"low": 0}))
    before = weights(model)
    model.fit(np.ones((8, 6), "float32"), np.arange(8) % 3, epochs=3, verbose=0)
    after = weights(model)
    for path, old in before.items():
        assert np.array_equal(old, after[path]) == ("low" in path), path


def test_saved_and_loaded_it_goes_on(tmp_path):
    x, y = np.random.default_rng(1).normal(size=(8, 6)).astype("float32"), np.arange(8) % 3
    model = train(LayerwiseAdam(0.01, decay=0.1, factors={"*i*": 0.1}))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.optimizer.factors == {"*i*": 0.1}
    for one in (model, loaded):
        one.fit(x, y, epochs=2, verbose=0)
    for one, other in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_mixed_precision():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = train(LayerwiseAdam(0.01, factors={"*i*": 0.1}))
    finally:
        keras.config.set_dtype_policy("float32")
    assert all(np.isfinite(value).all() for value in model.get_weights())


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"decay=-1\.0"):
        LayerwiseAdam(decay=-1)
    with pytest.raises(ValueError, match="conv1=nan"):
        LayerwiseAdam(factors={"conv1": float("nan")})
    with pytest.raises(ValueError, match="'nowhere', but only high, logits, low train"):
        train(LayerwiseAdam(factors={"nowhere": 0.1}))
