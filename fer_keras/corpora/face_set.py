"""Faces in memory at a model's input size: what training and evaluation take, wherever the faces come from."""

import dataclasses

import numpy as np
import tensorflow as tf

from fer_keras.corpora.records import named_fault, read_records
from fer_keras.emotions import EMOTIONS
from fer_keras.errors import InputError
from fer_keras.faces.decode import decode_face


@dataclasses.dataclass(frozen=True)
class FaceSet:
    """Aligned faces with their labels; row *i* of every array is the same face.

    Args:
        images: uint8 array of shape `(n, height, width, channels)`, values 0-255.
        labels: int32 array of shape `(n,)`, indices into `label_names`.
        subjects: array of n strings, the persons.
        sequences: array of n strings, the clips or groups of stills; unique over subjects.
        label_names: tuple of K class names.
        landmarks: optional float32 array of shape `(n, 68, 2)`, x and y in [0, 1] of the crop, zeros where none are
            known; all zeros by default.
        votes: optional float32 array of shape `(n, K)`, the annotators' shares among the K classes, rows that sum to 1,
            or to 0 where there are none; all zeros by default.
        attributes: optional dict of name to an array of n strings, `""` where unknown: `occlusion`, the corpus's own
            `split`, and what else it states.
    """

    images: np.ndarray
    labels: np.ndarray
    subjects: np.ndarray
    sequences: np.ndarray
    label_names: tuple
    landmarks: np.ndarray | None = None
    votes: np.ndarray | None = None
    attributes: dict = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        shapes = {"landmarks": (len(self), 68, 2), "votes": (len(self), len(self.label_names))}
        for name, shape in shapes.items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, np.zeros(shape, "float32"))

    def __len__(self):
        return len(self.labels)

    def inputs(self, landmarks=False):
        """Returns what a model takes: the images, or with `landmarks` a dict of them, `face`, and `landmarks`."""
        return {"face": self.images, "landmarks": self.landmarks} if landmarks else self.images

    def select(self, rows):
        """Returns the faces of some rows (a boolean mask or indices)."""
        return dataclasses.replace(
            self,
            images=self.images[rows],
            labels=self.labels[rows],
            subjects=self.subjects[rows],
            sequences=self.sequences[rows],
            landmarks=self.landmarks[rows],
            votes=self.votes[rows],
            attributes={name: values[rows] for name, values in self.attributes.items()},
        )


def join_faces(sets):
    """Puts sets of faces together.

    Args:
        sets: non-empty list of `FaceSet` with the same label names and pictures of one shape.

    Returns:
        A `FaceSet`; of attributes those that all of them have.
    """
    parts = {
        name: np.concatenate([getattr(one, name) for one in sets])
        for name in ("images", "labels", "subjects", "sequences", "landmarks", "votes")
    }
    shared = set.intersection(*(set(one.attributes) for one in sets))
    attributes = {name: np.concatenate([one.attributes[name] for one in sets]) for name in sorted(shared)}
    return FaceSet(label_names=sets[0].label_names, attributes=attributes, **parts)


def load_faces(paths, label_names, image_size, channels):
    """Loads the labelled faces of record files.

    Args:
        paths: list of record files, see `fer_keras.corpora.records`.
        label_names: tuple of canonical names; faces with another label, or none, are left out.
        image_size: int, height and width in pixels.
        channels: 1 for grey, 3 for colour.

    Returns:
        A `FaceSet` in the order of the records.

    Raises:
        InputError: a file is missing or damaged, or no face has one of the labels.
    """
    index = {name: number for number, name in enumerate(label_names)}

    kept = ("label", "subject", "sequence", "landmarks", "label/votes", "split", "occlusion", "attributes")

    def decode(record):
        image = decode_face(record["image/encoded"], image_size, image_size, channels)
        return {"image": image, **{name: record[name] for name in kept}}

    labelled = read_records(paths).filter(lambda record: tf.reduce_any(record["label"] == tf.constant(list(index))))
    with named_fault(paths, read_records):
        rows = list(labelled.map(decode, num_parallel_calls=tf.data.AUTOTUNE).as_numpy_iterator())
    if not rows:
        raise InputError(f"{paths[0]}: no face carries one of the labels {', '.join(label_names)}")

    def text(name):
        return [row[name].decode() for row in rows]

    subjects = text("subject")
    return FaceSet(
        images=np.stack([row["image"] for row in rows]),
        labels=np.array([index[label] for label in text("label")], "int32"),
        subjects=np.array(subjects),
        sequences=np.array([f"{s}/{q}" for s, q in zip(subjects, text("sequence"), strict=True)]),
        label_names=tuple(label_names),
        landmarks=np.stack([row["landmarks"].reshape(68, 2) for row in rows]),
        votes=_votes_among(label_names, np.stack([row["label/votes"] for row in rows])),
        attributes={
            "split": np.array(text("split")),
            "occlusion": np.array(text("occlusion")),
            **stated_attributes(rows),
        },
    )


def _votes_among(label_names, votes):
    among = votes[:, [EMOTIONS.index(name) for name in label_names]]
    return among / np.maximum(among.sum(axis=1, keepdims=True), np.finfo("float32").tiny)


def stated_attributes(rows):
    """What a corpus states besides, by name.

    Args:
        rows: list of n records as NumPy, with their `"attributes"`.

    Returns:
        A dict of name to an array of n strings, `""` where a record states nothing.
    """
    stated = [dict(pair.decode().split("=", 1) for pair in row["attributes"]) for row in rows]
    names = sorted(set().union(*stated))
    return {name: np.array([one.get(name, "") for one in stated]) for name in names}
