"""Presets: a trained model and what is known about it, as a folder."""

import contextlib
import json
import os
import pathlib
import shutil

import keras

from fer_keras.errors import InputError

MODEL_FILE = "model.keras"
ABOUT_FILE = "preset.json"
SHIPPED = pathlib.Path(__file__).parents[1] / "presets"
"""Folder of the presets that come with the package, one folder a name."""


def preset_names():
    """The names of the presets that come with the package, sorted."""
    return sorted(file.parent.name for file in SHIPPED.glob(f"*/{MODEL_FILE}"))


def save_preset(model, directory, about):
    """Writes a preset; the folder appears whole or not at all.

    Args:
        model: a model with `label_names`.
        directory: the folder to write; a preset that it held is replaced.
        about: dict of plain data kept with the model.

    Raises:
        InputError: `directory` exists and is no preset.
    """
    directory = pathlib.Path(directory)
    if directory.exists() and not (directory / MODEL_FILE).exists() and any(directory.iterdir()):
        raise InputError(f"{directory}: exists and is no preset; expected a new folder or one with {MODEL_FILE}")
    aside = directory.with_name(f".{directory.name}.{os.getpid()}.tmp")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    # A copy: what is to be used, or trained anew, carries no optimizer and no frozen layers of a training that is over.
    copy = type(model).from_config(model.get_config())
    copy.set_weights(model.get_weights())
    copy.save(aside / MODEL_FILE)
    about = {"label_names": list(model.label_names), "keras": keras.version(), **about}
    (aside / ABOUT_FILE).write_text(json.dumps(about, indent=2) + "\n")
    old = directory.with_name(f".{directory.name}.{os.getpid()}.old")
    with contextlib.suppress(FileNotFoundError):
        directory.rename(old)
    aside.rename(directory)
    shutil.rmtree(old, ignore_errors=True)


def load_preset(path):
    """Loads a preset.

    Args:
        path: the name of a preset that comes with the package, a preset folder, a run folder of `fer-keras train` (its
            `model` is taken), or a `.keras` file. A folder here goes before a name.

    Returns:
        A pair of the model and the dict kept with it.

    Raises:
        InputError: there is no preset at `path`, or it cannot be read.
    """
    path = pathlib.Path(path)
    candidates = [path, path / MODEL_FILE, path / "model" / MODEL_FILE]
    if len(path.parts) == 1:
        candidates.append(SHIPPED / path / MODEL_FILE)
    file = next((candidate for candidate in candidates if candidate.is_file()), None)
    if file is None:
        raise InputError(
            f"{path}: no model found; expected a .keras file, a folder with {MODEL_FILE}, or one of the presets that "
            f"come with the package: {', '.join(preset_names()) or 'none'}"
        )
    try:
        model = keras.models.load_model(file)
    except Exception as error:
        raise InputError(f"{file}: cannot be loaded; it is no Keras model file, or it is damaged") from error
    if not hasattr(model, "label_names"):
        raise InputError(f"{file}: the model has no label_names; expected a fer-keras classifier")
    about = file.with_name(ABOUT_FILE)
    try:
        return model, json.loads(about.read_text()) if about.exists() else {}
    except ValueError as error:
        raise InputError(f"{about}: is damaged; expected JSON, or remove the file") from error
