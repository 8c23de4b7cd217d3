"""A training of a restorer as a folder: records, sample grids, figures, restorer; it continues where it was stopped."""

import pathlib
import shutil

import keras
import numpy as np

from fer_keras.corpora.face_set import load_faces
from fer_keras.corpora.prepare import prepare
from fer_keras.errors import InputError
from fer_keras.evaluation.occluded_faces import every_occlusion
from fer_keras.evaluation.restoration_metrics import mean_scores, restoration_scores
from fer_keras.json_file import write_json
from fer_keras.models.face_restorer import FaceRestorer, restore
from fer_keras.training.epoch_log import EpochLog
from fer_keras.training.restoration import build_restoration, open_faces, sample_faces, train_restoration
from fer_keras.training.run import Quiet, claim_run, plan_run
from fer_keras.training.sample_grid import SampleGrid

RESTORER_FILE = "restorer.keras"


def train_restoration_run(
    corpus, out, config, folds=10, fold_rule="published", resume=False, grid_every=10, tensorboard=False,
    on_progress=None,
):  # fmt: skip
    """Prepares a corpus, trains a restorer on the people outside of its first fold, and measures it on those in it.

    The folder gets `run.json` (what was asked for), `records/`, `grids/` (see `SampleGrid`), `epochs.jsonl`,
    `restorer.keras` and `results.json`; `checkpoints/` while it trains, and `tensorboard/` on request.

    Args:
        corpus: a `Corpus`; labels do not matter.
        out: the run's folder.
        config: `RestorationConfig`.
        folds: int, number of subject-wise folds, of which one is held out; 0 trains on everyone and measures nothing.
        fold_rule: how subjects are dealt out to folds, see `fer_keras.corpora.deal_folds`.
        resume: continue the run in `out`; the same corpus and configuration are expected.
        grid_every: int, epochs between two sample grids, of held-out faces where there are some.
        tensorboard: whether losses and grids go to `tensorboard/` as well.
        on_progress: optional object with `update(name, done, total, note)`.

    Returns:
        A dict: `manifest` of the records, `faces` trained on and `test_faces`, `subjects` and `test_subjects`, and
        `conditions`, see `restoration_figures`, of the held-out faces.

    Raises:
        InputError: see `train_restoration`, `claim_run` and `fer_keras.corpora.deal_folds`; or no open face is held
            out.
    """
    out, progress = pathlib.Path(out), on_progress or Quiet()
    fold_of, asked = plan_run("restoration", corpus, config, folds, fold_rule)
    build_restoration(config)  # a wrong feature model is noticed before anything is claimed
    claim_run(out, asked, resume)
    manifest = prepare(corpus, out / "records", on_progress=lambda *n: progress.update("faces", *n))
    faces = load_faces(manifest["shards"], corpus.label_names, config.image_size, config.channels)
    faces = open_faces(faces, config)
    held_out = np.array([fold_of.get(subject) == 0 for subject in faces.subjects])
    training, test = faces.select(~held_out), faces.select(held_out)
    if folds and not (len(test) and len(training)):
        raise InputError("fold 0, which is held out, needs open faces, and so do the others; use fewer folds")
    board = out / "tensorboard" if tensorboard else None
    callbacks = [
        SampleGrid(sample_faces(test if folds else faces, config), out / "grids", grid_every, board),
        *([keras.callbacks.TensorBoard(board, write_graph=False)] if board else []),
        keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: progress.update("restorer", epoch + 1, config.epochs, note(logs))
        ),
    ]
    restorer = train_restorer(training, config, out, callbacks)
    results = {
        "faces": len(training),
        "test_faces": len(test),
        "subjects": len(set(training.subjects)),
        "test_subjects": sorted(set(test.subjects.tolist())),
        "conditions": restoration_figures(restorer, test, config) if folds else [],
    }
    write_json(out / "results.json", {**asked, "records": manifest["sha256"], **results})
    return {"manifest": manifest, **results}


def train_restorer(faces, config, directory, callbacks=()):
    """Trains a restorer in a folder, unless it is there already.

    Args:
        faces: `FaceSet` to train on, see `train_restoration`.
        config: `RestorationConfig`.
        directory: folder; gets `epochs.jsonl`, `restorer.keras`, and `checkpoints/` that a killed training goes on
            from.
        callbacks: further Keras callbacks.

    Returns:
        The `FaceRestorer`.
    """
    directory = pathlib.Path(directory)
    file = directory / RESTORER_FILE
    if not file.exists():
        log = EpochLog(directory / "epochs.jsonl")
        model = train_restoration(faces, config, directory / "checkpoints", [log, *callbacks])
        aside = directory / f".{RESTORER_FILE}"
        model.inference_restorer.save(aside)
        aside.replace(file)
        shutil.rmtree(directory / "checkpoints", ignore_errors=True)
    return load_restorer(file)


def restoration_figures(restorer, faces, config):
    """How near restored faces come to the true ones, by occluder.

    Args:
        restorer: a `FaceRestorer`.
        faces: `FaceSet` of open faces.
        config: `RestorationConfig`, whose occluders are drawn.

    Returns:
        A list of dicts, one a kind of occluder, random blocks by area: `name`, `share` of the face that is covered, and
        the mean scores of `restoration_scores` with the mask `given`, and `blind`, `None` without a mask head.
    """
    rows = []
    for one in every_occlusion(faces, config.occluders, seed=config.seed):
        masks = {"given": one.masks, **({"blind": None} if restorer.blind else {})}
        scores = {
            name: mean_scores(restoration_scores(restore(restorer, one.images, mask)[0], one.truth.images, one.masks))
            for name, mask in masks.items()
        }
        share = float(np.nanmean(one.shares)) if np.isfinite(one.shares).any() else one.area
        rows.append({"name": one.name, "share": share, "given": scores["given"], "blind": scores.get("blind")})
    return rows


def load_restorer(path):
    """Loads a restorer.

    Args:
        path: a `.keras` file of a `FaceRestorer`, or a folder of `fer-keras train --task restoration`.

    Returns:
        The `FaceRestorer`.

    Raises:
        InputError: there is none at `path`, or it cannot be loaded.
    """
    path = pathlib.Path(path)
    file = path / RESTORER_FILE if path.is_dir() else path
    if not file.is_file():
        raise InputError(f"{file}: no restorer found; expected the file, or a folder with {RESTORER_FILE}")
    try:
        model = keras.models.load_model(file)
    except Exception as error:
        raise InputError(f"{file}: cannot be loaded; it is no Keras model file, or it is damaged") from error
    if not isinstance(model, FaceRestorer):
        raise InputError(f"{file}: holds a {type(model).__name__}; expected a FaceRestorer")
    return model


def note(logs):
    """The state of a training in a few words, for a progress bar."""
    return f"L1 in the hole {logs['l1_hole']:.3f}" + (
        f", mask IoU {logs['mask_iou']:.2f}" if "mask_iou" in logs else ""
    )
