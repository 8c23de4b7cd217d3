"""Frames in, faces with answers out: what streams and whole clips have in common."""

import dataclasses

import numpy as np

from fer_keras.errors import InputError
from fer_keras.faces.align import align_face, align_landmarks
from fer_keras.faces.face import Face
from fer_keras.video.face_tracker import FaceTracker

WINDOW = 32
"""How many frames of a face its answer looks back on, unless told otherwise."""

MAX_GAP = 1.0
"""Seconds that a face may be out of sight and still be the same, unless told otherwise."""

_MOST_AT_ONCE = 64  # sequences that a model answers in one go


@dataclasses.dataclass(frozen=True)
class TrackedFace:
    """One face in one frame.

    Args:
        track: its number, see `FaceTracker`.
        face: the `Face` that was found.
        features: float32 array of shape `(d,)`, what the clip model's encoder made of it.
        probabilities: float32 array of shape `(K,)`, the answer at this frame.
        track_probabilities: float32 array of shape `(K,)`, the answer to the face's latest frames.
        attention: float32 array, the weights of these frames, the latest last; `None` of a model without.
    """

    track: int
    face: Face
    features: np.ndarray
    probabilities: np.ndarray
    track_probabilities: np.ndarray
    attention: np.ndarray | None


class FrameReader:
    """Finds, follows and reads the faces of frames that come one after the other.

    What it keeps does not grow: of every face in sight the features of the last `window` frames. The answers do not
    depend on how many frames are read at once, up to the rounding of float32.

    Args:
        recognizer: a `Recognizer`.
        window: int ≥ 1, frames of a face that its answer looks back on.
        max_gap: seconds that a face may be out of sight, see `FaceTracker`.

    Raises:
        InputError: an argument is out of its range.
    """

    def __init__(self, recognizer, window=WINDOW, max_gap=MAX_GAP):
        if isinstance(window, bool) or not isinstance(window, int) or window < 1:
            raise InputError(f"received window={window!r}; expected a number of frames, 1 or more")
        self.window = window
        self.clip_model = recognizer.clip_model
        self._detector = recognizer.detector
        self._tracker = FaceTracker(max_gap)
        self._tracks = {}
        # The first frame takes no longer than others: what has to be traced is traced.
        features = self.clip_model.encode([np.zeros((8, 8, 3), np.uint8)], *np.zeros((2, 1, 68, 2), "float32"))
        self.clip_model.answer(features[:, None], [1])

    def read(self, frames):
        """Reads the next frames.

        Args:
            frames: list of `Frame`, in order. One without an image shows no face.

        Returns:
            For every frame a list of `TrackedFace`, the detector's most confident first.
        """
        images = [frame.image for frame in frames if frame.image is not None]
        found = iter(self._detector.detect(images) if images else ())
        rows, crops, landmarks, ended = [], [], [], []
        for frame in frames:
            faces = next(found) if frame.image is not None else []
            numbers, gone = self._tracker.update([_as_fractions(face.box, frame.image) for face in faces], frame.time)
            ended += gone
            rows.append(list(zip(numbers, faces, strict=True)))
            crops += [align_face(frame.image, face.eyes) for face in faces]
            landmarks += [align_landmarks(face.landmarks, face.eyes) for face in faces]
        tracks = [self._track(number) for row in rows for number, _ in row]
        answers = iter(self._answer(tracks, crops, landmarks) if tracks else ())
        readings = [[TrackedFace(number, face, *next(answers)) for number, face in row] for row in rows]
        for number in ended:
            self._tracks.pop(number, None)
        return readings

    def _track(self, number):
        if number not in self._tracks:
            self._tracks[number] = _Track(self.window, self.clip_model.dimension)
        return self._tracks[number]

    def _answer(self, tracks, crops, landmarks):
        """Yields what `TrackedFace` has after the face, for every face in order."""
        references = [track.refer(points) for track, points in zip(tracks, landmarks, strict=True)]
        features = self.clip_model.encode(crops, landmarks, references)
        for start in range(0, len(tracks), _MOST_AT_ONCE):
            some = features[start : start + _MOST_AT_ONCE]
            windows = [track.push(row) for track, row in zip(tracks[start:], some, strict=False)]
            lengths = [len(window) for window in windows]
            padded = np.zeros((len(windows), max(lengths), self.clip_model.dimension), "float32")
            for row, window in zip(padded, windows, strict=True):
                row[: len(window)] = window
            answers, attention = self.clip_model.answer(padded, lengths)
            at_frames = self.clip_model.of_frames(some, answers)
            for place, length in enumerate(lengths):
                weights = None if attention is None else attention[place, :length].copy()
                yield some[place], at_frames[place], answers[place], weights


class _Track:
    """What is kept of a face: the features of its latest frames and the landmarks of its first."""

    def __init__(self, window, dimension):
        self._latest = np.zeros((0, dimension), "float32")
        self._window = window
        self._reference = None

    def refer(self, landmarks):
        """The landmarks of the first frame that has some, given those of the next frame."""
        if self._reference is None and landmarks.any():
            self._reference = landmarks
        return landmarks if self._reference is None else self._reference

    def push(self, features):
        """Takes the features of the next frame, `(d,)`; returns those of the latest frames, `(n, d)`."""
        self._latest = np.concatenate([self._latest, features[None]])[-self._window :].copy()
        return self._latest


def _as_fractions(box, image):
    height, width = image.shape[:2]
    return tuple(np.divide(box, (width, height, width, height)))
