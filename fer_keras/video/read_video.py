"""A whole clip read from its first to its last frame, a few frames at a time."""

import array
import contextlib
import math
import os
import time

import numpy as np

from fer_keras.errors import InputError
from fer_keras.faces.image import printable
from fer_keras.video.annotated_video import AnnotatedVideo
from fer_keras.video.frame import NOMINAL_FPS
from fer_keras.video.frame_reader import MAX_GAP, WINDOW, FrameReader
from fer_keras.video.open_source import open_source
from fer_keras.video.timeline import Timeline, Track

# A chunk is classified as a batch. It ends at so many frames, or at so many bytes of pixels, for they may be large.
_CHUNK_FRAMES = 16
_CHUNK_BYTES = 48_000_000


def read_video(
    recognizer,
    source,
    every=1,
    max_frames=None,
    max_seconds=None,
    window=WINDOW,
    max_gap=MAX_GAP,
    annotate=None,
    on_progress=None,
):
    """Reads the faces of a clip, a folder of frames or a webcam.

    The answers at the frames are those of `Stream` for the same frames. The answer to a whole track is the mean over
    its frames of a model of single faces; of a model of sequences it is the answer to the track, or, where it has more
    frames than `window`, the mean of the answers to its pieces of so many frames (a shorter last one counts by its
    length), since such a model has learnt clips of some seconds.

    Frames are read in chunks and let go: memory holds a few frames and some hundred bytes for every face in every
    frame, however long the clip is.

    Args:
        recognizer: a `Recognizer`.
        source: what `open_source` takes.
        every: int ≥ 1; only every so many frames are read, from the first on.
        max_frames: int ≥ 1, how many frames are read at most, or `None` for all.
        max_seconds: float > 0; frames from this time on are not read. A folder has no times.
        window: see `Stream`.
        max_gap: see `Stream`.
        annotate: path of an annotated copy of the clip to write, see `AnnotatedVideo`, or `None`.
        on_progress: optional function of the number of frames read and their number in all, `None` if unknown.

    Returns:
        A `Timeline`.

    Raises:
        InputError: an argument is out of its range, the source cannot be opened, or none of its frames can be read.
    """
    for name, value in (("every", every), ("max_frames", max_frames)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise InputError(f"received {name}={value!r}; expected a number of frames, 1 or more")
    if max_seconds is not None and not max_seconds > 0:
        raise InputError(f"received {max_seconds} seconds to read up to; expected more than 0")
    reader = FrameReader(recognizer, window, max_gap)
    if annotate and _same_file(source, annotate):
        raise InputError(f"{printable(annotate)}: is the clip that is read; expected another name for the copy")
    with contextlib.closing(open_source(source)) as frames, contextlib.ExitStack() as stack:
        if max_seconds is not None and not frames.has_times:
            raise InputError(f"{frames.name}: its frames have no times, so that it cannot be read up to some seconds")
        copy = annotate and stack.enter_context(AnnotatedVideo(annotate, (frames.fps or NOMINAL_FPS) / every))
        total = _total(frames.frame_count, every, max_frames)
        chosen = _Chosen(frames, every, max_frames, max_seconds)
        start = time.perf_counter()
        numbers, seconds, problems, tracks = array.array("q"), array.array("d"), {}, {}
        for chunk in _chunks(chosen, frames.is_live):
            for frame, faces in zip(chunk, reader.read(chunk), strict=True):
                numbers.append(frame.number)
                seconds.append(math.nan if frame.seconds is None else frame.seconds)
                if frame.image is None:
                    problems[frame.number] = frame.problem
                for one in faces:
                    tracks.setdefault(one.track, _TrackBuilder(one.track, reader)).add(frame.number, one, recognizer)
                if copy:
                    copy.write(frame.image, [_caption(one, recognizer) for one in faces])
            if on_progress:
                on_progress(len(numbers), total)
        if len(problems) == len(numbers):
            reason = f"; the first: {next(iter(problems.values()))}" if problems else ""
            raise InputError(f"{frames.name}: no frame of {len(numbers)} can be read{reason}")
        return Timeline(
            source=frames.name,
            label_names=tuple(recognizer.model.label_names),
            frames=np.array(numbers),
            seconds=np.array(seconds) if frames.has_times else None,
            step=every / frames.fps if frames.fps else None,
            every=every,
            window=window,
            problems=problems,
            missing=max(frames.frame_count - chosen.passed, 0) if chosen.is_over and frames.frame_count else 0,
            tracks=tuple(builder.finish(recognizer) for builder in tracks.values()),
            work=time.perf_counter() - start,
        )


class _Chosen:
    """The frames of a source that are to be read.

    Attributes:
        passed: number of frames of the source that are gone by.
        is_over: whether the source has no more of them.
    """

    def __init__(self, frames, every, max_frames, max_seconds):
        self._frames, self._every = frames, every
        self._max_frames, self._max_seconds = max_frames, max_seconds
        self.passed, self.is_over = 0, False

    def __iter__(self):
        count = 0
        while self._max_frames is None or count < self._max_frames:
            frame = next(self._frames, None)
            if frame is None:
                self.is_over = True
                return
            if self._max_seconds is not None and frame.seconds >= self._max_seconds:
                return
            self.passed += 1
            yield frame
            count += 1
            for _ in range(self._every - 1):
                if not self._frames.skip():
                    self.is_over = True
                    return
                self.passed += 1


def _chunks(frames, is_live):
    """Yields lists of frames; of a live source one by one, for while frames are waited for others would be lost."""
    chunk, size = [], 0
    for frame in frames:
        chunk.append(frame)
        size += 0 if frame.image is None else frame.image.nbytes
        if is_live or len(chunk) == _CHUNK_FRAMES or size >= _CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


class _TrackBuilder:
    """Collects what a `Track` holds, a number a place."""

    def __init__(self, number, reader):
        self._number, self._reader = number, reader
        self._frames, self._labels = array.array("q"), []
        self._boxes, self._face_scores, self._probabilities = (array.array("f") for _ in range(3))
        self._piece, self._answers, self._attention = [], 0.0, []

    def add(self, frame, one, recognizer):
        """Takes a `TrackedFace`."""
        self._frames.append(frame)
        self._boxes.extend(one.face.box)
        self._face_scores.append(one.face.score)
        self._probabilities.extend(one.probabilities)
        self._labels.append(recognizer.label(one.probabilities))
        self._piece.append(one.features)
        if len(self._piece) == self._reader.window:
            self._answer_piece()

    def finish(self, recognizer):
        """The `Track`."""
        if self._piece:
            self._answer_piece()
        count = len(self._frames)
        answer = (self._answers / count).astype("float32")
        return Track(
            number=self._number,
            label=recognizer.label(answer),
            answer=answer,
            frames=np.array(self._frames),
            boxes=np.array(self._boxes).reshape(count, 4),
            face_scores=np.array(self._face_scores),
            labels=tuple(self._labels),
            probabilities=np.array(self._probabilities).reshape(count, -1),
            attention=np.concatenate(self._attention) / np.float32(count) if self._attention else None,
        )

    def _answer_piece(self):
        length = len(self._piece)
        answers, attention = self._reader.clip_model.answer(np.stack(self._piece)[None], [length])
        self._answers = self._answers + length * answers[0].astype("float64")
        if attention is not None:
            self._attention.append(length * attention[0])
        self._piece = []


def _same_file(source, copy):
    try:
        return os.path.samefile(source, copy)
    except (OSError, TypeError, ValueError):  # one of them is not there, or no path
        return False


def _caption(one, recognizer):
    return one.track, one.face.box, recognizer.label(one.probabilities), float(one.probabilities.max())


def _total(count, every, max_frames):
    counts = [math.ceil(count / every)] if count else []
    return min([*counts, max_frames]) if max_frames else next(iter(counts), None)
