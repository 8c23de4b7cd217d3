"""Trainer: transformed faces or clips to a trained model and its SavedModel."""

import contextlib
import hashlib
import json
import logging
import shutil
import time

import keras
import numpy as np
import tensorflow as tf

from fer_keras.corpora.clip_set import ClipSet
from fer_keras.corpora.face_set import FaceSet
from fer_keras.corpora.records import FEATURES
from fer_keras.errors import InputError
from fer_keras.evaluation.cross_validation import FoldJob, run_fold
from fer_keras.export import export_saved_model
from fer_keras.json_file import write_json
from fer_keras.models.preset import load_preset
from fer_keras.training.static import hold_out, train_static
from fer_keras.training.video import VideoConfig, train_video
from tfx_pipeline.config import TASKS
from tfx_pipeline.example_gen import ORDER
from tfx_pipeline.learnt_from import write_training
from tfx_pipeline.local_path import local_path
from tfx_pipeline.occluded import OccludedConfig, train_occluded, train_occluded_fold
from tfx_pipeline.preprocessing import FACE, FRAME, LABEL, LANDMARKS, OCCLUSION, PHASE, SEQUENCE, SUBJECT

_log = logging.getLogger(__name__)

PRESET_DIR = "preset"
"""Folder in the ModelRun artifact with the Keras model, for `from_preset`."""
TIMES_FILE = "times.json"
"""File in the artifacts ModelRun and TunerResults: seconds of reading, training and exporting."""

_LINES = 10  # of progress in a whole training


def run_fn(fn_args):
    """Trains on the training splits and exports the model; what TFX's Trainer calls.

    A fold is trained by the function that `fer-keras train` and the experiments train it with, a model on all folds as
    `fer-keras train` trains its last one.

    Args:
        fn_args: TFX's `FnArgs`; `custom_config` holds `corpus`, `folds` and `label_names`; `task` and `training`, one
            of `tfx_pipeline.config.TASKS` and the fields of its configuration; `fold`, the number of the fold that the
            evaluation splits are, or `None` to train without one; `replicas`; and where a Tuner ran `tuning`, the
            fields of a `Tuning`.
    """
    asked, directory = fn_args.custom_config, _checkpoint_dir(fn_args)
    video, times = asked["task"] == "video", _Times()
    config = training_config(asked, fn_args.hyperparameters)
    things = read_all(fn_args, config)
    times.end("reading")
    with _replicas(asked.get("replicas", 1)):
        if asked.get("fold") is None:
            model = _train_on_all(things, config, directory)
        else:
            model = _train_fold(things, config, asked["fold"], subjects_of(fn_args.eval_files), directory)
    times.end("training")
    limit = config.frames if video and config.sampling == "uniform" else None
    served, run = local_path(fn_args.serving_model_dir), local_path(fn_args.model_run_dir)
    export_saved_model(model, served, clip_frames=limit)
    write_training(served, asked["corpus"], asked["folds"], asked["fold"], len(set(things.subjects.tolist())))
    model.save_to_preset(run / PRESET_DIR, {**asked, "subjects": _trained_on(things, fn_args)})
    if asked.get("fold") is not None:
        shutil.copy(directory / f"fold-{asked['fold']}.npz", run)  # for `load_fold`
    times.end("exporting")
    write_json(run / TIMES_FILE, times.seconds)
    shutil.rmtree(directory, ignore_errors=True)


def training_config(asked, hyperparameters=None):
    """The configuration of a training.

    Args:
        asked: `custom_config` of the Trainer, see `run_fn`.
        hyperparameters: optional configuration of KerasTuner's hyperparameters, what a Tuner found best.

    Returns:
        A configuration as `tfx_pipeline.config.TASKS` has it for the task.
    """
    config = TASKS[asked["task"]](**asked["training"])
    if not hyperparameters:
        return config
    from tfx_pipeline.tuner import config_of

    return config_of(asked, config, hyperparameters)


def read_all(fn_args, config):
    """Reads the faces or clips of the training splits and, of a fold, of the evaluation splits, in the corpus's order.

    Args:
        fn_args: TFX's `FnArgs`, see `run_fn`.
        config: the training's configuration.

    Returns:
        A `FaceSet` or a `ClipSet`.
    """
    asked = fn_args.custom_config
    files = [*fn_args.train_files, *(fn_args.eval_files if asked.get("fold") is not None else ())]
    if isinstance(config, VideoConfig):
        return read_transformed_clips(files, asked["label_names"], config.encoder.channels)
    return read_transformed(files, asked["label_names"], config.channels)


def _train_fold(things, config, fold, test_subjects, directory):
    """The model of a fold; `directory` gets what `run_fold` leaves, and what a killed training continues from."""
    tested = np.isin(things.subjects, list(test_subjects))
    _log_start(things.select(~tested))
    job = FoldJob(things, np.where(tested, fold, fold + 1), fold, config, directory, keep_model=True)
    if isinstance(config, OccludedConfig):
        return train_occluded_fold(job, _progress(config))
    model = directory / f"model-of-fold-{fold}"
    if not (directory / f"fold-{fold}.npz").exists():
        run_fold(job, _progress(config))
    return load_preset(model)[0]


def _train_on_all(things, config, directory):
    _log_start(things)
    progress = _progress(config)
    if isinstance(config, OccludedConfig):
        return train_occluded(things, config, directory, progress)
    shown = [keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: progress(epoch + 1, logs))]
    if isinstance(config, VideoConfig):
        return train_video(things, config, checkpoint_dir=directory, callbacks=shown)
    training, validation = hold_out(things, config)
    return train_static(training, config, validation, directory, callbacks=shown)


def _log_start(things):
    what = "clips" if isinstance(things, ClipSet) else "faces"
    _log.info("training on %d %s of %d subjects", len(things), what, len(set(things.subjects)))


def _progress(config):
    """A function that logs some of the epochs, which are counted from 1."""
    every = -(-config.total_epochs // _LINES)

    def log_epoch(epoch, logs):
        of_parts = isinstance(config, (VideoConfig, OccludedConfig))
        part, number, epochs = config.part_of(epoch - 1) if of_parts else ("", epoch, config.total_epochs)
        if number % every == 0 or number == epochs:
            accuracy = f", accuracy {logs['accuracy']:.3f}" if "accuracy" in logs else ""  # a restorer has none
            _log.info(
                "%sepoch %d of %d: loss %.3f%s in training",
                *(part and f"{part}, ", number, epochs, logs["loss"], accuracy),
            )

    return log_epoch


def _replicas(count):
    """The scope of a training on several devices, or of none."""
    if count == 1:
        return contextlib.nullcontext()
    kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
    devices = [device.name for device in tf.config.list_logical_devices(kind)]
    if len(devices) < count:
        hint = f"; to try it, FER_LOGICAL_CPUS={count} splits the CPU" if kind == "CPU" else ""
        raise InputError(f"replicas is {count}, but this machine has {len(devices)} {kind} devices{hint}")
    _log.info("training on %s", ", ".join(devices[:count]))
    # The default reduction on CPUs collides with that of another strategy in the process.
    reduction = tf.distribute.ReductionToOneDevice() if kind == "CPU" else None
    return tf.distribute.MirroredStrategy(devices[:count], cross_device_ops=reduction).scope()


class _Times:
    """Seconds of the parts of a run, one after the other."""

    def __init__(self):
        self.seconds, self._last = {}, time.monotonic()

    def end(self, part):
        now = time.monotonic()
        self.seconds[part], self._last = now - self._last, now


def _trained_on(things, fn_args):
    tested = subjects_of(fn_args.eval_files) if fn_args.custom_config.get("fold") is not None else set()
    return sorted(set(things.subjects.tolist()) - tested)


def subjects_of(patterns):
    """The subjects of transformed records.

    Args:
        patterns: list of file patterns.

    Returns:
        A set of strings.
    """
    return {row[SUBJECT].decode() for row in _read_rows(patterns, {})}


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
    features = {name: tf.io.FixedLenFeature([], tf.string) for name in (FACE, OCCLUSION)}
    rows = _read_rows(patterns, {**features, LANDMARKS: FEATURES[LANDMARKS]})
    return FaceSet(
        images=np.stack([_decode(row[FACE], channels) for row in rows]),
        landmarks=np.stack([row[LANDMARKS].reshape(68, 2) for row in rows]),
        label_names=tuple(label_names),
        attributes={OCCLUSION: np.array([row[OCCLUSION].decode() for row in rows])},
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
    asked = json.dumps([sorted(fn_args.train_files), fn_args.custom_config, fn_args.hyperparameters], sort_keys=True)
    key = hashlib.sha256(asked.encode()).hexdigest()[:16]
    return local_path(fn_args.model_run_dir).parents[1] / f"checkpoints-{key}"
