"""A client for the server in this package, and for TensorFlow Serving itself."""

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from fer_keras.errors import InputError


class RequestError(InputError):
    """A request that the server refused, or that no server answered.

    Args:
        message: str.
        code: `grpc.StatusCode`, or `None` if the answer could not be understood.
    """

    def __init__(self, message, code):
        super().__init__(message)
        self.code = code


class Client:
    """Asks a server for the expressions in face crops.

    Args:
        address: str, host and gRPC port.
        model_name: str.
        timeout: float, seconds after which a request is given up.

    Example:
        ```python
        with Client("127.0.0.1:8500") as client:
            answers = client.predict([pathlib.Path("face.png").read_bytes()])
        answers[0]["label"], answers[0]["probabilities"]["happiness"]
        ```
    """

    def __init__(self, address="127.0.0.1:8500", model_name="fer", timeout=10.0):
        self.address = address
        self.model_name = model_name
        self.timeout = timeout
        unlimited = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        self._channel = grpc.insecure_channel(address, options=unlimited)
        self._stub = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)

    def predict(self, images, landmarks=None):
        """Classifies face crops.

        Args:
            images: list of bytes, encoded face crops (PNG or JPEG).
            landmarks: for models with a key-point angle map, an array of shape `(len(images), 68, 2)`, x and y in
                [0, 1] of the crop, zeros where none were found, as `fer_keras.faces.align_landmarks` makes them.

        Returns:
            A list with a dict for each image: `label`, the likeliest expression, and `probabilities`, a dict from
            label name to float.

        Raises:
            InputError: if the landmarks have another shape.
            RequestError: if the server cannot be reached, does not answer in time, or refuses the request; `code`
                tells which.
        """
        images = list(images)
        if not images:
            return []
        request = predict_pb2.PredictRequest()
        request.model_spec.name = self.model_name
        request.inputs["image"].CopyFrom(tf.make_tensor_proto(images, tf.string, shape=[len(images)]))
        if landmarks is not None:
            landmarks = np.asarray(landmarks, "float32")
            if landmarks.shape != (len(images), 68, 2):
                raise InputError(f"received landmarks of shape {landmarks.shape}; expected ({len(images)}, 68, 2)")
            request.inputs["landmarks"].CopyFrom(tf.make_tensor_proto(landmarks))
        try:
            response = self._stub.Predict(request, timeout=self.timeout)
        except grpc.RpcError as error:
            raise RequestError(self._explain(error), error.code()) from error
        missing = {"label", "label_names", "probabilities"} - set(response.outputs)
        if missing:
            raise RequestError(
                f"{self.address}: model {self.model_name} gave no {', '.join(sorted(missing))}, is it fer-keras's?",
                None,
            )
        outputs = {name: tf.make_ndarray(proto) for name, proto in response.outputs.items()}
        return [
            {
                "label": label.decode(),
                "probabilities": {name.decode(): float(value) for name, value in zip(names, row, strict=True)},
            }
            for label, names, row in zip(
                outputs["label"], outputs["label_names"], outputs["probabilities"], strict=True
            )
        ]

    def close(self):
        """Closes the connection."""
        self._channel.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def _explain(self, error):
        if error.code() == grpc.StatusCode.UNAVAILABLE:
            return f"{self.address}: no server answers there, start one with `fer-keras serve`"
        if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
            return f"{self.address}: no answer within {self.timeout:g} s"
        return f"{self.address}: {error.details()} ({error.code().name})"
