"""The versions of a served model on disk: which there are, which holds a model, and back to an earlier one."""

import filecmp
import os
import pathlib
import shutil

from fer_keras.errors import InputError
from fer_keras.export import publish_version

_MODEL_FILE = "saved_model.pb"


def numbered_folders(base_path):
    """The folders under a server's base path that have a version's name, whatever is in them.

    Args:
        base_path: folder of versions, such as `saved_models/fer`; it need not exist.

    Returns:
        A list of paths, the greatest number first.
    """
    base_path = pathlib.Path(base_path)
    children = base_path.iterdir() if base_path.is_dir() else ()
    found = [child for child in children if child.name.isascii() and child.name.isdigit() and child.is_dir()]
    return sorted(found, key=lambda one: int(one.name), reverse=True)


def find_versions(base_path):
    """The versions under a server's base path: the numbered folders that hold a SavedModel.

    Args:
        base_path: folder of versions, such as `saved_models/fer`; it need not exist.

    Returns:
        A list of paths, the newest first: the first one is served.
    """
    return [folder for folder in numbered_folders(base_path) if (folder / _MODEL_FILE).is_file()]


def holds(version, model_dir):
    """Whether a version holds a model: every file of it, byte by byte.

    Args:
        version: folder of the version, which may hold more.
        model_dir: folder of a SavedModel.
    """
    files = [str(file.relative_to(model_dir)) for file in pathlib.Path(model_dir).rglob("*") if file.is_file()]
    same, _, _ = filecmp.cmpfiles(version, model_dir, files, shallow=False)
    return len(same) == len(files)


def remove_leftovers(base_path):
    """Removes what pushes that were killed had written aside.

    Args:
        base_path: folder of versions, which only processes of this machine push to.
    """
    for aside in pathlib.Path(base_path).glob(".*.tmp"):
        _, version, process, _ = [*aside.name.split("."), "", ""][:4]
        if version.isdigit() and process.isdigit() and not _runs(int(process)):
            shutil.rmtree(aside, ignore_errors=True)


def _runs(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # someone else's
        return True
    return True


def roll_back(base_path, to=None):
    """Serves an earlier version again: a copy of it becomes the newest one. Nothing is removed.

    Args:
        base_path: folder of versions.
        to: int, number of the version; by default the newest that is another model than the served one.

    Returns:
        A pair of paths: the version that was copied, and the new one.

    Raises:
        InputError: there is no such version, it holds no model, or there is no other one.
    """
    versions = find_versions(base_path)
    if not versions:
        raise InputError(f"{base_path}: holds no version; expected the base path of a served model")
    if to is None:
        earlier = next((one for one in versions[1:] if not holds(versions[0], one)), None)
        if earlier is None:
            raise InputError(f"{base_path}: holds no model but the served one (version {versions[0].name})")
    else:
        earlier = next((one for one in versions if int(one.name) == to), None)
        if earlier is None:
            empty = any(int(one.name) == to for one in numbered_folders(base_path))
            what = f"version {to} holds no {_MODEL_FILE}" if empty else f"holds no version {to}"
            raise InputError(f"{base_path}: {what}; expected one of {', '.join(one.name for one in versions)}")
        if holds(versions[0], earlier):
            raise InputError(f"{base_path}: version {to} is served already, by the newest version {versions[0].name}")
    return earlier, publish_version(base_path, lambda aside: shutil.copytree(earlier, aside))
