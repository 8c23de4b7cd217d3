import keras
import pytest
import tensorflow as tf

# Two replicas on one machine; only possible before TensorFlow starts.
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)


@pytest.fixture(autouse=True)
def seed():
    keras.utils.set_random_seed(0)
