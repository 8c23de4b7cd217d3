"""The sub-command `demo` of `fer-keras`."""

import contextlib
import pathlib
import signal
import tempfile
import threading
import webbrowser
from typing import Annotated

import typer

from fer_keras.errors import InputError
from serving.extra import serving_extra

_PRESET = "alexnet_emotion_fer2013"


def demo(
    model: Annotated[
        list[str] | None, typer.Option(help="A preset, a run of `train` or a .keras file; may be repeated.")
    ] = None,
    base_path: Annotated[
        list[pathlib.Path] | None,
        typer.Option(help="Directory with versions of an exported model, such as saved_models/fer; may be repeated."),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(
            help="A model server that runs already, host and gRPC port: `fer-keras serve`, TensorFlow Serving."
        ),
    ] = None,
    model_name: Annotated[
        list[str] | None, typer.Option(help="Name of a model of --address, by default fer; may be repeated.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address of the page; 0.0.0.0 lets other machines see it.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port of the page; 0 for any free one.", min=0, max=65535)] = 8502,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in this machine's browser.")] = False,
):
    """Try models on pictures, clips and the camera, on a page in the browser.

    Pictures stay in this program's memory until they are read, and are never stored. By default the model that comes
    with the package answers.

    Example: fer-keras demo --base-path saved_models/fer --model alexnet_emotion_fer2013
    """
    # Both ends are clean ends, as in `serve`; set before the imports, which take seconds.
    for stop_signal in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop_signal, signal.default_int_handler)
    if address and (model or base_path):
        raise InputError("--address is for models that are served already; leave out --model and --base-path")
    if model_name and not address:
        raise InputError("--model-name is for --address")
    with contextlib.suppress(KeyboardInterrupt), contextlib.ExitStack() as stack:
        from fer_keras.console import console, load_libraries

        # Every step that may take a minute on a busy machine has a line.
        console.print("Loading TensorFlow …")
        load_libraries()
        with serving_extra("demo"):
            from serving.demo.card import find_card
            from serving.demo.server import DemoServer
            from serving.server.logs import log_to_terminal
            from serving.server.model_config import ModelConfig
        stack.enter_context(log_to_terminal())
        models, cards = [], {}
        if not address:
            for path in base_path or []:
                models.append(ModelConfig(path.resolve().name, path.resolve()))
            aside = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fer-keras-demo-")))
            for one in model or ([] if base_path else [_PRESET]):
                console.print(f"Exporting {one} …", soft_wrap=True, markup=False)
                models.append(_export(one, aside))
                cards[models[-1].name] = find_card(one)
            names = [config.name for config in models]
            if len(set(names)) < len(names):
                raise InputError(f"models are told apart by the last part of their path; received {', '.join(names)}")
        console.print("Starting the models …" if not address else f"Asking {address} …", soft_wrap=True, markup=False)
        server = stack.enter_context(
            DemoServer(models or None, address, model_name or ["fer"], cards, host=host, port=port)
        )
        console.print(f"Open {server.url} (Ctrl-C stops)", soft_wrap=True, markup=False)
        if not server.is_local:
            console.print("Whoever reaches this machine may use the page; cameras work on this machine alone.")
        if open_page:
            webbrowser.open(server.url)
        threading.Event().wait()


def _export(model, aside):
    """Exports a model to be served; the page then shows what any server would answer."""
    from fer_keras.export import export_version
    from fer_keras.models.preset import load_preset
    from serving.server.model_config import ModelConfig

    path = pathlib.Path(model)
    name = path.stem if path.suffix == ".keras" else path.resolve().name if path.exists() else path.name
    export_version(load_preset(model)[0], aside / name)
    return ModelConfig(name, aside / name)
