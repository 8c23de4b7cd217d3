"""What a training on several devices needs to be that of one."""

import keras


def synchronize_statistics(model):
    """Lets batch normalisation take mean and variance over all replicas' parts of a batch, as one device does.

    Under `tf.distribute` each replica would otherwise normalise its own, smaller part, and what is learnt would depend
    on the number of devices. A saved model keeps it; on one device, and in inference, it changes nothing.

    Args:
        model: a Keras model, changed in place before it is traced; models within it are looked through.
    """
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = True
        elif isinstance(layer, keras.Model):
            synchronize_statistics(layer)
