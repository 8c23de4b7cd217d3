"""Reading faces while the camera runs: a frame in, an answer for every face out."""

import dataclasses
import math

import numpy as np

from fer_keras.errors import InputError
from fer_keras.video.frame import Frame
from fer_keras.video.frame_reader import MAX_GAP, WINDOW, FrameReader


@dataclasses.dataclass(frozen=True)
class FaceReading:
    """What was read from one face in one frame.

    Args:
        track: number of the face, the same from frame to frame, see `FaceTracker`.
        box: `(left, top, right, bottom)` of the face in pixels of the frame.
        face_score: confidence of the detector in [0, 1] that this is a face.
        label: the most probable class of `probabilities`, or `"uncertain"` below the recogniser's confidence.
        probabilities: dict of class name to probability at this frame: of a model of single faces that of the frame
            alone, of a model of sequences that of the face's latest frames.
        track_probabilities: dict of class name to probability over the face's latest frames, at most the stream's
            `window`: the mean of a model of single faces, the answer of a model of sequences.
        attention: float32 array of as many weights, which sum to 1, the latest frame's last; `None` of a model without.
    """

    track: int
    box: tuple
    face_score: float
    label: str
    probabilities: dict
    track_probabilities: dict
    attention: np.ndarray | None


class Stream:
    """Reads faces frame by frame, in constant memory however long it runs.

    Of every face in sight the features of its last `window` frames are kept, and its answer is the model's answer to
    them: while a face was seen in no more frames than that, the answer to all of them. A face that is out of sight for
    more than `max_gap` seconds is dropped; if it comes back it is a new one. Not to be shared between threads.

    Args:
        recognizer: a `Recognizer`.
        window: int ≥ 1, frames of a face that its answer looks back on.
        max_gap: seconds ≥ 0 that a face may be out of sight.

    Raises:
        InputError: an argument is out of its range.

    Example:
    >>> stream = Recognizer.from_preset("alexnet_emotion_fer2013").stream()
    >>> while camera.isOpened():
    ...     for face in stream.push(camera.read()[1][..., ::-1]):
    ...         print(face.track, face.label, face.track_probabilities)
    """

    def __init__(self, recognizer, window=WINDOW, max_gap=MAX_GAP):
        self._reader = FrameReader(recognizer, window, max_gap)
        self._recognizer = recognizer
        self._frames, self._seconds = 0, -math.inf

    def push(self, image, seconds=None):
        """Reads the next frame.

        Args:
            image: uint8 array of shape `(height, width, 3)`, RGB, or `None` for a frame that was lost. Frames may be of
                different sizes.
            seconds: its time, not before that of the last frame; only gaps are measured by it. Leave it out of all
                frames, which then count as 25 a second, or of none.

        Returns:
            A list of `FaceReading`, the detector's most confident face first; empty where there is no face.

        Raises:
            InputError: the image has another form, or the time is before the last one.
        """
        if image is not None and (
            not isinstance(image, np.ndarray)
            or image.dtype != np.uint8
            or image.ndim != 3
            or image.shape[-1] != 3
            or not image.size
        ):
            form = f"{image.dtype} of shape {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
            raise InputError(f"expected a frame as uint8 (height, width, 3); received {form}")
        frame = Frame(self._frames, seconds, None if image is None else np.ascontiguousarray(image))
        if frame.time < self._seconds or math.isnan(frame.time):
            raise InputError(f"received a frame at {frame.time:g} s after one at {self._seconds:g} s; expected no less")
        self._frames, self._seconds = self._frames + 1, frame.time
        names = self._recognizer.model.label_names
        return [
            FaceReading(
                track=one.track,
                box=one.face.box,
                face_score=one.face.score,
                label=self._recognizer.label(one.probabilities),
                probabilities=dict(zip(names, one.probabilities.tolist(), strict=True)),
                track_probabilities=dict(zip(names, one.track_probabilities.tolist(), strict=True)),
                attention=one.attention,
            )
            for one in self._reader.read([frame])[0]
        ]
