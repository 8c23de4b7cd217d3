"""Reconstruction first, adversaries later."""

import keras


class WarmUp(keras.callbacks.Callback):
    """Trains a `RestorationGAN` without its discriminators for the first epochs (Li et al. 2017).

    What it does depends on the epoch's number alone, so that a resumed training does the same.

    Args:
        epochs: int, how many.

    Example:
    >>> model.fit(x, faces, epochs=50, callbacks=[WarmUp(10)])
    """

    def __init__(self, epochs):
        super().__init__()
        self.epochs = epochs

    def on_epoch_begin(self, epoch, logs=None):
        """Says whether the discriminators take part in the epoch."""
        self.model.adversarial = epoch >= self.epochs
