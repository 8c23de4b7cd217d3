"""All served models: finds the one that a request asks for, watches their directories, takes new configurations."""

import dataclasses
import logging
import threading

from fer_keras.errors import InputError
from serving.server.errors import Code, ServingError
from serving.server.loaded_model import load_model
from serving.server.served_model import ServedModel, find_versions, not_found, unknown_label

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class ModelSpec:
    """Which model a request asks for: a name and, if wanted, one version by number or by label."""

    name: str
    version: int | None = None
    label: str | None = None


class ModelStore:
    """Serves models from their base paths and follows what happens there, see `served_model.ServedModel`.

    Args:
        configs: list of `model_config.ModelConfig`.
        load: callable `(name, version, path)` that returns a `loaded_model.LoadedModel`, ready to be asked.
        poll_seconds: float, how often the base paths are looked at.
        metrics: optional `metrics.Metrics`.
        any_labels: bool, whether labels may name versions that are not loaded (yet).

    Example:
        ```python
        store = ModelStore([ModelConfig("fer", pathlib.Path("saved_models/fer"))])
        store.start()
        model = store.get(ModelSpec("fer"))
        store.stop()
        ```
    """

    def __init__(self, configs, load=load_model, poll_seconds=1.0, metrics=None, any_labels=False):
        self.poll_seconds = poll_seconds
        self._load = load
        self._metrics = metrics
        self._any_labels = any_labels
        # Replaced as a whole, never changed in place, so that readers need no lock.
        self._models = {config.name: ServedModel(config, load, metrics) for config in configs}
        self._changing = threading.Lock()
        self._stopping = threading.Event()
        self._thread = None

    @property
    def names(self):
        """The names of the models."""
        return list(self._models)

    def start(self):
        """Loads the models and begins to watch for other versions.

        Raises:
            InputError: if a base path is no directory, holds no version, or holds none that loads; or if a label names
                a version that is not loaded.
        """
        for name, model in self._models.items():
            base_path = model.config.base_path
            if not base_path.is_dir():
                raise InputError(f"{base_path}: no such directory, expected one with versions of {name}")
            found, policy = find_versions(base_path), model.config.policy
            if not found:
                raise InputError(
                    f"{base_path}: holds no version of {name}, expected a directory named by a number, "
                    "such as 1/saved_model.pb"
                )
            if not policy.candidates(found):
                raise InputError(
                    f"{base_path}: holds versions {', '.join(map(str, sorted(found)))} of {name}, none of those that "
                    f"its policy names: {', '.join(map(str, policy.versions))}"
                )
        for name, model in self._models.items():
            model.poll()
            if not model.versions:
                newest = max(model.statuses().values(), key=lambda status: status.version)
                raise InputError(
                    f"{model.config.base_path}: no version of {name} could be loaded, "
                    f"{newest.version}: {newest.message}"
                )
            try:
                self._check_labels(model.config)
            except ServingError as error:
                raise InputError(
                    f"{error.message}; --allow-version-labels-for-unavailable-models lets it be"
                ) from error
        self._thread = threading.Thread(target=self._watch, name="poll-models", daemon=True)
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
        model = self._models.get(spec.name)
        if model is None:
            raise unknown_label(spec.label) if spec.label is not None else not_found(spec.name, spec.version)
        return model.get(spec.version, spec.label)

    def status(self, spec):
        """Tells how the versions of a model stand.

        Args:
            spec: `ModelSpec`; a label is passed over, as TensorFlow Serving does.

        Returns:
            A list of `served_model.VersionStatus`, newest version first, of all versions ever tried or of the one
            asked for.

        Raises:
            ServingError: NOT_FOUND for a model or version never seen (model_servers/get_model_status_impl.cc).
        """
        model = self._models.get(spec.name)
        statuses = model.statuses() if model else {}
        if spec.version is None:
            if not statuses:
                raise ServingError(Code.NOT_FOUND, f"Could not find any versions of model {spec.name}")
            return [statuses[version] for version in sorted(statuses, reverse=True)]
        if spec.version not in statuses:
            raise ServingError(Code.NOT_FOUND, f"Could not find version {spec.version} of model {spec.name}")
        return [statuses[spec.version]]

    def versions(self):
        """Returns a dict, model name to its loaded versions, newest first."""
        return {name: model.versions for name, model in self._models.items()}

    def reload(self, configs):
        """Serves other models, or the same ones in another way, as `HandleReloadConfigRequest` asks.

        Args:
            configs: list of `model_config.ModelConfig`. Models that it does not list are no longer served.

        Raises:
            ServingError: FAILED_PRECONDITION for a label of a version that is not loaded, and nothing changes; UNKNOWN
                if new models do not load, which then go on being tried (model_servers/server_core.cc).
        """
        with self._changing:
            for config in configs:
                self._check_labels(config)
            old, models, new = self._models, {}, []
            for config in configs:
                if config.name in old:
                    models[config.name] = old[config.name]
                else:
                    models[config.name] = ServedModel(config, self._load, self._metrics)
                    new.append(models[config.name])
            for model in new:
                model.poll()
            for config in configs:
                models[config.name].config = config
            self._models = models
            for name, model in old.items():
                if name in models:
                    model.poll()
                else:
                    model.retire()
        missing = [model for model in new if not model.versions]
        if missing:
            listed = "".join(f"{{{_why_missing(model)}}}, " for model in missing)
            raise ServingError(Code.UNKNOWN, f"{len(missing)} model(s) did not become available: {{{listed}}}")

    def poll(self):
        """Looks at every base path once."""
        with self._changing:
            for model in self._models.values():
                try:
                    model.poll()
                except Exception:  # the watch must outlive a passing fault of the file system
                    logger.exception("Polling %s failed", model.config.base_path)

    def _watch(self):
        while not self._stopping.wait(self.poll_seconds):
            self.poll()

    def _check_labels(self, config):
        if self._any_labels:
            return
        model = self._models.get(config.name)
        for version in config.labels.values():
            if model is None or version not in model.versions:
                raise ServingError(
                    Code.FAILED_PRECONDITION,
                    f"Request to assign label to version {version} of model {config.name}, which is not currently "
                    "available for inference",
                )


def _why_missing(model):
    failed = [status for status in model.statuses().values() if status.message]
    if not failed:
        return f"{{name: {model.config.name}}}"
    newest = max(failed, key=lambda status: status.version)
    return f"{{name: {model.config.name} version: {newest.version}}} due to error: {newest.code.name}: {newest.message}"
