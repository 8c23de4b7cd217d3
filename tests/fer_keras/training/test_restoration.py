import dataclasses
import json

import cv2
import keras
import numpy as np
import pytest

from fer_keras.corpora.face_set import FaceSet
from fer_keras.errors import InputError
from fer_keras.models import AlexNetEmotion, RestorationGAN
from fer_keras.training import restoration
from fer_keras.training.restoration import RestorationConfig, restoration_batches, sample_faces, train_restoration
from fer_keras.training.sample_grid import SampleGrid

CONFIG = RestorationConfig(
    image_size=32, width=0.15, fill="noise", epochs=4, warm_up_epochs=2, batch_size=8, learning_rate=2e-3
)


@pytest.fixture
def faces():
    """20 smooth pictures, half of them with landmarks."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:32, :32] / 31 - 0.5
    slopes = rng.uniform(-80, 80, (2, 20, 1, 1))
    images = np.clip(128 + slopes[0] * rows + slopes[1] * columns, 0, 255).astype("uint8")[..., None]
    landmarks = np.zeros((20, 68, 2), "float32")
    landmarks[::2] = rng.uniform(0.2, 0.8, (68, 2))
    landmarks[::2, 36:42], landmarks[::2, 42:48] = (0.32, 0.4), (0.68, 0.4)
    return FaceSet(
        images,
        labels=np.arange(20, dtype="int32") % 2,
        subjects=np.array([f"s{row}" for row in range(20)]),
        sequences=np.array([f"s{row}/0" for row in range(20)]),
        label_names=("neutral", "happiness"),
        landmarks=landmarks,
        attributes={"occlusion": np.array(["none"] * 18 + ["", "hand"])},
    )


class Losses(keras.callbacks.Callback):
    def __init__(self, kill_in=None):
        super().__init__()
        self.epochs, self.kill_in = {}, kill_in

    def on_epoch_end(self, epoch, logs=None):
        if epoch == self.kill_in:
            raise KeyboardInterrupt
        self.epochs[epoch] = dict(logs)


@pytest.mark.slow
def test_training_lowers_the_error_in_the_hole_and_keeps_known_pixels(faces):
    seen = Losses()
    config = dataclasses.replace(CONFIG, epochs=25, warm_up_epochs=20, learning_rate=5e-3, average_decay=0.9)
    model = train_restoration(faces, config, callbacks=[seen])
    assert seen.epochs[24]["l1_hole"] < 0.5 * seen.epochs[0]["l1_hole"]
    assert seen.epochs[24]["mask"] < seen.epochs[0]["mask"]
    sample = sample_faces(faces, config)
    restored = model.predict({"face": sample["face"], "mask": sample["mask"]}, verbose=0)["restored"]
    hole = sample["mask"] > 0
    np.testing.assert_array_equal(restored[~hole], sample["truth"][~hole])
    errors = [np.mean((picture - sample["truth"])[hole] ** 2) for picture in (restored, sample["face"])]
    assert errors[0] < 0.5 * errors[1]
    assert isinstance(model, RestorationGAN)


@pytest.mark.slow
def test_discriminators_rest_while_the_generator_warms_up(faces):
    seen = Losses()
    train_restoration(faces, CONFIG, callbacks=[seen])
    assert ["d_global" in seen.epochs[epoch] for epoch in range(4)] == [False, False, True, True]
    assert ["adversarial_local" in seen.epochs[epoch] for epoch in range(4)] == [False, False, True, True]


@pytest.mark.slow
@pytest.mark.parametrize("kill_in", [1, 3])
def test_killed_training_resumes_with_the_same_losses(faces, tmp_path, monkeypatch, kill_in):
    often = restoration.TrainingCheckpoint
    monkeypatch.setattr(restoration, "TrainingCheckpoint", lambda folder: often(folder, every_seconds=0))
    whole, resumed = Losses(), Losses()
    first = train_restoration(faces, CONFIG, callbacks=[whole])
    with pytest.raises(KeyboardInterrupt):
        train_restoration(faces, CONFIG, tmp_path, callbacks=[Losses(kill_in)])
    second = train_restoration(faces, CONFIG, tmp_path, callbacks=[resumed])
    assert list(resumed.epochs) == list(range(kill_in, 4))
    for epoch, logs in resumed.epochs.items():
        assert set(logs) == set(whole.epochs[epoch])
        for name, value in logs.items():
            assert value == pytest.approx(whole.epochs[epoch][name], rel=1e-4, abs=1e-6), (epoch, name)
    for one, other in zip(first.weights, second.weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5, err_msg=one.path)


@pytest.mark.parametrize("pool", [0, 12])
def test_batches_are_the_same_from_any_epoch_on_and_others_in_every_step(faces, pool):
    config = dataclasses.replace(CONFIG, epochs=3, pool=pool)
    whole = list(restoration_batches(faces, config, 8).as_numpy_iterator())
    later = list(restoration_batches(faces, config, 8, first_epoch=2).as_numpy_iterator())
    assert (len(whole), len(later)) == (6, 2)
    for one, other in zip(whole[4:], later, strict=True):
        for first, second in zip(keras.tree.flatten(one), keras.tree.flatten(other), strict=True):
            np.testing.assert_array_equal(first, second)
    (x, truth), (other, _) = whole[:2]
    assert x["face"].dtype == x["mask"].dtype == truth.dtype == np.float32
    assert not np.array_equal(x["mask"], other["mask"])
    hole = x["mask"] > 0
    np.testing.assert_array_equal(x["face"][~hole], truth[~hole])
    np.testing.assert_array_equal(truth, truth.round())
    assert 4 <= hole.any(axis=(1, 2, 3)).sum() <= 8


@pytest.mark.parametrize("fill", ["noise", "smooth"])
def test_the_seed_decides_what_weights_a_training_starts_with(fill):
    first, again, other = (
        restoration.build_restoration(dataclasses.replace(CONFIG, fill=fill, seed=seed)).restorer for seed in (1, 1, 2)
    )
    for one, same, different in zip(first.weights, again.weights, other.weights, strict=True):
        np.testing.assert_array_equal(one, same)
        assert "bias" in one.path or not np.array_equal(one, different), one.path


def test_occluded_faces_are_no_truth(faces):
    assert len(restoration.open_faces(faces, CONFIG)) == 19


@pytest.mark.slow
def test_a_feature_model_from_a_preset(faces, tmp_path):
    keras.utils.set_random_seed(0)
    AlexNetEmotion(faces.label_names, image_size=32, width=0.15).save_to_preset(tmp_path / "preset")
    config = dataclasses.replace(CONFIG, feature_model=str(tmp_path / "preset"), epochs=1, discriminators=())
    seen = Losses()
    model = train_restoration(faces, config, callbacks=[seen])
    assert seen.epochs[0]["feature"] > 0
    assert not model.feature_model.trainable
    AlexNetEmotion(faces.label_names, width=0.15).save_to_preset(tmp_path / "larger")
    with pytest.raises(InputError, match=r"larger: expected a model of faces of shape \(32, 32, 1\)"):
        train_restoration(faces, dataclasses.replace(config, feature_model=str(tmp_path / "larger")))


@pytest.mark.slow
@pytest.mark.parametrize("blind", [True, False])
def test_sample_grids_appear_while_it_trains(faces, tmp_path, blind):
    config = dataclasses.replace(CONFIG, epochs=3, discriminators=(), blind=blind)
    samples = sample_faces(faces, config, count=4)
    board = tmp_path / "board" if blind else None
    if blind:
        pytest.importorskip("tensorboard")
    train_restoration(faces, config, callbacks=[SampleGrid(samples, tmp_path / "grids", 2, board)])
    names = sorted(path.name for path in (tmp_path / "grids").iterdir())
    assert names == ["epoch-00002.png", "epoch-00003.png"]
    grid = cv2.imread(str(tmp_path / "grids" / names[0]))[..., ::-1]
    assert grid.shape == (4 * 36, 4 * 36, 3)
    for column, part in ((0, "face"), (2, "truth")):
        tile = grid[2:34, 36 * column + 2 : 36 * column + 34, :1]
        np.testing.assert_array_equal(tile, samples[part][0])
    if not blind:
        np.testing.assert_array_equal(grid[2:34, 110:142, :1], 255 * samples["mask"][0])
    else:
        assert list(board.iterdir())


def test_sample_grid_needs_a_period(tmp_path):
    with pytest.raises(InputError, match="every must be at least 1"):
        SampleGrid({}, tmp_path, every=0)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"image_size": 40}, "image_size must be a multiple of 16"),
        ({"channels": 2}, "channels must be 1"),
        ({"epochs": 0}, "epochs must be from 1 to 1,000,000, received 0"),
        ({"learning_rate": float("nan")}, "learning_rate must be from"),
        ({"fill": "zeros"}, "fill must be one of mean, noise"),
        ({"discriminators": ("middle",)}, "discriminators must be some of global, local, received middle$"),
        ({"discriminators": ("local", "local")}, "discriminators must be some of .* received local twice$"),
        ({"discriminators": ("none", "global")}, "discriminators: none stands alone, received none, global"),
        ({"discriminators": "global"}, "discriminators must be a list, received 'global'"),
        ({"occluders": ()}, "occluders must be some of sunglasses, .* received none$"),
        ({"occluders": ("hand", "hat")}, "received hat$"),
        ({"coverage": (0.5, 0.1)}, "coverage must be"),
        ({"occluded": 1.5}, "occluded must be from 0 to 1"),
    ],
)
def test_bad_configuration(wrong, message):
    with pytest.raises(InputError, match=message):
        RestorationConfig(**wrong)


def test_faces_that_do_not_fit(faces):
    with pytest.raises(InputError, match=r"expected faces of shape \(48, 48, 1\)"):
        train_restoration(faces, dataclasses.replace(CONFIG, image_size=48))
    with pytest.raises(InputError, match="training needs open faces"):
        train_restoration(faces.select([19]), CONFIG)
    with pytest.raises(InputError, match="no face has landmarks to put hand on"):
        train_restoration(faces.select([1, 3]), dataclasses.replace(CONFIG, occluders=("hand",)))


def test_configuration_survives_json():
    config = RestorationConfig(augmentation={"rotation": 5.0}, occluders=("hand",), discriminators=())
    assert RestorationConfig(**json.loads(json.dumps(dataclasses.asdict(config)))) == config
