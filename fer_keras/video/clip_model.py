"""What reading clips asks of a model: features of faces, and an answer to the latest features of one face.

Two kinds of model answer: one of single faces, whose answer to several frames is the mean of its answers, and one of
sequences, such as `VideoEmotion`.
"""

import keras
import numpy as np
import tensorflow as tf

from fer_keras.models.crop_inputs import encode_crops, model_inputs, reads_sequences, stack_landmarks


def make_clip_model(recognizer):
    """The clip model of a `Recognizer`: `SequenceModel` or `FrameModel`."""
    return SequenceModel(recognizer.model) if reads_sequences(recognizer.model) else FrameModel(recognizer)


class FrameModel:
    """A model of single faces. The features of a face are its probabilities.

    Args:
        recognizer: a `Recognizer`.
    """

    def __init__(self, recognizer):
        self._recognizer = recognizer
        self.dimension = len(recognizer.model.label_names)

    def encode(self, crops, landmarks, references):
        """Features of faces.

        Args:
            crops: list of n uint8 arrays of shape `(size, size, 3)`, RGB, see `align_face`.
            landmarks: their landmarks, a list of n arrays `(68, 2)`, see `align_landmarks`.
            references: those of the first frame of each face's track.

        Returns:
            A float32 array of shape `(n, dimension)`.
        """
        return self._recognizer.classify(crops, landmarks)

    def answer(self, features, lengths):
        """Answers to sequences of features.

        Args:
            features: float32 array of shape `(n, frames, dimension)`, zeros beyond the lengths.
            lengths: int array of shape `(n,)`, at least 1.

        Returns:
            A pair of probabilities, float32 `(n, K)`, and the weight of each frame, `(n, frames)`, or `None`.
        """
        return features.sum(axis=1) / np.asarray(lengths, "float32")[:, None], None

    def of_frames(self, features, answers):
        """The answers at single frames: features, `(n, dimension)`, and the answers to the sequences that end there."""
        return features


class SequenceModel:
    """A model of sequences. Its answer at a frame is that to the sequence which ends there.

    Args:
        model: a `VideoEmotion`, or another model with `face_shape`, `takes_landmarks`, `encode` and
            `classify_features`.
    """

    def __init__(self, model):
        points = tf.TensorSpec([None, 68, 2], tf.float32)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string), points, points], autograph=False)
        def encode(encoded, landmarks, references):
            return model.encode(model_inputs(model, encoded, landmarks, references))

        self._encode = encode
        self.dimension = encode.get_concrete_function().output_shapes[-1]

        signature = [tf.TensorSpec([None, None, self.dimension], tf.float32), tf.TensorSpec([None], tf.int32)]

        @tf.function(input_signature=signature, autograph=False)
        def classify(features, lengths):
            logits, attention = model.classify_features(features, lengths)
            return keras.ops.softmax(logits, axis=-1), attention

        self._classify = classify

    def encode(self, crops, landmarks, references):
        """Features of faces, see `FrameModel.encode`."""
        count = len(crops)
        stacked = stack_landmarks(count, landmarks), stack_landmarks(count, references)
        return tf.cast(self._encode(encode_crops(crops), *stacked), tf.float32).numpy()

    def answer(self, features, lengths):
        """Answers to sequences of features and the weights of their frames, see `FrameModel.answer`."""
        probabilities, attention = self._classify(features, np.asarray(lengths, "int32"))
        return probabilities.numpy(), attention.numpy()

    def of_frames(self, features, answers):
        """The answers at single frames, see `FrameModel.of_frames`."""
        return answers
