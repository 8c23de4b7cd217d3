"""The client for asyncio."""

import asyncio
import time

import grpc
from tensorflow_serving.apis import get_model_status_pb2, model_service_pb2_grpc, prediction_service_pb2_grpc

from serving.client import messages
from serving.client.channel import OPTIONS, credentials, metadata
from serving.client.errors import request_error
from serving.client.retries import Retries


class AsyncClient:
    """Asks a server as `Client` does, with the same arguments; its methods are coroutines.

    To be made and used within one event loop. Many requests may be under way at once.

    Args:
        address: str, host and gRPC port.
        model_name: str.
        timeout: float, seconds after which a request is given up, further tries included.
        version: optional int, this version of the model instead of the newest.
        version_label: optional str, the version with this label instead.
        retries: `Retries`.
        tls: bool, whether to encrypt; implied by the next three.
        ca: path of the certificates that the server's one is signed with; those of the system if `None`.
        certificate: path of the client's own certificate, for mutual TLS.
        key: path of its key.
        token: optional str, a bearer token.

    Example:
        ```python
        async with AsyncClient("127.0.0.1:8500") as client:
            answers = await asyncio.gather(*(client.predict([crop]) for crop in crops))
        ```
    """

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
        self.address = address
        self.model_name = model_name
        self.timeout = timeout
        self._which = {"version": version, "label": version_label}
        self._retries = retries or Retries()
        self._metadata = metadata(token)
        if tls or ca or certificate or key:
            self._channel = grpc.aio.secure_channel(address, credentials(ca, certificate, key), OPTIONS)
        else:
            self._channel = grpc.aio.insecure_channel(address, OPTIONS)
        self._stub = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        self._models = model_service_pb2_grpc.ModelServiceStub(self._channel)

    async def predict(self, images, landmarks=None):
        """Classifies face crops; see `Client.predict`."""
        images = list(images)
        if not images:
            return []
        return await self._faces(messages.face_inputs(images, landmarks))

    async def predict_clip(self, frames, landmarks=None):
        """Classifies one clip; see `Client.predict_clip`."""
        return (await self._faces(messages.clip_inputs(list(frames), landmarks)))[0]

    async def predict_arrays(self, inputs, signature_name=""):
        """Calls any signature; see `Client.predict_arrays`."""
        return messages.arrays(await self._predict(inputs, signature_name))

    async def versions(self):
        """Asks how the versions of the model stand; see `Client.versions`."""
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = self.model_name
        response = await self._ask(self._models.GetModelStatus, request)
        state = get_model_status_pb2.ModelVersionStatus.State
        return {one.version: state.Name(one.state) for one in response.model_version_status}

    async def close(self):
        """Closes the connection."""
        await self._channel.close()

    async def __aenter__(self):
        return self

    async def __aexit__(self, *error):
        await self.close()

    async def _faces(self, inputs):
        return messages.answers(self.address, self.model_name, await self._predict(inputs))

    async def _predict(self, inputs, signature_name=""):
        request = messages.predict_request(self.model_name, inputs, signature_name, **self._which)
        return await self._ask(self._stub.Predict, request)

    async def _ask(self, method, request):
        deadline = time.monotonic() + self.timeout
        attempt = 0
        while True:
            attempt += 1
            left = max(deadline - time.monotonic(), 0.001)
            try:
                return await method(request, timeout=left, metadata=self._metadata)
            except grpc.RpcError as error:
                pause = self._retries.pause(attempt, error, deadline - time.monotonic())
                if pause is None:
                    raise request_error(self.address, self.timeout, error) from error
            await asyncio.sleep(pause)
