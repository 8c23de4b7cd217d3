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
_FAULTS = (
    tf.errors.DataLossError,
    tf.errors.FailedPreconditionError,  # a folder
    tf.errors.InvalidArgumentError,  # records of another kind
    tf.errors.NotFoundError,
)


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
    features = {
        "image/encoded": bytes_feature(image_encoded),
        "label": text_feature(sample.label),
        "corpus": text_feature(sample.corpus),
        "subject": text_feature(sample.subject),
        "sequence": text_feature(sample.sequence),
        "frame": int_feature(sample.frame),
        "action_units": text_feature(*sample.action_units),
        "split": text_feature(sample.split),
        "attributes": text_feature(*(f"{name}={value}" for name, value in sorted(sample.attributes.items()))),
        "occlusion": text_feature(sample.occlusion),
    }
    if mask_encoded:
        features["occlusion/mask"] = bytes_feature(mask_encoded)
    if sample.votes:
        features["label/votes"] = float_feature(sample.votes)
    if landmarks is not None:
        features["landmarks"] = float_feature(landmarks.reshape(-1))
    return tf.train.Example(features=tf.train.Features(feature=features))


def bytes_feature(*values):
    """A `tf.train.Feature` of byte strings."""
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))


def text_feature(*values):
    """A `tf.train.Feature` of strings."""
    return bytes_feature(*(value.encode() for value in values))


def int_feature(*values):
    """A `tf.train.Feature` of integers."""
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def float_feature(values):
    """A `tf.train.Feature` of a sequence of floats."""
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))


def write_records(path, records):
    """Writes one shard; it appears whole or not at all.

    Args:
        path: the file to write.
        records: iterable of `tf.train.Example` or `tf.train.SequenceExample`, or of their serialized bytes.

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


def read_records(paths, names=tuple(FEATURES)):
    """Reads shards as parsed features.

    Args:
        paths: list of files, read in this order.
        names: the features to read, some of `FEATURES`.

    Returns:
        A `tf.data.Dataset` of dicts as `FEATURES` describes, in file order.

    Raises:
        InputError: there is no file.
    """
    wanted = {name: FEATURES[name] for name in names}
    return serialized_records(paths).map(lambda record: tf.io.parse_single_example(record, wanted))


def serialized_records(paths):
    """Reads shards as they are written, of faces or of sequences.

    Args:
        paths: list of files, read in this order.

    Returns:
        A `tf.data.Dataset` of scalar strings.

    Raises:
        InputError: there is no file.
    """
    paths = [str(path) for path in paths]
    if not paths:
        raise InputError("no record files were given; `fer-keras prepare` writes them")
    return tf.data.TFRecordDataset(paths, compression_type="GZIP")


@contextlib.contextmanager
def named_fault(paths, read):
    """While record files are read: says which of them is missing, damaged or of another kind.

    Args:
        paths: list of files.
        read: function that was used to read them, from a list of files to a `tf.data.Dataset`.

    Raises:
        InputError: TensorFlow stopped at one of the files, or at a picture in them.
    """
    try:
        yield
    except _FAULTS as error:
        for path in paths:
            try:
                for _ in read([path]):
                    pass
            except tf.errors.NotFoundError:
                raise InputError(f"{path}: no such file; expected one that `fer-keras prepare` wrote") from None
            except _FAULTS:
                raise InputError(f"{path}: is damaged or holds something else; expected a whole record file") from None
        raise InputError(f"{paths[0]}, or a file beside it, holds a picture that cannot be decoded") from error
