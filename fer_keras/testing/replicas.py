"""Two replicas on one CPU."""

import functools

import tensorflow as tf


@functools.cache
def two_replicas():
    """A `tf.distribute.MirroredStrategy` over two logical CPUs.

    TensorFlow can split its CPU only before it has started. This does it if it still can; a test suite does it in its
    `conftest.py`:

    >>> cpu = tf.config.list_physical_devices("CPU")[0]
    >>> tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

    Returns:
        The strategy, always the same.

    Raises:
        RuntimeError: TensorFlow has started with one CPU.
    """
    cpu = tf.config.list_physical_devices("CPU")[0]
    if len(tf.config.get_logical_device_configuration(cpu) or ()) < 2:
        try:
            tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
        except RuntimeError as error:
            raise RuntimeError(
                "two replicas need two logical CPUs, set before TensorFlow starts: "
                "tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)"
            ) from error
    # Collectives of several strategies in one process get into each other's way; plain copies do not.
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"], cross_device_ops=tf.distribute.ReductionToOneDevice())
