"""A training run as a folder: records, folds, figures, model; it continues where it was interrupted."""

import dataclasses
import json
import pathlib

import keras

from fer_keras.corpora.clip_set import load_clips
from fer_keras.corpora.face_set import load_faces
from fer_keras.corpora.folds import deal_folds
from fer_keras.corpora.prepare import corpus_fingerprint, prepare
from fer_keras.corpora.sequence_records import write_sequences
from fer_keras.errors import InputError
from fer_keras.evaluation.cross_validation import cross_validate, fold_numbers, untrained_classes
from fer_keras.json_file import write_json
from fer_keras.training.static import check_start, hold_out, train_static
from fer_keras.training.video import VideoConfig, check_frame_model, train_video


class Quiet:
    """Progress that nobody sees."""

    def update(self, name, done, total, note=""):
        """Shows nothing."""


def train_run(
    corpus, out, config, folds=10, fold_rule="published", resume=False, workers=None, on_progress=None, command=""
):
    """Prepares a corpus, cross-validates on it and trains a model on everyone.

    The folder gets `run.json` (what was asked for), `records/`, of clips `sequences/`, `folds/`, `results.json` and
    `model/`, a preset.

    Args:
        corpus: a `Corpus`; for a `VideoConfig` read with `peak_frames=None`, whole clips.
        out: the run's folder.
        config: `StaticConfig` or `VideoConfig`.
        folds: int, number of subject-wise folds; 0 trains the model only.
        fold_rule: how subjects are dealt out to folds, see `fer_keras.corpora.deal_folds`.
        resume: continue the run in `out`; the same corpus and configuration are expected.
        workers: folds trained side by side, see `cross_validate`.
        on_progress: optional object with `update(name, done, total, note)`.
        command: the command line, for the reader to repeat it; a resumed run keeps its first.

    Returns:
        A dict: `manifest` of the records, `label_names`, `subjects_by_fold`, `remarks` (see `untrained_classes`) and
        `cross_validation` (see `cross_validate`); the last three are empty without folds.

    Raises:
        InputError: `out` holds a run and `resume` is false, or it holds another run; fewer subjects than folds; or what
            the configuration starts from does not fit, see `check_start` and `check_frame_model`.
    """
    out, progress = pathlib.Path(out), on_progress or Quiet()
    video = isinstance(config, VideoConfig)
    label_names = corpus.label_names
    if len(label_names) < 2:
        raise InputError(f"training needs pictures of at least 2 labels, received only {', '.join(label_names)}")
    fold_of, asked = plan_run("train", corpus, config, folds, fold_rule)
    folds = asked["folds"]
    check_start(label_names, config.encoder if video else config)
    if video:
        check_frame_model(config)
    command = claim_run(out, asked, resume, command)

    manifest = prepare(corpus, out / "records", on_progress=lambda done, total: progress.update("faces", done, total))
    lost = [label for label, count in manifest["faces_by_label"].items() if not count]
    if lost:
        raise InputError(f"no face was found on any picture labelled {lost[0]}; leave the label out (--labels)")
    if video:
        manifest["clips"] = write_sequences(manifest["shards"], out / "sequences")
        shape = (config.encoder.image_size, config.encoder.channels)
        faces = load_clips(manifest["clips"]["shards"], label_names, *shape)
    else:
        faces = load_faces(manifest["shards"], label_names, config.image_size, config.channels)
    results = {
        "manifest": manifest,
        "label_names": list(label_names),
        "subjects_by_fold": [],
        "remarks": [],
        "cross_validation": {},
    }
    if folds:
        results["remarks"] = untrained_classes(faces, fold_numbers(faces, fold_of))
        results["subjects_by_fold"] = [list(fold_of.values()).count(fold) for fold in range(folds)]
        done = EpochCount(folds, config.total_epochs, lambda *what: progress.update("folds", *what))
        figures = cross_validate(
            faces, fold_of, config, out / "folds", workers=workers, on_epoch=done.epoch, on_fold=done.fold
        )
        del figures["probabilities"]
        results["cross_validation"] = figures
    if not (out / "model").exists():

        def show(epoch, logs):
            progress.update("model", epoch + 1, config.total_epochs, _note(logs))

        shown = [keras.callbacks.LambdaCallback(on_epoch_end=show)]
        if video:
            model = train_video(faces, config, checkpoint_dir=out / "checkpoints", callbacks=shown)
        else:
            training, validation = hold_out(faces, config)
            model = train_static(training, config, validation, out / "checkpoints", callbacks=shown)
        about = {**asked, "subjects": sorted(set(faces.subjects.tolist()))}
        if folds:
            about |= {level: results["cross_validation"][level] for level in ("mean", "std")}
        model.save_to_preset(out / "model", about)
    write_json(out / "results.json", {**asked, **results, "command": command})
    return results


def plan_run(experiment, corpus, config, folds, fold_rule):
    """Deals out the folds of a run, and says what it depends on.

    Args:
        experiment: name of what is run.
        corpus: a `Corpus`.
        config: the configuration of a training.
        folds: int, number of subject-wise folds, or 0.
        fold_rule: see `fer_keras.corpora.deal_folds`.

    Returns:
        A pair of a dict of subject to fold number, empty without folds, and the plain data for `claim_run`.
    """
    fold_of = deal_folds(corpus, folds, fold_rule, config.seed) if folds else {}
    asked = {
        "experiment": experiment,
        "corpus": corpus.name,
        "fingerprint": corpus_fingerprint(corpus),
        "label_names": list(corpus.label_names),
        "folds": max(fold_of.values(), default=-1) + 1,
        "fold_rule": fold_rule,
        "config": dataclasses.asdict(config),
    }
    return fold_of, asked


class EpochCount:
    """Counts the epochs of folds that are trained side by side.

    Args:
        folds: int, number of folds.
        epochs: int, of every fold.
        show: callable `(done, total, note)`.
        note: callable that puts an epoch's logs into words.
    """

    def __init__(self, folds, epochs, show, note=None):
        self._done = [0] * folds
        self._epochs, self._show, self._note = epochs, show, note or _note

    def epoch(self, fold, epoch, logs):
        """Notes an epoch of a fold."""
        self._done[fold] = epoch
        self._show(sum(self._done), len(self._done) * self._epochs, f"fold {fold}: {self._note(logs)}")

    def fold(self, fold, figures=None):
        """Notes that a fold is done, early or not."""
        self._done[fold] = self._epochs
        note = f"fold {fold} is done" + (f": accuracy {figures['frame']['accuracy']:.3f}" if figures else "")
        self._show(sum(self._done), len(self._done) * self._epochs, note)


def check_folder(out, experiment, resume):
    """Says, before anything is read or drawn, whether a folder can take a run.

    Args:
        out: path of the folder; `run.json` in it holds what was asked for.
        experiment: name of what is run.
        resume: continue the run that the folder holds.

    Returns:
        What was asked for when the run in the folder was started, a dict; `None` where there is no run.

    Raises:
        InputError: the folder holds a run and `resume` is false, none and `resume` is true, one of something else, or
            other files.
    """
    out = pathlib.Path(out)
    file = out / "run.json"
    if not file.exists():
        if resume:
            raise InputError(f"{out}: holds no run to resume; leave out --resume to start one")
        if out.exists() and (not out.is_dir() or strangers(out, {"corpus"})):
            raise InputError(f"{out}: is not empty and holds no run; choose another --out")
        return None
    if not resume:
        raise InputError(f"{out}: holds a run already; add --resume to continue it, or choose another --out")
    try:
        held = dict(json.loads(file.read_text()))
    except (ValueError, TypeError) as error:
        raise InputError(f"{file}: is damaged; remove {out} and start again") from error
    if held.get("experiment") != experiment:
        raise InputError(
            f"{out}: holds a run of something else ({held.get('experiment', 'an older version')}, not {experiment}); "
            "choose another --out"
        )
    return held


def strangers(folder, own):
    """Finds what is in a folder besides its own files.

    Args:
        folder: path of a folder.
        own: set of names.

    Returns:
        A set of names, without what a killed command has left of writing aside.
    """
    return {path.name for path in folder.iterdir() if not path.name.startswith((".corpus.", ".run.json"))} - own


def claim_run(out, asked, resume, command=""):
    """Makes a folder a run's own, or finds that it is.

    Args:
        out: path of the folder; `run.json` in it holds what was asked for.
        asked: dict of plain data, what the run depends on; `experiment` names what is run.
        resume: continue the run that the folder holds.
        command: the command line.

    Returns:
        The command line that the run was started with.

    Raises:
        InputError: see `check_folder`; or the run there depends on something else.
    """
    held = check_folder(out, asked["experiment"], resume)
    if held is None:
        out.mkdir(parents=True, exist_ok=True)
        write_json(out / "run.json", {**asked, "command": command})
        return command
    asked = json.loads(json.dumps(asked))  # tuples compare as the lists they come back as
    # The same corpus may be reached by another path: its fingerprint tells.
    changed = [key for key in asked if key != "data" and held.get(key) != asked[key]]
    if "config" in changed and isinstance(held.get("config"), dict):
        changed = [key for key, value in asked["config"].items() if held["config"].get(key) != value] or changed
    if changed:
        what = {
            "fingerprint": "another corpus (pictures, labels or the files' times of change are others)",
            "label_names": "other labels",
        }
        raise InputError(
            f"{out}: the run there was started with {what.get(changed[0], f'another value of {changed[0]}')}; "
            "choose another --out, or remove that folder"
        )
    return held.get("command", command)


def _note(logs):
    return f"loss {logs['loss']:.3f}, accuracy {logs['accuracy']:.3f}"
