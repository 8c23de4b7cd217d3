import dataclasses
import json
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from fer_keras.corpora.records import write_records
from fer_keras.errors import InputError
from fer_keras.evaluation.cross_validation import (
    fold_numbers,
    load_fold,
    plan_folds,
    predict_probabilities,
    run_folds,
)
from fer_keras.models import OccludedEmotion
from fer_keras.models.preset import load_preset
from fer_keras.training.static import StaticConfig

pytestmark = pytest.mark.tfx

CONFIG = StaticConfig(epochs=1, width=0.5)


def test_faces_come_in_the_order_of_the_corpus(fn_args):
    from tfx_pipeline.trainer import read_transformed

    faces = read_transformed(fn_args(1).train_files, ["anger", "sadness"], 1)
    assert faces.images.shape == (8, 48, 48, 1)
    assert faces.images[:, 0, 0, 0].tolist() == list(range(8))
    assert faces.labels.tolist() == [0, 1] * 4
    expected = np.arange(8)[:, None, None] + (np.arange(136) / 136).reshape(68, 2)
    np.testing.assert_allclose(faces.landmarks, expected, rtol=1e-6)
    assert not faces.votes.any()
    assert faces.attributes["occlusion"].tolist() == ["none"] * 8
    assert faces.sequences[:5].tolist() == ["p0/s0", "p0/s0", "p0/s1", "p0/s1", "p1/s2"]


def test_a_killed_training_is_continued_by_the_next_execution(fn_args, monkeypatch):
    from tfx_pipeline import trainer

    train, seen = trainer.train_static, []

    def killed(faces, config, validation, checkpoint_dir, callbacks):
        checkpoint_dir.mkdir(parents=True)
        (checkpoint_dir / "left").touch()
        raise KeyboardInterrupt

    def continued(faces, config, validation, checkpoint_dir, callbacks):
        seen.extend(path.name for path in checkpoint_dir.iterdir())
        return train(faces, config, callbacks=callbacks)

    monkeypatch.setattr(trainer, "train_static", killed)
    with pytest.raises(KeyboardInterrupt):
        trainer.run_fn(fn_args(1))
    monkeypatch.setattr(trainer, "train_static", continued)
    trainer.run_fn(fn_args(2))
    assert seen == ["left"]
    done = fn_args(2)
    assert set(tf.saved_model.load(done.serving_model_dir).signatures) >= {"serving_default", "serve_examples"}
    labels = pathlib.Path(done.serving_model_dir, "assets.extra", "labels.txt")
    assert labels.read_text() == "anger\nsadness\n"
    assert pathlib.Path(done.model_run_dir, "preset", "model.keras").is_file()
    assert sorted(path.name for path in pathlib.Path(done.model_run_dir).parents[1].iterdir()) == ["model", "model_run"]


def test_clips_come_in_the_order_of_the_corpus(tmp_path):
    from tfx_pipeline.trainer import read_transformed_clips

    def clip(place, frames):
        pngs = [tf.io.encode_png(np.full((48, 48, 1), 10 * place + frame, np.uint8)).numpy() for frame in frames]
        texts = {"face": pngs, "subject": [b"p"], "sequence": [b"s%d" % place], "phase": [b"apex"] * len(frames)}
        features = {name: tf.train.Feature(bytes_list=tf.train.BytesList(value=one)) for name, one in texts.items()}
        for name, one in {"label": [place % 2], "order": [place], "frame": frames}.items():
            features[name] = tf.train.Feature(int64_list=tf.train.Int64List(value=one))
        points = np.repeat(np.array(frames) / 10, 136)
        features["landmarks"] = tf.train.Feature(float_list=tf.train.FloatList(value=points))
        return tf.train.Example(features=tf.train.Features(feature=features))

    write_records(tmp_path / "a.gz", [clip(2, [0, 1]), clip(0, [3, 4, 6])])
    write_records(tmp_path / "b.gz", [clip(1, [5])])
    clips = read_transformed_clips([str(tmp_path / "*.gz")], ["anger", "sadness"], 1)
    assert clips.offsets.tolist() == [0, 3, 4, 6]
    assert clips.images[:, 0, 0, 0].tolist() == [3, 4, 6, 15, 20, 21]
    assert clips.frames.tolist() == [3, 4, 6, 5, 0, 1]
    assert clips.labels.tolist() == [0, 1, 0]
    assert clips.sequences.tolist() == ["p/s0", "p/s1", "p/s2"]
    assert set(clips.phases) == {"apex"}
    np.testing.assert_allclose(clips.landmarks[:, 0, 0], [0.3, 0.4, 0.6, 0.5, 0, 0.1], rtol=1e-6)


def test_a_fold_is_the_fold_of_a_cross_validation(fn_args, tmp_path):
    from tfx_pipeline import trainer

    args = fn_args(1, fold=1)
    trainer.run_fn(args)
    run = pathlib.Path(args.model_run_dir)
    found = load_fold(run, 1)

    faces = trainer.read_all(args, CONFIG)
    assert faces.subjects.tolist() == ["p0"] * 4 + ["p1"] * 4 + ["p2"] * 4
    jobs = plan_folds(faces, fold_numbers(faces, {"p0": 0, "p1": 2, "p2": 1}), CONFIG, tmp_path / "folds")
    run_folds([jobs[1]], workers=0)
    expected = load_fold(tmp_path / "folds", 1)
    np.testing.assert_array_equal(found["probabilities"], expected["probabilities"])
    assert found["history"] == expected["history"]

    about = json.loads((run / "preset" / "preset.json").read_text())
    assert about["subjects"] == ["p0", "p1"]
    assert set(json.loads((run / "times.json").read_text())) == {"reading", "training", "exporting"}
    answers = tf.saved_model.load(args.serving_model_dir).signatures["serve_tensor"]
    test = faces.select(faces.subjects == "p2")
    served = answers(face=tf.constant(test.images, tf.float32))["probabilities"]
    np.testing.assert_allclose(served, found["probabilities"], atol=1e-5)


def test_a_fold_that_was_trained_and_not_exported_is_not_trained_again(fn_args, monkeypatch):
    from tfx_pipeline import trainer

    def killed(*args, **kwargs):
        raise KeyboardInterrupt

    export = trainer.export_saved_model
    monkeypatch.setattr(trainer, "export_saved_model", killed)
    with pytest.raises(KeyboardInterrupt):
        trainer.run_fn(fn_args(1, fold=0))
    monkeypatch.setattr(trainer, "export_saved_model", export)
    monkeypatch.setattr(trainer, "run_fold", killed)
    trainer.run_fn(fn_args(2, fold=0))
    assert pathlib.Path(fn_args(2).serving_model_dir, "saved_model.pb").exists()


def test_more_replicas_than_devices_are_refused(fn_args):
    from tfx_pipeline import trainer

    with pytest.raises(InputError, match="replicas is 64, but this machine has"):
        trainer.run_fn(fn_args(1, replicas=64))


@pytest.mark.parametrize("fn_args", [False], indirect=True)
def test_covered_faces_are_restored_and_read_by_one_model(fn_args):
    from tfx_pipeline import trainer

    restoration = {"epochs": 1, "warm_up_epochs": 1, "width": 0.25, "discriminators": [], "occluders": ["random_block"]}
    training = {"classifier": dataclasses.asdict(CONFIG), "restoration": restoration, "seed": 0}
    args = fn_args(1, fold=1, task="occluded", training=training)
    trainer.run_fn(args)
    run = pathlib.Path(args.model_run_dir)
    model, _ = load_preset(run / "preset")
    assert isinstance(model, OccludedEmotion)
    faces = trainer.read_all(args, CONFIG)
    test = faces.select(faces.subjects == "p2")
    found = load_fold(run, 1)["probabilities"]
    np.testing.assert_allclose(predict_probabilities(model, test), found, atol=1e-6)
    answers = tf.saved_model.load(args.serving_model_dir).signatures["serve_tensor"]
    served = answers(face=tf.constant(test.images, tf.float32))["probabilities"]
    np.testing.assert_allclose(served, found, atol=1e-5)


@pytest.mark.slow
def test_two_devices_train_as_one_does(fn_args, monkeypatch):
    """With a network that sees the faces' grey levels; batch normalisation has its own test, test_replicas.py."""
    import keras

    from fer_keras.models import backbones
    from tfx_pipeline import trainer

    def plain(input_shape):
        layers = [keras.layers.Rescaling(1 / 255), keras.layers.Flatten(), keras.layers.Dense(16, "tanh")]
        return keras.Sequential([keras.Input(input_shape), *layers])

    monkeypatch.setitem(backbones.BACKBONES, "vgg_style", plain)
    training = dataclasses.asdict(dataclasses.replace(CONFIG, backbone="vgg_style", width=1.0, epochs=10, batch_size=4))
    found = []
    for number, replicas in ((1, 1), (2, 2)):
        args = fn_args(number, fold=1, replicas=replicas, training=training)
        trainer.run_fn(args)
        found.append(load_fold(pathlib.Path(args.model_run_dir), 1))
    losses = [[epoch["loss"] for epoch in one["history"]] for one in found]
    assert losses[0][-1] < losses[0][0]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4)
    np.testing.assert_allclose(found[1]["probabilities"], found[0]["probabilities"], atol=1e-3)
