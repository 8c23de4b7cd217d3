"""Configurations of static training as JSON files."""

import dataclasses
import difflib
import json
import pathlib

from fer_keras.augmentation import AugmentationStrength
from fer_keras.errors import InputError
from fer_keras.training.static import StaticConfig


def read_config(path):
    """Reads the fields of a `StaticConfig`; those that the file leaves out have their defaults.

    Args:
        path: a JSON file with one object, such as `best.json` of `fer_keras.training.search`.

    Returns:
        A dict of the fields in the file, for `StaticConfig(**fields)`.

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
    _check(path, fields, StaticConfig, "")
    if isinstance(fields.get("augmentation"), dict):
        _check(path, fields["augmentation"], AugmentationStrength, "augmentation.")
    try:
        StaticConfig(**fields)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return fields


_KINDS = {
    bool: ("true or false", bool),
    int: ("a whole number", int),
    float: ("a number", (int, float)),
    str: ("a text", str),
    dict: ("an object", dict),
    AugmentationStrength: ("an object or null", (dict, type(None))),
}


def _check(path, fields, kind, prefix):
    if not isinstance(fields, dict):
        raise InputError(f"{path}: expected a JSON object of fields, received {json.dumps(fields)[:40]}")
    defaults = dataclasses.asdict(kind()) | ({"augmentation": AugmentationStrength()} if not prefix else {})
    for name, value in fields.items():
        if name not in defaults:
            near = difflib.get_close_matches(name, defaults, 1)
            hint = f"did you mean {prefix}{near[0]}?" if near else f"expected some of {', '.join(defaults)}"
            raise InputError(f"{path}: unknown key {prefix}{name}; {hint}")
        what, types = _KINDS[type(defaults[name])]
        if not isinstance(value, types) or (isinstance(value, bool) and types is not bool):
            raise InputError(f"{path}: {prefix}{name} must be {what}, received {json.dumps(value)[:40]}")
    for pattern, rate in fields.get("layer_rates", {}).items() if not prefix else ():
        if isinstance(rate, bool) or not isinstance(rate, (int, float)):
            raise InputError(f"{path}: layer_rates must be numbers, received {json.dumps(rate)[:40]} for {pattern!r}")
