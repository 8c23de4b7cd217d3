"""Configurations of trainings as JSON files."""

import dataclasses
import difflib
import json
import pathlib
import re

from fer_keras.augmentation import AugmentationStrength
from fer_keras.errors import InputError
from fer_keras.training.static import StaticConfig


def read_config(path, kind=StaticConfig):
    """Reads the fields of a configuration; those that the file leaves out have their defaults.

    Args:
        path: a JSON file with one object, such as `best.json` of `fer_keras.training.search`.
        kind: `StaticConfig`, `fer_keras.training.video.VideoConfig` or
            `fer_keras.training.restoration.RestorationConfig`.

    Returns:
        A dict of the fields in the file, for `kind(**fields)`.

    Raises:
        InputError: the file is missing or no JSON object, it has a key that is no field, or a value of another type.
    """
    path = pathlib.Path(path)
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; expected a configuration as JSON") from error
    except ValueError as error:
        raise InputError(f"{path}: is no JSON ({error})") from error
    check_fields(path, fields, kind())
    try:
        build_config(kind, fields)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return fields


def build_config(kind, fields, prefix=""):
    """Makes a configuration of plain fields.

    Args:
        kind: class of the configuration, a dataclass whose fields have defaults.
        fields: dict, such as `read_config` returns; a section of it may be a dict.
        prefix: string, where in a file the fields are, such as `"training."`.

    Returns:
        An instance of `kind`.

    Raises:
        InputError: a value is out of its range; the message begins with the field and the sections that it is in.
    """
    default = kind()
    for name, value in fields.items():
        held = getattr(default, name)
        if dataclasses.is_dataclass(held) and isinstance(value, dict):
            build_config(type(held), value, f"{prefix}{name}.")  # it alone knows in which section a fault is
    try:
        return kind(**fields)
    except InputError as error:
        of_field = re.split(r"\W", str(error), maxsplit=1)[0] in fields
        place = prefix if of_field or not prefix else f"{prefix[:-1]}: "
        raise InputError(f"{place}{error}") from error


_KINDS = {
    bool: ("true or false", bool),
    int: ("a whole number", int),
    float: ("a number", (int, float)),
    str: ("a text", str),
    dict: ("an object", dict),
    tuple: ("a list", list),
    AugmentationStrength: ("an object or null", (dict, type(None))),
}


def check_fields(path, fields, default, prefix=""):
    """Checks fields from a file against those of a configuration.

    Args:
        path: of the file, for the message.
        fields: what it holds, plain data.
        default: the default configuration, a dataclass of which `fields` are some, of the same types.
        prefix: string, where in the file they are, such as `"training."`.

    Raises:
        InputError: a key is no field, or a value of another type.
    """
    if not isinstance(fields, dict):
        where = f"{prefix[:-1]}: expected an object" if prefix else "expected a JSON object"
        raise InputError(f"{path}: {where} of fields, received {json.dumps(fields, default=str)[:40]}")
    names = [field.name for field in dataclasses.fields(default)]
    for name, value in fields.items():
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            hint = f"did you mean {prefix}{near[0]}?" if near else f"expected some of {', '.join(names)}"
            raise InputError(f"{path}: unknown key {prefix}{name}; {hint}")
        held = getattr(default, name)
        _check_kind(path, f"{prefix}{name}", value, held)
        if isinstance(held, tuple):
            for place, one in enumerate(value):
                _check_kind(path, f"{prefix}{name}[{place}]", one, held[0])
        if dataclasses.is_dataclass(held) and value is not None:
            check_fields(path, value, held, f"{prefix}{name}.")
    for pattern, rate in fields.get("layer_rates", {}).items():
        if isinstance(rate, bool) or not isinstance(rate, (int, float)):
            shown = json.dumps(rate, default=str)[:40]
            raise InputError(f"{path}: {prefix}layer_rates must be numbers, received {shown} for {pattern!r}")


def _check_kind(path, name, value, held):
    """Raises `InputError` unless a value is of the type of the default `held`."""
    what, types = _KINDS.get(type(held)) or _KINDS[dict]  # of a dataclass
    if not isinstance(value, types) or (isinstance(value, bool) and types is not bool):
        raise InputError(f"{path}: {name} must be {what}, received {json.dumps(value, default=str)[:40]}")
