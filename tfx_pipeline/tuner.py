"""Tuner: the search of `fer_keras.training.search` on the training splits, as a TFX component."""

import hashlib
import json
import logging
import os
import shutil
import time

import keras_tuner
from tfx.components.trainer import fn_args_utils
from tfx.components.tuner import component
from tfx.dsl.components.base import base_executor, executor_spec
from tfx.types import artifact_utils

from fer_keras.json_file import write_json
from fer_keras.training.search import StaticHyperModel, search, select_space
from fer_keras.training.static import StaticConfig
from tfx_pipeline.config import Tuning
from tfx_pipeline.local_path import local_path
from tfx_pipeline.trainer import TIMES_FILE, read_transformed
from tfx_pipeline.tuner_files import BEST_FILE, TRIALS_FILE

_log = logging.getLogger(__name__)


def search_splits(fn_args, directory):
    """Searches for a better configuration on the training splits.

    Several processes share a search as KerasTuner has it, see `tfx_pipeline.run_local.tune_local`: the Tuner of the run
    is its chief, which deals out the trials and trains none.

    Trials are judged on subjects held out of those. The evaluation splits are not looked at: what is tested on them has
    not been chosen by them.

    Args:
        fn_args: TFX's `FnArgs`, see `tfx_pipeline.trainer.run_fn`.
        directory: folder of the search; one that was killed goes on there.

    Returns:
        A pair: the best hyperparameters in KerasTuner's own form, and the table of the trials as
        `fer_keras.training.search.search` gives it.
    """
    asked = fn_args.custom_config
    base, tuning = StaticConfig(**asked["training"]), Tuning(**asked["tuning"])
    model = hyper_model(asked, base)
    faces = read_transformed(fn_args.train_files, asked["label_names"], base.channels)
    _log.info("%d trials on %d faces of %d subjects", tuning.trials, len(faces), len(set(faces.subjects)))
    if "KERASTUNER_ORACLE_IP" in os.environ and os.environ.get("KERASTUNER_TUNER_ID") == "chief":
        _log.info("they wait for `fer-keras pipeline tune` on other machines, or in other processes")
    found = search(
        faces,
        base,
        tuning.trials,
        directory,
        tuner=tuning.tuner,
        space=model.space,
        objective=tuning.objective,
        validation_folds=tuning.validation_folds,
        validation_share=tuning.validation_share,
        seed=tuning.seed,
        on_trial=lambda row: _log.info("trial %d: %s", row["trial"], _figures(row)),
    )
    parameters = keras_tuner.HyperParameters()
    model.config_of(parameters)  # enters what there is to choose
    parameters.values.update(found["trials"][0]["values"])
    return parameters.get_config(), found["trials"]


def config_of(asked, base, hyperparameters):
    """The configuration that a Tuner found best.

    Args:
        asked: `custom_config` of the Trainer, see `tfx_pipeline.trainer.run_fn`.
        base: `StaticConfig`.
        hyperparameters: KerasTuner's configuration of hyperparameters.

    Returns:
        A `StaticConfig`.
    """
    parameters = keras_tuner.HyperParameters.from_config(hyperparameters)
    _log.info("tuned: %s", _values(parameters.values))
    return hyper_model(asked, base).config_of(parameters)


def hyper_model(asked, base):
    """The search space of a pipeline.

    Args:
        asked: `custom_config` of the Tuner or the Trainer.
        base: `StaticConfig`.

    Returns:
        A `StaticHyperModel`.
    """
    tuning = Tuning(**asked["tuning"])
    space = select_space(base, tuning.parameters or None)
    return StaticHyperModel(asked["label_names"], base, space, tuning.validation_folds, tuning.validation_share)


def _figures(row):
    judged = [f"{name} {row[name]:.3f}" for name in ("val_loss", "val_accuracy") if row[name] is not None]
    return f"{', '.join(judged) or row['status']} with {_values(row['values'])}"


def _values(values):
    return ", ".join(f"{name} {value:.3g}" for name, value in values.items())


class Executor(base_executor.BaseExecutor):
    """TFX's Tuner with `search_splits` in place of a bare search: it goes on where a killed one stopped."""

    def Do(self, input_dict, output_dict, exec_properties):  # noqa: N802
        """Writes the best hyperparameters and the table of the trials."""
        self._log_startup(input_dict, output_dict, exec_properties)
        fn_args = fn_args_utils.get_common_fn_args(input_dict, exec_properties, self._get_tmp_dir())
        best = local_path(artifact_utils.get_single_uri(output_dict["best_hyperparameters"]))
        asked = json.dumps([sorted(fn_args.train_files), fn_args.custom_config], sort_keys=True)
        key = hashlib.sha256(asked.encode()).hexdigest()[:16]
        directory = best.parents[1] / f"search-{key}"
        started = time.monotonic()
        parameters, trials = search_splits(fn_args, directory)
        results = local_path(artifact_utils.get_single_uri(output_dict["tuner_results"]))
        write_json(best / BEST_FILE, parameters)
        write_json(results / TRIALS_FILE, trials)
        write_json(results / TIMES_FILE, {"training": time.monotonic() - started})  # but for a moment of reading
        shutil.rmtree(directory, ignore_errors=True)


class Tuner(component.Tuner):
    """TFX's Tuner component with the project's search; see `search_splits`."""

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)
