"""One served model: the versions of it that are loaded, and how each of those ever tried stands."""

import dataclasses
import logging
import pathlib
import re
import textwrap
import threading
import time

from serving.server.errors import Code, ServingError, useful_part

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class VersionStatus:
    """What `GetModelStatus` tells of one version (apis/get_model_status.proto)."""

    version: int
    state: str
    code: Code = Code.OK
    message: str = ""


class ServedModel:
    """The loaded versions of a model, kept as its policy says.

    A version is a directory with a number as its name. It is loaded aside and then put in the served one's place in
    one step; requests under way finish on the version they began with. A version that does not load is reported once
    in the log and tried again when its files change; until then the version before it goes on being served, as it
    does when the base path vanishes.

    Args:
        config: `model_config.ModelConfig`.
        load: callable `(name, version, path)` that returns a `loaded_model.LoadedModel`, warmed up, or raises.
        metrics: optional `metrics.Metrics`.
    """

    def __init__(self, config, load, metrics=None):
        self.config = config
        self._load = load
        self._metrics = metrics
        # Replaced as wholes, never changed in place, so that readers need no lock.
        self._loaded = {}
        self._statuses = {}
        self._status_lock = threading.Lock()
        self._failed = {}
        self._absent = frozenset()

    @property
    def versions(self):
        """The loaded versions, newest first."""
        return sorted(self._loaded, reverse=True)

    def get(self, version=None, label=None):
        """Finds a loaded version.

        Args:
            version: int; the newest if `None`.
            label: str, names a version instead.

        Returns:
            A `LoadedModel`.

        Raises:
            ServingError: NOT_FOUND for a version that is not loaded, INVALID_ARGUMENT for an unknown label; worded as
                in core/basic_manager.cc and model_servers/server_core.cc.
        """
        if label is not None:
            version = self.config.labels.get(label)
            if version is None:
                raise unknown_label(label)
        loaded = self._loaded
        newest = max(loaded, default=None) if version is None else version
        if newest not in loaded:
            raise not_found(self.config.name, version)
        return loaded[newest]

    def statuses(self):
        """Returns a dict, version to `VersionStatus`, of all versions ever tried."""
        return self._statuses

    def poll(self):
        """Looks at the base path once, loads what the policy asks for and retires what it does not."""
        found = find_versions(self.config.base_path)
        self._failed = {version: seen for version, seen in self._failed.items() if version in found}
        policy, kept = self.config.policy, {}
        candidates = policy.candidates(found)
        self._warn_of_absent(found)
        for version in candidates:
            model = self._loaded.get(version) or self._try_to_load(version, found[version])
            if model is None:
                continue
            kept[version] = model
            if version not in self._loaded:
                self._loaded = {**self._loaded, version: model}
                self._set_status(VersionStatus(version, "AVAILABLE"))
                logger.info(
                    "Serving version %d of %s", version, self.config.name, extra=self._event("serving", version)
                )
            if policy.latest is not None and len(kept) == policy.latest:
                break
        # What is served stays where nothing that is wanted loads. It goes where the policy names other versions only.
        if kept or (found and not candidates):
            self._keep_only(kept)

    def retire(self):
        """Stops serving the model; requests under way finish."""
        self._keep_only({})

    def _warn_of_absent(self, found):
        """Says once which versions the policy names and nobody finds (sources/storage_path of TensorFlow Serving)."""
        absent = frozenset(self.config.policy.versions or ()) - set(found)
        for version in sorted(absent - self._absent):
            logger.warning(
                "Version %d of servable %s, which was requested to be served as a 'specific' version in the servable's "
                "version policy, was not found in the file system",
                version, self.config.name, extra=self._event("absent", version),
            )  # fmt: skip
        self._absent = absent

    def _keep_only(self, kept):
        dropped = {version: model for version, model in self._loaded.items() if version not in kept}
        self._loaded = {version: model for version, model in self._loaded.items() if version in kept}
        for version, model in dropped.items():
            self._set_status(VersionStatus(version, "UNLOADING"))
            model.retire(lambda version=version: self._unloaded(version))

    def _unloaded(self, version):
        if version not in self._loaded:
            self._set_status(VersionStatus(version, "END"))
            logger.info("Unloaded version %d of %s", version, self.config.name, extra=self._event("unloaded", version))

    def _try_to_load(self, version, path):
        """Returns the `LoadedModel`, or `None` if the version is broken."""
        # A version copied in place is broken until its last file is there: it is tried again when its files change.
        seen = _fingerprint(path)
        if self._failed.get(version) == seen:
            return None
        self._set_status(VersionStatus(version, "LOADING"))
        began = time.perf_counter()
        try:
            model = self._load(self.config.name, version, path)
        except Exception as error:  # loading can fail in any way that the files can be broken
            message = textwrap.shorten(useful_part(str(error)), 300, placeholder=" ...") or type(error).__name__
            if str(path) not in message:
                message = f"{path}: {message}"
            self._failed[version] = seen
            self._set_status(VersionStatus(version, "END", Code.UNKNOWN, message))
            logger.error(
                "Refused version %d of %s, still serving %s: %s",
                version, self.config.name, ", ".join(map(str, self.versions)) or "none", message,
                extra=self._event("refused", version),
            )  # fmt: skip
            if self._metrics is not None:
                self._metrics.load(self.config.name, path, False, time.perf_counter() - began)
            return None
        self._failed.pop(version, None)
        if self._metrics is not None:
            self._metrics.load(self.config.name, path, True, time.perf_counter() - began)
        return model

    def _set_status(self, status):
        with self._status_lock:  # the last request of a retired version sets it from its own thread
            self._statuses = {**self._statuses, status.version: status}

    def _event(self, event, version):
        return {"fields": {"event": event, "model": self.config.name, "version": version}}


def not_found(name, version):
    """Returns the error for a model or version that is not loaded (core/basic_manager.cc)."""
    wanted = f"Latest({name})" if version is None else f"Specific({name}, {version})"
    return ServingError(Code.NOT_FOUND, f"Servable not found for request: {wanted}")


def unknown_label(label):
    """Returns the error for a label that no version has (model_servers/server_core.cc)."""
    return ServingError(Code.INVALID_ARGUMENT, f"Unrecognized servable version label: {label}")


def find_versions(base_path):
    """Finds the versions under a base path.

    Args:
        base_path: path of a directory.

    Returns:
        A dict, version to path. Empty if the base path cannot be read. Names that are not plain numbers, such as
        those of temporary directories, are passed over.
    """
    try:
        children = sorted(pathlib.Path(base_path).iterdir())
    except OSError:
        return {}
    return {int(child.name): child for child in children if re.fullmatch("[0-9]{1,18}", child.name) and child.is_dir()}


def _fingerprint(path):
    """Returns what changes when a file under `path` does."""
    files = []
    for file in sorted(path.rglob("*")):
        try:
            stat = file.stat()
        except OSError:  # removed meanwhile
            continue
        files.append((str(file), stat.st_size, stat.st_mtime_ns))
    return tuple(files)
