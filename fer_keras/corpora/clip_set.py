"""Clips in memory at a model's input size: what training and evaluation on sequences take."""

import dataclasses

import numpy as np
import tensorflow as tf

from fer_keras.corpora.face_set import FaceSet, stated_attributes
from fer_keras.corpora.phases import frames_around, longest_run
from fer_keras.corpora.records import named_fault
from fer_keras.corpora.sequence_records import read_sequences
from fer_keras.errors import InputError
from fer_keras.faces.decode import decode_faces

SAMPLINGS = ("uniform", "apex", "all")
"""How frames of a clip are chosen, see `ClipSet.sample`."""


@dataclasses.dataclass(frozen=True)
class ClipSet:
    """Clips of aligned faces with their labels, of different lengths.

    All frames lie in one array, one clip after the other: clip *i* is `images[offsets[i]:offsets[i + 1]]`. Arrays of n
    are one entry a clip, arrays of `total` one a frame.

    Args:
        images: uint8 array of shape `(total, height, width, channels)`, values 0-255.
        offsets: int64 array of shape `(n + 1,)`, rising from 0 to `total`: no clip is empty.
        labels: int32 array of shape `(n,)`, indices into `label_names`.
        subjects: array of n strings, the persons.
        sequences: array of n strings, names of the clips, unique over subjects.
        label_names: tuple of K class names.
        landmarks: optional float32 array of shape `(total, 68, 2)`, x and y in [0, 1] of the crop, zeros where none are
            known; all zeros by default.
        frames: optional int64 array of shape `(total,)`, the frames' numbers in their clips as filmed, rising within a
            clip: a number that is left out had no face. By default they count from 0.
        phases: optional array of `total` strings, each of `fer_keras.corpora.phases.PHASES` or `""` where unknown; all
            unknown by default.
        references: optional float32 array of shape `(n, 68, 2)`, what the angles of a clip's landmarks are compared
            with, see `fer_keras.layers.KeyPointAngles`: by default the landmarks of the clip's first frame that has
            some, zeros if none has. Sampling keeps those of the whole clip.
        attributes: optional dict of name to an array of n strings, `""` where unknown.

    Raises:
        InputError: an array has another shape, or a clip is empty.
    """

    images: np.ndarray
    offsets: np.ndarray
    labels: np.ndarray
    subjects: np.ndarray
    sequences: np.ndarray
    label_names: tuple
    landmarks: np.ndarray | None = None
    frames: np.ndarray | None = None
    phases: np.ndarray | None = None
    references: np.ndarray | None = None
    attributes: dict = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        count, total = len(self.labels), len(self.images)
        if np.shape(self.offsets) != (count + 1,) or self.offsets[0] != 0 or self.offsets[-1] != total:
            raise InputError(
                f"offsets must be {count + 1} numbers from 0 to {total} for {count} labels and {total} images, "
                f"received {np.array2string(np.asarray(self.offsets), threshold=8)}"
            )
        if count and np.min(self.lengths) < 1:
            raise InputError(f"clip {self.sequences[np.argmin(self.lengths)]} has no frame; expected at least one")
        if self.landmarks is None:
            self._set("landmarks", np.zeros((total, 68, 2), "float32"))
        if self.frames is None:
            self._set("frames", np.arange(total) - np.repeat(self.offsets[:-1], self.lengths))
        if self.phases is None:
            self._set("phases", np.full(total, ""))
        self._check_shapes()  # before references are looked for in the landmarks
        if self.references is None:
            self._set("references", self._first_landmarks())

    def _set(self, name, value):
        object.__setattr__(self, name, value)

    def _check_shapes(self):
        count, total = len(self.labels), len(self.images)
        arrays = {
            "subjects": (self.subjects, (count,)),
            "sequences": (self.sequences, (count,)),
            "landmarks": (self.landmarks, (total, 68, 2)),
            "frames": (self.frames, (total,)),
            "phases": (self.phases, (total,)),
            "references": (self.references, (count, 68, 2)),
            **{f"attributes[{name!r}]": (values, (count,)) for name, values in self.attributes.items()},
        }
        for name, (array, shape) in arrays.items():
            if array is not None and np.shape(array) != shape:
                raise InputError(
                    f"{name} has shape {np.shape(array)}; expected {shape} for {count} clips of {total} frames in all"
                )

    def _first_landmarks(self):
        references = np.zeros((len(self), 68, 2), "float32")
        found = np.flatnonzero(self.landmarks.any(axis=(1, 2)))
        owners, first = np.unique(self._owners()[found], return_index=True)
        references[owners] = self.landmarks[found[first]]
        return references

    def _owners(self):
        """The clip of every frame."""
        return np.repeat(np.arange(len(self)), self.lengths)

    def __len__(self):
        return len(self.labels)

    @property
    def lengths(self):
        """Int64 array of shape `(n,)`, frames of every clip."""
        return np.diff(self.offsets)

    def clip(self, index):
        """Returns one clip as a `ClipSet` of one; its frames are not copied."""
        index = range(len(self))[index]
        return self._take(slice(index, index + 1), slice(*self.offsets[index : index + 2]), self.lengths[[index]])

    def select(self, rows):
        """Returns the clips of some rows (a boolean mask or indices)."""
        rows = np.arange(len(self))[rows]
        return self._take(rows, _joined([self._places(row) for row in rows]), self.lengths[rows])

    def sample(self, count, how="uniform"):
        """Takes frames of every clip.

        Clips that have no more than `count` frames keep what they have; none is repeated. Frames are counted as they
        are there, whatever was lost between them.

        Args:
            count: int ≥ 1, the most frames of a clip.
            how: `"uniform"` for frames spread evenly from the first to the last, both of them included (the middle one
                for a single frame); `"apex"` for successive frames in the middle of the longest run of frames whose
                phase is apex, or where no phase is, of the clip; `"all"` for all frames, however many.

        Returns:
            A `ClipSet` of as many clips, with the references of the whole ones.

        Raises:
            InputError: `count` is below 1 or no whole number, or there is no such way to choose.
        """
        if how not in SAMPLINGS:
            raise InputError(f"unknown sampling of frames {how!r}; expected one of {', '.join(SAMPLINGS)}")
        if not isinstance(count, (int, np.integer)) or count < 1:
            raise InputError(f"frames of a clip must be a whole number of at least 1, received count={count}")
        if how == "all":
            return self
        choose = _spread if how == "uniform" else _around_apex
        places = [
            places[choose(self.phases[places], int(count))]
            for places in (self._places(row) for row in range(len(self)))
        ]
        return self._take(slice(None), _joined(places), [len(one) for one in places])

    def padded(self, rows=slice(None), length=None):
        """Puts clips into one array, each from the first frame on, zeros after its last.

        Args:
            rows: a boolean mask or indices; all clips by default.
            length: int, frames of the array; by default as many as the longest of these clips has.

        Returns:
            `(frames, lengths, landmarks)`: uint8 `(b, length, height, width, channels)`, int32 `(b,)` and float32 `(b,
            length, 68, 2)`.

        Raises:
            InputError: a clip is longer than `length`.
        """
        rows = np.arange(len(self))[rows]
        lengths = self.lengths[rows]
        longest = int(lengths.max(initial=0))
        length = longest if length is None else length
        if length < longest:
            raise InputError(f"a clip of {longest} frames does not fit into {length}; sample fewer frames first")
        frames = np.zeros((len(rows), length, *self.images.shape[1:]), self.images.dtype)
        landmarks = np.zeros((len(rows), length, 68, 2), "float32")
        for number, row in enumerate(rows):
            places = slice(*self.offsets[row : row + 2])
            frames[number, : lengths[number]] = self.images[places]
            landmarks[number, : lengths[number]] = self.landmarks[places]
        return frames, lengths.astype("int32"), landmarks

    def inputs(self, landmarks=False):
        """Returns what a model takes: a dict of all clips' `frames` and `lengths`, and with `landmarks` of those."""
        frames, lengths, points = self.padded()
        return {"frames": frames, "lengths": lengths, **({"landmarks": points} if landmarks else {})}

    def frame_references(self):
        """Returns the reference of every frame's clip, float32 `(total, 68, 2)`: what `KeyPointAngles` takes."""
        return self.references[self._owners()]

    def faces(self):
        """Returns all frames as a `FaceSet`, in which each has its clip's label; `phase` is among its attributes."""
        owners = self._owners()
        return FaceSet(
            images=self.images,
            labels=self.labels[owners],
            subjects=self.subjects[owners],
            sequences=self.sequences[owners],
            label_names=self.label_names,
            landmarks=self.landmarks,
            attributes={**{name: values[owners] for name, values in self.attributes.items()}, "phase": self.phases},
        )

    def _places(self, row):
        return np.arange(*self.offsets[row : row + 2])

    def _take(self, rows, places, lengths):
        """The clips of rows, of which the frames of places, of so many each, are kept."""
        return dataclasses.replace(
            self,
            images=self.images[places],
            offsets=np.concatenate([[0], np.cumsum(lengths)]).astype("int64"),
            labels=self.labels[rows],
            subjects=self.subjects[rows],
            sequences=self.sequences[rows],
            landmarks=self.landmarks[places],
            frames=self.frames[places],
            phases=self.phases[places],
            references=self.references[rows],
            attributes={name: values[rows] for name, values in self.attributes.items()},
        )


def _joined(places):
    return np.concatenate([np.zeros(0, "int64"), *places])


def _spread(phases, count):
    """Places of frames from the first to the last, as evenly as whole places allow."""
    last = len(phases) - 1
    if count > last:
        return np.arange(len(phases))
    if count == 1:
        return np.array([len(phases) // 2])
    return (np.arange(count) * last + (count - 1) // 2) // (count - 1)


def _around_apex(phases, count):
    return np.array(frames_around(longest_run(phases == "apex"), len(phases), count))


def load_clips(paths, label_names, image_size, channels):
    """Loads the labelled clips of sequence records.

    Args:
        paths: list of files, see `fer_keras.corpora.sequence_records`.
        label_names: tuple of canonical names; clips with another label, or none, are left out.
        image_size: int, height and width in pixels.
        channels: 1 for grey, 3 for colour.

    Returns:
        A `ClipSet` in the order of the records. Its attributes are `split`, `occlusion` and what else the corpus states
        of all frames of a clip.

    Raises:
        InputError: a file is missing or damaged, or no clip has one of the labels.
    """
    index = {name: number for number, name in enumerate(label_names)}

    def decode(record):
        images = decode_faces(record["image/encoded"], image_size, image_size, channels)
        return {**{name: value for name, value in record.items() if name != "image/encoded"}, "images": images}

    labelled = read_sequences(paths).filter(lambda record: tf.reduce_any(record["label"] == tf.constant(list(index))))
    with named_fault(paths, read_sequences):
        rows = list(labelled.map(decode, num_parallel_calls=tf.data.AUTOTUNE).as_numpy_iterator())
    if not rows:
        raise InputError(f"{paths[0]}: no clip carries one of the labels {', '.join(label_names)}")

    def text(name):
        return np.array([row[name].decode() for row in rows])

    return ClipSet(
        images=np.concatenate([row["images"] for row in rows]),
        offsets=np.cumsum([0, *(len(row["frame"]) for row in rows)]).astype("int64"),
        labels=np.array([index[label] for label in text("label")], "int32"),
        subjects=text("subject"),
        sequences=np.array([f"{row['subject'].decode()}/{row['sequence'].decode()}" for row in rows]),
        label_names=tuple(label_names),
        landmarks=np.concatenate([row["landmarks"] for row in rows]).reshape(-1, 68, 2),
        frames=np.concatenate([row["frame"] for row in rows]),
        phases=np.array([phase.decode() for row in rows for phase in row["phase"]]),
        attributes={"split": text("split"), "occlusion": text("occlusion"), **stated_attributes(rows)},
    )
