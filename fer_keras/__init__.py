"""Facial expression recognition for Keras: train, prove and serve.

>>> import fer_keras
>>> recognizer = fer_keras.Recognizer.from_preset("runs/train/model")
>>> recognizer("face.jpg")[0].label
"""

import importlib
import os
import sys

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

__version__ = "0.1.0"

# Loaded on first use, so that the command line answers `--help` before TensorFlow is imported.
_SUBPACKAGES = ("corpora", "evaluation", "faces", "layers", "losses", "models", "testing", "training", "video")
_PUBLIC = {
    "AlexNetEmotion": "fer_keras.models",
    "CenterLoss": "fer_keras.layers",
    "InputError": "fer_keras.errors",
    "IslandLoss": "fer_keras.layers",
    "JointSupervision": "fer_keras.models",
    "Recognizer": "fer_keras.recognizer",
}

__all__ = sorted([*_PUBLIC, *_SUBPACKAGES])


def __getattr__(name):
    if name not in __all__:
        raise AttributeError(f"module 'fer_keras' has no attribute {name!r}")
    import keras

    if keras.backend.backend() != "tensorflow":
        raise ImportError(
            f"fer_keras needs Keras's TensorFlow backend, found {keras.backend.backend()!r}; "
            "unset KERAS_BACKEND or set it to 'tensorflow' before importing keras"
        )
    if name in _SUBPACKAGES:
        return importlib.import_module(f"fer_keras.{name}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__():
    return [*globals(), *__all__]


# Where Keras is there already, nothing is won by waiting, and `keras.saving.load_model` finds our classes.
if "keras" in sys.modules:
    importlib.import_module("fer_keras.models")
