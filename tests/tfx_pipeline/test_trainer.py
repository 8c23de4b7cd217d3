import dataclasses
import pathlib
import types

import numpy as np
import pytest
import tensorflow as tf

from fer_keras.corpora.records import write_records
from fer_keras.training.static import StaticConfig

pytestmark = pytest.mark.tfx

CONFIG = StaticConfig(epochs=1, width=0.5)


@pytest.fixture
def fn_args(tmp_path):
    """Eight transformed faces in two files, out of order; face i is grey level i, and so are its landmarks."""

    def row(place):
        png = tf.io.encode_png(np.full((48, 48, 1), place, np.uint8)).numpy()
        texts = {"face": png, "subject": b"p%d" % (place // 4), "sequence": b"s%d" % (place // 2)}
        numbers = {"label": place % 2, "order": place}
        features = {name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[one])) for name, one in texts.items()}
        for name, one in numbers.items():
            features[name] = tf.train.Feature(int64_list=tf.train.Int64List(value=[one]))
        features["landmarks"] = tf.train.Feature(float_list=tf.train.FloatList(value=place + np.arange(136) / 136))
        return tf.train.Example(features=tf.train.Features(feature=features))

    write_records(tmp_path / "a.gz", [row(place) for place in (7, 0, 3, 4)])
    write_records(tmp_path / "b.gz", [row(place) for place in (1, 6, 2, 5)])

    def execution(number):
        return types.SimpleNamespace(
            train_files=[str(tmp_path / "*.gz")],
            custom_config={
                "label_names": ["anger", "sadness"],
                "task": "static",
                "training": dataclasses.asdict(CONFIG),
            },
            model_run_dir=str(tmp_path / "Trainer" / "model_run" / str(number)),
            serving_model_dir=str(tmp_path / "Trainer" / "model" / str(number) / "Format-Serving"),
        )

    return execution


def test_faces_come_in_the_order_of_the_corpus(fn_args):
    from tfx_pipeline.trainer import read_transformed

    faces = read_transformed(fn_args(1).train_files, ["anger", "sadness"], 1)
    assert faces.images.shape == (8, 48, 48, 1)
    assert faces.images[:, 0, 0, 0].tolist() == list(range(8))
    assert faces.labels.tolist() == [0, 1] * 4
    expected = np.arange(8)[:, None, None] + (np.arange(136) / 136).reshape(68, 2)
    np.testing.assert_allclose(faces.landmarks, expected, rtol=1e-6)
    assert not faces.votes.any()
    assert not faces.attributes
    assert faces.sequences[:5].tolist() == ["p0/s0", "p0/s0", "p0/s1", "p0/s1", "p1/s2"]


def test_a_killed_training_is_continued_by_the_next_execution(fn_args, monkeypatch):
    from tfx_pipeline import trainer

    train, seen = trainer.train_static, []

    def killed(faces, config, checkpoint_dir, callbacks):
        checkpoint_dir.mkdir(parents=True)
        (checkpoint_dir / "left").touch()
        raise KeyboardInterrupt

    def continued(faces, config, checkpoint_dir, callbacks):
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
