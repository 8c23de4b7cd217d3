import dataclasses
import json

import keras
import numpy as np
import pytest

from fer_keras import corpora
from fer_keras.corpora.clip_set import ClipSet
from fer_keras.errors import InputError
from fer_keras.evaluation.cross_validation import cross_validate, load_fold, predict_probabilities
from fer_keras.models import AlexNetEmotion, VideoEmotion
from fer_keras.training.config_file import read_config
from fer_keras.training.run import train_run
from fer_keras.training.static import StaticConfig
from fer_keras.training.video import VideoConfig, check_frame_model, encode_clips, peak_faces, train_video

NAMES = ("neutral", "happiness")
ENCODER = StaticConfig(width=0.25, epochs=2, batch_size=8, metric_weight=0.0)


def make_clips(count=16, seed=0, lengths=(5, 6, 7, 8)):
    """Clips of 5 to 8 frames that grow bright from left to right, or from right to left: one frame does not tell."""
    draws = np.random.default_rng(seed)
    images, phases = [], []
    for number in range(count):
        length = lengths[number % len(lengths)]
        order = np.arange(length) if number % 2 else np.arange(length)[::-1]
        for place in order:
            image = draws.normal(100, 10, (48, 48, 1))
            image[:, 6 * place : 6 * place + 8] += 120
            images.append(np.clip(image, 0, 255).astype("uint8"))
        phases += ["neutral", "onset"] + ["apex"] * (length - 3) + ["offset"]
    return ClipSet(
        images=np.stack(images),
        offsets=np.cumsum([0, *(lengths[number % len(lengths)] for number in range(count))]),
        labels=(np.arange(count) % 2).astype("int32"),
        subjects=np.array([f"S{number // 2}" for number in range(count)]),
        sequences=np.array([f"S{number // 2}/{number}" for number in range(count)]),
        label_names=NAMES,
        phases=np.array(phases),
    )


@pytest.fixture(scope="module")
def frame_model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("frames") / "model"
    keras.utils.set_random_seed(0)
    AlexNetEmotion(NAMES, width=0.25).save_to_preset(folder)
    return str(folder)


def config_of(frame_model, **options):
    return VideoConfig(encoder=ENCODER, frame_model=frame_model, units=16, batch_size=8, dropout=0.0, **options)


@pytest.mark.slow
def test_it_learns_what_no_single_frame_tells(frame_model):
    clips = make_clips()
    model = train_video(clips, config_of(frame_model, epochs=60, learning_rate=3e-3))
    assert isinstance(model, VideoEmotion)
    new = make_clips(seed=1)
    assert np.mean(predict_probabilities(model, new).argmax(axis=1) == new.labels) >= 0.9


@pytest.mark.slow
def test_the_seed_decides(frame_model):
    clips = make_clips()
    first, same, other = (
        train_video(clips, config_of(frame_model, epochs=2, seed=seed)).get_weights() for seed in (0, 0, 1)
    )
    for one, two in zip(first, same, strict=True):
        np.testing.assert_array_equal(one, two)
    assert any(not np.array_equal(one, two) for one, two in zip(first, other, strict=True))


@pytest.mark.slow
def test_killed_fine_tuning_ends_with_the_same_weights(frame_model, tmp_path, monkeypatch):
    from fer_keras.training import video

    monkeypatch.setattr(
        video, "TrainingCheckpoint", lambda folder, make=video.TrainingCheckpoint: make(folder, every_seconds=0.0)
    )
    clips, config = make_clips(lengths=(5,)), config_of(frame_model, epochs=2, fine_tune_epochs=3, fine_tune_rate=1e-3)
    whole = train_video(clips, config, checkpoint_dir=tmp_path / "whole")

    class Killed(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 4:  # the last of the fine-tuning, before it is on disk
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_video(clips, config, checkpoint_dir=tmp_path / "killed", callbacks=[Killed()])
    resumed = train_video(clips, config, checkpoint_dir=tmp_path / "killed")
    for one, two in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-6)
    before = AlexNetEmotion.from_preset(frame_model).backbone
    assert np.abs(resumed.encoder.get_layer("fc7").kernel - before.get_layer("fc7").kernel).max() > 1e-5
    np.testing.assert_array_equal(  # batch statistics stay
        resumed.encoder.get_layer("fc7_bn").moving_mean, before.get_layer("fc7_bn").moving_mean
    )


@pytest.mark.slow
def test_folds_with_an_encoder_of_their_own(tmp_path):
    clips, epochs = make_clips(), []
    folds = {f"S{number}": number % 2 for number in range(8)}
    config = config_of("", epochs=2)
    results = cross_validate(
        clips, folds, config, tmp_path, workers=0, on_epoch=lambda fold, epoch, logs: epochs.append((fold, epoch))
    )
    assert epochs == [(fold, epoch) for fold in (0, 1) for epoch in range(1, config.total_epochs + 1)]
    assert results["probabilities"].shape == (16, 2)
    assert [len(history) for history in results["histories"]] == [4, 4]
    assert "test_accuracy" in results["histories"][0][-1]
    attention = load_fold(tmp_path, 0)["attention"]
    assert attention.shape == (8, 6)  # the longest of the even subjects' clips
    np.testing.assert_allclose(attention.sum(axis=1), 1, atol=1e-5)


def test_peak_faces_are_those_around_the_apex():
    faces = peak_faces(make_clips(lengths=(6, 8)))
    assert set(faces.attributes["phase"]) == {"apex"}
    assert set(np.unique(faces.sequences, return_counts=True)[1]) == {3}


def test_features_are_those_of_the_frames(frame_model):
    clips = make_clips(4)
    model = VideoEmotion.from_frame_model(AlexNetEmotion.from_preset(frame_model))
    held = encode_clips(model, clips)
    np.testing.assert_array_equal(held["lengths"], [5, 6, 7, 8])
    np.testing.assert_allclose(held["features"][1, 5], model.encode(clips.clip(1).images)[5], atol=1e-5)
    assert not held["features"][0, 5:].any()


def test_reference_is_the_clip_s_first_frame():
    frame_model = AlexNetEmotion(NAMES, width=0.25, angle_map=True)
    model = VideoEmotion.from_frame_model(frame_model, angle_reference="first")
    points = np.random.default_rng(0).random((26, 68, 2)).astype("float32")
    clips = dataclasses.replace(make_clips(4), landmarks=points, references=None)
    held = encode_clips(model, clips)["features"]
    whole = model.backbone.get_layer("frame_encoder")(
        *(clips.inputs(True)["frames"].astype("float32"), np.arange(8) < clips.lengths[:, None]),
        clips.inputs(True)["landmarks"],
    )
    np.testing.assert_allclose(held, whole, atol=1e-4)


def test_configuration_survives_json(tmp_path):
    config = VideoConfig(encoder=ENCODER, pooling="mean", augmentation=None)
    (tmp_path / "config.json").write_text(json.dumps(dataclasses.asdict(config)))
    assert VideoConfig(**read_config(tmp_path / "config.json", VideoConfig)) == config
    (tmp_path / "config.json").write_text('{"encoder": {"widht": 2}}')
    with pytest.raises(InputError, match=r"unknown key encoder\.widht; did you mean encoder\.width"):
        read_config(tmp_path / "config.json", VideoConfig)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"frames": 0}, "frames must be from 1"),
        ({"pooling": "max"}, "pooling must be one of attention, mean, last, received 'max'"),
        ({"sampling": "random"}, "sampling must be one of uniform, apex, all"),
        ({"dropout": float("nan")}, "dropout must be"),
        ({"encoder": StaticConfig(patience=3)}, "leave encoder.patience at 0"),
    ],
)
def test_values_out_of_range(options, message):
    with pytest.raises(InputError, match=message):
        VideoConfig(**options)


def test_epochs_are_counted_by_part():
    config = VideoConfig(encoder=ENCODER, epochs=3, fine_tune_epochs=1)
    assert config.total_epochs == 6
    assert [config.part_of(epoch) for epoch in (0, 1, 2, 4, 5)] == [
        ("encoder", 1, 2), ("encoder", 2, 2), ("clips", 1, 3), ("clips", 3, 3), ("fine-tuning", 1, 1),
    ]  # fmt: skip
    assert VideoConfig(frame_model="some", epochs=3).part_of(1) == ("clips", 2, 3)


def test_frame_models_that_are_none(frame_model, tmp_path):
    check_frame_model(config_of(frame_model))
    check_frame_model(config_of(""))
    VideoEmotion.from_frame_model(AlexNetEmotion(NAMES, width=0.25)).save_to_preset(tmp_path / "video")
    smaller = VideoConfig(encoder=dataclasses.replace(ENCODER, image_size=32), frame_model=frame_model)
    for config, message in (
        (config_of(str(tmp_path / "none")), "no model found"),
        (config_of(str(tmp_path / "video")), "holds a model of clips; expected one of single faces"),
        (smaller, r"takes faces of shape \(48, 48, 1\); the clips have \(32, 32, 1\)"),
    ):
        with pytest.raises(InputError, match=message):
            check_frame_model(config)


def test_a_wrong_frame_model_claims_no_folder(tiny_mmi, tmp_path):
    corpus = corpora.read("mmi", tiny_mmi, peak_frames=None)
    with pytest.raises(InputError, match="nothing: no model found"):
        train_run(corpus, tmp_path / "run", config_of("nothing"), folds=2)
    assert not (tmp_path / "run").exists()


def test_clips_that_cannot_be_trained_on(frame_model, tmp_path):
    clips = make_clips()
    with pytest.raises(InputError, match=r"at least 2 classes, received 8 clips of happiness"):
        train_video(clips.select(clips.labels == 1), config_of(frame_model))
    AlexNetEmotion(NAMES, width=0.25, channels=3).save_to_preset(tmp_path / "colour")
    with pytest.raises(InputError, match=r"takes faces of shape \(48, 48, 3\)"):
        train_video(clips, config_of(str(tmp_path / "colour")))
