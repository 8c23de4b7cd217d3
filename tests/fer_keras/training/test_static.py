import dataclasses

import keras
import numpy as np
import pytest

from fer_keras.errors import InputError
from fer_keras.training import static
from fer_keras.training.static import SharedStart, StaticConfig, train_static, training_batches

CONFIG = StaticConfig(epochs=4, batch_size=16, width=0.25)


def assert_same_weights(first, second):
    for one, other in zip(first.weights, second.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy(), err_msg=one.path)


@pytest.mark.slow
def test_training_learns(toy_faces):
    losses = []
    config = dataclasses.replace(CONFIG, epochs=12, augmentation=None)
    model = train_static(toy_faces, config, on_epoch=lambda epoch, logs: losses.append(logs["loss"]))
    assert losses[-1] < 0.7 * losses[0]
    answers = model.predict(toy_faces.images, verbose=0).argmax(axis=1)
    assert np.mean(answers == toy_faces.labels) > 0.9
    assert model.label_names == toy_faces.label_names


@pytest.mark.slow
def test_same_seed_same_model_other_seed_another(toy_faces):
    first, second = train_static(toy_faces, CONFIG), train_static(toy_faces, CONFIG)
    assert_same_weights(first, second)
    other = train_static(toy_faces, dataclasses.replace(CONFIG, seed=1))
    assert not np.array_equal(first.weights[0].numpy(), other.weights[0].numpy())


@pytest.mark.slow
def test_killed_training_resumes_to_the_same_model(toy_faces, tmp_path, monkeypatch):
    whole = train_static(toy_faces, CONFIG)

    class KilledError(Exception):
        pass

    def kill(epoch, logs):
        if epoch == 2:
            raise KilledError

    often = static.TrainingCheckpoint
    monkeypatch.setattr(static, "TrainingCheckpoint", lambda directory: often(directory, every_seconds=0))
    with pytest.raises(KilledError):
        train_static(toy_faces, CONFIG, checkpoint_dir=tmp_path, on_epoch=kill)
    seen = []
    resumed = train_static(toy_faces, CONFIG, checkpoint_dir=tmp_path, on_epoch=lambda epoch, logs: seen.append(epoch))
    assert seen == [3, 4]
    assert_same_weights(whole, resumed)


def test_every_epoch_has_its_own_order_and_variation(toy_faces):
    config = dataclasses.replace(CONFIG, epochs=2, batch_size=70)
    (first, labels), (second, later) = training_batches(toy_faces, config, 70).as_numpy_iterator()
    assert sorted(labels) == sorted(later)
    assert not np.array_equal(labels, later)
    assert not np.array_equal(first, second)
    assert first.dtype == np.float32
    assert 0 <= first.min() <= first.max() <= 255
    resumed = next(training_batches(toy_faces, config, 70, first_epoch=1).as_numpy_iterator())
    np.testing.assert_array_equal(resumed[0], second)
    np.testing.assert_array_equal(resumed[1], later)


def test_softmax_alone_has_no_centres(toy_faces):
    model = static.build_static(toy_faces.label_names, dataclasses.replace(CONFIG, metric_weight=0.0))
    assert model.metric_loss is None


def test_default_model_costs_at_most_20_million_multiply_adds():
    model = static.build_static(tuple("abcdefg"), StaticConfig())
    total = 0
    for layer in model.backbone.layers:
        if isinstance(layer, keras.layers.Conv2D):
            total += int(np.prod(layer.output.shape[1:3])) * int(np.prod(layer.kernel.shape))
        elif isinstance(layer, keras.layers.Dense):
            total += int(np.prod(layer.kernel.shape))
    assert 10e6 < total <= 20.5e6, total


def test_subject_on_both_sides_is_refused(toy_faces):
    train, test = toy_faces.select(np.arange(40)), toy_faces.select(np.arange(39, 70))
    with pytest.raises(InputError, match=r"subject 's5' is in training and in validation"):
        train_static(train, CONFIG, validation=test)


def test_one_class_is_refused(toy_faces):
    with pytest.raises(InputError, match="at least 2 classes"):
        train_static(toy_faces.select(toy_faces.labels == 3), CONFIG)


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"batch_size": -1}, {"channels": 2}])
def test_bad_configuration(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        StaticConfig(**wrong)


def test_a_loss_that_is_no_number_stops_the_training(toy_faces, monkeypatch):
    compile_static = static.compile_static

    def compile_to_nan(model, config, steps, metrics):
        model = compile_static(model, config, steps, metrics)
        model.compile(model.optimizer, loss=lambda labels, logits: keras.ops.sum(logits) * float("nan"))
        return model

    monkeypatch.setattr(static, "compile_static", compile_to_nan)
    with pytest.raises(InputError, match=r"the loss is nan after epoch 1; try a smaller learning_rate"):
        train_static(toy_faces, CONFIG)


def test_soft_labels_smoothing_and_balance(toy_faces):
    votes = np.zeros((70, 7), "float32")
    votes[0, :2] = 0.75, 0.25
    faces = dataclasses.replace(toy_faces, votes=votes)
    config = dataclasses.replace(CONFIG, epochs=1, batch_size=70, augmentation=None, soft_labels=True)
    _, targets = next(training_batches(faces, config, 70).as_numpy_iterator())
    assert targets.shape == (70, 7)
    np.testing.assert_allclose(np.sort(targets.max(axis=1))[:2], [0.75, 1.0])  # votes where there are some
    with pytest.raises(InputError, match="soft_labels needs annotators' votes"):
        train_static(toy_faces, config)

    smooth = static.compile_static(
        static.build_static(toy_faces.label_names, CONFIG), dataclasses.replace(CONFIG, label_smoothing=0.1), 1
    )
    assert smooth.loss.label_smoothing == 0.1


@pytest.mark.parametrize(("balance", "ratio"), [(0.5, 2.0), (1.0, 4.0)])
def test_class_balance(toy_faces, balance, ratio):
    labels = np.repeat([0, 1], [56, 14]).astype("int32")
    faces = dataclasses.replace(toy_faces, labels=labels)
    weights = static._class_weights(faces, dataclasses.replace(CONFIG, class_balance=balance))
    assert weights[1] / weights[0] == pytest.approx(ratio)
    assert np.mean([weights[label] for label in labels]) == pytest.approx(1.0)
    assert weights[2] == 0.0  # a class without faces


@pytest.mark.slow
def test_angle_map_takes_the_training_faces_mean_angles(toy_faces):
    config = dataclasses.replace(CONFIG, epochs=1, angle_map=True)
    with pytest.raises(InputError, match="angle_map needs landmarks"):
        train_static(toy_faces, config)
    landmarks = np.random.default_rng(0).uniform(0.2, 0.8, (70, 68, 2)).astype("float32")
    faces = dataclasses.replace(toy_faces, landmarks=landmarks)
    model = train_static(faces, config)
    assert model.takes_landmarks
    assert np.abs(model.backbone.get_layer("angles").reference_angles.numpy()).min() > 0
    plain = model.predict(faces.inputs(True), verbose=0)
    without = model.predict({"face": faces.images, "landmarks": np.zeros_like(landmarks)}, verbose=0)
    assert not np.allclose(plain, without)
    assert np.isfinite(without).all()


def test_other_backbones(toy_faces):
    model = static.build_static(toy_faces.label_names, StaticConfig(backbone="vgg_style", width=0.5, metric_weight=0.1))
    assert model.backbone.name == "vgg_style"
    assert model.metric_weight == 0.1
    with pytest.raises(InputError, match="backbone must be one of"):
        StaticConfig(backbone="resnet")
    with pytest.raises(InputError, match="angle_map is for the backbone alexnet_emotion"):
        StaticConfig(backbone="vgg_style", angle_map=True)
    with pytest.raises(InputError, match="has no width"):
        static.build_static(toy_faces.label_names, StaticConfig(backbone="mobile_net_v3_small", width=0.5))


def test_configuration_survives_json():
    import json

    config = StaticConfig(augmentation={"rotation": 5.0}, layer_rates={"conv*": 0.1})
    assert StaticConfig(**json.loads(json.dumps(dataclasses.asdict(config)))) == config


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"angle_map": True, "layer_rates": {"conv1": 0, "conv*": 0.1}, "patience": 3}])
def test_a_shared_start_changes_no_bit(toy_faces, options):
    config = StaticConfig(epochs=2, batch_size=16, width=0.25, **options)
    points = np.random.default_rng(0).random((len(toy_faces), 68, 2)).astype("float32")
    toy_faces = dataclasses.replace(toy_faces, landmarks=points)
    held_out = np.isin(toy_faces.subjects, ["s8", "s9"])
    parts = [toy_faces.select(~held_out), toy_faces.select(held_out)]
    start, traced = SharedStart(), []
    for seed in (1, 2):
        one = dataclasses.replace(config, seed=seed)
        alone = train_static(*(parts[0], one), validation=parts[1] if config.patience else None)
        shared = train_static(*(parts[0], one), validation=parts[1] if config.patience else None, start=start)
        for own, other in zip(alone.weights, shared.weights, strict=True):
            np.testing.assert_array_equal(own.numpy(), other.numpy(), err_msg=own.path)
        traced.append(shared.train_function)
    assert traced[0] is traced[1]
