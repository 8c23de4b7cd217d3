"""The sub-command `serve` of `fer-keras`."""

import contextlib
import logging
import pathlib
import signal
import threading
from typing import Annotated

import typer

from fer_keras.errors import InputError


def serve(
    model_base_path: Annotated[
        pathlib.Path, typer.Option(help="Directory with the versions, each named by a number.")
    ] = pathlib.Path("saved_models/fer"),
    model_name: Annotated[str, typer.Option(help="Name of the model in requests.")] = "fer",
    port: Annotated[int, typer.Option(help="Port for gRPC; 0 for any free one.", min=0, max=65535)] = 8500,
    rest_api_port: Annotated[int, typer.Option(help="Port for REST; 0 for any free one.", min=0, max=65535)] = 8501,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all.")] = "127.0.0.1",
):
    """Serve the newest exported model over gRPC and REST, as TensorFlow Serving does.

    New versions that appear under the base path are taken up while it runs. Ctrl-C stops it.

    Example: fer-keras serve --model-base-path saved_models/fer --port 8500 --rest-api-port 8501
    """
    # Both ends are clean ends: SIGTERM takes the way of Ctrl-C. Set before the imports, which take seconds.
    for stop_signal in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop_signal, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt):
        _serve(model_base_path, model_name, port, rest_api_port, host)


def _serve(base_path, model_name, port, rest_api_port, host):
    # Imported here, because `fer-keras --help` must not wait for TensorFlow.
    from fer_keras.console import console, load_libraries

    load_libraries()
    try:
        from serving.server.server import Server
    except ModuleNotFoundError as error:
        raise InputError(f"serve needs the package {error.name}; run: pip install 'fer-keras[serving]'") from error

    with _log_to_terminal(), Server(base_path, model_name, port, rest_api_port, host) as server:
        console.print(
            f"Serving {model_name} version {server.version}: gRPC {host}:{server.grpc_port}, "
            f"REST http://{host}:{server.rest_port}/v1/models/{model_name} (Ctrl-C stops)",
            soft_wrap=True,
            markup=False,
        )
        threading.Event().wait()


@contextlib.contextmanager
def _log_to_terminal():
    log, handler = logging.getLogger("serving"), logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False  # the libraries' own handlers would print the line again
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(logging.NOTSET)
        log.propagate = True
