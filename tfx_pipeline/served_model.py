"""ServedModel: the newest served version as a model to compare with, where TFX has a Resolver.

A Resolver asks ML Metadata, which Kubeflow's pipelines do not let it do. The served versions are all blessed and are
what a new one is to replace: this component finds them on every runner alike, also after a rollback.
"""

import logging
import pathlib
import shutil

import tensorflow as tf
from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.types import artifact_utils, channel, component_spec, standard_artifacts
from tfx.utils import io_utils, path_utils

from tfx_pipeline.driver import FindingDriver
from tfx_pipeline.learnt_from import learnt_from_tested
from tfx_pipeline.local_path import local_path
from tfx_pipeline.versions import holds, numbered_folders

_log = logging.getLogger(__name__)

BASELINE = "baseline"
"""The output of `ServedModel`; its custom properties are `version` and `LEARNT_PROPERTY`."""
LEARNT_PROPERTY = "learnt"
"""Whether that version learnt from the people that the candidate is tested on: a text of `learnt_from_tested`."""

_NONE = "none"


def baseline_version(push_dir, model_dir):
    """The newest served version that can be read and is another model than a candidate.

    A newer folder that no server could load is passed over, for it would switch the comparison off; the log names it.

    Args:
        push_dir: base path of the served model.
        model_dir: folder of the candidate's SavedModel.

    Returns:
        The path of the version, or `None`. A candidate is not compared with itself: after its push a rerun finds what
        it found before, and does nothing.
    """
    found, passed_over = None, []
    for folder in numbered_folders(push_dir):
        if holds(folder, model_dir):
            continue
        if _can_be_read(folder):
            found = folder
            break
        passed_over.append(folder.name)
    if passed_over:
        _log.warning("%s: passed over %s, which hold no model that can be read", push_dir, ", ".join(passed_over))
    return found


def _can_be_read(folder):
    try:
        tf.saved_model.load(str(folder))
    except Exception:  # damaged files fail in many ways
        return False
    return True


def has_model(artifact):
    """Whether a Model artifact holds a SavedModel."""
    return (local_path(path_utils.serving_model_path(artifact.uri)) / "saved_model.pb").exists()


def difference(version, record, label_names):
    """Whether a served model answers the records that a candidate answers, over the same labels.

    Args:
        version: folder of a SavedModel.
        record: a serialized record.
        label_names: the candidate's labels.

    Returns:
        `""`, or what is different.
    """
    try:
        signature = tf.saved_model.load(str(version)).signatures["serve_examples"]
        (name,) = signature.structured_input_signature[1]
        classes = signature(**{name: tf.constant([record])})["classes"][0].numpy().tolist()
    except (KeyError, OSError, TypeError, ValueError, tf.errors.OpError) as error:
        return f"it does not answer such records ({type(error).__name__})"
    found = tuple(name.decode() for name in classes)
    return "" if found == tuple(label_names) else f"its labels are {', '.join(found)}"


class Driver(FindingDriver):
    """Adds which version it is, so that it is taken up when another one is served, and only then."""

    def find(self, input_dict, properties):
        """Returns the version."""
        return {"version": _version(input_dict, properties)}


def _version(input_dict, properties):
    model = artifact_utils.get_single_instance(input_dict["model"])
    found = baseline_version(properties["push_dir"], local_path(path_utils.serving_model_path(model.uri)))
    return str(found) if found else _NONE


class Executor(base_executor.BaseExecutor):
    """Copies the version into the output artifact, or leaves that empty."""

    def Do(self, input_dict, output_dict, exec_properties):  # noqa: N802
        """Finds the version; see `ServedModel`."""
        self._log_startup(input_dict, output_dict, exec_properties)
        output = artifact_utils.get_single_instance(output_dict[BASELINE])
        version = exec_properties.get("version") or _version(input_dict, exec_properties)
        if version == _NONE:
            _log.info("no other model is served: there is nothing to compare with")
            return
        record = _first_record(input_dict, exec_properties)
        different = difference(version, record, exec_properties["labels"].split())
        if different:
            _log.warning("version %s is not compared with: %s", pathlib.Path(version).name, different)
            return
        shutil.copytree(version, local_path(path_utils.serving_model_path(output.uri)))
        model = artifact_utils.get_single_instance(input_dict["model"])
        learnt = learnt_from_tested(version, local_path(path_utils.serving_model_path(model.uri)))
        output.set_string_custom_property("version", version)
        output.set_string_custom_property(LEARNT_PROPERTY, learnt)
        _log.info("compared with version %s%s", pathlib.Path(version).name, learnt and f", {learnt}")


def _first_record(input_dict, exec_properties):
    uri = artifact_utils.get_split_uris(input_dict["examples"], exec_properties["split"])[0]
    files = sorted(tf.io.gfile.glob(io_utils.all_files_pattern(uri)))
    return next(tf.data.TFRecordDataset(files, "GZIP").take(1).as_numpy_iterator())


class ServedModelSpec(component_spec.ComponentSpec):
    """Inputs and outputs of `ServedModel`."""

    PARAMETERS = {  # noqa: RUF012
        "push_dir": component_spec.ExecutionParameter(type=str),
        "labels": component_spec.ExecutionParameter(type=str),
        "split": component_spec.ExecutionParameter(type=str),
        "version": component_spec.ExecutionParameter(type=str, optional=True),
    }
    INPUTS = {  # noqa: RUF012
        "model": component_spec.ChannelParameter(type=standard_artifacts.Model),
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
    }
    OUTPUTS = {BASELINE: component_spec.ChannelParameter(type=standard_artifacts.Model)}  # noqa: RUF012


class ServedModel(base_component.BaseComponent):
    """The newest served version, to compare a candidate with; empty where there is none that it can be compared with.

    One that learnt from the people that the candidate is tested on is compared with all the same: to refuse a good
    model is safer than to bless a bad one. Its custom property `learnt` says so.

    Args:
        model: channel of the candidate.
        examples: channel of the records that both are to answer.
        split: string, the split that is evaluated.
        label_names: the candidate's labels.
        push_dir: base path of the served model.
    """

    SPEC_CLASS = ServedModelSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)
    DRIVER_CLASS = Driver

    def __init__(self, model, examples, split, label_names, push_dir):
        spec = ServedModelSpec(
            push_dir=str(push_dir),
            labels=" ".join(label_names),
            split=split,
            model=model,
            examples=examples,
            baseline=channel.Channel(type=standard_artifacts.Model),
        )
        super().__init__(spec=spec)
