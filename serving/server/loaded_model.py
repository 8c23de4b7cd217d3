"""One version of a model, loaded and ready to be called."""

import contextlib
import threading

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from serving.server.batching import BatchedSignature, can_batch
from serving.server.errors import useful_part


class LoadedModel:
    """One version of a model. Whoever holds it can finish with it, also when the store has moved on to another.

    Args:
        name: str, the model's name.
        version: int.
        signature_defs: dict, signature name to `SignatureDef`, as the SavedModel states them.
        functions: mapping, signature name to the function to call with tensors by name.
        saved_model: the loaded object; the functions only hold weak references to its variables.
    """

    def __init__(self, name, version, signature_defs, functions, saved_model):
        self.name = name
        self.version = version
        self.signature_defs = signature_defs
        self.functions = functions
        self.saved_model = saved_model
        self._lock = threading.Lock()
        self._users = 0
        self._on_idle = None

    @contextlib.contextmanager
    def in_use(self):
        """Marks the model as in use by a request, for as long as the context lasts."""
        with self._lock:
            self._users += 1
        try:
            yield self
        finally:
            with self._lock:
                self._users -= 1
                on_idle = None
                if not self._users:
                    on_idle, self._on_idle = self._on_idle, None
            if on_idle is not None:
                on_idle()

    def retire(self, on_idle):
        """Calls `on_idle` once no request uses the model any more; at once if none does."""
        with self._lock:
            idle = not self._users
            self._on_idle = None if idle else on_idle
        if idle:
            on_idle()


def load_model(name, version, path, batching=None, metrics=None):
    """Loads one SavedModel with its signatures.

    Args:
        name: str, the model's name.
        version: int.
        path: path of the version's directory.
        batching: optional `batching.BatchingParameters`; signatures that can be batched are.
        metrics: optional `metrics.Metrics`, told of every batch.

    Returns:
        A `LoadedModel`.

    Raises:
        ValueError: a file is missing or broken; the message names it.
    """
    message, file = saved_model_pb2.SavedModel(), path / "saved_model.pb"
    try:
        message.ParseFromString(file.read_bytes())
    except OSError as error:
        raise ValueError(f"{file}: cannot be read ({error.strerror})") from error
    except Exception as error:  # protobuf's DecodeError has moved between its versions
        raise ValueError(f"{file}: is cut off or no SavedModel") from error
    serving_graph = next((graph for graph in message.meta_graphs if "serve" in graph.meta_info_def.tags), None)
    if serving_graph is None:
        raise ValueError(f"{file}: holds no graph tagged serve")
    try:
        loaded = tf.saved_model.load(str(path), tags=["serve"])
    except Exception as error:  # in any way that the files can be broken
        index = path / "variables" / "variables.index"
        if not index.is_file():
            raise ValueError(f"{index}: is missing") from error
        raise ValueError(f"{path}: the graph or its variables are broken ({useful_part(str(error))})") from error
    if not loaded.signatures:
        raise ValueError(f"{file}: has no signatures")
    signatures = dict(serving_graph.signature_def)
    functions = dict(loaded.signatures)
    if batching is not None:
        for key, function in loaded.signatures.items():
            if can_batch(signatures[key]):
                queue = f"{name}/{version}/{key}"
                functions[key] = BatchedSignature(function, signatures[key], batching, queue, metrics)
    return LoadedModel(name, version, signatures, functions, loaded)
