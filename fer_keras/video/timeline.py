"""What was read from a clip: every face at every frame, as arrays, rows and files."""

import contextlib
import csv
import dataclasses
import os
import pathlib

import numpy as np

from fer_keras.json_file import write_json

NO_FACE = "no face"
NO_PICTURE = "no picture"


@dataclasses.dataclass(frozen=True)
class Track:
    """One face through a clip; n is the number of frames in which it was seen.

    Args:
        number: of the face, from 1, see `FaceTracker`.
        label: the most probable class of `answer`, or `"uncertain"`.
        answer: float32 array of shape `(K,)`, the probabilities of the whole track, see `read_video`.
        frames: int array of shape `(n,)`, the numbers of its frames.
        boxes: float32 array of shape `(n, 4)`: left, top, right, bottom in pixels.
        face_scores: float32 array of shape `(n,)`, the detector's confidence in [0, 1].
        labels: tuple of n names, the label at each frame.
        probabilities: float32 array of shape `(n, K)`, the answer at each frame, see `FaceReading.probabilities`.
        attention: float32 array of shape `(n,)`, the frames' weights in `answer`, sum 1; `None` of a model without.
    """

    number: int
    label: str
    answer: np.ndarray
    frames: np.ndarray
    boxes: np.ndarray
    face_scores: np.ndarray
    labels: tuple
    probabilities: np.ndarray
    attention: np.ndarray | None


@dataclasses.dataclass(frozen=True)
class Timeline:
    """The faces of a clip over time; N is the number of frames that were read.

    Args:
        source: name of the clip, folder or webcam.
        label_names: tuple of K class names.
        frames: int array of shape `(N,)`, the numbers of the frames that were read, from 0 in steps of `every`.
        seconds: float array of shape `(N,)`, their times, or `None` where the source has none.
        step: seconds from one frame read to the next as the source states its rate, or `None`.
        every: int, every how many frames one was read.
        window: int, frames of a face that its answer looks back on.
        problems: dict of the number of a frame that could not be read to the reason.
        missing: how many more frames the file states than could be decoded; 0 where that is not known.
        tracks: tuple of `Track`, by number.
        work: seconds that reading took, from the first frame on.
    """

    source: str
    label_names: tuple
    frames: np.ndarray
    seconds: np.ndarray | None
    step: float | None
    every: int
    window: int
    problems: dict
    missing: int
    tracks: tuple
    work: float

    @property
    def duration(self):
        """Seconds from the first frame to the end of the last one, or `None` where there are no times."""
        return None if self.seconds is None else self._span(self.frames[0], self.frames[-1])

    def at(self, number):
        """The time of a frame that was read, in seconds.

        Args:
            number: the frame's.
        """
        return float(self.seconds[np.searchsorted(self.frames, number)])

    @property
    def gaps(self):
        """Stretches without any face, a list of dicts of `first_frame`, `last_frame` and `reason`.

        The reason is `"no face"`, or `"no picture"` where the frames could not be read.
        """
        seen = np.unique(np.concatenate([track.frames for track in self.tracks])) if self.tracks else ()
        stretches = []
        for number in self.frames[~np.isin(self.frames, seen)].tolist():
            reason = self._reason(number)
            last = stretches[-1] if stretches else None
            if last and last["reason"] == reason and last["last_frame"] + self.every == number:
                last["last_frame"] = number
            else:
                stretches.append({"first_frame": number, "last_frame": number, "reason": reason})
        return stretches

    def summaries(self):
        """What each track comes to.

        Returns:
            A list of dicts, one a track: `track`, its number; `label`; `probabilities`, a dict of the whole track;
            `first_frame` and `last_frame`; `frames_seen`, and `frames_missed` between these two; `first_seconds` and
            `seconds`, its length to the end of its last frame, both `None` where the clip has no times.
        """
        summaries = []
        for track in self.tracks:
            first, last = int(track.frames[0]), int(track.frames[-1])
            summaries.append(
                {
                    "track": track.number,
                    "label": track.label,
                    "probabilities": self._named(track.answer),
                    "first_frame": first,
                    "last_frame": last,
                    "frames_seen": len(track.frames),
                    "frames_missed": (last - first) // self.every + 1 - len(track.frames),
                    "first_seconds": None if self.seconds is None else round(self.at(first), 3),
                    "seconds": None if self.seconds is None else round(self._span(first, last), 3),
                }
            )
        return summaries

    def rows(self):
        """Yields a dict for every face in every frame, in the order of frames and tracks.

        A face that is out of sight between its first and its last frame has a row as well, and so has a frame without
        any face: `gap` then says why, `"no face"` or `"no picture"`, and is `None` otherwise.

        Yields:
            Dicts of `frame`, `seconds`, `track`, `box` (a list of four), `face_score`, `label`, `probabilities` (a dict
            of class name to probability), `attention` and `gap`; what there is not is `None`.
        """
        places = dict.fromkeys(range(len(self.tracks)), 0)
        for row, number in enumerate(self.frames.tolist()):
            start = {"frame": number, "seconds": None if self.seconds is None else round(float(self.seconds[row]), 3)}
            is_empty = True
            for which, place in list(places.items()):
                track = self.tracks[which]
                if number < track.frames[0]:
                    continue
                is_empty = False
                if number < track.frames[place]:
                    yield {**start, "track": track.number, **self._nothing(number)}
                    continue
                yield {**start, "track": track.number, **self._reading(track, place)}
                places[which] += 1
                if places[which] == len(track.frames):
                    del places[which]
            if is_empty:
                yield {**start, "track": None, **self._nothing(number)}

    def write_csv(self, path):
        """Writes the rows as comma-separated values, whole or not at all.

        The columns are those of `rows`, the box as `left`, `top`, `right` and `bottom`, and one column a class.

        Args:
            path: the file; what it held is replaced.
        """
        path = pathlib.Path(path)
        aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            with aside.open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                writer.writerow(
                    ["frame", "seconds", "track", "left", "top", "right", "bottom", "face_score", "label"]
                    + [*self.label_names, "attention", "gap"]
                )
                for row in self.rows():
                    probabilities = row["probabilities"] or dict.fromkeys(self.label_names)
                    writer.writerow(
                        [row["frame"], row["seconds"], row["track"], *(row["box"] or [None] * 4), row["face_score"]]
                        + [row["label"], *probabilities.values(), row["attention"], row["gap"]]
                    )
            aside.replace(path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                aside.unlink()

    def write_json(self, path):
        """Writes everything as JSON, whole or not at all: the clip, `tracks` as `summaries`, `gaps` and `rows`.

        Args:
            path: the file; what it held is replaced.
        """
        write_json(
            path,
            {
                "source": self.source,
                "label_names": list(self.label_names),
                "frames": len(self.frames),
                "every": self.every,
                "seconds": None if self.seconds is None else round(self.duration, 3),
                "window": self.window,
                "frames_missing": self.missing,
                "unreadable": {str(number): reason for number, reason in self.problems.items()},
                "tracks": self.summaries(),
                "gaps": self.gaps,
                "rows": list(self.rows()),
            },
        )

    def _named(self, probabilities):
        return {name: _figure(value, 5) for name, value in zip(self.label_names, probabilities, strict=True)}

    def _reading(self, track, place):
        return {
            "box": [_figure(edge, 1) for edge in track.boxes[place]],
            "face_score": _figure(track.face_scores[place], 4),
            "label": track.labels[place],
            "probabilities": self._named(track.probabilities[place]),
            "attention": None if track.attention is None else _figure(track.attention[place], 6),
            "gap": None,
        }

    def _nothing(self, number):
        fields = ("box", "face_score", "label", "probabilities", "attention")
        return {**dict.fromkeys(fields), "gap": self._reason(number)}

    def _reason(self, number):
        return NO_PICTURE if number in self.problems else NO_FACE

    def _span(self, first, last):
        return self.at(last) - self.at(first) + (self.step or 0.0)


def _figure(value, digits):
    return round(float(value), digits)
