import keras
import numpy as np
import pytest
import tensorflow as tf

from fer_keras.models import FaceRestorer, RestorationGAN
from fer_keras.testing import check_config, two_replicas
from fer_keras.testing.policy import dtype_policy

pytestmark = pytest.mark.slow


def tiny(blind=True, seed=0, width=0.15, **options):
    """A GAN whose restorer draws no noise, so that two runs can be compared."""
    keras.utils.set_random_seed(seed)
    return RestorationGAN(FaceRestorer(32, width=width, blind=blind, fill="mean"), width=width, **options)


def features(seed=1):
    keras.utils.set_random_seed(seed)
    face = keras.Input((32, 32, 1))
    x = keras.layers.Conv2D(4, 5, strides=4, activation="relu")(keras.layers.Rescaling(1 / 255)(face))
    return keras.Model(face, keras.layers.Dense(6)(keras.layers.Flatten()(x)))


def sgd(g=0.02, d_global=0.02, d_local=0.02):
    rates = {"g": g, "d_global": d_global, "d_local": d_local}
    return {f"{name}_optimizer": keras.optimizers.SGD(rate) for name, rate in rates.items()}


@pytest.fixture
def fit(occluded_faces):
    x = {"face": occluded_faces["face"], "mask": occluded_faces["mask"]}

    def fit(model, epochs=1, **options):
        return model.fit(
            x, occluded_faces["truth"], batch_size=8, epochs=epochs, shuffle=False, verbose=0, **options
        ).history

    return fit


def assert_same(first, second, tolerance=0.0):
    for one, other in zip(first, second, strict=True):
        np.testing.assert_allclose(one, other, atol=tolerance, rtol=0)


@pytest.mark.parametrize("adversarial_loss", ["hinge", "least_squares"])
@pytest.mark.parametrize("blind", [False, True])
def test_losses_are_those_of_the_equations(occluded_faces, adversarial_loss, blind):
    model = tiny(blind, feature_model=features(), average_decay=0)
    weights = {"hole": 2.0, "known": 0.3, "adversarial": 0.7, "feature": 0.5, "mask": 1.5}
    model.compile(adversarial_loss=adversarial_loss, **{f"{name}_weight": value for name, value in weights.items()})
    face, mask, truth = (occluded_faces[name] for name in ("face", "mask", "truth"))
    found = model.evaluate({"face": face, "mask": mask}, truth, batch_size=16, verbose=0, return_dict=True)

    restorer, hole = model.restorer, mask > 0
    logits = restorer.mask_head(face).numpy().astype("float64") if blind else None
    used = restorer.find_mask(logits).numpy() if blind else mask
    painted = restorer.generator({"face": face, "mask": used}).numpy()
    completed = np.where(hole, painted, truth)
    restored = np.where(used > 0, painted, face)
    occluded = range(14)  # the other two are open
    l1_hole = np.array([np.mean(np.abs(painted[i] - truth[i])[hole[i]]) / 255 if i < 14 else 0 for i in range(16)])
    l1_known = np.array([np.mean(np.abs(painted[i] - truth[i])[~hole[i]]) / 255 for i in range(16)])
    one, other = (model.feature_model(value).numpy() for value in (completed, truth))
    feature = np.sum((one - other) ** 2, axis=1) / np.sum(other**2, axis=1)
    answers = {
        "global": [model.d_global(value)[:, 0].numpy() for value in (truth.astype("float32"), completed)],
        "local": [
            model.d_local(model.window(value, mask))[:, 0].numpy() for value in (truth.astype("float32"), completed)
        ],
    }
    loss = weights["hole"] * l1_hole + weights["known"] * l1_known + weights["feature"] * feature
    expected = {
        "l1_hole": l1_hole[occluded].mean(),
        "l1_known": l1_known.mean(),
        "feature": feature[occluded].mean(),
        "psnr_hole": np.mean(
            [-10 * np.log10(np.mean(((restored[i] - truth[i])[hole[i]] / 255) ** 2)) for i in occluded]
        ),
    }
    for name, (real, fake) in answers.items():
        if adversarial_loss == "hinge":
            of_generator, of_discriminator = -fake, np.maximum(1 - real, 0) + np.maximum(1 + fake, 0)
        else:
            of_generator, of_discriminator = (fake - 1) ** 2 / 2, (real - 1) ** 2 / 2 + fake**2 / 2
        expected[f"adversarial_{name}"] = of_generator[occluded].mean()
        expected[f"d_{name}"] = of_discriminator[occluded].mean()
        loss[occluded] += weights["adversarial"] * of_generator[occluded]
    if blind:
        probability = 1 / (1 + np.exp(-logits))
        cross_entropy = -np.mean(np.where(hole, np.log(probability), np.log(1 - probability)), axis=(1, 2, 3))
        expected["mask"] = cross_entropy.mean()
        both, either = hole & (logits > 0), hole | (logits > 0)
        expected["mask_iou"] = np.mean([both[i].sum() / either[i].sum() for i in occluded])
        loss += weights["mask"] * cross_entropy
    expected["loss"] = loss.mean()
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=2e-4, abs=1e-5), name


def directions(network):
    """What is trained of a discriminator, but for the lengths of its kernels, which spectral normalisation sets."""
    values = [variable.numpy() for variable in network.trainable_variables]
    return [value / max(np.linalg.norm(value), 1e-9) for value in values]


def test_a_step_of_the_restorer_changes_the_restorer_alone(fit):
    model = tiny(feature_model=features())
    model.compile(**sgd(g=0.05, d_global=0.0, d_local=0.0), adversarial_weight=1.0)
    before = [directions(model.d_global), directions(model.d_local), model.feature_model.get_weights()]
    restorer = model.restorer.get_weights()
    fit(model, epochs=2)
    assert_same(directions(model.d_global), before[0], tolerance=1e-6)
    assert_same(directions(model.d_local), before[1], tolerance=1e-6)
    assert_same(model.feature_model.get_weights(), before[2])
    assert all(abs(one - other).max() > 0 for one, other in zip(model.restorer.get_weights(), restorer, strict=True))


@pytest.mark.parametrize(("learns", "rests"), [("d_global", "d_local"), ("d_local", "d_global")])
def test_a_step_of_a_discriminator_changes_it_alone(fit, learns, rests):
    model = tiny()
    model.compile(**{**sgd(0.0, 0.0, 0.0), f"{learns}_optimizer": keras.optimizers.SGD(0.1)})
    restorer, average = model.restorer.get_weights(), model.average.get_weights()
    fixed, moved = directions(getattr(model, rests)), directions(getattr(model, learns))
    fit(model, epochs=2)
    assert_same(model.restorer.get_weights(), restorer)
    assert_same(model.average.get_weights(), average, tolerance=1e-6)
    assert_same(directions(getattr(model, rests)), fixed, tolerance=1e-6)
    for one, other in zip(directions(getattr(model, learns)), moved, strict=True):
        # While no answer is beyond 1 the gradients of the last bias cancel.
        assert one.shape == (1,) or abs(one - other).max() > 1e-4


def test_without_the_adversarial_part_the_discriminators_rest(fit):
    model = tiny()
    model.compile(**sgd())
    model.adversarial = False
    before = [model.d_global.get_weights(), model.d_local.get_weights()]
    history = fit(model)
    assert_same(model.d_global.get_weights() + model.d_local.get_weights(), before[0] + before[1])
    assert not [name for name in history if "global" in name or "local" in name]
    model.adversarial = True
    assert {"d_global", "d_local", "adversarial_global", "adversarial_local"} <= set(fit(model))


@pytest.mark.parametrize("discriminators", [("global", "local"), ("global",), ("local",), ()])
def test_training_with_any_discriminators_lowers_the_error_in_the_hole(fit, discriminators, occluded_faces):
    model = tiny(blind=False, width=0.3, discriminators=discriminators)
    model.compile(keras.optimizers.Adam(3e-3))
    history = fit(model, epochs=25)
    assert history["l1_hole"][-1] < 0.5 * history["l1_hole"][0]
    assert {name for name in history if name.startswith("d_")} == {f"d_{name}" for name in discriminators}
    inputs = {"face": occluded_faces["face"], "mask": occluded_faces["mask"]}
    restored, hole = model.predict(inputs, verbose=0)["restored"], occluded_faces["mask"] > 0
    np.testing.assert_array_equal(restored[~hole], occluded_faces["face"][~hole])
    errors = [abs(value - occluded_faces["truth"])[hole].mean() for value in (restored, occluded_faces["face"] * 1.0)]
    assert errors[0] < 0.5 * errors[1]


def test_blind_training_learns_where_the_occluder_is(fit, occluded_faces):
    model = tiny(width=0.3, discriminators=())
    model.compile(keras.optimizers.Adam(5e-3))
    history = fit(model, epochs=40)
    assert history["mask_iou"][-1] > max(0.8, history["mask_iou"][0])
    found = model.predict(occluded_faces["face"], verbose=0)["mask"]
    hole = occluded_faces["mask"] > 0
    assert np.mean((found > 0)[hole]) > 0.9
    np.testing.assert_array_equal(found[14:], 0)  # the open faces


def test_the_average_follows_the_restorer_and_answers(fit, occluded_faces):
    model = tiny(average_decay=0.2)
    model.compile(**sgd(g=0.05))
    weights, average = [], None

    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            weights.append(model.restorer.get_weights())

    average = model.average.get_weights()
    fit(model, epochs=2, callbacks=[Watch()])
    for step, values in enumerate(weights, 1):
        decay = min(0.2, (1 + step) / (10 + step))
        average = [decay * one + (1 - decay) * other for one, other in zip(average, values, strict=True)]
    assert_same(model.average.get_weights(), average, tolerance=1e-6)
    inputs = {"face": occluded_faces["face"], "mask": occluded_faces["mask"]}
    np.testing.assert_allclose(
        model.predict(inputs, verbose=0)["restored"], model.average(inputs)["restored"], atol=1e-3
    )
    assert model.inference_restorer is model.average
    assert tiny(average_decay=0).inference_restorer.trainable


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_a_file_keeps_all_optimizers_and_training_goes_on(fit, tmp_path, policy):
    with dtype_policy(policy):
        model = tiny(feature_model=features())
        check_config(model)
        model.compile(keras.optimizers.Adam(1e-3), keras.optimizers.Adam(2e-3, 0.5), hole_weight=2.0)
        fit(model, epochs=2)
        model.save(tmp_path / "model.keras")
        loaded = keras.models.load_model(tmp_path / "model.keras")
        assert_same(loaded.get_weights(), model.get_weights())
        for name in ("g", "d_global", "d_local"):
            one, other = (getattr(each, f"{name}_optimizer") for each in (model, loaded))
            assert type(one) is type(other)
            assert int(one.iterations) == int(other.iterations) == 4
            assert_same([v.numpy() for v in one.variables], [v.numpy() for v in other.variables])
        assert loaded.loss_weights == model.loss_weights
        going_on, resumed = fit(model, epochs=2), fit(loaded, epochs=2)
    for name, values in going_on.items():
        np.testing.assert_allclose(resumed[name], values, rtol=1e-4, atol=1e-5, err_msg=name)


def test_mixed_precision(fit, occluded_faces):
    with dtype_policy("mixed_float16"):
        model = tiny(feature_model=features(), width=0.3)
        model.compile(keras.optimizers.Adam(2e-3))
        history = fit(model, epochs=6)
    assert model.restorer.generator.get_layer("encoder2").compute_dtype == "float16"
    for optimizer in (model.g_optimizer, model.d_global_optimizer, model.d_local_optimizer):
        assert isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    assert all(weight.dtype == "float32" for weight in model.weights)
    assert all(np.isfinite(value).all() for value in model.get_weights())
    assert history["l1_hole"][-1] < history["l1_hole"][0]
    restored = model.predict({"face": occluded_faces["face"], "mask": occluded_faces["mask"]}, verbose=0)["restored"]
    hole = occluded_faces["mask"] > 0
    np.testing.assert_array_equal(restored[~hole], occluded_faces["face"][~hole])


def test_compiled_eager_and_two_replicas_give_the_same_weights(fit):
    trained = {}
    for how in ("plain", "jit_compile", "run_eagerly"):
        model = tiny()
        model.compile(**sgd(), **({how: True} if how != "plain" else {}))
        fit(model)
        trained[how] = model.get_weights()
    with two_replicas().scope():
        model = tiny()
        model.compile(**sgd())
    fit(model)
    trained["two replicas"] = model.get_weights()
    for how, weights in trained.items():
        for one, other in zip(weights, trained["plain"], strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5, err_msg=how)


def test_export_is_the_restorer_that_answers(fit, occluded_faces, tmp_path):
    model = tiny()
    model.compile(**sgd())
    fit(model)
    model.export(tmp_path / "export", verbose=False)
    served = tf.saved_model.load(str(tmp_path / "export"))
    faces = occluded_faces["face"].astype("float32")
    answer = served.signatures["serving_default"](face=tf.constant(faces))
    for name, value in model.predict(faces, verbose=0).items():
        np.testing.assert_allclose(answer[name], value, atol=1e-3)
    count = sum(int(np.prod(variable.shape)) for variable in served.variables)
    assert count <= model.average.count_params() + 8  # and a random state


def test_plain_fit_with_noise_and_validation(occluded_faces):
    keras.utils.set_random_seed(0)
    model = RestorationGAN(FaceRestorer(32, width=0.15, fill="noise"), width=0.15)
    model.compile()
    x = {"face": occluded_faces["face"], "mask": occluded_faces["mask"].astype(bool)}
    history = model.fit(x, occluded_faces["truth"], validation_data=(x, occluded_faces["truth"]), verbose=0).history
    assert {name for name in history if not name.startswith("val_")} == {
        name.removeprefix("val_") for name in history if name.startswith("val_")
    }
    assert all(np.isfinite(values).all() for values in history.values())


def test_wrong_arguments(occluded_faces):
    with pytest.raises(ValueError, match="`discriminators` must be some of"):
        tiny(discriminators=("global", "middle"))
    with pytest.raises(ValueError, match=r"must be a sequence of names, such as .* Received: 'global'"):
        tiny(discriminators="global")
    with pytest.raises(ValueError, match="`feature_model` must be a functional model of faces of shape"):
        tiny(feature_model=keras.Sequential([keras.Input((16, 16, 1)), keras.layers.Flatten()]))
    model = tiny(discriminators=("global",))
    with pytest.raises(ValueError, match="`d_local_optimizer` is given"):
        model.compile(d_local_optimizer="adam")
    with pytest.raises(ValueError, match="`adversarial_loss` must be one of hinge"):
        model.compile(adversarial_loss="wasserstein")
    with pytest.raises(ValueError, match="`hole_weight`"):
        model.compile(hole_weight=-1)
    model.compile(run_eagerly=True)
    with pytest.raises(ValueError, match="expected x as a dict of `face` and `mask`"):
        model.fit(occluded_faces["face"], occluded_faces["truth"], verbose=0)
