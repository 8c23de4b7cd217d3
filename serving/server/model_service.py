"""`tensorflow.serving.ModelService` over gRPC: how versions stand, and other models to serve."""

import logging

from tensorflow_serving.apis import get_model_status_pb2, model_management_pb2, model_service_pb2_grpc

from serving.server.errors import Code, ServingError
from serving.server.grpc_answers import GrpcAnswers, model_spec
from serving.server.model_config import model_configs

logger = logging.getLogger(__name__)


class ModelService(model_service_pb2_grpc.ModelServiceServicer):
    """Answers every method of the service (model_servers/model_service_impl.cc).

    Args:
        store: `model_store.ModelStore`.
        metrics: `metrics.Metrics`.
        may_reload: bool, whether clients may have other models served. A SavedModel is a program: who may name any
            directory may run what lies there.
    """

    def __init__(self, store, metrics, may_reload=True):
        self._store = store
        self._metrics = metrics
        self._may_reload = may_reload
        self._answers = GrpcAnswers(metrics)

    def GetModelStatus(self, request, context):  # noqa: N802, the stubs' name
        """Answers `GetModelStatusRequest` with `GetModelStatusResponse`."""
        with self._answers.answering(context, "GetModelStatus", request.model_spec.name):
            return status_response(self._store, model_spec(request))

    def HandleReloadConfigRequest(self, request, context):  # noqa: N802
        """Answers `ReloadConfigRequest` with `ReloadConfigResponse`, once new models are served."""
        with self._answers.answering(context, "HandleReloadConfigRequest", ""):
            if not self._may_reload:
                raise ServingError(
                    Code.PERMISSION_DENIED, "On this address, models are only reloaded for clients with a token"
                )
            before = {name: self._metrics.value(name) for name in request.metric_names}
            self._store.reload(model_configs(request.config))
            logger.info("Reloaded the configuration: %s", ", ".join(self._store.names))
            response = model_management_pb2.ReloadConfigResponse()
            response.status.error_code = int(Code.OK)
            for name, value in before.items():
                response.metric.add(name=name, int64_value_increase=self._metrics.value(name) - value)
            return response


def status_response(store, spec):
    """Makes the answer to a question for the status of a model.

    Args:
        store: `model_store.ModelStore`.
        spec: `model_store.ModelSpec`.

    Returns:
        A `GetModelStatusResponse`.

    Raises:
        ServingError: the model or version is not known.
    """
    response = get_model_status_pb2.GetModelStatusResponse()
    for status in store.status(spec):
        one = response.model_version_status.add(version=status.version)
        one.state = get_model_status_pb2.ModelVersionStatus.State.Value(status.state)
        one.status.error_code = int(status.code)
        one.status.error_message = status.message
    return response
