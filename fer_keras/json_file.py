"""JSON files that appear whole or not at all."""

import json
import pathlib


def write_json(path, value):
    """Writes plain data as JSON: aside first, then renamed.

    Args:
        path: the file to write; what it held is replaced.
        value: dicts, lists, strings, numbers.
    """
    path = pathlib.Path(path)
    aside = path.with_name(f".{path.name}.tmp")
    aside.write_text(json.dumps(value, indent=1) + "\n")
    aside.replace(path)
