"""Groups of features that go together, over the whole face (AUDN's second module)."""

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable("fer_keras")
class FeatureGroups(keras.layers.Layer):
    """Picks groups out of the features, each feature brought to 0-1. A feature may be in several groups or in none.

    What it picks are weights that no gradient changes: `set_groups` sets them; until then every group takes features
    at equal distances.

    Args:
        groups: int, number of groups.
        members: int, features in a group.
        **kwargs: passed to `keras.layers.Layer`.

    Call arguments:
        features: float tensor of shape `(batch, n)`.

    Returns:
        A tensor of shape `(batch, groups, members)`, values 0-1.
    """

    def __init__(self, groups, members, **kwargs):
        super().__init__(**kwargs)
        if groups < 1 or members < 1:
            raise ValueError(f"`groups` and `members` must be positive. Received: groups={groups}, members={members}")
        self.groups, self.members = int(groups), int(members)

    def build(self, features_shape):
        """Creates the groups and the features' ranges."""
        features = features_shape[-1]

        def at_equal_distances(shape, dtype):
            places = np.arange(self.groups)[:, None] + np.arange(self.members) * max(features // self.members, 1)
            return ops.convert_to_tensor(places % features, dtype)

        shape, fixed = (self.groups, self.members), {"trainable": False}
        self.indices = self.add_weight(
            name="indices", shape=shape, dtype="int32", initializer=at_equal_distances, **fixed
        )
        self.low = self.add_weight(name="low", shape=(features,), initializer="zeros", **fixed)
        self.scale = self.add_weight(name="scale", shape=(features,), initializer="ones", **fixed)

    def call(self, features):
        """Returns the groups."""
        features = ops.clip((features - self.low) * self.scale, 0.0, 1.0)
        return ops.take(features, self.indices, axis=1)

    def set_groups(self, indices, low, scale):
        """Sets what is picked, see `correlated_groups`."""
        for weight, value in ((self.indices, indices), (self.low, low), (self.scale, scale)):
            weight.assign(value)

    def compute_output_shape(self, features_shape):
        """Returns the shape of the groups."""
        return (features_shape[0], self.groups, self.members)

    def get_config(self):
        """Returns the layer's configuration."""
        return {**super().get_config(), "groups": self.groups, "members": self.members}


def correlated_groups(features, groups, members, seed=0):
    """Groups features without labels: one at random, and those that vary with it most.

    Args:
        features: float array `(n, number of features)`.
        groups: int.
        members: int, at most the number of features.
        seed: int.

    Returns:
        A triple for `FeatureGroups.set_groups`: int32 indices `(groups, members)`, the seed of each group first; and
        the features' least values and 1 over their ranges.
    """
    random = np.random.default_rng([seed, 3])
    low, high = features.min(axis=0), features.max(axis=0)
    deviation = features.std(axis=0)
    lively = deviation > 1e-3 * max(deviation.max(), 1e-12)
    unit = np.where(lively, (features - features.mean(axis=0)) / np.where(lively, deviation, 1.0), 0.0)
    unit = unit.astype("float32") / np.sqrt(len(features))
    seeds = random.choice(np.flatnonzero(lively), groups, replace=lively.sum() < groups)
    likeness = np.square(unit[:, seeds].T @ unit)
    likeness[np.arange(groups), seeds] = np.inf
    indices = np.argsort(-likeness, axis=1, kind="stable")[:, :members]
    return indices.astype("int32"), low, 1.0 / np.maximum(high - low, 1e-6)
