"""Faces in memory at a model's input size: what training and evaluation take, wherever the faces come from."""

import dataclasses
import pathlib

import numpy as np
import tensorflow as tf

from fer_keras.corpora.records import read_records
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
        label_names: tuple of class names.
    """

    images: np.ndarray
    labels: np.ndarray
    subjects: np.ndarray
    sequences: np.ndarray
    label_names: tuple

    def __len__(self):
        return len(self.labels)

    def select(self, rows):
        """Returns the faces of some rows (a boolean mask or indices)."""
        return dataclasses.replace(
            self,
            images=self.images[rows],
            labels=self.labels[rows],
            subjects=self.subjects[rows],
            sequences=self.sequences[rows],
        )


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
        InputError: no face has one of the labels.
    """
    index = {name: number for number, name in enumerate(label_names)}

    def decode(record):
        image = decode_face(record["image/encoded"], image_size, image_size, channels)
        return image, record["label"], record["subject"], record["sequence"]

    labelled = read_records(paths).filter(lambda record: tf.reduce_any(record["label"] == tf.constant(list(index))))
    try:
        rows = list(labelled.map(decode, num_parallel_calls=tf.data.AUTOTUNE).as_numpy_iterator())
    except tf.errors.DataLossError as error:
        raise InputError(f"{pathlib.Path(paths[0]).parent}: a record file is damaged; remove the folder") from error
    if not rows:
        raise InputError(f"{paths[0]}: no face carries one of the labels {', '.join(label_names)}")
    images, labels, subjects, sequences = zip(*rows, strict=True)
    subjects = [subject.decode() for subject in subjects]
    return FaceSet(
        images=np.stack(images),
        labels=np.array([index[label.decode()] for label in labels], "int32"),
        subjects=np.array(subjects),
        sequences=np.array([f"{s}/{q.decode()}" for s, q in zip(subjects, sequences, strict=True)]),
        label_names=tuple(label_names),
    )
