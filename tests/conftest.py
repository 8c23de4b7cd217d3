import gc
import os

import keras
import pytest
import tensorflow as tf
from hypothesis import settings

# What commands print does not depend on the terminal, or CI, that the tests were started from: rich reads these once.
for name in ("COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
    os.environ.pop(name, None)

# Two replicas on one machine; only possible before TensorFlow starts.
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

# CI tries the same examples every time; by hand, new ones are found.
settings.register_profile("ci", derandomize=True, deadline=None)
if os.environ.get("CI"):
    settings.load_profile("ci")


@pytest.fixture(autouse=True)
def seed():
    keras.utils.set_random_seed(0)


@pytest.fixture(autouse=True, scope="module")
def no_leftovers():
    """Frees what models hold where it is much: thousands of tests in one process would grow to many gigabytes."""
    yield
    with open("/proc/self/statm") as file:
        resident = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    if resident > 4 * 2**30:  # it takes many seconds
        keras.utils.clear_session()
        gc.collect()
