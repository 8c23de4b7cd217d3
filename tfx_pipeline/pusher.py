"""Pusher: a blessed model becomes the newest served version, whole or not at all."""

import filecmp
import logging
import pathlib
import shutil

from tfx.components.pusher import component, executor
from tfx.dsl.components.base import executor_spec
from tfx.proto import pusher_pb2
from tfx.types import artifact_utils
from tfx.utils import proto_utils

from fer_keras.export import newest_version, publish_version

_log = logging.getLogger(__name__)


def push(model_dir, base_path):
    """Publishes a SavedModel as the newest version under a server's base path.

    The files are written aside and renamed, so that a server never sees half a version. A model that the newest
    version already holds is not pushed again: a run that was killed just after its push can be rerun.

    Args:
        model_dir: folder of a SavedModel.
        base_path: folder of versions, such as `saved_models/fer`; created if missing.

    Returns:
        The path of the version, named by Unix time.
    """
    newest = pathlib.Path(base_path, str(newest_version(base_path)))
    if newest.exists() and _holds(newest, pathlib.Path(model_dir)):
        return newest
    return publish_version(base_path, lambda aside: shutil.copytree(model_dir, aside))


def _holds(version, model_dir):
    files = [str(file.relative_to(model_dir)) for file in model_dir.rglob("*") if file.is_file()]
    same, _, _ = filecmp.cmpfiles(version, model_dir, files, shallow=False)
    return len(same) == len(files)


class Executor(executor.Executor):
    """TFX's Pusher with `push` in place of its copy in place."""

    def Do(self, input_dict, output_dict, exec_properties):  # noqa: N802
        """Pushes the model if it is blessed."""
        self._log_startup(input_dict, output_dict, exec_properties)
        pushed = artifact_utils.get_single_instance(output_dict["pushed_model"])
        if not self.CheckBlessing(input_dict):
            _log.info("nothing is pushed: the Evaluator did not bless the model")
            self._MarkNotPushed(pushed)
            return
        destination = pusher_pb2.PushDestination()
        proto_utils.json_to_proto(exec_properties["push_destination"], destination)
        version = push(self.GetModelPath(input_dict), destination.filesystem.base_directory)
        self._MarkPushed(pushed, pushed_destination=str(version), pushed_version=version.name)


class Pusher(component.Pusher):
    """TFX's Pusher component, whose versions appear whole or not at all; see `push`."""

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)
