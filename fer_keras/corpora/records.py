"""Face records on disk: the one feature specification, one writer, one reader.

A record is a `tf.train.Example` that holds one aligned face crop and what is known about it; files are
GZIP-compressed TFRecord shards.
"""

import contextlib
import os
import pathlib

import tensorflow as tf

from fer_keras.emotions import EMOTIONS
from fer_keras.errors import InputError

FEATURES = {
    "image/encoded": tf.io.FixedLenFeature([], tf.string),  # PNG or JPEG of the face crop
    "label": tf.io.FixedLenFeature([], tf.string),  # canonical name, "" if unlabelled
    "label/votes": tf.io.FixedLenFeature([len(EMOTIONS)], tf.float32, [0.0] * len(EMOTIONS)),  # soft, canonical order
    "corpus": tf.io.FixedLenFeature([], tf.string),
    "subject": tf.io.FixedLenFeature([], tf.string),
    "sequence": tf.io.FixedLenFeature([], tf.string),
    "frame": tf.io.FixedLenFeature([], tf.int64),  # -1 for a single picture
    "landmarks": tf.io.FixedLenFeature([136], tf.float32, [0.0] * 136),  # x y in [0, 1] of the crop; zeros if unknown
    "order": tf.io.FixedLenFeature([], tf.int64, -1),  # the sample's place in its corpus
    "action_units": tf.io.RaggedFeature(tf.string),  # "code:intensity"
    "split": tf.io.FixedLenFeature([], tf.string, ""),  # the corpus's own part: train, validation, test, "" if none
    "attributes": tf.io.RaggedFeature(tf.string),  # "name=value", sorted
    "occlusion": tf.io.FixedLenFeature([], tf.string),  # kind of occluder, "none" if open
    "occlusion/mask": tf.io.FixedLenFeature([], tf.string, ""),  # PNG of the crop's occluded pixels, "" if none
}

_OPTIONS = tf.io.TFRecordOptions(compression_type="GZIP")


def make_record(image_encoded, sample, landmarks=None, mask_encoded=b""):
    """Packs one face crop.

    Args:
        image_encoded: bytes, PNG or JPEG of the crop.
        sample: the `Sample` that the crop was taken from.
        landmarks: float array of shape `(68, 2)`, x and y in [0, 1] of the crop, or `None`.
        mask_encoded: bytes, PNG of the crop's occluded pixels, or `b""`.

    Returns:
        A `tf.train.Example` as `FEATURES` describes.
    """

    def text(*values):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value.encode() for value in values]))

    features = {
        "image/encoded": tf.train.Feature(bytes_list=tf.train.BytesList(value=[image_encoded])),
        "label": text(sample.label),
        "corpus": text(sample.corpus),
        "subject": text(sample.subject),
        "sequence": text(sample.sequence),
        "frame": tf.train.Feature(int64_list=tf.train.Int64List(value=[sample.frame])),
        "action_units": text(*sample.action_units),
        "split": text(sample.split),
        "attributes": text(*(f"{name}={value}" for name, value in sorted(sample.attributes.items()))),
        "occlusion": text(sample.occlusion),
    }
    if mask_encoded:
        features["occlusion/mask"] = tf.train.Feature(bytes_list=tf.train.BytesList(value=[mask_encoded]))
    if sample.votes:
        features["label/votes"] = tf.train.Feature(float_list=tf.train.FloatList(value=sample.votes))
    if landmarks is not None:
        features["landmarks"] = tf.train.Feature(float_list=tf.train.FloatList(value=landmarks.reshape(-1)))
    return tf.train.Example(features=tf.train.Features(feature=features))


def write_records(path, records):
    """Writes one shard; it appears whole or not at all.

    Args:
        path: the file to write.
        records: iterable of `tf.train.Example`, or of their serialized bytes.

    Returns:
        The number of records written.
    """
    path = pathlib.Path(path)
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    count = 0
    try:
        with tf.io.TFRecordWriter(str(aside), _OPTIONS) as writer:
            for record in records:
                writer.write(record if isinstance(record, bytes) else record.SerializeToString(deterministic=True))
                count += 1
        aside.replace(path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            aside.unlink()
    return count


def read_records(paths):
    """Reads shards as parsed features.

    Args:
        paths: list of files, read in this order.

    Returns:
        A `tf.data.Dataset` of dicts as `FEATURES` describes, in file order.

    Raises:
        InputError: there is no file.
    """
    paths = [str(path) for path in paths]
    if not paths:
        raise InputError("no record files were given; `fer-keras prepare` writes them")
    return tf.data.TFRecordDataset(paths, compression_type="GZIP").map(
        lambda record: tf.io.parse_single_example(record, FEATURES)
    )
