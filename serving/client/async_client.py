"""The client for asyncio."""

import asyncio
import time

import grpc

from serving.client import messages
from serving.client.connection import Connection
from serving.client.errors import request_error


class AsyncClient(Connection):
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

    _channels = grpc.aio

    async def predict(self, images, landmarks=None):
        """Classifies face crops; see `Client.predict`."""
        images = messages.listed(images)
        if not images:
            return []
        return await self._faces(messages.face_inputs(images, landmarks))

    async def predict_clip(self, frames, landmarks=None):
        """Classifies one clip; see `Client.predict_clip`."""
        return (await self._faces(messages.clip_inputs(messages.listed(frames), landmarks)))[0]

    async def predict_arrays(self, inputs, signature_name=""):
        """Calls any signature; see `Client.predict_arrays`."""
        return messages.arrays(await self._predict(inputs, signature_name))

    async def versions(self):
        """Asks how the versions of the model stand; see `Client.versions`."""
        return self._states(await self._ask(self._models.GetModelStatus, self._status_request()))

    async def signatures(self):
        """Asks what the model takes; see `Client.signatures`."""
        return messages.signatures(await self._ask(self._stub.GetModelMetadata, self._metadata_request()))

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
        return await self._ask(self._stub.Predict, self._predict_request(inputs, signature_name))

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
