"""Subject-independent cross-validation, in resumable folds."""

import dataclasses
import functools
import json
import pathlib
import shutil
import time
import zipfile

import keras
import numpy as np

from fer_keras.corpora.face_set import FaceSet
from fer_keras.errors import InputError
from fer_keras.evaluation.confidence import subject_intervals
from fer_keras.evaluation.fold_pool import fold_workers, run_in_processes
from fer_keras.evaluation.metrics import by_sequence, summarize
from fer_keras.training.epoch_log import EpochLog
from fer_keras.training.static import SharedStart, StaticConfig, hold_out, train_static
from fer_keras.training.video import VideoConfig, train_video

_start_static = SharedStart()  # of this process


def predict_probabilities(model, faces, batch_size=256):
    """Probabilities of a classifier on faces, or on clips, in memory.

    Args:
        model: a classifier that returns logits.
        faces: `FaceSet`, or `ClipSet` for a model of clips.
        batch_size: int, faces or clips a step.

    Returns:
        A float array of shape `(n, K)`.
    """
    logits = model.predict(faces.inputs(model.takes_landmarks), batch_size=batch_size, verbose=0)
    return np.asarray(keras.ops.softmax(logits, axis=-1))


def predict_attention(model, clips, batch_size=64):
    """How much every frame counted in a video model's answers.

    Args:
        model: a `VideoEmotion`.
        clips: `ClipSet`.
        batch_size: int, clips a step.

    Returns:
        A float32 array of shape `(n, frames)`, zeros beyond a clip's length.
    """
    inputs = clips.inputs(model.takes_landmarks)
    starts = range(0, len(clips), batch_size)
    batches = [{name: rows[start : start + batch_size] for name, rows in inputs.items()} for start in starts]
    return np.concatenate([np.asarray(model.attend(batch)["attention"]) for batch in batches])


def evaluate_model(model, faces):
    """Figures of a classifier by frame and by sequence.

    Args:
        model: a classifier that returns logits.
        faces: `FaceSet` with the model's label names, or `ClipSet`, where a clip is a frame and a sequence.

    Returns:
        A dict with `frame` and `sequence`, each as `fer_keras.evaluation.metrics.summarize` gives it, and `confidence`,
        intervals by subject as `fer_keras.evaluation.confidence.subject_intervals` gives them.
    """
    return _with_confidence(faces, predict_probabilities(model, faces))


def cross_validate(faces, folds, system, directory, neutral=None, workers=None, on_epoch=None, on_fold=None):
    """Trains on all folds but one and tests on that one, for every fold.

    Where `system` stops early (`StaticConfig.patience`), it does so on a tenth of the training faces, whole subjects of
    the training folds, which are not trained on. Accuracy on the test fold is noted after every epoch for the
    curves; nothing is chosen by it.

    Args:
        faces: `FaceSet` of the corpus, or `ClipSet` for a `VideoConfig`.
        folds: dict of subject to fold number, see `fer_keras.corpora.assign_folds`.
        system: a `StaticConfig`, a `VideoConfig`, or a `fer_keras.models.baselines.Recipe`. Fold *k* adds *k* to its
            seed.
        directory: folder for the folds' results and checkpoints. Folds that are done are not trained again.
        neutral: optional `FaceSet` of neutral faces of the same subjects, for recipes that need them.
        workers: int, processes side by side, each on one core; 0 trains here, on all cores, one fold after the other;
            `None` takes what cores and memory allow.
        on_epoch: optional callable `(fold, epoch, logs)`, epochs from 1.
        on_fold: optional callable `(fold, figures)`, called for folds that were done before as well.

    Returns:
        A dict: `folds`, the figures of every fold; `histories`, what every epoch of every fold brought; `mean` and
        `std` (sample standard deviation over the folds) of accuracy, UAR and macro F1 by `frame` and `sequence`;
        `pooled`, the figures over all test faces together and their `confidence`, intervals by subject as
        `fer_keras.evaluation.confidence.subject_intervals` gives them; `probabilities`, float32 `(n, K)`, of every
        face by the model that did not see its subject.

    Raises:
        InputError: a face's subject has no fold, or a test fold is empty.
    """
    directory = pathlib.Path(directory)
    fold_of, number = fold_numbers(faces, folds), max(folds.values()) + 1
    jobs = plan_folds(faces, fold_of, system, directory, neutral)

    def finish(fold):
        if on_fold:
            on_fold(fold, fold_figures(faces.select(fold_of == fold), load_fold(directory, fold)["probabilities"]))

    for fold in sorted(set(range(number)) - {job.fold for job in jobs}):
        finish(fold)
    run_folds(
        jobs,
        workers,
        on_epoch and (lambda job, epoch, logs: on_epoch(job.fold, epoch, logs)),
        lambda job: finish(job.fold),
    )
    probabilities = np.zeros((len(faces), len(faces.label_names)), "float32")
    results, held = [], [load_fold(directory, fold) for fold in range(number)]
    for fold, one in enumerate(held):
        test = fold_of == fold
        probabilities[test] = one["probabilities"]
        results.append(fold_figures(faces.select(test), probabilities[test]))
    return {
        **join_folds(faces, results, probabilities),
        "histories": [one["history"] for one in held],
        "seconds": sum(one["seconds"] for one in held),
    }


def fold_numbers(faces, folds):
    """Gives every face the fold of its subject.

    Args:
        faces: `FaceSet`.
        folds: dict of subject to fold number.

    Returns:
        An int array of shape `(n,)`.

    Raises:
        InputError: a face's subject has no fold, or a fold has no face.
    """
    unknown = set(faces.subjects) - set(folds)
    if unknown:
        raise InputError(f"subject '{min(unknown)}' has no fold; {len(folds)} subjects have one")
    fold_of = np.array([folds[subject] for subject in faces.subjects])
    empty = set(range(max(folds.values()) + 1)) - set(fold_of.tolist())
    if empty:
        raise InputError(f"fold {min(empty)} has no face to test on; use fewer folds")
    return fold_of


def untrained_classes(faces, fold_of):
    """Finds classes that a fold is tested on and never trained on: their faces cannot be answered right.

    Args:
        faces: `FaceSet` of the corpus, or `ClipSet`.
        fold_of: int array of shape `(n,)`, the fold of every face.

    Returns:
        A list of sentences, one for each such fold and class.
    """
    found = []
    for fold in np.unique(fold_of):
        missing = set(faces.labels[fold_of == fold].tolist()) - set(faces.labels[fold_of != fold].tolist())
        found += [
            f"fold {fold} has all of the class {faces.label_names[label]}: nothing is trained on it there"
            for label in sorted(missing)
        ]
    return found


@dataclasses.dataclass(frozen=True)
class FoldJob:
    """One fold to train and to test.

    Args:
        faces: `FaceSet` of the corpus, or `ClipSet`.
        fold_of: int array, the fold of every face or clip.
        fold: int, the one to test on.
        system: a `StaticConfig`, a `VideoConfig` or a `Recipe`.
        directory: folder of the folds.
        neutral: `FaceSet` of neutral faces, or `None`.
        keep_model: whether to keep the fold's model, `model-of-fold-k`; that of fold 0 is kept always.
    """

    faces: FaceSet
    fold_of: np.ndarray
    fold: int
    system: object
    directory: pathlib.Path
    neutral: FaceSet | None = None
    keep_model: bool = False


def plan_folds(faces, fold_of, system, directory, neutral=None, keep_models=False):
    """The folds of a system that are still to be done.

    Args:
        faces: `FaceSet` of the corpus.
        fold_of: int array, the fold of every face, see `fold_numbers`.
        system: a `StaticConfig`, a `VideoConfig` or a `Recipe`.
        directory: folder of the folds.
        neutral: optional `FaceSet` of neutral faces.
        keep_models: bool, whether to keep the models of all folds.

    Returns:
        A list of `FoldJob`.
    """
    folds = range(fold_of.max() + 1)
    jobs = [FoldJob(faces, fold_of, fold, system, directory, neutral, keep_models) for fold in folds]
    return [job for job in jobs if not (directory / f"fold-{job.fold}.npz").exists()]


def run_folds(jobs, workers=None, on_epoch=None, on_done=None):
    """Trains and tests folds, of one system or of several, side by side.

    Args:
        jobs: list of `FoldJob`.
        workers: see `cross_validate`.
        on_epoch: optional callable `(job, epoch, logs)`, epochs from 1.
        on_done: optional callable `(job)`.
    """
    workers = fold_workers(len(jobs)) if workers is None else workers

    def report(place, epoch, logs):
        if on_epoch:
            on_epoch(jobs[place], epoch, logs)

    def run_here():
        for place, job in enumerate(jobs):
            run_fold(job, functools.partial(report, place))
            yield place, None

    for place, _ in run_in_processes(run_fold, jobs, workers, report) if workers and jobs else run_here():
        if on_done:
            on_done(jobs[place])


def run_fold(job, report):
    """Trains and tests one fold, and writes `fold-k.npz`; the file appears whole or not at all.

    Args:
        job: `FoldJob`.
        report: callable `(epoch, logs)`, epochs from 1.
    """
    started = time.monotonic()
    job.directory.mkdir(parents=True, exist_ok=True)
    test = job.faces.select(job.fold_of == job.fold)
    system = dataclasses.replace(job.system, seed=job.system.seed + job.fold)
    training, validation = hold_out(job.faces.select(job.fold_of != job.fold), system)
    log = EpochLog(job.directory / f"fold-{job.fold}" / "epochs.jsonl")
    callbacks = [log, keras.callbacks.LambdaCallback(on_epoch_end=lambda e, logs: report(e + 1, logs))]
    checkpoints = job.directory / f"fold-{job.fold}"
    answers = {}
    if isinstance(system, VideoConfig):
        system, test = system.of_fold(job.fold), system.sampled(test)
        model = train_video(training, system, test, checkpoints, callbacks)
        answers["attention"] = predict_attention(model, test)
    elif isinstance(system, StaticConfig):
        watched = [_Watch(test), *callbacks]
        model = train_static(training, system, validation, checkpoints, callbacks=watched, start=_start_static)
    else:
        neutral = job.neutral and job.neutral.select(np.isin(job.neutral.subjects, training.subjects))
        model = system.fit(training, validation, neutral, [_Watch(test), *callbacks])
    file = job.directory / f"fold-{job.fold}.npz"
    aside = file.with_name(f".{file.name}")
    np.savez(
        aside,
        probabilities=predict_probabilities(model, test),
        history=json.dumps(log.read()),
        seconds=time.monotonic() - started,
        **answers,
    )
    if job.keep_model or job.fold == 0:  # one to look into: what it looks at, where its features lie
        model.save_to_preset(job.directory / f"model-of-fold-{job.fold}", {"config": dataclasses.asdict(system)})
    aside.replace(file)
    shutil.rmtree(job.directory / f"fold-{job.fold}", ignore_errors=True)
    if not isinstance(system, StaticConfig):  # whose graphs the next fold takes over
        keras.backend.clear_session()


class _Watch(keras.callbacks.Callback):
    """Adds the accuracy on the test fold to an epoch's logs."""

    def __init__(self, faces):
        super().__init__()
        self.faces = faces

    def on_epoch_end(self, epoch, logs=None):
        takes_landmarks = getattr(self.model, "takes_landmarks", False)
        answers = self.model.predict(self.faces.inputs(takes_landmarks), batch_size=256, verbose=0)
        logits = answers["logits"] if isinstance(answers, dict) else answers
        logs["test_accuracy"] = float(np.mean(logits.argmax(axis=-1) == self.faces.labels))


def load_fold(directory, fold):
    """What `run_fold` wrote.

    Args:
        directory: folder of the folds.
        fold: int.

    Returns:
        A dict: `probabilities` of the test faces, `history` of the epochs, `seconds` that it took in its last sitting,
        and of a video model `attention`, see `predict_attention`.

    Raises:
        InputError: the file is damaged.
    """
    file = directory / f"fold-{fold}.npz"
    try:
        with np.load(file) as held:
            return {
                "probabilities": held["probabilities"],
                "history": json.loads(str(held["history"])),
                "seconds": float(held["seconds"]),
                **({"attention": held["attention"]} if "attention" in held else {}),
            }
    except (ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(f"{file}: is damaged; remove it and resume") from error


def fold_figures(faces, probabilities):
    """Figures of the answers to some faces, by `frame` and by `sequence`, see `summarize`."""
    return {
        "frame": summarize(faces.labels, probabilities),
        "sequence": summarize(*by_sequence(faces.labels, probabilities, faces.sequences)),
    }


def join_folds(faces, results, probabilities):
    """Puts the figures of folds together.

    Args:
        faces: `FaceSet` of the corpus.
        results: list of the folds' figures, see `fold_figures`.
        probabilities: float array `(n, K)`, of every face by the model that did not see its subject.

    Returns:
        A dict as `cross_validate` returns it, without `histories` and `seconds`.
    """
    pooled = _with_confidence(faces, probabilities)
    return {**_mean_and_std(results), "pooled": pooled, "folds": results, "probabilities": probabilities}


def _with_confidence(faces, probabilities):
    confidence = subject_intervals(faces.labels, probabilities, faces.subjects, faces.sequences)
    return {**fold_figures(faces, probabilities), "confidence": confidence}


def _mean_and_std(results):
    def over_folds(statistic):
        return {
            level: {
                name: float(statistic([result[level][name] for result in results]))
                for name in ("accuracy", "uar", "macro_f1")
            }
            for level in ("frame", "sequence")
        }

    return {"mean": over_folds(np.mean), "std": over_folds(lambda values: np.std(values, ddof=1))}
