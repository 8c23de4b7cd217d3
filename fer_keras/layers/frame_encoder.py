"""A network for single faces, run over the frames of sequences."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("fer_keras")
class FrameEncoder(keras.layers.Layer):
    """Runs a network for single faces over the frames of a batch of sequences, all frames in one batch.

    The network always runs as in inference: its batch statistics and dropout take no part, so that the frames of one
    clip, and the padding, cannot change what another frame gives. Its weights may be trained all the same.

    Frames beyond a sequence's length are taken as black, whatever they hold, and give features of zeros.

    Args:
        network: a functional Keras model from faces `(n, height, width, channels)` to features `(n, d)`; it may take a
            dict of `face`, `landmarks` and `reference`, see `alexnet_emotion_backbone`.
        **kwargs: passed to `keras.layers.Layer`.

    Call arguments:
        frames: float tensor of shape `(batch, frames, height, width, channels)`, raw pixels 0-255.
        mask: bool tensor of shape `(batch, frames)`, true for frames that count.
        landmarks: float tensor of shape `(batch, frames, 68, 2)`, where the network takes landmarks; zeros where none
            were found. What `reference` gets is the first frame's of each sequence that has some.

    Returns:
        A tensor of shape `(batch, frames, d)`.
    """

    def __init__(self, network, **kwargs):
        super().__init__(**kwargs)
        self.network = network
        self._takes = {tensor.name for tensor in network.inputs}

    def build(self, frames_shape, mask_shape=None, landmarks_shape=None):
        """Marks the layer as built; its network is."""

    def call(self, frames, mask, landmarks=None):
        """Returns the features of every frame."""
        batch, length = ops.shape(frames)[0], ops.shape(frames)[1]
        faces = ops.where(mask[..., None, None, None], ops.cast(frames, self.compute_dtype), 0)
        inputs = ops.reshape(faces, (-1, *frames.shape[2:]))
        if "landmarks" in self._takes:
            landmarks = ops.where(mask[..., None, None], ops.cast(landmarks, "float32"), 0)
            inputs = {"face": inputs, "landmarks": ops.reshape(landmarks, (-1, 68, 2))}
            if "reference" in self._takes:
                reference = ops.broadcast_to(first_landmarks(landmarks)[:, None], ops.shape(landmarks))
                inputs["reference"] = ops.reshape(reference, (-1, 68, 2))
        features = self.network(inputs, training=False)
        features = ops.reshape(features, (batch, length, features.shape[-1]))
        return ops.where(mask[..., None], features, 0)

    def compute_output_shape(self, frames_shape, mask_shape=None, landmarks_shape=None):
        """Returns the shape of the features."""
        return (*frames_shape[:2], self.network.output_shape[-1])

    def get_config(self):
        """Returns the layer's configuration."""
        return {**super().get_config(), "network": keras.saving.serialize_keras_object(self.network)}

    @classmethod
    def from_config(cls, config):
        """Makes the layer from `get_config`'s result."""
        return cls(**{**config, "network": keras.saving.deserialize_keras_object(config["network"])})


def first_landmarks(landmarks):
    """The landmarks of the first frame of each sequence that has some.

    Args:
        landmarks: float tensor of shape `(batch, frames, 68, 2)`, zeros where none were found.

    Returns:
        A tensor of shape `(batch, 68, 2)`, zeros where no frame has any.
    """
    found = ops.any(landmarks != 0, axis=(2, 3))
    first = ops.argmax(ops.cast(found, "int32"), axis=1)
    return ops.take_along_axis(landmarks, first[:, None, None, None], axis=1)[:, 0]
