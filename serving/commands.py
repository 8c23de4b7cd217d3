"""The sub-command `serve` of `fer-keras`."""

import contextlib
import gc
import pathlib
import signal
import threading
from typing import Annotated

import typer

from fer_keras.errors import InputError
from serving.extra import serving_extra

_File = pathlib.Path | None


def serve(
    model_base_path: Annotated[
        pathlib.Path, typer.Option(help="Directory with the versions, each named by a number.")
    ] = pathlib.Path("saved_models/fer"),
    model_name: Annotated[str, typer.Option(help="Name of the model in requests.")] = "fer",
    port: Annotated[int, typer.Option(help="Port for gRPC; 0 for any free one.", min=0, max=65535)] = 8500,
    rest_api_port: Annotated[int, typer.Option(help="Port for REST; 0 for any free one.", min=0, max=65535)] = 8501,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all.")] = "127.0.0.1",
    model_config_file: Annotated[
        _File, typer.Option(help="models.config of TensorFlow Serving, instead of name and base path.")
    ] = None,
    model_config_file_poll_wait_seconds: Annotated[
        float, typer.Option(help="Seconds between two looks at models.config; 0 for one look only.", min=0)
    ] = 0.0,
    enable_batching: Annotated[bool, typer.Option("--enable-batching", help="Compute requests together.")] = False,
    batching_parameters_file: Annotated[
        _File, typer.Option(help="batching_parameters.txt of TensorFlow Serving.")
    ] = None,
    monitoring_config_file: Annotated[
        _File, typer.Option(help="monitoring.config of TensorFlow Serving: a page for Prometheus on the REST port.")
    ] = None,
    ssl_config_file: Annotated[
        _File, typer.Option(help="SSLConfig of TensorFlow Serving: TLS on gRPC and here on REST too.")
    ] = None,
    auth_token_file: Annotated[_File, typer.Option(help="File with a bearer token that clients must show.")] = None,
    file_system_poll_wait_seconds: Annotated[
        float, typer.Option(help="Seconds between two looks for new versions.", min=0.05)
    ] = 1.0,
    allow_version_labels_for_unavailable_models: Annotated[
        bool,
        typer.Option(
            "--allow-version-labels-for-unavailable-models", help="Labels may name versions that are not loaded yet."
        ),
    ] = False,
    max_message_mib: Annotated[int, typer.Option(help="Largest request, MiB.", min=1, max=2047)] = 64,
    max_image_mib: Annotated[int, typer.Option(help="Largest encoded picture, MiB.", min=1)] = 16,
    max_image_megapixels: Annotated[float, typer.Option(help="Largest picture, millions of pixels.", min=0.01)] = 16.0,
    rest_api_timeout_in_ms: Annotated[int, typer.Option(help="Milliseconds for a REST request.", min=1)] = 30_000,
    drain_seconds: Annotated[float, typer.Option(help="Seconds that requests get to finish at the end.", min=0)] = 30.0,
    log_format: Annotated[str, typer.Option(help="text or json.")] = "text",
    log_requests: Annotated[str, typer.Option(help="Log requests: none, refused or all.")] = "none",
):
    """Serve exported models over gRPC and REST, as TensorFlow Serving does.

    New versions that appear under the base path are taken up while it runs. Ctrl-C or SIGTERM stops it: it takes no
    more requests, finishes those under way and ends.

    Example: fer-keras serve --model-base-path saved_models/fer --port 8500 --rest-api-port 8501
    """
    # Both ends are clean ends: SIGTERM takes the way of Ctrl-C. Set before the imports, which take seconds.
    for stop_signal in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop_signal, signal.default_int_handler)
    for option, value, allowed in (
        ("--log-format", log_format, ("text", "json")),
        ("--log-requests", log_requests, ("none", "refused", "all")),
    ):
        if value not in allowed:
            raise InputError(f"{option} {value}: expected one of {', '.join(allowed)}")
    if batching_parameters_file and not enable_batching:
        raise InputError("--batching-parameters-file is for --enable-batching")  # as in model_servers/server.cc
    with contextlib.suppress(KeyboardInterrupt):
        # Imported here, because `fer-keras --help` must not wait for TensorFlow.
        from fer_keras.console import load_libraries

        load_libraries()
        with serving_extra("serve"):
            from serving.server import config_files
            from serving.server.batching import BatchingParameters
            from serving.server.bearer_token import read_token
            from serving.server.config_watch import ConfigWatch
            from serving.server.limits import Limits
            from serving.server.logs import log_to_terminal
            from serving.server.server import Server
        batching = None
        if enable_batching:
            given = batching_parameters_file
            batching = config_files.read_batching_parameters(given) if given else BatchingParameters()
        server = Server(
            model_base_path,
            model_name,
            port,
            rest_api_port,
            host,
            file_system_poll_wait_seconds,
            models=config_files.read_models(model_config_file) if model_config_file else None,
            batching=batching,
            limits=Limits(
                message_bytes=max_message_mib * 2**20,
                image_bytes=max_image_mib * 2**20,
                image_pixels=int(max_image_megapixels * 1e6),
                rest_timeout=rest_api_timeout_in_ms / 1e3,
            ),
            tls=config_files.read_tls(ssl_config_file) if ssl_config_file else None,
            token=read_token(auth_token_file) if auth_token_file else None,
            metrics_path=config_files.read_monitoring(monitoring_config_file) if monitoring_config_file else None,
            any_labels=allow_version_labels_for_unavailable_models,
        )
        watch = None
        if model_config_file and model_config_file_poll_wait_seconds:
            watch = ConfigWatch(model_config_file, server.store, model_config_file_poll_wait_seconds)
        with log_to_terminal(log_format == "json", log_requests):
            _run(server, watch, drain_seconds, "https" if ssl_config_file else "http")


def _run(server, watch, drain_seconds, scheme):
    """Serves until a signal comes, then finishes what is under way."""
    from fer_keras.console import console

    server.start()
    try:
        if watch is not None:
            watch.start()
        name = server.store.names[0]
        others = len(server.store.names) - 1
        console.print(
            f"Serving {name} version {server.version}{f' and {others} more' if others else ''}: gRPC "
            f"{server.host}:{server.grpc_port}, REST {scheme}://{server.host}:{server.rest_port}/v1/models/{name} "
            "(Ctrl-C stops)",
            soft_wrap=True,
            markup=False,
        )
        threading.Event().wait()
    finally:
        if watch is not None:
            watch.stop()
        server.stop(drain_seconds)
        gc.freeze()  # the interpreter's last collection would go through all of TensorFlow's objects: for seconds
