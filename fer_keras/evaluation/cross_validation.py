"""Subject-independent cross-validation of static recognisers, one resumable fold after another."""

import dataclasses
import pathlib
import zipfile

import keras
import numpy as np

from fer_keras.errors import InputError
from fer_keras.evaluation.confidence import subject_intervals
from fer_keras.evaluation.metrics import by_sequence, summarize
from fer_keras.training.static import train_static


def predict_probabilities(model, faces, batch_size=256):
    """Probabilities of a classifier on faces in memory.

    Args:
        model: a classifier that returns logits.
        faces: `FaceSet`.
        batch_size: int, faces a step.

    Returns:
        A float array of shape `(n, K)`.
    """
    logits = model.predict(faces.images, batch_size=batch_size, verbose=0)
    return np.asarray(keras.ops.softmax(logits, axis=-1))


def evaluate_model(model, faces):
    """Figures of a classifier by frame and by sequence.

    Args:
        model: a classifier that returns logits.
        faces: `FaceSet` with the model's label names.

    Returns:
        A dict with `frame` and `sequence`, each as `fer_keras.evaluation.metrics.summarize` gives it.
    """
    return _figures(faces, predict_probabilities(model, faces))


def cross_validate(faces, folds, config, directory, on_epoch=None, on_fold=None):
    """Trains on all folds but one and tests on that one, for every fold.

    Args:
        faces: `FaceSet` of the corpus.
        folds: dict of subject to fold number, see `fer_keras.corpora.assign_folds`.
        config: `StaticConfig`.
        directory: folder for the folds' results and checkpoints. Folds that are done are not trained again.
        on_epoch: optional callable `(fold, epoch, logs)`.
        on_fold: optional callable `(fold, figures)`.

    Returns:
        A dict: `folds`, the figures of every fold; `mean` and `std` (sample standard deviation over the folds) of
        accuracy, UAR and macro F1 by `frame` and `sequence`; `pooled`, the figures over all test faces together and
        their `confidence`, intervals by subject as `fer_keras.evaluation.confidence.subject_intervals` gives them.

    Raises:
        InputError: a face's subject has no fold, or a test fold is empty.
    """
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    unknown = set(faces.subjects) - set(folds)
    if unknown:
        raise InputError(f"subject '{min(unknown)}' has no fold; {len(folds)} subjects have one")
    fold_of = np.array([folds[subject] for subject in faces.subjects])
    number = max(folds.values()) + 1
    empty = set(range(number)) - set(fold_of.tolist())
    if empty:
        raise InputError(f"fold {min(empty)} has no face to test on; use fewer folds")
    probabilities = np.zeros((len(faces), len(faces.label_names)), "float32")
    results = []
    for fold in range(number):
        test = fold_of == fold
        file = directory / f"fold-{fold}.npz"
        if not file.exists():
            model = train_static(
                faces.select(~test),
                dataclasses.replace(config, seed=config.seed + fold),
                checkpoint_dir=directory / f"fold-{fold}",
                on_epoch=on_epoch and (lambda epoch, logs, fold=fold: on_epoch(fold, epoch, logs)),
            )
            aside = file.with_name(f".{file.name}")
            np.savez(aside, probabilities=predict_probabilities(model, faces.select(test)))
            aside.replace(file)
            keras.backend.clear_session()
        try:
            probabilities[test] = np.load(file)["probabilities"]
        except (ValueError, EOFError, zipfile.BadZipFile) as error:
            raise InputError(f"{file}: is damaged; remove it and resume") from error
        results.append(_figures(faces.select(test), probabilities[test]))
        if on_fold:
            on_fold(fold, results[-1])
    pooled = _figures(faces, probabilities)
    pooled["confidence"] = subject_intervals(faces.labels, probabilities, faces.subjects, faces.sequences)
    return {**_mean_and_std(results), "pooled": pooled, "folds": results}


def _figures(faces, probabilities):
    return {
        "frame": summarize(faces.labels, probabilities),
        "sequence": summarize(*by_sequence(faces.labels, probabilities, faces.sequences)),
    }


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
