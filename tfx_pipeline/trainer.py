"""Trainer: transformed faces to a trained model and its SavedModel."""

import hashlib
import json
import logging
import pathlib
import shutil

import numpy as np
import tensorflow as tf

from fer_keras.corpora.face_set import FaceSet
from fer_keras.corpora.records import FEATURES
from fer_keras.errors import InputError
from fer_keras.export import export_saved_model
from fer_keras.training.static import StaticConfig, train_static
from tfx_pipeline.example_gen import ORDER
from tfx_pipeline.preprocessing import FACE, LABEL, LANDMARKS, SEQUENCE, SUBJECT

_log = logging.getLogger(__name__)

PRESET_DIR = "preset"
"""Folder in the ModelRun artifact with the Keras model, for `from_preset`."""

_LINES = 10  # of progress in a whole training


def run_fn(fn_args):
    """Trains on the training splits and exports the model; what TFX's Trainer calls.

    Args:
        fn_args: TFX's `FnArgs`; `custom_config` holds `label_names` and `training`, the fields of a `StaticConfig`.
    """
    config = StaticConfig(**fn_args.custom_config["training"])
    faces = read_transformed(fn_args.train_files, fn_args.custom_config["label_names"], config)
    checkpoints = _checkpoint_dir(fn_args)
    every = -(-config.epochs // _LINES)

    def log_epoch(epoch, logs):
        if epoch % every == 0 or epoch == config.epochs:
            _log.info(
                "epoch %d of %d: loss %.3f, accuracy %.3f in training",
                *(epoch, config.epochs, logs["loss"], logs["accuracy"]),
            )

    _log.info("training on %d faces of %d subjects", len(faces), len(set(faces.subjects)))
    model = train_static(faces, config, checkpoint_dir=checkpoints, on_epoch=log_epoch)
    export_saved_model(model, fn_args.serving_model_dir)
    about = {**fn_args.custom_config, "subjects": sorted(set(faces.subjects.tolist()))}
    model.save_to_preset(pathlib.Path(fn_args.model_run_dir, PRESET_DIR), about)
    shutil.rmtree(checkpoints, ignore_errors=True)


def read_transformed(patterns, label_names, config):
    """Loads the faces that Transform wrote, in the order of the corpus.

    Args:
        patterns: list of file patterns.
        label_names: sequence of class names.
        config: `StaticConfig`; gives the number of channels.

    Returns:
        A `FaceSet`.

    Raises:
        InputError: there is no face.
    """
    files = sorted(file for pattern in patterns for file in tf.io.gfile.glob(pattern))
    features = {name: tf.io.FixedLenFeature([], tf.string) for name in (FACE, SUBJECT, SEQUENCE)}
    features |= {name: tf.io.FixedLenFeature([], tf.int64) for name in (LABEL, ORDER)}
    features |= {LANDMARKS: FEATURES[LANDMARKS]}

    def decode(record):
        row = tf.io.parse_single_example(record, features)
        return {**row, FACE: tf.io.decode_png(row[FACE], channels=config.channels)}

    records = tf.data.TFRecordDataset(files, compression_type="GZIP")
    # Beam writes in any order; the order of the corpus makes a training repeatable.
    rows = sorted(records.map(decode, tf.data.AUTOTUNE).as_numpy_iterator(), key=lambda row: row[ORDER])
    if not rows:
        raise InputError(f"no face to train on in {', '.join(patterns)}")
    subjects = [row[SUBJECT].decode() for row in rows]
    return FaceSet(
        images=np.stack([row[FACE] for row in rows]),
        labels=np.array([row[LABEL] for row in rows], "int32"),
        subjects=np.array(subjects),
        sequences=np.array(
            [f"{subject}/{row[SEQUENCE].decode()}" for subject, row in zip(subjects, rows, strict=True)]
        ),
        label_names=tuple(label_names),
        landmarks=np.stack([row[LANDMARKS].reshape(68, 2) for row in rows]),
    )


def _checkpoint_dir(fn_args):
    """A folder that the same training finds again after it was killed; TFX gives every execution new ones."""
    asked = json.dumps([sorted(fn_args.train_files), fn_args.custom_config], sort_keys=True)
    key = hashlib.sha256(asked.encode()).hexdigest()[:16]
    return pathlib.Path(fn_args.model_run_dir).parents[1] / f"checkpoints-{key}"
