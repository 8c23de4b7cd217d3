"""TensorFlow Serving's configuration files, in protobuf's text form (its g3doc/serving_config.md)."""

import pathlib

from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from fer_keras.errors import InputError
from serving.server.batching import BatchingParameters
from serving.server.config_messages import BatchingParametersMessage, MonitoringConfigMessage, SSLConfigMessage
from serving.server.errors import ServingError
from serving.server.model_config import model_configs
from serving.server.tls import TLS

PROMETHEUS_PATH = "/monitoring/prometheus/metrics"


def read_models(path):
    """Reads a `--model_config_file`, such as models.config.

    Args:
        path: the file, a `ModelServerConfig` with a `model_config_list`.

    Returns:
        A list of `model_config.ModelConfig`.

    Raises:
        InputError: the file cannot be read or understood.
    """
    message = _read(path, model_server_config_pb2.ModelServerConfig())
    try:
        configs = model_configs(message)
    except ServingError as error:
        raise InputError(f"{path}: {error.message}") from error
    if not configs:
        raise InputError(f"{path}: lists no model; expected model_config_list {{ config {{ name: ... }} }}")
    return configs


def read_batching_parameters(path):
    """Reads a `--batching_parameters_file`, such as batching_parameters.txt.

    Args:
        path: the file, a `BatchingParameters`.

    Returns:
        A `batching.BatchingParameters`.

    Raises:
        InputError: the file cannot be read or understood, or asks for what this server does not do.
    """
    message = _read(path, BatchingParametersMessage())
    given = {field.name: value for field, value in message.ListFields()}
    if given.pop("pad_variable_length_inputs", False):
        raise InputError(
            f"{path}: pad_variable_length_inputs is TensorFlow Serving's; here requests are batched with others of the "
            "same shape: leave it out"
        )
    given.pop("thread_pool_name", None)
    sizes = tuple(given.pop("allowed_batch_sizes", ()))
    given = {name: value.value for name, value in given.items()}
    for name in ("max_batch_size", "max_enqueued_batches", "num_batch_threads", "max_execution_batch_size"):
        if given.get(name, 1) < 1:
            raise InputError(f"{path}: {name} is {given[name]}; expected at least 1")
    if given.get("batch_timeout_micros", 0) < 0:
        raise InputError(f"{path}: batch_timeout_micros is {given['batch_timeout_micros']}; expected at least 0")
    parameters = BatchingParameters(allowed_batch_sizes=sizes, **given)
    split = parameters.enable_large_batch_splitting
    largest = (parameters.max_execution_batch_size if split else None) or parameters.max_batch_size
    if largest > parameters.max_batch_size:
        raise InputError(
            f"{path}: max_execution_batch_size is {largest}; expected at most max_batch_size, "
            f"{parameters.max_batch_size}"
        )
    if sizes:
        # Worded as in batching/batching_session.cc.
        if list(sizes) != sorted(set(sizes)) or sizes[0] < 1:
            raise InputError(f"{path}: allowed_batch_sizes entries must be monotonically increasing")
        if sizes[-1] != largest:
            raise InputError(
                f"{path}: Last entry in allowed_batch_sizes must match "
                f"{'max_execution' if split else 'max'}_batch_size; last entry was {sizes[-1]}, expected {largest}"
            )
    return parameters


def read_monitoring(path):
    """Reads a `--monitoring_config_file`, such as monitoring.config.

    Args:
        path: the file, a `MonitoringConfig`.

    Returns:
        str, the path on the REST port that Prometheus reads, or `None` if it is not enabled.

    Raises:
        InputError: the file cannot be read or understood.
    """
    config = _read(path, MonitoringConfigMessage()).prometheus_config
    if config.path and not config.path.startswith("/"):
        raise InputError(f"{path}: prometheus_config.path is {config.path!r}; expected one that begins with /")
    return (config.path or PROMETHEUS_PATH) if config.enable else None


def read_tls(path):
    """Reads an `--ssl_config_file`: keys and certificates as PEM text, as TensorFlow Serving takes them.

    Args:
        path: the file, an `SSLConfig`.

    Returns:
        A `tls.TLS`.

    Raises:
        InputError: the file cannot be read or understood, or a key or certificate is missing or cannot be used.
    """
    message = _read(path, SSLConfigMessage())
    for name in ("server_key", "server_cert"):
        if "-----BEGIN" not in getattr(message, name):
            raise InputError(f"{path}: {name} is no PEM text; expected -----BEGIN ... with \\n at each line's end")
    if message.client_verify and not message.custom_ca:
        raise InputError(f"{path}: client_verify needs custom_ca, the certificate that clients' ones are signed with")
    tls = TLS(message.server_key, message.server_cert, message.custom_ca or None, message.client_verify)
    try:
        tls.ssl_context()
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return tls


def _read(path, message):
    path = pathlib.Path(path)
    try:
        return text_format.Parse(path.read_text(), message)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except (text_format.ParseError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: {reason}; expected {message.DESCRIPTOR.name} in protobuf's text form") from error
