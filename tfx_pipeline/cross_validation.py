"""CrossValidationReport and ReleaseBlessing: what the folds come to, and whether it is enough for a release."""

import json
import logging
import pathlib

import numpy as np
from tfx.components.evaluator import constants
from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.types import artifact_utils, channel, component_spec, standard_artifacts
from tfx.types.artifact import Artifact
from tfx.utils import path_utils

from fer_keras import corpora
from fer_keras.corpora.face_set import FaceSet, join_faces, load_faces
from fer_keras.errors import InputError
from fer_keras.evaluation.cross_validation import fold_figures, join_folds, load_fold, untrained_classes
from fer_keras.export.serving_assets import EXTRA_DIR
from fer_keras.json_file import write_json
from tfx_pipeline.cross_validation_page import write_page
from tfx_pipeline.driver import FindingDriver
from tfx_pipeline.evaluation import read_evaluation, refusal
from tfx_pipeline.local_path import local_path
from tfx_pipeline.pusher import FIGURES_FILE
from tfx_pipeline.trainer import read_transformed_clips
from tfx_pipeline.versions import find_versions, holds

_log = logging.getLogger(__name__)

RESULTS_FILE, REPORT_FILE = "results.json", "report.html"
FOLD_FIGURES = ("accuracy", "uar", "macro_f1")
"""What the artifact's properties hold of every fold."""


class CrossValidation(Artifact):
    """`results.json` and `report.html` of a cross-validation; its custom properties hold the figures.

    Means and deviations are `frame_accuracy_mean` and so on, those of a fold `fold_0_accuracy`, by frame.
    """

    TYPE_NAME = "fer.CrossValidation"  # Kubeflow wants a namespace


def fold_properties(figures):
    """What is said of every fold in ML Metadata.

    Args:
        figures: as `gather` returns them.

    Returns:
        A dict of a property's name to a float.
    """
    return {
        f"fold_{fold}_{name}": one["frame"][name]
        for fold, one in enumerate(figures["folds"])
        for name in FOLD_FIGURES
        if one["frame"][name] is not None
    }


def gather(folds, label_names, read_fold):
    """Puts the folds of a cross-validation together.

    Args:
        folds: list of pairs of paths, one a fold: its ModelRun artifact and its ModelEvaluation artifact.
        label_names: tuple of class names.
        read_fold: callable that returns the faces or clips of a fold, by its number.

    Returns:
        A triple: the figures as `fer_keras.evaluation.cross_validation.cross_validate` gives them without the
        probabilities, and `evaluated`, the accuracy of every fold as the Evaluator measured it on the SavedModel; the
        list of every fold's `FaceSet` or `ClipSet`; and the list of their probabilities.

    Raises:
        InputError: a fold's answers are missing, damaged, or not those of its faces.
    """
    held, sets, evaluated = [], [], []
    for fold, (run, evaluation) in enumerate(folds):
        one, things = load_fold(pathlib.Path(run), fold), read_fold(fold)
        if one["probabilities"].shape != (len(things), len(label_names)):
            raise InputError(
                f"{run}: holds answers to {len(one['probabilities'])} faces, but the fold has {len(things)}"
            )
        held.append(one)
        sets.append(things)
        evaluated.append(read_evaluation(evaluation)["accuracy"])
    answers = [one["probabilities"] for one in held]
    results = [fold_figures(things, rows) for things, rows in zip(sets, answers, strict=True)]
    joined = join_folds(_without_pictures(sets), results, np.concatenate(answers))
    del joined["probabilities"]
    figures = {
        **joined,
        "histories": [one["history"] for one in held],
        "seconds": sum(one["seconds"] for one in held),
        "evaluated": evaluated,
    }
    return figures, sets, answers


def _without_pictures(sets):
    """What figures are made of, of faces and of clips alike: a `FaceSet` of empty pictures."""
    joined = {
        name: np.concatenate([getattr(one, name) for one in sets]) for name in ("labels", "subjects", "sequences")
    }
    images = np.zeros((len(joined["labels"]), 0, 0, 1), np.uint8)
    return FaceSet(images=images, label_names=sets[0].label_names, **joined)


class Executor(base_executor.BaseExecutor):
    """Reads what the folds left."""

    def Do(self, input_dict, output_dict, exec_properties):  # noqa: N802
        """Writes the results and the report; see `CrossValidationReport`."""
        self._log_startup(input_dict, output_dict, exec_properties)
        about = json.loads(exec_properties["about"])
        names, number = tuple(about["label_names"]), about["fold_count"]
        folds = [
            tuple(str(_folder(input_dict[f"{kind}_{fold}"])) for kind in ("model_run", "evaluation"))
            for fold in range(number)
        ]

        def read_fold(fold):
            examples = input_dict["transformed" if about["task"] == "video" else "examples"]
            split = local_path(artifact_utils.get_split_uris(examples, f"fold-{fold}")[0])
            files = sorted(str(path) for path in split.glob("*.gz"))
            if about["task"] == "video":
                return read_transformed_clips(files, names, about["face_shape"][1])
            return load_faces(files, names, *about["face_shape"])

        figures, sets, answers = gather(folds, names, read_fold)
        fold_of = np.repeat(np.arange(number), [len(one) for one in sets])
        results = {
            **about,
            "built_in": about["corpus"] in corpora.BUILT_IN,
            "faces": len(fold_of),
            "subjects": len({subject for one in sets for subject in one.subjects}),
            "sequences": len({sequence for one in sets for sequence in one.sequences}),
            "remarks": untrained_classes(_without_pictures(sets), fold_of),
            **figures,
        }
        output = artifact_utils.get_single_instance(output_dict["cross_validation"])
        write_json(local_path(output.uri) / RESULTS_FILE, results)
        faces = join_faces(sets) if about["task"] != "video" else _without_pictures(sets)
        write_page(results, faces, np.concatenate(answers), local_path(output.uri) / REPORT_FILE)
        for name, value in fold_properties(figures).items():
            output.set_float_custom_property(name, value)
        for level in ("frame", "sequence"):
            for name in FOLD_FIGURES:
                for statistic in ("mean", "std"):
                    output.set_float_custom_property(f"{level}_{name}_{statistic}", figures[statistic][level][name])
        output.set_int_custom_property("folds", number)
        mean, std = (figures[statistic]["frame"]["accuracy"] for statistic in ("mean", "std"))
        _log.info("%d folds: accuracy %.3f ± %.3f", number, mean, std)


def _folder(artifacts):
    return local_path(artifact_utils.get_single_uri(artifacts))


class CrossValidationReportSpec(component_spec.ComponentSpec):
    """Inputs and outputs of `CrossValidationReport`, without those of the folds; see `_spec`."""

    PARAMETERS = {"about": component_spec.ExecutionParameter(type=str)}  # noqa: RUF012
    INPUTS = {  # noqa: RUF012
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "transformed": component_spec.ChannelParameter(type=standard_artifacts.Examples),
    }
    OUTPUTS = {"cross_validation": component_spec.ChannelParameter(type=CrossValidation)}  # noqa: RUF012


def _spec(folds):
    """The specification with a pair of inputs for every fold: Kubeflow takes one artifact an input."""
    inputs = {
        f"model_run_{fold}": component_spec.ChannelParameter(standard_artifacts.ModelRun) for fold in range(folds)
    }
    inputs |= {
        f"evaluation_{fold}": component_spec.ChannelParameter(standard_artifacts.ModelEvaluation)
        for fold in range(folds)
    }
    return type(
        "CrossValidationReportOfFoldsSpec",
        (CrossValidationReportSpec,),
        {"INPUTS": {**CrossValidationReportSpec.INPUTS, **inputs}},
    )


class CrossValidationReport(base_component.BaseComponent):
    """Gathers the folds: figures over all of them, an HTML page, and means and folds as properties of the artifact.

    Args:
        examples: channel of CorpusExampleGen.
        transformed: channel of Transform's records.
        folds: list of pairs of channels, one a fold: the Trainer's `model_run` and the Evaluator's `evaluation`.
        about: dict of plain data: `corpus`, `label_names`, `fold_count`, `task`, `face_shape` (side and channels), and
            `config`, the fields of the training's configuration.
    """

    SPEC_CLASS = CrossValidationReportSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(self, examples, transformed, folds, about):
        of_folds = {}
        for fold, (model_run, evaluation) in enumerate(folds):
            of_folds |= {f"model_run_{fold}": model_run, f"evaluation_{fold}": evaluation}
        spec = _spec(len(folds))(
            about=json.dumps(about, sort_keys=True),
            examples=examples,
            transformed=transformed,
            cross_validation=channel.Channel(type=CrossValidation),
            **of_folds,
        )
        super().__init__(spec=spec)


def baseline_figures(push_dir, model_dir, about):
    """What the latest blessed release was blessed on, of those that a candidate can be compared with.

    Args:
        push_dir: base path of the served model.
        model_dir: folder of the candidate's SavedModel; a version that holds it is passed over.
        about: dict with `corpus`, `label_names` and `fold_count`, which must be alike.

    Returns:
        The dict of its figures and its `version`, or `None`.
    """
    for version in find_versions(push_dir):
        file = version / EXTRA_DIR / FIGURES_FILE
        if file.exists() and not holds(version, model_dir):
            figures = json.loads(file.read_text())
            if all(figures.get(name) == about[name] for name in ("corpus", "label_names", "fold_count")):
                return {**figures, "version": version.name}
    return None


class BlessingDriver(FindingDriver):
    """Adds the figures to compare with, so that a release is judged again when another one is served."""

    def find(self, input_dict, properties):
        """Returns the figures."""
        return {"baseline": _baseline(input_dict, properties)}


def _baseline(input_dict, properties):
    model = artifact_utils.get_single_instance(input_dict["model"])
    about = json.loads(properties["about"])
    found = baseline_figures(properties["push_dir"], local_path(path_utils.serving_model_path(model.uri)), about)
    return json.dumps(found, sort_keys=True)


class BlessingExecutor(base_executor.BaseExecutor):
    """Compares figures."""

    def Do(self, input_dict, output_dict, exec_properties):  # noqa: N802
        """Blesses the model, or says why not; see `ReleaseBlessing`."""
        self._log_startup(input_dict, output_dict, exec_properties)
        model = artifact_utils.get_single_instance(input_dict["model"])
        blessing = artifact_utils.get_single_instance(output_dict["blessing"])
        baseline = json.loads(exec_properties.get("baseline") or _baseline(input_dict, exec_properties))
        gathered = _folder(input_dict["cross_validation"])
        results = json.loads((gathered / RESULTS_FILE).read_text())
        figures = {name: results[name] for name in ("corpus", "label_names", "fold_count", "mean", "std")}
        write_json(local_path(blessing.uri) / FIGURES_FILE, figures)
        reason = refusal(
            figures["mean"]["frame"]["accuracy"],
            exec_properties["min_accuracy"],
            baseline and baseline["mean"]["frame"]["accuracy"],
            exec_properties["max_drop"],
        )
        blessing.set_string_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY, model.uri)
        blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY, model.id)
        blessing.set_string_custom_property("reason", reason)
        if baseline:
            blessing.set_string_custom_property("baseline_version", baseline["version"])
        blessing.set_int_custom_property(
            constants.ARTIFACT_PROPERTY_BLESSED_KEY,
            constants.NOT_BLESSED_VALUE if reason else constants.BLESSED_VALUE,
        )
        name = constants.NOT_BLESSED_FILE_NAME if reason else constants.BLESSED_FILE_NAME
        (local_path(blessing.uri) / name).touch()
        _log.info("not blessed: %s" if reason else "blessed%s", reason)


class ReleaseBlessingSpec(component_spec.ComponentSpec):
    """Inputs and outputs of `ReleaseBlessing`."""

    PARAMETERS = {  # noqa: RUF012
        "about": component_spec.ExecutionParameter(type=str),
        "push_dir": component_spec.ExecutionParameter(type=str),
        "min_accuracy": component_spec.ExecutionParameter(type=float),
        "max_drop": component_spec.ExecutionParameter(type=float),
        "baseline": component_spec.ExecutionParameter(type=str, optional=True),
    }
    INPUTS = {  # noqa: RUF012
        "model": component_spec.ChannelParameter(type=standard_artifacts.Model),
        "cross_validation": component_spec.ChannelParameter(type=CrossValidation),
    }
    OUTPUTS = {"blessing": component_spec.ChannelParameter(type=standard_artifacts.ModelBlessing)}  # noqa: RUF012


class ReleaseBlessing(base_component.BaseComponent):
    """Blesses a model that was trained on all folds, for which nothing is left to test it on.

    Its cross-validation figures must reach `min_accuracy`, and those of the latest blessed release on the same corpus,
    labels and number of folds less `max_drop`. That release is the newest served version with such figures.

    Args:
        model: channel of the model.
        cross_validation: channel of `CrossValidationReport`.
        about: dict with `corpus`, `label_names` and `fold_count`.
        push_dir: base path of the served model.
        min_accuracy: least mean accuracy over the folds.
        max_drop: how far below the release's it may be.
    """

    SPEC_CLASS = ReleaseBlessingSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(BlessingExecutor)
    DRIVER_CLASS = BlessingDriver

    def __init__(self, model, cross_validation, about, push_dir, min_accuracy, max_drop):
        spec = ReleaseBlessingSpec(
            about=json.dumps({name: about[name] for name in ("corpus", "label_names", "fold_count")}, sort_keys=True),
            push_dir=str(push_dir),
            min_accuracy=min_accuracy,
            max_drop=max_drop,
            model=model,
            cross_validation=cross_validation,
            blessing=channel.Channel(type=standard_artifacts.ModelBlessing),
        )
        super().__init__(spec=spec)
