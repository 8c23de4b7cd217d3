"""Search over the configurations of static training with KerasTuner (extra `tuner`), validated on held-out subjects."""

import contextlib
import dataclasses
import difflib
import hashlib
import io
import json
import math
import os
import pathlib
import shutil

import keras
import keras_tuner
import numpy as np

from fer_keras.augmentation import AugmentationStrength
from fer_keras.corpora.folds import assign_stratified_folds, hold_out_subjects
from fer_keras.errors import InputError
from fer_keras.json_file import write_json
from fer_keras.models.backbones.application import APPLICATIONS
from fer_keras.training.run import strangers
from fer_keras.training.static import (
    StaticConfig,
    check_faces,
    check_start,
    fit_static,
    learning_rate_schedule,
    start_static,
    steps_per_epoch,
)

SPACE = {
    "threshold": {"min_value": 0.0, "max_value": 60.0},
    "metric_weight": {"min_value": 1e-4, "max_value": 0.1, "sampling": "log"},
    "pair_weight": {"min_value": 0.1, "max_value": 100.0, "sampling": "log"},
    "alpha": {"min_value": 0.05, "max_value": 1.0},
    "learning_rate": {"min_value": 2e-4, "max_value": 2e-2, "sampling": "log"},
    "augmentation": {"min_value": 0.0, "max_value": 2.0},
    "width": {"values": [0.5, 0.75, 1.0, 1.5]},
}
"""What is searched, by field of `StaticConfig`, in the words of `hp.Float` or, with `values`, of `hp.Choice`: τ (in
squared units of FC7), λ, λ1, α, learning rate, a factor on the strength of augmentation, and the backbone's width."""

TUNERS = ("bayesian", "random", "hyperband")
"""The ways to search that `search` knows."""

OBJECTIVES = {"val_loss": "min", "val_accuracy": "max"}
"""What a trial can be judged by."""


class FatalInputError(InputError, keras_tuner.errors.FatalError):
    """Bad input that every trial would meet, so that it ends the search instead of one trial."""


class StaticHyperModel(keras_tuner.HyperModel):
    """The recognisers of single faces as a search space, for any tuner of KerasTuner.

    A trial is trained by the function that `train_static` calls, and gives the same weights as `train_static` with
    `config_of(hp)`. Its figures are those of the epoch whose weights such a training keeps: the best with
    `base_config.patience`, else the last.

    - `val_loss`: softmax cross entropy on the validation faces. Keras's own `val_loss` holds λ times the Island loss as
      well, which is no measure where λ, τ and λ1 are searched.
    - `val_accuracy`.

    With few validation subjects both are noisy: the best of many trials is partly the luckiest, and its figure is
    better than what it will do on new people. `validation_folds` takes the mean over several sets of held-out subjects
    at as many times the cost. What a search gained is known only from subjects that took no part in it.

    Args:
        label_names: sequence of class names.
        base_config: `StaticConfig` that holds what is not searched; the default one if `None`.
        space: dict of `StaticConfig` field to what is searched, in the form of `SPACE`; `augmentation` is a factor on
            the strengths of the base's, or the default, augmentation. By default `default_space(base_config)`. As with
            any hypermodel, `hyperparameters=` of the tuner overrides single ones.
        validation_folds: int, sets of subjects to validate on in turn, where `fit` gets no validation faces.
        validation_share: float in (0, 0.5], share of the faces in every such set.

    Raises:
        InputError: a field is unknown, or a value of the space is outside its field's range.

    Example:
    >>> tuner = keras_tuner.RandomSearch(
    ...     StaticHyperModel(faces.label_names), objective="val_loss", max_trials=20, directory="runs/tune"
    ... )
    >>> tuner.search(faces)
    >>> config = tuner.hypermodel.config_of(tuner.get_best_hyperparameters()[0])
    """

    def __init__(
        self, label_names, base_config=None, space=None, validation_folds=1, validation_share=0.2, name=None, **kwargs
    ):
        super().__init__(name=name, **kwargs)
        self.label_names = tuple(label_names)
        self.base_config = base_config or StaticConfig()
        self.space = default_space(self.base_config) if space is None else dict(space)
        self.validation_folds, self.validation_share = validation_folds, validation_share
        _check_space(self.base_config, self.space)

    def config_of(self, hp):
        """The configuration of hyperparameters.

        Args:
            hp: `keras_tuner.HyperParameters`; what is not yet in it is added.

        Returns:
            A `StaticConfig`.
        """
        values = {
            name: (hp.Choice if "values" in options else hp.Float)(name, **options)
            for name, options in self.space.items()
        }
        return _config(self.base_config, values)

    def build(self, hp):
        """Makes the compiled model of hyperparameters.

        Args:
            hp: `keras_tuner.HyperParameters`.

        Returns:
            The model, as `start_static` makes it. The length of its learning rate's schedule is set by `fit`, which
            knows the faces.
        """
        return self._start(self.config_of(hp))

    def fit(
        self, hp, model, faces, validation=None, callbacks=(), epochs=None, initial_epoch=0, verbose=0, on_epoch=None
    ):
        """Trains the model of a trial. KerasTuner calls it with what `tuner.search` is given.

        Args:
            hp: `keras_tuner.HyperParameters`.
            model: what `build(hp)` made.
            faces: `FaceSet` to train on, and to hold subjects out of if there is no `validation`.
            validation: optional `FaceSet` with none of the subjects of `faces`.
            callbacks: Keras callbacks; KerasTuner's own go with the first of several folds.
            epochs: int, the epoch to stop after (Hyperband); the learning rate falls over all of `config.epochs`.
            initial_epoch: int, epochs that the model has behind it (Hyperband).
            verbose: for the tuner; epochs are not printed.
            on_epoch: optional callable `(epoch, logs)`, epochs from 1, counted on over the folds.

        Returns:
            A dict of `val_loss` and `val_accuracy`, means over the folds.

        Raises:
            FatalInputError: the faces are none to train on, or a subject is on both sides.
        """
        config, results = self.config_of(hp), []
        try:
            splits = [(faces, validation)]
            if validation is None:
                seed = self.base_config.seed
                splits = validation_splits(faces, self.validation_folds, self.validation_share, seed)
            for training, held_out in splits:
                check_faces(training, config, held_out)
        except InputError as error:
            raise FatalInputError(str(error)) from error
        for fold, (training, held_out) in enumerate(splits):
            if fold:  # from the start, also where Hyperband goes on: the model of fold 0 has seen these subjects
                config, initial_epoch = dataclasses.replace(config, seed=config.seed + 1), 0
                callbacks = [one for one in callbacks if not type(one).__module__.startswith("keras_tuner.")]
                model = self._start(config)
            steps = steps_per_epoch(training, config)
            model.optimizer.learning_rate = learning_rate_schedule(config, steps)
            model.optimizer.iterations.assign(initial_epoch * steps)
            before = fold * (epochs or config.epochs)
            fit_static(
                *(model, training, config, held_out),
                on_epoch=on_epoch and (lambda epoch, logs, before=before: on_epoch(before + epoch, logs)),
                callbacks=callbacks,
                first_epoch=initial_epoch,
                epochs=epochs,
            )
            results.append(_kept(model.history.history, config))
        return {name: float(np.mean([result[name] for result in results])) for name in results[0]}

    def _start(self, config):
        soft = config.soft_labels or config.label_smoothing
        kind = keras.metrics.CategoricalCrossentropy if soft else keras.metrics.SparseCategoricalCrossentropy
        metrics = ("accuracy", kind(from_logits=True, name="cross_entropy"))
        model = start_static(self.label_names, config, 1, metrics)
        model.optimizer.build(model.trainable_variables)  # so that Hyperband's load_weights brings its moments back
        return model


def _kept(history, config):
    """Figures of the epoch whose weights the training kept."""
    row = int(np.argmin(history["val_loss"])) if config.patience else -1
    return {"val_loss": history["val_cross_entropy"][row], "val_accuracy": history["val_accuracy"][row]}


def default_space(config):
    """What is searched around a configuration.

    Args:
        config: `StaticConfig`.

    Returns:
        `SPACE` without what the configuration has no use for: the Island loss's parameters where λ is 0, the width
        where the backbone has none or comes from a preset.
    """
    without = set()
    if not config.metric_weight:
        without |= {"threshold", "metric_weight", "pair_weight", "alpha"}
    if config.backbone in APPLICATIONS or config.pretrained:
        without.add("width")
    return {name: options for name, options in SPACE.items() if name not in without}


def select_space(config, names=None):
    """Part of `default_space`.

    Args:
        config: `StaticConfig`.
        names: iterable of fields, or `None` for all.

    Returns:
        A dict in the form of `SPACE`.

    Raises:
        InputError: a name is none of `SPACE`.
    """
    if names is None:
        return default_space(config)
    names = [name.strip() for name in names]
    for name in names:
        if name not in SPACE:
            near = difflib.get_close_matches(name, SPACE, 1)
            hint = f"did you mean {near[0]}?" if near else f"expected some of {', '.join(SPACE)}"
            raise InputError(f"the search has no parameter {name!r}; {hint}")
    return {name: SPACE[name] for name in names}


def validation_splits(faces, folds=1, share=0.2, seed=0):
    """Splits faces by subject into those to train and those to validate on, once or several times.

    Args:
        faces: `FaceSet`.
        folds: int, number of splits; no subject is held out twice.
        share: float in (0, 0.5], of the faces held out in each split, as nearly as whole subjects allow; less where so
            many folds need it.
        seed: int ≥ 0.

    Returns:
        A list of pairs of `FaceSet`.

    Raises:
        InputError: `share` is out of its range, `folds` below 1, or there are too few subjects.
    """
    if folds < 1:
        raise InputError(f"validation needs at least 1 fold, received folds={folds}")
    held_out = [hold_out_subjects(faces.subjects, faces.labels, share, seed)]
    if folds > 1:
        parts = max(folds, min(round(1 / share), len(set(faces.subjects))))
        fold_of = assign_stratified_folds(faces.subjects, faces.labels, parts, seed)
        held_out = [{subject for subject, fold in fold_of.items() if fold == wanted} for wanted in range(folds)]
    rows = [np.isin(faces.subjects, list(subjects)) for subjects in held_out]
    return [(faces.select(~held), faces.select(held)) for held in rows]


def search(
    faces,
    base=None,
    trials=20,
    directory="tuning",
    *,
    tuner="bayesian",
    space=None,
    objective="val_loss",
    validation_folds=1,
    validation_share=0.2,
    seed=0,
    on_resume=None,
    on_trial=None,
    on_epoch=None,
):
    """Searches for a better configuration.

    The folder gets `search.json` (what was asked for), KerasTuner's own `trials/`, `results.json` and `best.json`, a
    configuration that `fer_keras.training.config_file.read_config` and `fer-keras train --config` take. A search
    that was killed, at any moment, goes on when it is called again: trials that were done are not done again, one that
    was under way starts anew. After a kill the Bayesian search may choose other values than it would have chosen.

    The objective is noisy with few subjects, see `StaticHyperModel`.

    Args:
        faces: `FaceSet`; leave out the subjects that the result is to be tested on.
        base: `StaticConfig` that holds what is not searched.
        trials: int, the most configurations to try, with those of an earlier call; Hyperband counts every stage of one.
        directory: folder of the search.
        tuner: one of `TUNERS`.
        space: as in `StaticHyperModel`.
        objective: one of `OBJECTIVES`.
        validation_folds: as in `StaticHyperModel`.
        validation_share: as in `StaticHyperModel`.
        seed: int ≥ 0, of the tuner; the trainings have `base.seed`.
        on_resume: optional callable `(rows)`, called at the start with the table of an earlier call.
        on_trial: optional callable `(row)`, called after every trial with its row of the table.
        on_epoch: optional callable `(trial, epoch, logs)`, trials and epochs from 1.

    Returns:
        A dict: `trials`, the table, a list of dicts from the best to the worst with `trial` (from 1), `status`,
        `val_loss`, `val_accuracy`, `epochs`, `values` by field and, of a failed trial, `message`; `best`, the
        configuration of the first as a dict.

    Raises:
        InputError: the folder holds another search, an argument is out of its range, there are too few subjects, or
            trials fail.
    """
    base, directory = base or StaticConfig(), pathlib.Path(directory)
    check_search(trials, tuner, objective, validation_folds, validation_share)
    check_start(faces.label_names, base)
    model = StaticHyperModel(faces.label_names, base, space, validation_folds, validation_share)
    for training, held_out in validation_splits(faces, validation_folds, validation_share, base.seed):
        check_faces(training, base, held_out)
    _claim(
        directory,
        {
            "config": dataclasses.asdict(base),
            "space": model.space,
            "tuner": tuner,
            "objective": objective,
            "validation_folds": validation_folds,
            "validation_share": validation_share,
            "seed": seed,
            "faces": _fingerprint(faces),
        },
    )
    state = _State(directory)
    state.restore()
    with contextlib.redirect_stdout(io.StringIO()):  # KerasTuner tells that it reloads
        runner = _tuner(tuner, model, trials, directory, objective, seed, base.epochs)
    if on_resume:
        on_resume(_table(runner, model, base))
    place = {}

    def begin(trial):
        place["trial"] = _number(trial)

    def end(trial):
        state.save()
        if state.alone:
            write_json(directory / "results.json", {"trials": _table(runner, model, base)})
        if on_trial:
            on_trial(_row(runner.oracle.get_trial(trial.trial_id), model, base))

    runner.begin, runner.end = begin, end
    try:
        runner.search(
            faces, verbose=0, on_epoch=on_epoch and (lambda epoch, logs: on_epoch(place["trial"], epoch, logs))
        )
    except RuntimeError as error:  # KerasTuner gives up when three trials in a row have failed
        raise InputError(f"the search gave up after three failed trials; the last: {_last_line(error)}") from error
    table = _table(runner, model, base)
    if not table or table[0]["status"] != "COMPLETED":
        last = table[0].get("message", "no reason given") if table else "none was run"
        raise InputError(f"no trial was completed: {last}")
    best = dataclasses.asdict(model.config_of(runner.get_best_hyperparameters()[0]))
    write_json(directory / "results.json", {"trials": table, "best": best})
    write_json(directory / "best.json", best)
    return {"trials": table, "best": best}


def check_search(trials=20, tuner="bayesian", objective="val_loss", validation_folds=1, validation_share=0.2):
    """Checks what a search is asked for, as far as it depends on no face.

    Args:
        trials: as in `search`.
        tuner: as in `search`.
        objective: as in `search`.
        validation_folds: as in `search`.
        validation_share: as in `search`.

    Raises:
        InputError: an argument is out of its range.
    """
    for name, value, known in (("tuner", tuner, TUNERS), ("objective", objective, OBJECTIVES)):
        if value not in known:
            raise InputError(f"{name} must be one of {', '.join(known)}, received {value!r}")
    for name, value in (("trials", trials), ("validation_folds", validation_folds)):
        if value < 1:
            raise InputError(f"{name} must be at least 1, received {value}")
    if not 0 < validation_share <= 0.5:
        raise InputError(f"validation_share must be above 0 and at most 0.5, received {validation_share}")


def check_search_folder(directory, resume):
    """Says, before anything is read or drawn, whether a folder can take a search.

    Args:
        directory: folder of the search.
        resume: continue the search that it holds.

    Raises:
        InputError: it holds a search and `resume` is false, none and `resume` is true, or something else.
    """
    directory = pathlib.Path(directory)
    if (directory / "search.json").exists() != resume:
        hint = "holds no search to resume; leave out --resume" if resume else "holds a search already; add --resume"
        raise InputError(f"{directory}: {hint}, or choose another --out")
    if directory.exists() and not resume and (not directory.is_dir() or strangers(directory, {"corpus", "records"})):
        raise InputError(f"{directory}: is not empty and holds no search; choose another --out")


class _State:
    """The tuner's state as of the last trial that ended.

    KerasTuner writes its files in place, one after the other; a kill between or within them leaves what it cannot load.
    """

    def __init__(self, directory):
        self.project, self.file = directory / "trials", directory / "state.json"
        # Distributed tuning: the chief keeps the state, workers share its folder.
        self.alone = "KERASTUNER_ORACLE_IP" not in os.environ

    def save(self):
        """Notes the state, whole."""
        if self.alone:
            files = [*self.project.glob("*.json"), *self.project.glob("trial_*/trial.json")]
            write_json(self.file, {str(file.relative_to(self.project)): json.loads(file.read_text()) for file in files})

    def restore(self):
        """Puts the files back to what was noted last."""
        if not self.alone:
            return
        held = json.loads(self.file.read_text()) if self.file.exists() else {}
        kept = {pathlib.Path(name).parts[0] for name in held}
        for path in self.project.glob("*"):
            if path.is_dir() and path.name not in kept:
                shutil.rmtree(path)
            elif path.is_file():
                path.unlink()
        for name, content in held.items():
            (self.project / name).parent.mkdir(parents=True, exist_ok=True)
            write_json(self.project / name, content)


def _tuner(kind, model, trials, directory, objective, seed, epochs):
    options = {"hypermodel": model, "objective": keras_tuner.Objective(objective, OBJECTIVES[objective])}
    options |= {"seed": seed + 1, "directory": str(directory), "project_name": "trials"}  # KerasTuner: 0 is no seed
    base, own = {
        "bayesian": (keras_tuner.BayesianOptimization, {"max_trials": trials, "num_initial_points": 7, "alpha": 1e-2}),
        "random": (keras_tuner.RandomSearch, {"max_trials": trials}),
        "hyperband": (keras_tuner.Hyperband, {"max_epochs": epochs}),
    }[kind]

    class Tuner(base):
        def on_trial_begin(self, trial):
            super().on_trial_begin(trial)
            self.begin(trial)

        def on_trial_end(self, trial):
            super().on_trial_end(trial)
            self.end(trial)

    tuner = Tuner(**options, **own)
    tuner.oracle.max_trials = trials  # Hyperband takes none; a search that goes on may take more than before
    return tuner


def _table(tuner, model, base):
    return [_row(trial, model, base) for trial in tuner.oracle.get_best_trials(1_000_000)]  # those not completed last


def _row(trial, model, base):
    hp, metrics = trial.hyperparameters, trial.metrics
    row = {"trial": _number(trial), "status": trial.status}
    row |= {name: metrics.get_last_value(name) if metrics.exists(name) else None for name in OBJECTIVES}
    row |= {"epochs": hp.values.get("tuner/epochs", base.epochs)}
    row |= {"values": {name: hp.values[name] for name in model.space if name in hp.values}}
    return row | ({"message": _last_line(trial.message)} if trial.message else {})


def _number(trial):
    return int(trial.trial_id) + 1


def _last_line(text):
    return (str(text).strip().splitlines() or ["no reason given"])[-1]


def _config(base, values):
    """The base with some fields changed; `augmentation` is a factor."""
    values = dict(values)
    if "augmentation" in values:
        strength = base.augmentation or AugmentationStrength()
        values["augmentation"] = strength.scaled(values["augmentation"]) if values["augmentation"] else None
    return dataclasses.replace(base, **values)


def _check_space(base, space):
    known = [field.name for field in dataclasses.fields(StaticConfig)]
    for name, options in space.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            raise InputError(f"the search space names {name!r}" + (f"; did you mean {near[0]}?" if near else ""))
        ends = options.get("values") or [options.get("min_value", math.nan), options.get("max_value", math.nan)]
        for value in ends:
            _config(base, {name: value})
    if "width" in space and (base.backbone in APPLICATIONS or base.pretrained):
        what = f"the preset {base.pretrained}" if base.pretrained else f"the backbone {base.backbone}"
        raise InputError(f"{what} has one width; leave width out of the search")


def _claim(directory, asked):
    file, asked = directory / "search.json", json.loads(json.dumps(asked))  # tuples compare as lists
    if not file.exists():
        directory.mkdir(parents=True, exist_ok=True)
        write_json(file, asked)
        return
    try:
        held = json.loads(file.read_text())
    except ValueError as error:
        raise InputError(f"{file}: is damaged; remove {directory} and start again") from error
    changed = [name for name in asked if held.get(name) != asked[name]]
    if "config" in changed:
        changed = [name for name, value in asked["config"].items() if held["config"].get(name) != value]
    if changed:
        raise InputError(
            f"{directory}: the search there was started with another {changed[0]}; choose another folder, or remove it"
        )


def _fingerprint(faces):
    digest = hashlib.sha256(np.ascontiguousarray(faces.images))
    for array in (faces.labels, faces.subjects, faces.votes):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
