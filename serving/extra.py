"""The extra that serving needs, named where it is missing."""

import contextlib

from fer_keras.errors import InputError

_ROOTS = {
    "grpc",
    "grpc_health",
    "grpc_reflection",
    "markdown_it",
    "prometheus_client",
    "starlette",
    "tensorflow_serving",
    "uvicorn",
}


@contextlib.contextmanager
def serving_extra(command):
    """Turns a package that is not there into one line that says how to get it.

    Args:
        command: str, what needs it.

    Raises:
        InputError: one of the extra's packages is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _ROOTS:
            raise
        raise InputError(f"{command} needs the package {error.name}; run: pip install 'fer-keras[serving]'") from error
