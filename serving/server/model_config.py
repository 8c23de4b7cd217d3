"""Which models are served, from where, and in which versions: what TensorFlow Serving's `ModelConfig` says."""

import dataclasses
import pathlib

from serving.server.errors import Code, ServingError


@dataclasses.dataclass(frozen=True)
class VersionPolicy:
    """Which of the versions found on disk are served (config/file_system_storage_path_source.proto).

    Attributes:
        latest: int, so many of the newest; `None` with `versions` for specific ones, without for all.
        versions: tuple of int, or `None`.
    """

    latest: int | None = 1
    versions: tuple | None = None

    def candidates(self, found):
        """Returns the versions to try, newest first; of `latest`, so many of them are wanted."""
        return sorted((version for version in found if self.versions is None or version in self.versions), reverse=True)


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """One model to serve.

    Attributes:
        name: str, the name in requests.
        base_path: path of the directory with the versions.
        policy: `VersionPolicy`.
        labels: dict, label to version: requests may name a version by it.
    """

    name: str
    base_path: pathlib.Path
    policy: VersionPolicy = VersionPolicy()
    labels: dict = dataclasses.field(default_factory=dict)


def model_configs(message):
    """Reads the models that a `ModelServerConfig` lists.

    Args:
        message: `tensorflow_serving.config.model_server_config_pb2.ModelServerConfig`.

    Returns:
        A list of `ModelConfig`.

    Raises:
        ServingError: INVALID_ARGUMENT, worded as in model_servers/server_core.cc.
    """
    if message.WhichOneof("config") != "model_config_list":
        raise ServingError(
            Code.INVALID_ARGUMENT,
            "ServerModelConfig type not supported by HandleReloadConfigRequest."
            " Only ModelConfigList is currently supported",
        )
    listed = message.model_config_list.config
    names = set()
    for number, one in enumerate(listed, 1):
        if not one.name:
            raise _invalid(f"Expected every model in config list to have a name; entry {number} has none")
        if one.name in names:
            raise _invalid(f"Illegal to list model {one.name} multiple times in config list")
        names.add(one.name)
    for one in listed:
        if not pathlib.PurePosixPath(one.base_path).is_absolute():
            raise _invalid(
                f"Expected model {one.name} to have an absolute path or URI; got base_path()={one.base_path}"
            )
    return [_model_config(one) for one in listed]


def _model_config(message):
    if message.model_type and message.model_platform:
        raise _invalid(
            "Illegal setting both ModelServerConfig::model_type (deprecated) and ModelServerConfig::model_platform, "
            f"model name is {message.name}"
        )
    platform = "tensorflow" if message.model_type == 1 else message.model_platform
    if not platform:
        raise _invalid(
            "Illegal setting neither ModelServerConfig::model_type (deprecated) nor "
            f"ModelServerConfig::model_platform, model name is {message.name}"
        )
    if platform != "tensorflow":
        raise _invalid(f"Model {message.name} requests unsupported platform {platform}")
    choice = message.model_version_policy.WhichOneof("policy_choice")
    policy = VersionPolicy()
    if choice == "latest":
        policy = VersionPolicy(message.model_version_policy.latest.num_versions or 1)
    elif choice == "all":
        policy = VersionPolicy(None)
    elif choice == "specific":
        policy = VersionPolicy(None, tuple(message.model_version_policy.specific.versions))
    return ModelConfig(message.name, pathlib.Path(message.base_path), policy, dict(message.version_labels))


def _invalid(message):
    return ServingError(Code.INVALID_ARGUMENT, message)
