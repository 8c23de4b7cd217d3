"""Trainer: transformed faces or clips to a trained model and its SavedModel."""

import hashlib
import json
import logging
import pathlib
import shutil

import keras
import numpy as np
import tensorflow as tf

from fer_keras.corpora.clip_set import ClipSet
from fer_keras.corpora.face_set import FaceSet
from fer_keras.corpora.records import FEATURES
from fer_keras.errors import InputError
from fer_keras.export import export_saved_model
from fer_keras.training.static import StaticConfig, train_static
from fer_keras.training.video import VideoConfig, train_video
from tfx_pipeline.example_gen import ORDER
from tfx_pipeline.preprocessing import FACE, FRAME, LABEL, LANDMARKS, PHASE, SEQUENCE, SUBJECT

_log = logging.getLogger(__name__)

PRESET_DIR = "preset"
"""Folder in the ModelRun artifact with the Keras model, for `from_preset`."""

_LINES = 10  # of progress in a whole training


def run_fn(fn_args):
    """Trains on the training splits and exports the model; what TFX's Trainer calls.

    Args:
        fn_args: TFX's `FnArgs`; `custom_config` holds `label_names`, `task` and `training`: `"static"` and the fields
            of a `StaticConfig`, or `"video"` and those of a `VideoConfig`.
    """
    asked, checkpoints = fn_args.custom_config, _checkpoint_dir(fn_args)
    video = asked["task"] == "video"
    config = (VideoConfig if video else StaticConfig)(**asked["training"])
    every = -(-config.total_epochs // _LINES)

    def log_epoch(epoch, logs):
        part, number, epochs = config.part_of(epoch) if video else ("", epoch + 1, config.total_epochs)
        if number % every == 0 or number == epochs:
            _log.info(
                "%sepoch %d of %d: loss %.3f, accuracy %.3f in training",
                *(part and f"{part}, ", number, epochs, logs["loss"], logs["accuracy"]),
            )

    read, train = (read_transformed_clips, train_video) if video else (read_transformed, train_static)
    things = read(fn_args.train_files, asked["label_names"], config.encoder.channels if video else config.channels)
    what = "clips" if video else "faces"
    _log.info("training on %d %s of %d subjects", len(things), what, len(set(things.subjects)))
    shown = [keras.callbacks.LambdaCallback(on_epoch_end=log_epoch)]
    model = train(things, config, checkpoint_dir=checkpoints, callbacks=shown)
    limit = config.frames if video and config.sampling == "uniform" else None
    export_saved_model(model, fn_args.serving_model_dir, clip_frames=limit)
    about = {**asked, "subjects": sorted(set(things.subjects.tolist()))}
    model.save_to_preset(pathlib.Path(fn_args.model_run_dir, PRESET_DIR), about)
    shutil.rmtree(checkpoints, ignore_errors=True)


def read_transformed(patterns, label_names, channels):
    """Loads the faces that Transform wrote, in the order of the corpus.

    Args:
        patterns: list of file patterns.
        label_names: sequence of class names.
        channels: 1 for grey, 3 for colour.

    Returns:
        A `FaceSet`.

    Raises:
        InputError: there is no face.
    """
    rows = _read_rows(patterns, {FACE: tf.io.FixedLenFeature([], tf.string), LANDMARKS: FEATURES[LANDMARKS]})
    return FaceSet(
        images=np.stack([_decode(row[FACE], channels) for row in rows]),
        landmarks=np.stack([row[LANDMARKS].reshape(68, 2) for row in rows]),
        label_names=tuple(label_names),
        **_about(rows),
    )


def read_transformed_clips(patterns, label_names, channels):
    """Loads the clips that Transform wrote, in the order of the corpus.

    Args:
        patterns: list of file patterns.
        label_names: sequence of class names.
        channels: 1 for grey, 3 for colour.

    Returns:
        A `ClipSet`.

    Raises:
        InputError: there is no clip.
    """
    types = {FACE: tf.string, LANDMARKS: tf.float32, FRAME: tf.int64, PHASE: tf.string}
    rows = _read_rows(patterns, {name: tf.io.RaggedFeature(dtype) for name, dtype in types.items()})
    return ClipSet(
        images=np.stack([_decode(face, channels) for row in rows for face in row[FACE]]),
        offsets=np.cumsum([0, *(len(row[FACE]) for row in rows)]).astype("int64"),
        landmarks=np.concatenate([row[LANDMARKS] for row in rows]).reshape(-1, 68, 2),
        frames=np.concatenate([row[FRAME] for row in rows]),
        phases=np.array([phase.decode() for row in rows for phase in row[PHASE]]),
        label_names=tuple(label_names),
        **_about(rows),
    )


def _read_rows(patterns, features):
    """The records of files as NumPy, in the order of the corpus."""
    files = sorted(file for pattern in patterns for file in tf.io.gfile.glob(pattern))
    features = {**features, **{name: tf.io.FixedLenFeature([], tf.string) for name in (SUBJECT, SEQUENCE)}}
    features |= {name: tf.io.FixedLenFeature([], tf.int64) for name in (LABEL, ORDER)}
    records = tf.data.TFRecordDataset(files, compression_type="GZIP")
    parsed = records.map(lambda record: tf.io.parse_single_example(record, features), tf.data.AUTOTUNE)
    # Beam writes in any order; the order of the corpus makes a training repeatable.
    rows = sorted(parsed.as_numpy_iterator(), key=lambda row: row[ORDER])
    if not rows:
        raise InputError(f"nothing to train on in {', '.join(patterns)}")
    return rows


def _decode(png, channels):
    return tf.io.decode_png(png, channels=channels).numpy()


def _about(rows):
    """What faces and clips have in common."""
    subjects = [row[SUBJECT].decode() for row in rows]
    names = [f"{subject}/{row[SEQUENCE].decode()}" for subject, row in zip(subjects, rows, strict=True)]
    labels = np.array([row[LABEL] for row in rows], "int32")
    return {"labels": labels, "subjects": np.array(subjects), "sequences": np.array(names)}


def _checkpoint_dir(fn_args):
    """A folder that the same training finds again after it was killed; TFX gives every execution new ones."""
    asked = json.dumps([sorted(fn_args.train_files), fn_args.custom_config], sort_keys=True)
    key = hashlib.sha256(asked.encode()).hexdigest()[:16]
    return pathlib.Path(fn_args.model_run_dir).parents[1] / f"checkpoints-{key}"
