"""The one-liner: a picture in, faces with named probabilities out."""

import dataclasses
import functools

import keras
import numpy as np
import tensorflow as tf

from fer_keras.errors import InputError
from fer_keras.faces.align import align_face, align_landmarks
from fer_keras.faces.blaze_face import BlazeFace
from fer_keras.faces.image import read_image
from fer_keras.models.crop_inputs import encode_crops, model_inputs, reads_sequences, stack_landmarks
from fer_keras.models.preset import load_preset

UNCERTAIN = "uncertain"


@dataclasses.dataclass(frozen=True)
class Recognition:
    """What was read from one face.

    Args:
        box: `(left, top, right, bottom)` of the face in pixels of the picture.
        label: the most probable class, or `"uncertain"` below the recogniser's confidence.
        probabilities: dict of class name to probability, in the order of the model's outputs.
        face_score: confidence of the detector in [0, 1] that this is a face.
    """

    box: tuple
    label: str
    probabilities: dict
    face_score: float


class Recognizer:
    """Finds faces, aligns them and reads their expression.

    Args:
        model: a `JointSupervision`, such as `AlexNetEmotion`, or a `VideoEmotion`, for which a picture is a clip of one
            frame. One with a key-point angle map gets the landmarks that the detector finds.
        min_confidence: float in [0, 1]; a face whose best probability is below gets the label `"uncertain"`.
        detector: a `fer_keras.faces.FaceDetector`; the default is `BlazeFace`.

    Example:
    >>> recognizer = Recognizer.from_preset("runs/train/model")
    >>> for face in recognizer("party.jpg"):
    ...     print(face.box, face.label, face.probabilities)
    """

    def __init__(self, model, min_confidence=0.4, detector=None):
        if not 0 <= min_confidence <= 1:
            raise InputError(f"min_confidence must be in [0, 1], received {min_confidence}")
        self.model = model
        self.min_confidence = min_confidence
        self.detector = detector or BlazeFace()

    @classmethod
    def from_preset(cls, path, **kwargs):
        """Makes a recogniser from a trained model.

        Args:
            path: a preset folder, a run folder of `fer-keras train`, or a `.keras` file.
            **kwargs: passed to `Recognizer`.

        Raises:
            InputError: there is no model at `path`.
        """
        return cls(load_preset(path)[0], **kwargs)

    def __call__(self, image):
        """Reads every face in a picture.

        Args:
            image: a path, or a uint8 array of shape `(height, width, 3)`, RGB.

        Returns:
            A list of `Recognition`, the detector's most confident face first; empty where no face was found.

        Raises:
            InputError: the file is no readable picture, or the array has another form.
        """
        if not isinstance(image, np.ndarray):
            image = read_image(image)
        elif image.dtype != np.uint8 or image.ndim != 3 or image.shape[-1] != 3 or not image.size:
            raise InputError(
                f"expected a picture as uint8 (height, width, 3); received {image.dtype} of shape {image.shape}"
            )
        faces = self.detector.detect([image])[0]
        if not faces:
            return []
        crops = [align_face(image, face.eyes) for face in faces]
        probabilities = self.classify(crops, [align_landmarks(face.landmarks, face.eyes) for face in faces])
        return [self._recognition(face, row) for face, row in zip(faces, probabilities, strict=True)]

    def classify(self, crops, landmarks=None):
        """Probabilities of aligned face crops.

        Args:
            crops: list of uint8 arrays of shape `(size, size, 3)`, RGB, as `align_face` makes them.
            landmarks: their landmarks, shape `(len(crops), 68, 2)`, as `align_landmarks` makes them: x and y in [0, 1]
                of the crop, zeros where none were found. By default none were. Models without a key-point angle map
                do without.

        Returns:
            A float32 array of shape `(len(crops), K)`.

        Raises:
            InputError: the landmarks have another shape.
        """
        # In one graph: called op by op, decoding alone would take several times as long as everything does here.
        return self._answer(encode_crops(crops), stack_landmarks(len(crops), landmarks)).numpy()

    def inputs(self, crops, landmarks=None):
        """What the model takes of aligned face crops; the arguments and errors are those of `classify`.

        Returns:
            A uint8 tensor of shape `(len(crops), height, width, channels)`, or a dict of it, `face`, and `landmarks`, a
            float32 tensor of shape `(len(crops), 68, 2)`.
        """
        return model_inputs(self.model, encode_crops(crops), stack_landmarks(len(crops), landmarks))

    def label(self, probabilities):
        """The name of the most probable class, or `"uncertain"` where it is below `min_confidence`.

        Args:
            probabilities: array of shape `(K,)`, in the order of the model's outputs.
        """
        best = int(np.argmax(probabilities))
        return self.model.label_names[best] if probabilities[best] >= self.min_confidence else UNCERTAIN

    @functools.cached_property
    def clip_model(self):
        """What reading clips asks of the model, see `fer_keras.video.clip_model`."""
        from fer_keras.video.clip_model import make_clip_model

        return make_clip_model(self)

    def stream(self, **options):
        """Starts to read faces frame by frame, while a camera runs.

        Args:
            **options: passed to `fer_keras.video.Stream`.

        Returns:
            A `fer_keras.video.Stream`.
        """
        from fer_keras.video import Stream

        return Stream(self, **options)

    def read_video(self, source, **options):
        """Reads the faces of a whole clip.

        Args:
            source: path of a video file or of a folder of frames, or the number of a webcam.
            **options: passed to `fer_keras.video.read_video`.

        Returns:
            A `fer_keras.video.Timeline`.
        """
        from fer_keras.video import read_video

        return read_video(self, source, **options)

    @functools.cached_property
    def _answer(self):
        signature = [tf.TensorSpec([None], tf.string), tf.TensorSpec([None, 68, 2], tf.float32)]

        @tf.function(input_signature=signature, autograph=False)
        def answer(encoded, landmarks):
            inputs = model_inputs(self.model, encoded, landmarks)
            if reads_sequences(self.model):
                features = self.model.encode(inputs)[:, None]
                logits, _ = self.model.classify_features(features, tf.ones(tf.shape(encoded), tf.int32))
            else:
                logits = self.model(inputs, training=False)
            return keras.ops.softmax(logits, axis=-1)

        return answer

    def _recognition(self, face, probabilities):
        return Recognition(
            box=face.box,
            label=self.label(probabilities),
            probabilities=dict(zip(self.model.label_names, probabilities.tolist(), strict=True)),
            face_score=face.score,
        )
