"""YAML of a pipeline as plain data. It loads no library, so that what is no YAML is said at once."""

import pathlib
import re

import yaml

from fer_keras.errors import InputError


class PlacedError(InputError):
    """A fault whose message begins with its place in the file."""


def read_yaml(path):
    """Reads a pipeline's file without looking at what its keys mean.

    Args:
        path: a YAML file.

    Returns:
        What it holds, a dict if it is a pipeline.

    Raises:
        InputError: the file is missing, empty or no YAML, or it has a key twice.
    """
    path = pathlib.Path(path)
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; expected a pipeline as YAML") from error
    except PlacedError as error:
        raise InputError(f"{path}: {error}") from None
    except (UnicodeDecodeError, yaml.reader.ReaderError) as error:
        raise InputError(f"{path}: is no text in UTF-8; expected a pipeline as YAML") from error
    except (yaml.YAMLError, ValueError) as error:
        where = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "cannot be read"
        raise InputError(f"{path}: is not YAML ({problem}{f', line {where.line + 1}' if where else ''})") from error
    if values in (None, {}):
        raise InputError(f"{path}: is empty; expected a pipeline, its corpus at least: corpus: {{name: synthetic}}")
    return values


class _Loader(yaml.SafeLoader):
    """YAML as PyYAML reads it, but with `1e-3` as a number, not a text, and without keys that are there twice."""

    def construct_mapping(self, node, deep=False):
        lines = {}
        for key, _ in node.value:
            name, line = key.value, key.start_mark.line + 1
            if isinstance(name, str) and name in lines:
                raise PlacedError(f"line {line}: key {name} is in line {lines[name]} already; expected it once")
            if isinstance(name, str):
                lines[name] = line
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)[eE][-+]?\d+"), list("-+.0123456789")
)
