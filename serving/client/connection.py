"""What the clients have in common: whom they ask, and how they prove who they are."""

import grpc
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    prediction_service_pb2_grpc,
)

from fer_keras.errors import InputError
from serving.client import messages
from serving.client.channel import OPTIONS, credentials, metadata
from serving.client.retries import Retries


class Connection:
    """One channel to one model of a server; the arguments are those of `Client`."""

    _channels = grpc
    """Makes the channels: `grpc`, or `grpc.aio`."""

    def __init__(
        self,
        address="127.0.0.1:8500",
        model_name="fer",
        timeout=10.0,
        *,
        version=None,
        version_label=None,
        retries=None,
        tls=False,
        ca=None,
        certificate=None,
        key=None,
        token=None,
    ):
        if version is not None and version_label is not None:
            raise InputError(f"version {version} and label {version_label}: expected one of them, or neither")
        self.address = address
        self.model_name = model_name
        self.timeout = timeout
        self._which = {"version": version, "label": version_label}
        self._retries = retries or Retries()
        self._metadata = metadata(token)
        if tls or ca or certificate or key:
            self._channel = self._channels.secure_channel(address, credentials(ca, certificate, key), OPTIONS)
        else:
            self._channel = self._channels.insecure_channel(address, OPTIONS)
        self._stub = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        self._models = model_service_pb2_grpc.ModelServiceStub(self._channel)

    def _predict_request(self, inputs, signature_name):
        return messages.predict_request(self.model_name, inputs, signature_name, **self._which)

    def _status_request(self):
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = self.model_name
        return request

    def _metadata_request(self):
        request = get_model_metadata_pb2.GetModelMetadataRequest()
        request.model_spec.CopyFrom(self._predict_request({}, "").model_spec)
        request.metadata_field.append("signature_def")
        return request

    @staticmethod
    def _states(response):
        """The versions of a status and their states."""
        state = get_model_status_pb2.ModelVersionStatus.State
        return {one.version: state.Name(one.state) for one in response.model_version_status}
