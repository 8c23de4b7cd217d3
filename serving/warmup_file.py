"""Warm-up requests for a version: what a server answers before it serves it."""

import pathlib

from fer_keras.errors import InputError
from fer_keras.export.serving_assets import write_warm_up_requests
from serving.client.messages import predict_request


def write_warmup(version, requests, model_name="fer"):
    """Writes the warm-up requests of a version, for this server and TensorFlow Serving alike.

    Args:
        version: path of the version's folder, which holds its saved_model.pb.
        requests: list of `(signature_name, inputs)`, inputs as `Client.predict_arrays` takes them; an empty name is the
            default signature. Of the sizes that clients send, since a server prepares for what it has seen.
        model_name: str.

    Returns:
        The path of the file.

    Raises:
        InputError: the folder holds no SavedModel, or there are no requests, or more than the 1,000 that servers read.

    Example:
        ```python
        write_warmup("saved_models/fer/1700000000", [("", face_inputs([crop])), ("", face_inputs([crop] * 32))])
        ```
    """
    version = pathlib.Path(version)
    if not (version / "saved_model.pb").is_file():
        raise InputError(f"{version}: holds no saved_model.pb, expected the folder of a version")
    requests = list(requests)
    if not 1 <= len(requests) <= 1000:
        raise InputError(f"received {len(requests)} warm-up requests; expected 1 to 1000")
    return write_warm_up_requests(
        version, [predict_request(model_name, inputs, signature_name) for signature_name, inputs in requests]
    )
