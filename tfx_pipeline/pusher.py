"""Pusher: a blessed model to the newest served version, whole or not at all."""

import logging
import shutil

from tfx.components.pusher import component, executor
from tfx.dsl.components.base import executor_spec
from tfx.proto import pusher_pb2
from tfx.types import artifact_utils
from tfx.utils import proto_utils

from fer_keras.export import publish_version
from fer_keras.export.serving_assets import EXTRA_DIR
from tfx_pipeline.local_path import local_path
from tfx_pipeline.versions import find_versions, holds, remove_leftovers

_log = logging.getLogger(__name__)

FIGURES_FILE = "figures.json"
"""File in a ModelBlessing artifact, and in `assets.extra` of the version: what a release was blessed on."""

NEW_PROPERTY = "new"
"""Property of a PushedModel artifact: 1 if the version was made by this push, 0 if it held the model before."""


def push(model_dir, base_path, figures=None):
    """Publishes a SavedModel as the newest version under a server's base path.

    The files are written aside and renamed, so that a server never sees half a version. A model that some version
    already holds is not pushed again: a run that was killed just after its push can be rerun, and so can one whose
    model was rolled back.

    Args:
        model_dir: folder of a SavedModel.
        base_path: folder of versions, such as `saved_models/fer`; created if missing.
        figures: optional file with what the model was blessed on, which goes with it.

    Returns:
        The path of the version, named by Unix time.
    """
    remove_leftovers(base_path)
    versions = find_versions(base_path)
    held = next((version for version in versions if holds(version, model_dir)), None)
    if held is not None:
        if held != versions[0]:
            _log.warning(
                "version %s holds this model, and version %s is served: see `fer-keras pipeline rollback --to %s`",
                *(held.name, versions[0].name, held.name),
            )
        return held

    def write(aside):
        shutil.copytree(model_dir, aside)
        if figures is not None:
            (aside / EXTRA_DIR).mkdir(exist_ok=True)
            shutil.copy(figures, aside / EXTRA_DIR / FIGURES_FILE)

    return publish_version(base_path, write)


class Executor(executor.Executor):
    """TFX's Pusher with `push` in place of its copy in place."""

    def Do(self, input_dict, output_dict, exec_properties):  # noqa: N802
        """Pushes the model if it is blessed."""
        self._log_startup(input_dict, output_dict, exec_properties)
        pushed = artifact_utils.get_single_instance(output_dict["pushed_model"])
        if not self.CheckBlessing(input_dict):
            _log.info("nothing is pushed: the model is not blessed")
            self._MarkNotPushed(pushed)
            return
        destination = pusher_pb2.PushDestination()
        proto_utils.json_to_proto(exec_properties["push_destination"], destination)
        blessing = artifact_utils.get_single_instance(input_dict["model_blessing"])
        figures = local_path(blessing.uri) / FIGURES_FILE
        base = destination.filesystem.base_directory
        before = find_versions(base)
        version = push(local_path(self.GetModelPath(input_dict)), base, figures if figures.exists() else None)
        pushed.set_int_custom_property(NEW_PROPERTY, int(version not in before))
        self._MarkPushed(pushed, pushed_destination=str(version), pushed_version=version.name)


class Pusher(component.Pusher):
    """TFX's Pusher component, whose versions appear whole or not at all; see `push`."""

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)
