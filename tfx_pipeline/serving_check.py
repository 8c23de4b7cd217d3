"""ServingCheck: whether a server answers with the model, before it is pushed; a stand-in for TFX's InfraValidator.

InfraValidator starts TensorFlow Serving in a container. This one starts the package's own server, in the pipeline's
process: it finds models that do not load or do not answer, and says nothing about TensorFlow Serving itself.
"""

import logging
import pathlib
import shutil
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

_SECONDS = 120  # that an answer may take, the first tracing with it


def answer_fault(model_dir):
    """Serves a model and sends it its own warm-up requests over gRPC.

    Args:
        model_dir: folder of a SavedModel with `fer_keras.export.serving_assets`.

    Returns:
        `""`, or what was wrong.
    """
    from serving.server.server import Server

    model_dir = pathlib.Path(model_dir)
    names = (model_dir / EXTRA_DIR / LABELS_FILE).read_text().split()
    records = tf.data.TFRecordDataset(str(model_dir / EXTRA_DIR / WARM_UP_FILE)).as_numpy_iterator()
    requests = [prediction_log_pb2.PredictionLog.FromString(record).predict_log.request for record in records]
    with tempfile.TemporaryDirectory() as base_path:
        shutil.copytree(model_dir, pathlib.Path(base_path, "1"))
        try:
            with Server(base_path, "fer", 0, 0, "127.0.0.1") as server, _channel(server.grpc_port) as connection:
                stub = prediction_service_pb2_grpc.PredictionServiceStub(connection)
                for request in requests:
                    fault = _fault(stub.Predict(request, timeout=_SECONDS), names)
                    if fault:
                        return fault
        except grpc.RpcError as error:
            return f"the server answered {error.code().name}: {error.details()}"
        except Exception as error:
            return f"the server did not take it up: {str(error).partition(chr(10))[0]}"
    return ""


def _channel(port):
    return grpc.insecure_channel(f"127.0.0.1:{port}")


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
        fault = answer_fault(local_path(path_utils.serving_model_path(model.uri)))
        blessing.set_int_custom_property("blessed", int(not fault))
        blessing.set_string_custom_property("reason", fault)
        (local_path(blessing.uri) / ("INFRA_NOT_BLESSED" if fault else "INFRA_BLESSED")).touch()
        if fault:
            _log.warning("not fit to be served: %s", fault)
        else:
            _log.info("the embedded server answers with the model")


class ServingCheckSpec(component_spec.ComponentSpec):
    """Inputs and outputs of `ServingCheck`."""

    PARAMETERS = {}  # noqa: RUF012
    INPUTS = {"model": component_spec.ChannelParameter(type=standard_artifacts.Model)}  # noqa: RUF012
    OUTPUTS = {"blessing": component_spec.ChannelParameter(type=standard_artifacts.InfraBlessing)}  # noqa: RUF012


class ServingCheck(base_component.BaseComponent):
    """Lets the Pusher push only what the embedded server answers with.

    Args:
        model: channel of the model.
    """

    SPEC_CLASS = ServingCheckSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(self, model):
        super().__init__(
            spec=ServingCheckSpec(model=model, blessing=channel.Channel(type=standard_artifacts.InfraBlessing))
        )
