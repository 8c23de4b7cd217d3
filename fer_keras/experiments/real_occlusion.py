"""Faces photographed with something in front of them: read as they are, and restored without knowing these people."""

import dataclasses
import functools
import pathlib

import numpy as np

from fer_keras import corpora
from fer_keras.augmentation import occlude_faces
from fer_keras.corpora.face_set import load_faces
from fer_keras.corpora.folds import deal_folds
from fer_keras.corpora.prepare import prepare
from fer_keras.errors import InputError
from fer_keras.evaluation.cross_validation import (
    cross_validate,
    fold_numbers,
    plan_folds,
    predict_probabilities,
    run_folds,
)
from fer_keras.evaluation.hog_svm import cross_validate_hog_svm
from fer_keras.evaluation.recovery import mean_with_interval
from fer_keras.experiments.ablation import EPOCHS, variants
from fer_keras.models.face_restorer import restore
from fer_keras.models.preset import load_preset
from fer_keras.occlusion import OCCLUDERS
from fer_keras.training.restoration_run import load_restorer
from fer_keras.training.run import EpochCount, Quiet

FOLDS, QUICK_FOLDS, QUICK_EPOCHS = 10, 2, 1
WAYS = {
    "none": "no restoration",
    "blind": "restored, mask found by the restorer",
    "landmarks": "restored, mask where such an occluder lies by the landmarks",
}
"""How an occluded face comes to the recogniser."""

_OPEN = ("", "none")
_MASK_DRAWS = 8  # occluders whose masks together are the mask by landmarks


def read_real(directory, where=None, strict=False):
    """Reads a folder of faces, some of them open, others occluded.

    Args:
        directory: folder with a `labels.csv` whose column `occlusion` is `none` for open faces, and else says what
            covers them.
        where: as for `fer_keras.corpora.read`, such as `{"pose": "straight"}`.
        strict: as for `fer_keras.corpora.read`.

    Returns:
        A `Corpus`.

    Raises:
        InputError: the folder cannot be read, or has no open or no occluded face.
    """
    found = corpora.read("folder", directory, None, where, strict)
    count = sum(sample.occlusion in _OPEN for sample in found.samples)
    if not 0 < count < len(found.samples):
        raise InputError(f"{directory}: expected open and occluded faces; {count} of {len(found.samples)} are open")
    return found


def run_real_occlusion(found, out, restorers, pretrained, quick=False, workers=None, on_progress=None):
    """Cross-validates recognisers that learn from open faces alone, on the occluded faces of those left out.

    Args:
        found: `Corpus` of `read_real`.
        out: folder; gets `records/` and `seed-s/` with the folds and their models.
        restorers: list of the folders of restorers, one a seed, which learnt from nobody in the corpus.
        pretrained: preset that recognisers start from; `""` for random weights.
        quick: bool, two folds of one epoch.
        workers: see `cross_validate`.
        on_progress: optional object with `update(name, done, total, note)`.

    Returns:
        A dict of plain data: facts of the corpus; `open`, accuracy of the recognisers on the open faces of people left
        out, and `open_blind`, the same after a blind restorer; `ways`, for each of `WAYS` the accuracy on occluded
        faces, over all seeds, `by_seed`, and its `gain` over no restoration; `hog`, the reference on the same folds.
        Intervals are over subjects.

    Raises:
        InputError: there are fewer subjects than folds, or a fold has no open or no occluded face.
    """
    out, progress = pathlib.Path(out), on_progress or Quiet()
    folds, epochs = (QUICK_FOLDS, QUICK_EPOCHS) if quick else (FOLDS, EPOCHS)
    by_subject = deal_folds(found, folds)
    manifest = prepare(found, out / "records", on_progress=lambda *n: progress.update("real faces", *n))
    faces = load_faces(manifest["shards"], found.label_names, 48, 1)
    is_open = np.isin(faces.attributes["occlusion"], _OPEN)
    shown, covered = faces.select(is_open), faces.select(~is_open)
    fold_of, fold_of_covered = fold_numbers(shown, by_subject), fold_numbers(covered, by_subject)
    configs = [_config(epochs, seed, pretrained, out) for seed in range(len(restorers))]
    folders = [out / f"seed-{seed}" for seed in range(len(restorers))]
    counts = {
        folder: EpochCount(folds, epochs, functools.partial(progress.update, f"real faces, {folder.name}"))
        for folder in folders
    }
    jobs = [
        job
        for config, folder in zip(configs, folders, strict=True)
        for job in plan_folds(shown, fold_of, config, folder, keep_models=True)
    ]
    run_folds(jobs, workers, lambda job, epoch, logs: counts[job.directory].epoch(job.fold, epoch, logs))

    masks = masks_by_landmarks(covered)
    hits = {way: [] for way in WAYS}
    open_hits, open_blind = [], []
    for config, folder, place in zip(configs, folders, restorers, strict=True):
        restorer = load_restorer(place)
        pictures = {"none": covered.images, "landmarks": restore(restorer, covered.images, masks)[0]}
        if restorer.blind:
            pictures["blind"] = restore(restorer, covered.images)[0]
            passed = dataclasses.replace(shown, images=restore(restorer, shown.images)[0])
            open_blind.append(_right(_by_fold(passed, fold_of, folder), shown.labels))
        for way, images in pictures.items():
            answers = _by_fold(dataclasses.replace(covered, images=images), fold_of_covered, folder)
            hits[way].append(_right(answers, covered.labels))
        figures = cross_validate(shown, by_subject, config, folder)
        open_hits.append(_right(figures["probabilities"], shown.labels))
    hog = cross_validate_hog_svm(faces, by_subject, usable=is_open)["probabilities"]
    return {
        "label_names": list(faces.label_names),
        "occluders": sorted(set(covered.attributes["occlusion"].tolist())),
        "folds": folds,
        "epochs": epochs,
        "pretrained": str(pretrained),
        "faces": len(shown),
        "occluded_faces": len(covered),
        "subjects": len(set(faces.subjects)),
        "without_landmarks": int((~masks.any(axis=(1, 2, 3))).sum()),
        "open": _accuracy(open_hits, shown.subjects),
        "open_blind": _accuracy(open_blind, shown.subjects) if open_blind else None,
        "ways": {
            way: {
                **_accuracy(of_seeds, covered.subjects),
                "gain": _accuracy(
                    [one - none for one, none in zip(of_seeds, hits["none"], strict=True)], covered.subjects
                ),
            }
            for way, of_seeds in hits.items()
            if of_seeds
        },
        "hog": {
            "open": _accuracy([_right(hog[is_open], shown.labels)], shown.subjects),
            "occluded": _accuracy([_right(hog[~is_open], covered.labels)], covered.subjects),
        },
    }


def masks_by_landmarks(faces):
    """Where the occluders that faces are said to have would lie by their landmarks.

    Args:
        faces: `FaceSet` with the attribute `occlusion`.

    Returns:
        A bool array of shape `(n, height, width, 1)`: what any of several drawn occluders of that kind covers; empty
        for faces without landmarks, and for kinds that cannot be drawn.
    """
    masks = np.zeros((*faces.images.shape[:3], 1), bool)
    for kind in set(faces.attributes["occlusion"]) & set(OCCLUDERS):
        rows = np.flatnonzero((faces.attributes["occlusion"] == kind) & faces.landmarks.any(axis=(1, 2)))
        for draw in range(_MASK_DRAWS if len(rows) else 0):
            masks[rows] |= occlude_faces(faces.images[rows], faces.landmarks[rows], (0, draw), (kind,))[1].numpy()
    return masks


def _config(epochs, seed, pretrained, out):
    """What `experiment ablation` trains, without the angle map: landmarks of occluded faces are guesses."""
    _, config = variants(epochs, seed, pretrained, out)["without_angles" if pretrained else "scratch"]
    return dataclasses.replace(config, angle_map=False, epochs=epochs)


def _by_fold(faces, fold_of, folder):
    """Probabilities of every face by the model of its fold."""
    answers = np.zeros((len(faces), len(faces.label_names)), "float32")
    for fold in np.unique(fold_of):
        model, _ = load_preset(folder / f"model-of-fold-{fold}")
        answers[fold_of == fold] = predict_probabilities(model, faces.select(fold_of == fold))
    return answers


def _right(answers, labels):
    return (answers.argmax(axis=1) == labels).astype(float)


def _accuracy(of_seeds, subjects):
    whole = mean_with_interval(np.concatenate(of_seeds), np.tile(subjects, len(of_seeds)))
    return {**whole, "by_seed": [float(one.mean()) for one in of_seeds]}
