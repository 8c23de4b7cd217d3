"""Shards of face records: the unit of work of `prepare` and of the pipeline's ExampleGen, on one machine or many.

A shard is written whole or not at all, and what was found out about it is noted beside it when it is there. So a run
that was killed goes on where it was, a worker that is tried again writes the same bytes, and no picture travels
between workers.
"""

import dataclasses
import hashlib
import json
import pathlib

import cv2
import numpy as np

from fer_keras.corpora.abandoned import remove_abandoned
from fer_keras.corpora.records import make_record, write_records
from fer_keras.errors import InputError
from fer_keras.faces import make_detector
from fer_keras.faces.align import alignment_matrix, landmarks_to_eyes, transform_points, warp
from fer_keras.faces.image import encode_png
from fer_keras.json_file import write_json

CROP_SIZE = 112  # pixels; models resize to their own input
CROPPED = "cropped"  # how faces are found where the pictures are crops already
SHARD_SIZE = 256  # pictures


@dataclasses.dataclass(frozen=True)
class Shard:
    """What is written into one record file, and the files that the records, and notes about them, go to.

    Args:
        records: path of the record file.
        notes: path of the JSON file with what was found out, written after the records.
        samples: tuple of what the records are made of; for faces pairs of the sample's place in the corpus and the
            `Sample`.
    """

    records: str
    notes: str
    samples: tuple

    def is_noted(self):
        """Whether records and notes are there, without a look into them."""
        return pathlib.Path(self.notes).exists() and pathlib.Path(self.records).exists()

    def is_whole(self):
        """Whether the notes are there, and the records are those that they are about."""
        try:
            return self.read_notes()["sha256"] == digest(self.records)
        except (OSError, ValueError, KeyError):
            return False

    def discard(self):
        """Removes the notes, so that the shard counts as not written, and what a run that was killed left of it."""
        pathlib.Path(self.notes).unlink(missing_ok=True)
        remove_abandoned(self.records)

    def write(self, records, notes):
        """Writes the records, then the notes about them.

        Args:
            records: as for `write_records`.
            notes: dict of plain data; `"sha256"`, of the record file, is added.
        """
        for path in (self.records, self.notes):
            pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
        write_records(self.records, records)
        write_json(pathlib.Path(self.notes), {**notes, "sha256": digest(self.records)})

    def read_notes(self):
        """The notes of a written shard, a dict, see `write`."""
        return json.loads(pathlib.Path(self.notes).read_text())


class ShardWriter:
    """Finds, aligns and crops the faces of shards, and writes their records. Can be sent to other processes.

    Args:
        faces: how faces are found: the name of a detector, see `fer_keras.faces.make_detector`, or `"cropped"` for
            pictures that are face crops already.
        strict: raise at the first picture that cannot be used instead of noting it.
    """

    def __init__(self, faces="blaze_face", strict=False):
        self.faces = faces
        self.strict = strict
        self._detector = None

    def __getstate__(self):
        return {**self.__dict__, "_detector": None}  # every process loads its own

    def __call__(self, shard, on_picture=None):
        """Writes a shard, or leaves it as it is if it is written.

        Args:
            shard: a `Shard`.
            on_picture: optional callable without arguments, called after every picture.

        Returns:
            The notes, a dict: `"faces"`, a list of the places in the corpus of the pictures with a face; `"skipped"`,
            a list of the others' `[path, reason]`; `"sha256"`, of the record file.

        Raises:
            InputError: under `strict`, a picture cannot be used.
        """
        if not shard.is_noted():
            records, places, skipped = [], [], []
            for place, sample in shard.samples:
                try:
                    record = self.record(sample)
                except InputError as error:
                    if self.strict:
                        raise
                    skipped.append([sample.place, str(error).removeprefix(f"{sample.place}: ")])
                else:
                    record.features.feature["order"].int64_list.value.append(place)
                    records.append(record)
                    places.append(place)
                if on_picture:
                    on_picture()
            shard.write(self.pack(records, skipped), {"faces": places, "skipped": skipped})
        return shard.read_notes()

    def pack(self, records, skipped):
        """Makes what the file holds of a shard's face records, which it is.

        Args:
            records: list of `tf.train.Example`.
            skipped: list of `[path, reason]`, to be added to where something is left out.

        Returns:
            A list of `tf.train.Example`.
        """
        return records

    def record(self, sample):
        """Makes the record of one sample: its face found, aligned and cropped.

        Landmarks that the corpus brings place the eyes; else the detector finds the face, the largest where there are
        several. A picture that is a crop already is taken as it is, or shrunk.

        Args:
            sample: a `Sample`.

        Returns:
            A `tf.train.Example`, see `fer_keras.corpora.records`.

        Raises:
            InputError: the picture cannot be read or shows no face.
        """
        image = sample.read()
        mask = sample.read_mask(image.shape[:2])
        if sample.cropped or self.faces == CROPPED:
            return make_record(_encode(_fit_square(image)), sample, mask_encoded=_encode_mask(mask, _fit_square))
        landmarks = sample.landmarks
        if landmarks is not None:
            eyes = landmarks_to_eyes(landmarks)
        else:
            face = self._largest_face(image, sample.place)
            eyes, landmarks = face.eyes, face.landmarks
        try:
            matrix = alignment_matrix(eyes, CROP_SIZE)
        except ValueError as error:
            raise InputError(f"{sample.place}: the landmarks do not give two eyes: {error}") from None
        if landmarks is not None:
            landmarks = transform_points(landmarks, matrix) / CROP_SIZE
        crop, covered = warp(image, matrix, CROP_SIZE), _encode_mask(mask, lambda one: warp(one, matrix, CROP_SIZE))
        return make_record(_encode(crop), sample, landmarks, covered)

    def _largest_face(self, image, name):
        if self._detector is None:
            self._detector = make_detector(self.faces)
        faces = self._detector.detect([image])[0]
        if not faces:
            raise InputError(f"{name}: no face found; expected a picture of a face")
        return max(faces, key=lambda one: (one.box[2] - one.box[0]) * (one.box[3] - one.box[1]))


def plan_shards(samples, directory, notes, name="faces", size=SHARD_SIZE):
    """Deals samples out to shards, in their order.

    Args:
        samples: list of pairs of the sample's place in the corpus and the `Sample`.
        directory: folder of the record files, `faces-00000-of-00004.tfrecord.gz` and so on.
        notes: folder of the notes.
        name: what file names begin with.
        size: int, pictures in a shard.

    Returns:
        A list of `Shard`.
    """
    groups = [samples[start : start + size] for start in range(0, len(samples), size)]
    return name_shards(groups, directory, notes, name)


def plan_clip_shards(samples, directory, notes):
    """Deals samples out to shards that hold whole clips; for the arguments and the result see `plan_shards`."""
    clips = {}
    for place, sample in samples:
        clips.setdefault((sample.subject, sample.sequence), []).append((place, sample))
    groups = deal_out(list(clips.values()), [len(frames) for frames in clips.values()], SHARD_SIZE)
    return name_shards([[frame for frames in clips for frame in frames] for clips in groups], directory, notes, "clips")


def deal_out(things, sizes, room):
    """Groups things, in their order, so that the sizes of a group sum to no more than a limit.

    Args:
        things: list.
        sizes: list of as many ints.
        room: int, the limit; a larger thing is a group of its own.

    Returns:
        A list of lists.
    """
    groups, left = [], 0
    for thing, size in zip(things, sizes, strict=True):
        if not groups or size > left:
            groups.append([])
            left = room
        groups[-1].append(thing)
        left -= size
    return groups


def name_shards(groups, directory, notes, name):
    """Gives every group of samples its files.

    Args:
        groups: list of lists of what records are made of.
        directory: as for `plan_shards`.
        notes: as for `plan_shards`.
        name: as for `plan_shards`.

    Returns:
        A list of `Shard`.
    """
    stems = [f"{name}-{number:05d}-of-{len(groups):05d}" for number in range(len(groups))]
    return [
        Shard(
            str(pathlib.Path(directory, f"{stem}.tfrecord.gz")),
            str(pathlib.Path(notes, f"{stem}.json")),
            tuple(group),
        )
        for stem, group in zip(stems, groups, strict=True)
    ]


def digest(path):
    """SHA-256 of a file, as hexadecimal text."""
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def _fit_square(image):
    """A crop as it is if it is small and square, else resized; to enlarge it would add nothing."""
    height, width = image.shape[:2]
    side = min(CROP_SIZE, max(height, width))
    return image if height == width == side else cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)


def _encode_mask(mask, crop):
    """PNG of the crop's pixels that show any of the occluder; nothing without a mask."""
    if mask is None:
        return b""
    shown = crop(np.repeat(255 * mask[..., None].astype(np.uint8), 3, axis=-1))[..., 0] > 0
    return encode_png(255 * shown.astype(np.uint8))


def _encode(crop):
    """PNG; of one channel where the crop is grey, which takes a third of the space."""
    grey = crop[..., 0]
    is_grey = np.array_equal(grey, crop[..., 1]) and np.array_equal(grey, crop[..., 2])
    return encode_png(np.ascontiguousarray(grey) if is_grey else crop)
