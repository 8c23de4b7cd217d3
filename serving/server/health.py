"""The standard gRPC services beside TensorFlow Serving's own: health and reflection.

TensorFlow Serving has the first behind `--enable_grpc_healthcheck_service`, with the services "ModelService" and
"PredictionService" (model_servers/server.cc); the second lets grpcurl work without .proto files.
"""

import contextlib
import importlib

from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

_SERVICES = (
    "",
    "ModelService",
    "PredictionService",
    "tensorflow.serving.ModelService",
    "tensorflow.serving.PredictionService",
)


class Health:
    """Tells load balancers and probes whether to send requests.

    Args:
        server: `grpc.Server` that gets the service.
    """

    def __init__(self, server):
        self._servicer = _Servicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)
        self.set_serving(False)

    def set_serving(self, serving):
        """Says from now on whether requests are welcome.

        Args:
            serving: bool.
        """
        status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        for service in _SERVICES:
            self._servicer.set(service, status)

    def end(self):
        """Says that requests are no longer welcome, and to those who watch, that this was the last word."""
        self.set_serving(False)
        self._servicer.end_watches()


class _Servicer(health.HealthServicer):
    """Can end the streams of those who watch: a server waits for every open one before it stops."""

    def __init__(self):
        super().__init__()
        self._watches = set()

    def Watch(self, request, context, send_response_callback=None):  # noqa: N802
        """Streams the status of a service."""
        self._watches.add(send_response_callback)
        context.add_callback(lambda: self._watches.discard(send_response_callback))
        return super().Watch(request, context, send_response_callback)

    def end_watches(self):
        """Ends the streams."""
        for send in list(self._watches):
            send(None)


def enable_reflection(server):
    """Lets clients ask a server for its services and messages.

    Args:
        server: `grpc.Server`.
    """
    # These modules register the services' descriptors. With protobuf's newer runtimes their last lines then fail; the
    # descriptors are registered all the same.
    for module in ("model_service_pb2", "prediction_service_pb2"):
        with contextlib.suppress(AttributeError):
            importlib.import_module(f"tensorflow_serving.apis.{module}")
    names = [*_SERVICES[-2:], "grpc.health.v1.Health", reflection.SERVICE_NAME]
    reflection.enable_server_reflection(names, server)
