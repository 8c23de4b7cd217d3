"""ServingCheck: whether a server answers with the model, before it is pushed.

TFX's InfraValidator starts TensorFlow Serving in a container and needs Docker. This starts a `tensorflow_model_server`
of this machine, or as a stand-in the package's own server in the pipeline's process: that finds models that do not load
or do not answer, and says nothing about TensorFlow Serving itself.
"""

import contextlib
import logging
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2, prediction_service_pb2_grpc
from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.types import artifact_utils, channel, component_spec, standard_artifacts
from tfx.utils import path_utils

from fer_keras.export.serving_assets import EXTRA_DIR, LABELS_FILE, WARM_UP_FILE
from tfx_pipeline.local_path import local_path

_log = logging.getLogger(__name__)

_SECONDS = 120  # that an answer may take, the first tracing with it; and that a server may take to load the model


def answer_fault(model_dir, server="embedded"):
    """Serves a model and sends it its own warm-up requests over gRPC.

    Args:
        model_dir: folder of a SavedModel with `fer_keras.export.serving_assets`.
        server: `"embedded"`, or the path of a `tensorflow_model_server`, which is ended afterwards.

    Returns:
        `""`, or what was wrong.
    """
    model_dir = pathlib.Path(model_dir)
    names = (model_dir / EXTRA_DIR / LABELS_FILE).read_text().split()
    records = tf.data.TFRecordDataset(str(model_dir / EXTRA_DIR / WARM_UP_FILE)).as_numpy_iterator()
    requests = [prediction_log_pb2.PredictionLog.FromString(record).predict_log.request for record in records]
    with tempfile.TemporaryDirectory() as base_path:
        shutil.copytree(model_dir, pathlib.Path(base_path, "1"))
        serving = _embedded(base_path) if server == "embedded" else _tensorflow_serving(server, base_path)
        try:
            with serving as port, grpc.insecure_channel(f"127.0.0.1:{port}") as connection:
                stub = prediction_service_pb2_grpc.PredictionServiceStub(connection)
                for request in requests:
                    fault = _fault(stub.Predict(request, timeout=_SECONDS), names)
                    if fault:
                        return fault
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
                return f"the server did not answer within {_SECONDS} s"
            return f"the server answered {error.code().name}: {error.details()}"
        except Exception as error:
            return f"the server did not take it up: {str(error).partition(chr(10))[0]}"
    return ""


@contextlib.contextmanager
def _embedded(base_path):
    """The package's own server with the model; gives gRPC's port."""
    from serving.server.server import Server

    with Server(base_path, "fer", 0, 0, "127.0.0.1") as server:
        yield server.grpc_port


@contextlib.contextmanager
def _tensorflow_serving(binary, base_path):
    """A process of TensorFlow Serving with the model; gives gRPC's port, which opens when the model is loaded."""
    with socket.socket() as probe:  # it cannot be asked for any free one
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = [f"--port={port}", "--model_name=fer", f"--model_base_path={base_path}"]
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen([binary, *arguments], stdout=said, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            _wait_for(process, port, said)
            yield port
        finally:
            with contextlib.suppress(ProcessLookupError):  # all that it started; SIGTERM it takes no notice of
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            said.seek(0)
            _log.info("%s said:\n%s", binary, said.read())


def _wait_for(process, port, said):
    """Returns when the port is open; raises if it does not come so far."""
    for _ in range(_SECONDS):
        status = process.poll()
        if status is not None:
            said.seek(0)
            last = (said.read().strip().splitlines() or ["it said nothing"])[-1]
            raise RuntimeError(f"it ended with status {status}: {last}")
        ready = contextlib.suppress(grpc.FutureTimeoutError)
        with ready, grpc.insecure_channel(f"127.0.0.1:{port}") as connection:
            grpc.channel_ready_future(connection).result(timeout=1)
            return
    raise RuntimeError(f"it was not ready within {_SECONDS} s")


def _fault(answer, names):
    probabilities = tf.make_ndarray(answer.outputs["probabilities"])
    found = [name.decode() for name in tf.make_ndarray(answer.outputs["label_names"])[0]]
    if found != names:
        return f"the server answered with the labels {', '.join(found)}"
    if not np.isfinite(probabilities).all() or not np.allclose(probabilities.sum(axis=1), 1, atol=1e-3):
        return "the server answered with numbers that are no probabilities"
    return ""


class Executor(base_executor.BaseExecutor):
    """Serves the model."""

    def Do(self, input_dict, output_dict, exec_properties):  # noqa: N802
        """Blesses the model if a server answers with it; see `ServingCheck`."""
        self._log_startup(input_dict, output_dict, exec_properties)
        model = artifact_utils.get_single_instance(input_dict["model"])
        blessing = artifact_utils.get_single_instance(output_dict["blessing"])
        server = exec_properties["server"]
        fault = answer_fault(local_path(path_utils.serving_model_path(model.uri)), server)
        blessing.set_int_custom_property("blessed", int(not fault))
        blessing.set_string_custom_property("reason", fault)
        (local_path(blessing.uri) / ("INFRA_NOT_BLESSED" if fault else "INFRA_BLESSED")).touch()
        if fault:
            _log.warning("not fit to be served: %s", fault)
        else:
            _log.info("%s answers with the model", "the embedded server" if server == "embedded" else server)


class ServingCheckSpec(component_spec.ComponentSpec):
    """Inputs and outputs of `ServingCheck`."""

    PARAMETERS = {"server": component_spec.ExecutionParameter(type=str)}  # noqa: RUF012
    INPUTS = {"model": component_spec.ChannelParameter(type=standard_artifacts.Model)}  # noqa: RUF012
    OUTPUTS = {"blessing": component_spec.ChannelParameter(type=standard_artifacts.InfraBlessing)}  # noqa: RUF012


class ServingCheck(base_component.BaseComponent):
    """Lets the Pusher push only what a server answers with.

    Args:
        model: channel of the model.
        server: see `answer_fault`.
    """

    SPEC_CLASS = ServingCheckSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(self, model, server="embedded"):
        blessing = channel.Channel(type=standard_artifacts.InfraBlessing)
        super().__init__(spec=ServingCheckSpec(model=model, server=server, blessing=blessing))
