"""Random layers that draw from the epoch's number, so that a resumed training draws what it would have drawn."""

import keras
import numpy as np


class Reseed(keras.callbacks.Callback):
    """Seeds dropout and the like anew at the start of every epoch; Keras does not save their state.

    Args:
        seed: int, seed of the training.
    """

    def __init__(self, seed):
        super().__init__()
        self.seed = seed

    def on_epoch_begin(self, epoch, logs=None):
        """Sets the state of every random layer from the seed, the layer's place and the epoch."""
        for place, generator in enumerate(_seed_generators(self.model)):
            state = np.random.SeedSequence([self.seed, place, epoch]).generate_state(2)
            generator.state.assign(state.astype(generator.state.dtype))


def _seed_generators(layer):
    generator = getattr(layer, "seed_generator", None)
    own = [generator] if generator is not None else []
    return own + [found for child in getattr(layer, "layers", ()) for found in _seed_generators(child)]
