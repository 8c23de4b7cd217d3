"""Faces that stand for those that an exported file will see."""

import pathlib

import numpy as np

from fer_keras.corpora.face_set import load_faces
from fer_keras.errors import InputError


def representative_faces(model, records, count=200):
    """Takes faces of prepared records, spread evenly over them.

    Args:
        model: a `JointSupervision`, such as `AlexNetEmotion`.
        records: a folder of records as `fer-keras prepare` writes, or a run of `fer-keras train`, which has its own.
        count: int, the most faces taken.

    Returns:
        A uint8 array of shape `(n, height, width, channels)`, n ≤ `count`.

    Raises:
        InputError: there are no records, or none carries a label of the model.
    """
    records = pathlib.Path(records)
    shards = sorted(records.glob("*.tfrecord.gz")) or sorted((records / "records").glob("*.tfrecord.gz"))
    if not shards:
        raise InputError(f"{records}: no face records found; expected a folder that fer-keras prepare wrote, or a run")
    size, _, channels = model.face_shape
    images = load_faces([str(shard) for shard in shards], model.label_names, size, channels).images
    return images[np.linspace(0, len(images) - 1, min(count, len(images))).round().astype(int)]
