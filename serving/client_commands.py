"""The sub-commands `client` and `load-test` of `fer-keras`: they ask a server."""

import pathlib
from typing import Annotated

import typer

from fer_keras.errors import InputError
from serving.extra import serving_extra

AddressOption = Annotated[str, typer.Option("--address", help="Host and gRPC port of the server.")]
NameOption = Annotated[str, typer.Option("--model-name", help="Name of the model.")]
TimeoutOption = Annotated[float, typer.Option("--timeout", help="Seconds for a request.", min=0.001)]
CaOption = Annotated[
    pathlib.Path | None, typer.Option("--ca", help="Certificates that the server's is signed with (PEM): TLS.")
]
CertificateOption = Annotated[pathlib.Path | None, typer.Option(help="The client's certificate (PEM): mutual TLS.")]
KeyOption = Annotated[pathlib.Path | None, typer.Option(help="The key of the client's certificate (PEM).")]
TokenOption = Annotated[pathlib.Path | None, typer.Option("--auth-token-file", help="File with a bearer token.")]


def client(
    pictures: Annotated[list[pathlib.Path], typer.Argument(help="Pictures, or video files with --clip.")],
    address: AddressOption = "127.0.0.1:8500",
    model_name: NameOption = "fer",
    cropped: Annotated[bool, typer.Option("--cropped", help="The pictures are aligned face crops already.")] = False,
    clip: Annotated[
        bool, typer.Option("--clip", help="Each file is a clip of one person, for a model of clips.")
    ] = False,
    version: Annotated[int | None, typer.Option(help="This version of the model.")] = None,
    version_label: Annotated[str | None, typer.Option(help="The version with this label.")] = None,
    timeout: TimeoutOption = 10.0,
    ca: CaOption = None,
    certificate: CertificateOption = None,
    key: KeyOption = None,
    auth_token_file: TokenOption = None,
):
    """Ask a server, this one or TensorFlow Serving, for the expressions in pictures.

    Faces are found and aligned here; the server gets crops.

    Example: fer-keras client photo.jpg --address 127.0.0.1:8500
    """
    from fer_keras.console import console, load_libraries

    load_libraries()
    from fer_keras.faces.image import printable

    with serving_extra("client"):
        from serving.client import Client
    options = _options(model_name, timeout, ca, certificate, key, auth_token_file)
    with Client(address, version=version, version_label=version_label, **options) as server:
        for path in pictures:
            answers = _ask(server, path, cropped, clip)
            for number, answer in enumerate(answers, 1):
                ordered = sorted(answer["probabilities"].items(), key=lambda pair: -pair[1])
                listed = ", ".join(f"{name} {probability:.2f}" for name, probability in ordered)
                which = f" face {number}" if len(answers) > 1 else ""
                console.print(f"{printable(path)}{which}: {answer['label']} ({listed})", soft_wrap=True, markup=False)
            if not answers:
                console.print(f"{printable(path)}: no face found", soft_wrap=True, markup=False)


def load_test(
    address: AddressOption = "127.0.0.1:8500",
    model_name: NameOption = "fer",
    clients: Annotated[int, typer.Option(help="Clients that ask at once.", min=1, max=256)] = 8,
    seconds: Annotated[float, typer.Option(help="How long, at most 600.", min=0.1, max=600)] = 10.0,
    batch: Annotated[int, typer.Option(help="Pictures in a request.", min=1, max=1024)] = 1,
    requests: Annotated[int | None, typer.Option(help="End after so many requests.", min=1)] = None,
    picture: Annotated[
        list[pathlib.Path] | None, typer.Option(help="Face crop to send; may be repeated. By default drawn noise.")
    ] = None,
    timeout: TimeoutOption = 10.0,
    ca: CaOption = None,
    certificate: CertificateOption = None,
    key: KeyOption = None,
    auth_token_file: TokenOption = None,
):
    """Ask a server as fast as it answers, and print throughput and latencies.

    Ends with status 1 if a request failed.

    Example: fer-keras load-test --clients 32 --seconds 20
    """
    from fer_keras.console import console, load_libraries

    load_libraries()
    import numpy as np

    from fer_keras.faces import encode_png

    with serving_extra("load-test"):
        from serving.client.messages import face_inputs
        from serving.load_test import run_load_test
    if picture:
        images = list(face_inputs(picture)["image"])
    else:
        noise = np.random.default_rng(0).integers(0, 256, (16, 48, 48), dtype="uint8")
        images = [encode_png(one) for one in noise]
    options = _options(model_name, timeout, ca, certificate, key, auth_token_file)
    result = run_load_test(address, images, clients, seconds, batch, requests, **options)
    console.print(
        f"{len(result.latencies)} answers in {result.seconds:.1f} s from {clients} clients: "
        f"{result.answers_per_second:.1f} requests/s, {result.faces_per_second:.1f} faces/s",
        soft_wrap=True,
    )
    marks = ", ".join(f"p{percent:g} {1e3 * result.percentile(percent):.1f}" for percent in (50, 90, 95, 99, 99.9))
    console.print(f"latency in ms: {marks}, most {1e3 * result.percentile(100):.1f}", soft_wrap=True)
    for message, count in sorted(result.failures.items(), key=lambda pair: -pair[1])[:5]:
        console.print(f"failed {count} times: {message}", soft_wrap=True, markup=False)
    if result.failures:
        raise typer.Exit(1)


def _ask(server, path, cropped, clip):
    from serving.client.crops import clip_crops, face_crops

    if clip:
        frames = clip_crops(path)
        return [server.predict_clip(frames)] if frames else []
    return server.predict([path] if cropped else face_crops(path))


def _options(model_name, timeout, ca, certificate, key, auth_token_file):
    token = None
    if auth_token_file:
        from serving.server.bearer_token import read_token

        token = read_token(auth_token_file)
    if (certificate is None) != (key is None):
        raise InputError("--certificate and --key belong together")
    return {
        "model_name": model_name,
        "timeout": timeout,
        "ca": ca,
        "certificate": certificate,
        "key": key,
        "token": token,
    }
