"""A served model as the library's recogniser: pictures and clips are read as at home, answers come from the server."""

import functools

import numpy as np
import tensorflow as tf

from fer_keras.errors import InputError
from fer_keras.faces.decode import decode_faces
from fer_keras.faces.image import encode_png
from fer_keras.models.crop_inputs import encode_crops
from fer_keras.recognizer import Recognizer
from fer_keras.video.clip_model import FrameModel

_MOST_BYTES = 16 * 2**20  # of pixels in one request for answers to clips


class RemoteModel:
    """What a served model is, and its signatures as functions.

    Args:
        client: `serving.client.Client` of the model.

    Attributes:
        version: int, the newest that is served.
        label_names: tuple of K class names.
        reads_clips: bool, whether it is a model of clips, with attention.
        takes_landmarks: bool.
        explains: bool, whether it has Grad-CAM to show.
        restores: bool, whether it restores covered faces.

    Raises:
        RequestError: the server does not answer, or has no such model.
        InputError: the model is not fer-keras's.
    """

    def __init__(self, client):
        self._client = client
        self.version = newest_version(client)
        signatures = client.signatures()
        default = signatures.get("serving_default", {})
        self.reads_clips = "frames" in default
        if not (self.reads_clips or "image" in default):
            raise InputError(f"model {client.model_name} takes neither face crops nor clips; expected one of fer-keras")
        self.takes_landmarks = "landmarks" in default
        self.explains = "serve_grad_cam" in signatures
        self.restores = "serve_restored" in signatures
        self.face_shape = signatures["serve_tensor"]["frames"][2:] if self.reads_clips else None
        # The names come with answers alone; and the first request, which is slow, is over before anyone waits for it.
        answer = self._answer([np.full((8, 8, 3), 128, np.uint8)], None)
        if "label_names" not in answer:
            raise InputError(f"model {client.model_name} does not name its classes; expected one of fer-keras")
        self.label_names = tuple(name.decode() for name in answer["label_names"][0])

    def classify(self, crops, landmarks=None):
        """Probabilities of aligned face crops, see `Recognizer.classify`; for a model of clips, each is one."""
        return self._answer(crops, landmarks)["probabilities"]

    def classify_clips(self, frames, lengths, landmarks=None):
        """Answers to clips.

        Args:
            frames: float32 array of shape `(n, frames, height, width, channels)`, of the model's `face_shape`.
            lengths: int array of shape `(n,)`.
            landmarks: array of shape `(n, frames, 68, 2)`, for models that take them.

        Returns:
            A pair of probabilities, float32 `(n, K)`, and attention, float32 `(n, frames)`.
        """
        inputs = {"frames": frames, "lengths": np.asarray(lengths, "int32"), **self._points(landmarks)}
        answer = self._client.predict_arrays(inputs, "serve_tensor")
        return answer["probabilities"], answer["attention"]

    def explain(self, encoded, landmarks, label):
        """Where the model looked in one face.

        Args:
            encoded: bytes, the face crop as PNG.
            landmarks: array of shape `(68, 2)`, or `None`.
            label: str, the class to explain.

        Returns:
            A float32 array of shape `(height, width)` in [0, 1].
        """
        inputs = {
            "image": np.array([encoded], object),
            "class_index": np.array([self.label_names.index(label)], "int32"),
        }
        landmarks = np.zeros((1, 68, 2), "float32") if landmarks is None else np.asarray(landmarks, "float32")[None]
        return self._client.predict_arrays({**inputs, **self._points(landmarks)}, "serve_grad_cam")["heat"][0]

    def restore(self, crops):
        """The faces that the model reads.

        Args:
            crops: list of n uint8 arrays of shape `(size, size, 3)`, RGB.

        Returns:
            A pair of the restored faces, float32 `(n, height, width, channels)`, and of masks of what was painted, bool
            `(n, height, width)`.
        """
        images = np.array([encode_png(crop) for crop in crops], object)
        answer = self._client.predict_arrays({"image": images}, "serve_restored")
        return answer["restored"], answer["mask"][..., 0] > 0.5

    def _answer(self, crops, landmarks):
        images = np.array([encode_png(crop) for crop in crops], object)
        landmarks = np.zeros((len(crops), 68, 2)) if landmarks is None else np.asarray(landmarks)
        if self.reads_clips:
            lengths = np.ones(len(crops), "int32")
            inputs = {"frames": images[:, None], "lengths": lengths, **self._points(landmarks[:, None])}
        else:
            inputs = {"image": images, **self._points(landmarks)}
        return self._client.predict_arrays(inputs)

    def _points(self, landmarks):
        return {"landmarks": np.asarray(landmarks, "float32")} if self.takes_landmarks else {}


class RemoteRecognizer(Recognizer):
    """A `Recognizer` that asks a server: it finds, follows and aligns faces here.

    Args:
        model: `RemoteModel`.
        detector: a `fer_keras.faces.FaceDetector`.
    """

    def __init__(self, model, detector):
        super().__init__(model, detector=detector)

    def classify(self, crops, landmarks=None):
        """Probabilities of aligned face crops, see `Recognizer.classify`."""
        return self.model.classify(crops, landmarks)

    @functools.cached_property
    def clip_model(self):
        """What reading clips asks of the model, see `fer_keras.video.clip_model`."""
        return _ClipModel(self.model) if self.model.reads_clips else FrameModel(self)


class _ClipModel:
    """`fer_keras.video.clip_model.SequenceModel` of a served model: its features are what the model takes of a face."""

    def __init__(self, model):
        self._model = model
        self._pixels = int(np.prod(model.face_shape))
        self.dimension = self._pixels + (136 if model.takes_landmarks else 0)

        # In a graph, since op by op it takes several times as long.
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
        def decode(encoded):
            return tf.cast(decode_faces(encoded, *model.face_shape), tf.float32)

        self._decode = decode

    def encode(self, crops, landmarks, references):
        """Pixels and landmarks of faces, `(n, dimension)`; references are the server's own to choose."""
        features = self._decode(encode_crops(crops)).numpy().reshape(len(crops), -1)
        points = [np.asarray(landmarks, "float32").reshape(len(crops), -1)] if self._model.takes_landmarks else []
        return np.concatenate([features, *points], axis=1)

    def answer(self, features, lengths):
        """Answers to sequences of features and the weights of their frames, in requests of a bounded size."""
        rows = max(1, _MOST_BYTES // features[0].nbytes)
        answers = [
            self._of_some(features[at : at + rows], lengths[at : at + rows]) for at in range(0, len(features), rows)
        ]
        probabilities, attention = zip(*answers, strict=True)
        return np.concatenate(probabilities), np.concatenate(attention)

    def of_frames(self, features, answers):
        """The answers at single frames: to the sequences that end there."""
        return answers

    def _of_some(self, features, lengths):
        frames = features[..., : self._pixels].reshape(*features.shape[:2], *self._model.face_shape)
        return self._model.classify_clips(
            frames, lengths, features[..., self._pixels :].reshape(*features.shape[:2], -1, 2)
        )


def newest_version(client):
    """The newest version that a server answers with, an int.

    Raises:
        InputError: no version is ready.
    """
    ready = [version for version, state in client.versions().items() if state == "AVAILABLE"]
    if not ready:
        raise InputError(f"model {client.model_name}: the server has no version that is ready")
    return max(ready)
