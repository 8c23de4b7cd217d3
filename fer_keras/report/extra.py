"""Packages of the extra `report`, imported where they are used: the library does without them."""

import importlib

from fer_keras.errors import InputError


def import_extra(name):
    """Imports a module of the extra `report`.

    Args:
        name: of the module, such as `"sklearn.manifold"`.

    Returns:
        The module.

    Raises:
        InputError: its package is not installed.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise InputError(f"reports need {error.name}; run: pip install 'fer-keras[report]'") from None


def check_report_extra():
    """Says that the extra `report` is missing before the hours, or minutes, that end in a report.

    Raises:
        InputError: one of its packages is not installed.
    """
    for name in ("jinja2", "matplotlib", "sklearn"):
        import_extra(name)
