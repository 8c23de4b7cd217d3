"""A client for the server in this package, and for TensorFlow Serving itself."""

import time

import grpc

from serving.client import messages
from serving.client.connection import Connection
from serving.client.errors import request_error


class Client(Connection):
    """Asks a server for the expressions in face crops. One client, and its one connection, serves many threads.

    Args:
        address: str, host and gRPC port.
        model_name: str.
        timeout: float, seconds after which a request is given up, further tries included.
        version: optional int, this version of the model instead of the newest.
        version_label: optional str, the version with this label instead.
        retries: `Retries`; `Retries(1)` never asks twice.
        tls: bool, whether to encrypt; implied by the next three.
        ca: path of the certificates that the server's one is signed with; those of the system if `None`.
        certificate: path of the client's own certificate, for mutual TLS.
        key: path of its key.
        token: optional str, a bearer token; without TLS it can be read on the way.

    Example:
        ```python
        with Client("127.0.0.1:8500") as client:
            answers = client.predict(["face.png"])
        answers[0]["label"], answers[0]["probabilities"]["happiness"]
        ```
    """

    def predict(self, images, landmarks=None):
        """Classifies face crops.

        Args:
            images: list of face crops, each as encoded bytes (PNG or JPEG), as the path of a file, or as a uint8 array
                of shape `(height, width)`, `(height, width, 1)` or `(height, width, 3)`, RGB.
            landmarks: for models with a key-point angle map, an array of shape `(len(images), 68, 2)`, x and y in
                [0, 1] of the crop, zeros where none were found, as `fer_keras.faces.align_landmarks` makes them.

        Returns:
            A list with a dict for each image: `label`, the likeliest expression, and `probabilities`, a dict from
            label name to float.

        Raises:
            InputError: if an image or the landmarks are no such.
            RequestError: if the server cannot be reached, does not answer in time, or refuses the request; `code`
                tells which.
        """
        images = messages.listed(images)
        if not images:
            return []
        return self._faces(messages.face_inputs(images, landmarks))

    def predict_clip(self, frames, landmarks=None):
        """Classifies one clip, for models of clips.

        Args:
            frames: list of the clip's face crops in order, each as in `predict`.
            landmarks: as in `predict`, for models that take them.

        Returns:
            A dict: `label` and `probabilities`.

        Raises:
            InputError: if a frame or the landmarks are no such, or there is none.
            RequestError: as `predict`.
        """
        return self._faces(messages.clip_inputs(messages.listed(frames), landmarks))[0]

    def predict_arrays(self, inputs, signature_name=""):
        """Calls any signature.

        Args:
            inputs: dict, input name to array or list; lists of `bytes` are strings.
            signature_name: str, the default one if empty.

        Returns:
            A dict, output name to array.

        Raises:
            RequestError: as `predict`.
        """
        return messages.arrays(self._predict(inputs, signature_name))

    def versions(self):
        """Asks how the versions of the model stand.

        Returns:
            A dict, version to state, such as `AVAILABLE`.

        Raises:
            RequestError: as `predict`.
        """
        return self._states(self._ask(self._models.GetModelStatus, self._status_request()))

    def signatures(self):
        """Asks what the model takes.

        Returns:
            A dict, signature name to a dict of input name to shape, a tuple with -1 for any size.

        Raises:
            RequestError: as `predict`.
        """
        return messages.signatures(self._ask(self._stub.GetModelMetadata, self._metadata_request()))

    def close(self):
        """Closes the connection."""
        self._channel.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def _faces(self, inputs):
        return messages.answers(self.address, self.model_name, self._predict(inputs))

    def _predict(self, inputs, signature_name=""):
        return self._ask(self._stub.Predict, self._predict_request(inputs, signature_name))

    def _ask(self, method, request):
        deadline = time.monotonic() + self.timeout
        attempt = 0
        while True:
            attempt += 1
            left = max(deadline - time.monotonic(), 0.001)
            try:
                return method(request, timeout=left, metadata=self._metadata)
            except grpc.RpcError as error:
                pause = self._retries.pause(attempt, error, deadline - time.monotonic())
                if pause is None:
                    raise request_error(self.address, self.timeout, error) from error
            time.sleep(pause)
