"""The terminal: one console for all commands, and the libraries' noise kept off it."""

import contextlib
import os
import tempfile
import warnings

from rich.console import Console

console = Console(highlight=False)
"""Where commands print their answers."""

errors = Console(stderr=True, highlight=False)
"""Where commands print what went wrong."""


def load_libraries():
    """Imports TensorFlow and Keras without the lines that they write to the terminal.

    Commands call it first. What is wrong with the libraries still raises. With `FER_LOGICAL_CPUS=2` in the environment
    TensorFlow has two CPU devices, to try what is meant for several GPUs; it must know before it starts.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    warnings.filterwarnings("ignore")
    with native_stderr_aside():
        import keras  # noqa: F401
        import tensorflow as tf

        tf.get_logger().setLevel("ERROR")
        devices = int(os.environ.get("FER_LOGICAL_CPUS", "1"))
        if devices > 1:
            cpu = tf.config.list_physical_devices("CPU")[0]
            if not tf.config.get_logical_device_configuration(cpu):
                one = tf.config.LogicalDeviceConfiguration()
                tf.config.set_logical_device_configuration(cpu, [one] * devices)
        tf.zeros(())  # the runtime reports on devices when it first runs


@contextlib.contextmanager
def native_stderr_aside():
    """Keeps what C++ libraries write to file descriptor 2, and shows it only if they fail."""
    with tempfile.TemporaryFile() as aside:
        terminal = os.dup(2)
        os.dup2(aside.fileno(), 2)
        try:
            yield
        except BaseException:
            aside.seek(0)
            os.write(terminal, aside.read())
            raise
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
