"""A client for the server in this package, and for TensorFlow Serving itself."""

import time

import grpc
from tensorflow_serving.apis import get_model_status_pb2, model_service_pb2_grpc, prediction_service_pb2_grpc

from serving.client import messages
from serving.client.channel import OPTIONS, credentials, metadata
from serving.client.errors import request_error
from serving.client.retries import Retries


class Client:
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
            self._channel = grpc.secure_channel(address, credentials(ca, certificate, key), OPTIONS)
        else:
            self._channel = grpc.insecure_channel(address, OPTIONS)
        self._stub = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        self._models = model_service_pb2_grpc.ModelServiceStub(self._channel)

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
        images = list(images)
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
        return self._faces(messages.clip_inputs(list(frames), landmarks))[0]

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
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = self.model_name
        response = self._ask(self._models.GetModelStatus, request)
        state = get_model_status_pb2.ModelVersionStatus.State
        return {one.version: state.Name(one.state) for one in response.model_version_status}

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
        request = messages.predict_request(self.model_name, inputs, signature_name, **self._which)
        return self._ask(self._stub.Predict, request)

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
