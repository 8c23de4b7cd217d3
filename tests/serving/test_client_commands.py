"""`fer-keras client` and `fer-keras load-test`, called as the command line calls them."""

import pytest
import typer
from serving_testing import png
from typer.testing import CliRunner

from serving.client_commands import client, load_test


@pytest.fixture(scope="module")
def run():
    app = typer.Typer()
    app.command("client")(client)
    app.command("load-test")(load_test)
    return lambda *arguments: CliRunner().invoke(app, [str(one) for one in arguments])


def test_client(run, server, tmp_path):
    file = tmp_path / "face.png"
    file.write_bytes(png(250))
    done = run("client", file, file, "--cropped", "--address", f"127.0.0.1:{server.grpc_port}")
    assert done.exit_code == 0, done.output
    assert done.output.count("anger (anger 0.") == 2


def test_client_says_what_is_wrong(run, server, tmp_path):
    file = tmp_path / "no.png"
    file.write_bytes(b"no picture")
    for arguments, message in (
        ((file, "--cropped"), "Unknown image file format"),
        ((file,), "is not an image or is damaged"),
        ((file, "--cropped", "--model-name", "dog"), "Servable not found"),
        ((file, "--key", file), "--certificate and --key belong together"),
        ((file, "--version", 1, "--version-label", "x"), "version 1 and label x: expected one of them"),
    ):
        done = run("client", *arguments, "--address", f"127.0.0.1:{server.grpc_port}")
        assert done.exit_code == 1
        assert message in str(done.exception)


def test_load_test(run, server):
    done = run("load-test", "--address", f"127.0.0.1:{server.grpc_port}", "--clients", 2, "--requests", 10)
    assert done.exit_code == 0, done.output
    assert "10 answers in" in done.output
    (line,) = [line for line in done.output.splitlines() if "p99 " in line]  # not wrapped
    assert ", most " in line


@pytest.mark.parametrize("command", ["client", "load-test"])
def test_help_has_an_example(run, command):
    assert f"Example: fer-keras {command}" in " ".join(run(command, "--help").output.split())
