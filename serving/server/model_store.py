"""The versions of a model that are loaded, and the watch on the directory they come from."""

import dataclasses
import logging
import pathlib
import re
import threading

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from fer_keras.errors import InputError
from serving.server.errors import Code, ServingError

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class ModelSpec:
    """Which model a request asks for: a name and, if wanted, one version by number or by label."""

    name: str
    version: int | None = None
    label: str | None = None


@dataclasses.dataclass(frozen=True)
class LoadedModel:
    """One version of a model, ready to be called.

    Whoever holds it can finish with it, also when the store has moved on to another version.

    Attributes:
        name: str, the model's name.
        version: int.
        signature_defs: dict, signature name to `SignatureDef`, as the SavedModel states them.
        functions: mapping, signature name to the function to call with tensors by name.
        saved_model: the loaded object; the functions only hold weak references to its variables.
    """

    name: str
    version: int
    signature_defs: dict
    functions: object
    saved_model: object


@dataclasses.dataclass(frozen=True)
class VersionStatus:
    """What `GetModelStatus` tells of one version (apis/get_model_status.proto)."""

    version: int
    state: str
    code: Code = Code.OK
    message: str = ""


class ModelStore:
    """Serves the newest version under a base path that loads, and follows new ones.

    A version is a directory with a number as its name. It is loaded aside and then put in the served one's place in
    one step; requests under way finish on the version they began with. A version that does not load is reported once
    in the log and tried again when its files change; until then the version before it goes on being served, as it
    does when the base path vanishes.

    Args:
        name: str, the model's name in requests.
        base_path: path of the directory with the versions.
        poll_seconds: float, how often the base path is looked at.

    Example:
        ```python
        store = ModelStore("fer", "saved_models/fer")
        store.start()
        model = store.get(ModelSpec("fer"))
        store.stop()
        ```
    """

    def __init__(self, name, base_path, poll_seconds=1.0):
        self.name = name
        self.base_path = pathlib.Path(base_path)
        self.poll_seconds = poll_seconds
        # Both are replaced as a whole, never changed in place, so that readers need no lock.
        self._loaded = {}
        self._statuses = {}
        self._failed = {}
        self._stopping = threading.Event()
        self._thread = None

    def start(self):
        """Loads the newest version and begins to watch for others.

        Raises:
            InputError: if the base path is no directory, holds no version, or holds none that loads.
        """
        if not self.base_path.is_dir():
            raise InputError(f"{self.base_path}: no such directory, expected one with versions of {self.name}")
        if not find_versions(self.base_path):
            raise InputError(
                f"{self.base_path}: holds no version of {self.name}, expected a directory named by a number, "
                "such as 1/saved_model.pb"
            )
        self.poll()
        if not self._loaded:
            newest = max(self._statuses.values(), key=lambda status: status.version)
            raise InputError(
                f"{self.base_path}: no version of {self.name} could be loaded, {newest.version}: {newest.message}"
            )
        self._thread = threading.Thread(target=self._watch, name=f"poll-{self.name}", daemon=True)
        self._thread.start()

    def stop(self):
        """Ends the watch. Models handed out remain usable."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def get(self, spec):
        """Finds the loaded model that a request asks for.

        Args:
            spec: `ModelSpec`.

        Returns:
            A `LoadedModel`, the newest if `spec` names no version.

        Raises:
            ServingError: NOT_FOUND for a model or version that is not loaded, INVALID_ARGUMENT for an empty name or
                an unknown label; worded as in core/basic_manager.cc and model_servers/server_core.cc.
        """
        if not spec.name:
            raise ServingError(Code.INVALID_ARGUMENT, "ModelSpec has no name specified.")
        if spec.label is not None:
            raise ServingError(Code.INVALID_ARGUMENT, f"Unrecognized servable version label: {spec.label}")
        loaded = self._loaded if spec.name == self.name else {}
        version = max(loaded, default=None) if spec.version is None else spec.version
        if version not in loaded:
            wanted = f"Latest({spec.name})" if spec.version is None else f"Specific({spec.name}, {spec.version})"
            raise ServingError(Code.NOT_FOUND, f"Servable not found for request: {wanted}")
        return loaded[version]

    def status(self, spec):
        """Tells how the versions of a model stand.

        Args:
            spec: `ModelSpec`.

        Returns:
            A list of `VersionStatus`, newest version first, of all versions ever tried or of the one asked for.

        Raises:
            ServingError: NOT_FOUND for a model or version never seen (model_servers/get_model_status_impl.cc),
                INVALID_ARGUMENT for an unknown label.
        """
        if spec.label is not None:
            raise ServingError(Code.INVALID_ARGUMENT, f"Unrecognized servable version label: {spec.label}")
        statuses = self._statuses if spec.name == self.name else {}
        if spec.version is None:
            if not statuses:
                raise ServingError(Code.NOT_FOUND, f"Could not find any versions of model {spec.name}")
            return [statuses[version] for version in sorted(statuses, reverse=True)]
        if spec.version not in statuses:
            raise ServingError(Code.NOT_FOUND, f"Could not find version {spec.version} of model {spec.name}")
        return [statuses[spec.version]]

    def poll(self):
        """Looks at the base path once and serves the newest version that loads."""
        found = find_versions(self.base_path)
        self._failed = {version: seen for version, seen in self._failed.items() if version in found}
        for version in sorted(found, reverse=True):
            if version in self._loaded:
                return
            model = self._try_to_load(version, found[version])
            if model is not None:
                self._swap(model)
                return

    def _watch(self):
        while not self._stopping.wait(self.poll_seconds):
            try:
                self.poll()
            except Exception:  # the watch must outlive a passing fault of the file system
                logger.exception("Polling %s failed", self.base_path)

    def _try_to_load(self, version, path):
        """Returns the `LoadedModel`, or `None` if the version is broken."""
        # A version copied in place is broken until its last file is there: it is tried again when its files change.
        seen = _fingerprint(path)
        if self._failed.get(version) == seen:
            return None
        self._set_status(VersionStatus(version, "LOADING"))
        try:
            model = load(self.name, version, path)
        except Exception as error:  # loading can fail in any way that the files can be broken
            message = " ".join(str(error).split())[:300] or type(error).__name__
            self._failed[version] = seen
            self._set_status(VersionStatus(version, "END", Code.UNKNOWN, message))
            logger.error(
                "Refused version %d of %s, still serving %s: %s",
                version, self.name, ", ".join(map(str, self._loaded)) or "none", message,
            )  # fmt: skip
            return None
        self._failed.pop(version, None)
        return model

    def _swap(self, model):
        old = self._loaded
        self._loaded = {model.version: model}
        self._set_status(VersionStatus(model.version, "AVAILABLE"), *(VersionStatus(version, "END") for version in old))
        logger.info("Serving version %d of %s", model.version, self.name)

    def _set_status(self, *statuses):
        self._statuses = {**self._statuses, **{status.version: status for status in statuses}}


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


def load(name, version, path):
    """Loads one SavedModel with its signatures.

    Args:
        name: str, the model's name.
        version: int.
        path: path of the version's directory.

    Returns:
        A `LoadedModel`.

    Raises:
        Exception: whatever TensorFlow raises for files that are missing or broken.
    """
    message = saved_model_pb2.SavedModel()
    message.ParseFromString((path / "saved_model.pb").read_bytes())
    serving_graph = next((graph for graph in message.meta_graphs if "serve" in graph.meta_info_def.tags), None)
    if serving_graph is None:
        raise ValueError("saved_model.pb holds no graph tagged serve")
    loaded = tf.saved_model.load(str(path), tags=["serve"])
    if not loaded.signatures:
        raise ValueError("the SavedModel has no signatures")
    return LoadedModel(name, version, dict(serving_graph.signature_def), loaded.signatures, loaded)


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
