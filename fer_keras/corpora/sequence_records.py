"""Sequence records on disk, made of face records: the one feature specification, one writer, one reader.

A record is a `tf.train.SequenceExample` that holds the aligned face crops of one clip, in order, and what is known
about them; files are GZIP-compressed TFRecord shards.
"""

import collections
import dataclasses
import hashlib
import itertools
import json
import pathlib

import tensorflow as tf

from fer_keras.corpora.phases import PHASES
from fer_keras.corpora.record_folder import NOTES, claim_folder, write_manifest
from fer_keras.corpora.records import (
    bytes_feature,
    float_feature,
    int_feature,
    named_fault,
    read_records,
    serialized_records,
)
from fer_keras.corpora.shards import deal_out, digest, name_shards
from fer_keras.emotions import EMOTIONS
from fer_keras.errors import InputError

CLIP_FEATURES = {
    "label": tf.io.FixedLenFeature([], tf.string),  # canonical name, "" if unlabelled
    "corpus": tf.io.FixedLenFeature([], tf.string),
    "subject": tf.io.FixedLenFeature([], tf.string),
    "sequence": tf.io.FixedLenFeature([], tf.string),
    "split": tf.io.FixedLenFeature([], tf.string),  # the corpus's own part, "" if none
    "occlusion": tf.io.FixedLenFeature([], tf.string),  # kind of occluder, "none" if open, "" if it changes
    "attributes": tf.io.RaggedFeature(tf.string),  # "name=value", sorted; those that all frames share
}
"""What is known of a clip as a whole."""

FRAME_FEATURES = {
    "image/encoded": tf.io.FixedLenSequenceFeature([], tf.string),  # PNG or JPEG of the face crop
    "frame": tf.io.FixedLenSequenceFeature([], tf.int64),  # rising; numbers that are left out had no face
    "landmarks": tf.io.FixedLenSequenceFeature([136], tf.float32),  # x y in [0, 1] of the crop; zeros if unknown
    "phase": tf.io.FixedLenSequenceFeature([], tf.string),  # one of `PHASES`, "" if unknown
}
"""What is known of every frame."""

SHARD_FRAMES = 1024  # frames in a shard; a longer clip is a shard of its own

_PLACED_BY = ("corpus", "subject", "sequence", "frame", "label", "attributes")


def make_sequence(faces):
    """Packs one clip.

    Args:
        faces: list of at least one face record as `read_records` gives them as NumPy, the frames of one clip in order.

    Returns:
        A `tf.train.SequenceExample` as `CLIP_FEATURES` and `FRAME_FEATURES` describe. Its label is `clip_label`; of
        split, occlusion and attributes it has what all frames share, but for the attribute `phase`, which each frame
        keeps.
    """

    def shared(name):
        values = {face[name] for face in faces}
        return values.pop() if len(values) == 1 else b""

    def frames(feature, name):
        return tf.train.FeatureList(feature=[feature(face[name]) for face in faces])

    context = {name: bytes_feature(faces[0][name]) for name in ("corpus", "subject", "sequence")}
    context |= {name: bytes_feature(shared(name)) for name in ("split", "occlusion")}
    context["label"] = bytes_feature(clip_label(face["label"] for face in faces))
    attributes = set.intersection(*(set(face["attributes"]) for face in faces))
    context["attributes"] = bytes_feature(*sorted(one for one in attributes if not one.startswith(b"phase=")))
    lists = {
        "image/encoded": frames(bytes_feature, "image/encoded"),
        "frame": frames(int_feature, "frame"),
        "landmarks": frames(float_feature, "landmarks"),
        "phase": tf.train.FeatureList(feature=[bytes_feature(_phase(face["attributes"])) for face in faces]),
    }
    return tf.train.SequenceExample(
        context=tf.train.Features(feature=context), feature_lists=tf.train.FeatureLists(feature_list=lists)
    )


def clip_label(labels):
    """The label of a clip by those of its frames: the one emotion that they carry, neutral frames aside.

    Args:
        labels: iterable of canonical names as bytes, `b""` for frames without.

    Returns:
        The name; `b"neutral"` if all labelled frames are neutral, `b""` if none is labelled, `None` if the frames carry
        several emotions.
    """
    found = set(labels) - {b""}
    found = found - {b"neutral"} or found
    return None if len(found) > 1 else next(iter(found), b"")


def read_sequences(paths):
    """Reads shards as parsed features.

    Args:
        paths: list of files, read in this order.

    Returns:
        A `tf.data.Dataset` of dicts of the features of `CLIP_FEATURES` and, with the frames as first axis, of
        `FRAME_FEATURES`, in file order.

    Raises:
        InputError: there is no file.
    """

    def parse(record):
        context, frames = tf.io.parse_single_sequence_example(record, CLIP_FEATURES, FRAME_FEATURES)
        return {**context, **frames}

    return serialized_records(paths).map(parse)


def write_sequences(faces, out, on_progress=None):
    """Writes clips as sequence records with a manifest, of the face records that `prepare` wrote.

    Frames of one subject's sequence become one record, in the order of their numbers; a frame without a face has no
    face record, and its number is left out. Read the corpus with `peak_frames=None` for whole clips. A clip is left
    out, with the reason, where a frame's number occurs twice, its frames carry several emotions, or a phase is none of
    `fer_keras.corpora.phases.PHASES`.

    The folder holds shards `sequences-00000-of-00004.tfrecord.gz` and, written last, `manifest.json`. A run that was
    interrupted continues; of one that is complete the records are checked, and what is damaged or gone is written
    again. The same face records in the same order give the same bytes. One shard of at most `SHARD_FRAMES` frames, or
    of one longer clip, is in memory at a time; to read clips whose frames are scattered over many files takes longer.

    Args:
        faces: list of face record files, such as `prepare(...)["shards"]`.
        out: folder to write.
        on_progress: optional callable `(done, total)` over clips.

    Returns:
        The manifest, a dict: `"corpus"`; the numbers of `"sequences"`, `"frames"` and of frames `"missing"` between the
        first and the last of their clip; `"sequences_by_label"`, `"sequences_by_subject"` and `"sequences_by_length"`;
        `"skipped"`, a list of `[clip, reason]`; `"sha256"`, the digests of the record files by name; and `"shards"`,
        their paths.

    Raises:
        InputError: a face record file is missing or damaged, `out` cannot be written or holds something else, or no
            clip is left.
    """
    faces, out = [str(path) for path in faces], pathlib.Path(out)
    serialized_records(faces)  # says so if there is none
    with named_fault(faces, read_records):
        clips, skipped = _find_clips(faces)
    if not clips:
        first = f"; the first of {len(skipped)} left out: {': '.join(skipped[0])}" if skipped else ""
        raise InputError(f"{faces[0]}: no clip was found in the face records{first}")
    source = [[digest(path) for path in faces], [*CLIP_FEATURES, *FRAME_FEATURES]]
    fingerprint = hashlib.sha256(json.dumps(source).encode()).hexdigest()
    claim_folder(out, fingerprint, "write_sequences", "the clips of other face records")
    groups = deal_out(clips, [len(clip.frames) for clip in clips], SHARD_FRAMES)
    shards = name_shards(groups, out, out / NOTES, "sequences")
    done = 0
    for shard in shards:
        if not shard.is_whole():
            shard.discard()
            with named_fault(faces, read_records):
                shard.write((make_sequence(frames) for frames in _gather(faces, shard.samples)), {})
        done += len(shard.samples)
        if on_progress:
            on_progress(done, len(clips))
    manifest = _manifest(clips, skipped, shards)
    write_manifest(out, manifest)
    return {**manifest, "shards": [str(out / name) for name in manifest["sha256"]]}


@dataclasses.dataclass(frozen=True)
class _Clip:
    """Where the frames of a clip are.

    Args:
        corpus: its name.
        subject: the person.
        name: subject and sequence.
        label: see `clip_label`.
        frames: list of the frames' numbers, rising.
        places: list of the frames' `(file, record)`, both counted from 0.
    """

    corpus: str
    subject: str
    name: str
    label: str
    frames: list
    places: list


def _find_clips(faces):
    """The clips in face records, in the order of their first frames, and `[clip, reason]` of those left out."""
    found = {}
    for file, path in enumerate(faces):
        for record, face in enumerate(read_records([path], _PLACED_BY).as_numpy_iterator()):
            key = tuple(face[name].decode() for name in ("corpus", "subject", "sequence"))
            found.setdefault(key, []).append((int(face["frame"]), file, record, face))
    clips, skipped = [], []
    for (corpus, subject, sequence), frames in found.items():
        frames.sort(key=lambda frame: frame[:3])
        faces = [frame[3] for frame in frames]
        name, label = f"{subject}/{sequence}", clip_label(face["label"] for face in faces)
        reason = clip_fault(faces, label)
        if reason:
            skipped.append([name, reason])
        else:
            numbers, places = [frame[0] for frame in frames], [frame[1:3] for frame in frames]
            clips.append(_Clip(corpus, subject, name, label.decode(), numbers, places))
    return clips, skipped


def clip_fault(faces, label):
    """Why faces are no clip.

    Args:
        faces: list of face records as NumPy, by rising `frame`.
        label: what `clip_label` made of their labels.

    Returns:
        The reason, `""` if they are a clip.
    """
    numbers = [int(face["frame"]) for face in faces]
    twice = next((one for one, other in itertools.pairwise(numbers) if one == other), None)
    if twice is not None:
        what = "several pictures have no frame number" if twice < 0 else f"frame {twice} occurs twice"
        return f"{what}; expected every frame once"
    if label is None:
        emotions = sorted({face["label"].decode() for face in faces} - {"", "neutral"})
        return f"the frames are labelled {', '.join(emotions)}; expected one emotion"
    for number, phase in zip(numbers, (_phase(face["attributes"]) for face in faces), strict=True):
        if phase and phase.decode() not in PHASES:
            return f"frame {number} has phase {phase.decode()[:40]!r}; expected one of {', '.join(PHASES)}"
    return ""


def _phase(attributes):
    return next((one.removeprefix(b"phase=") for one in attributes if one.startswith(b"phase=")), b"")


def _gather(faces, clips):
    """The face records of clips, a list for each; of the files only those are read that hold some."""
    wanted = {}
    for number, clip in enumerate(clips):
        for frame, (file, record) in enumerate(clip.places):
            wanted.setdefault(file, {})[record] = (number, frame)
    found = [[None] * len(clip.places) for clip in clips]
    for file, records in sorted(wanted.items()):
        for record, face in enumerate(read_records([faces[file]]).take(max(records) + 1).as_numpy_iterator()):
            if record in records:
                number, frame = records[record]
                found[number][frame] = face
    return found


def _manifest(clips, skipped, shards):
    lengths = collections.Counter(len(clip.frames) for clip in clips)
    subjects = collections.Counter(clip.subject for clip in clips)
    labels = collections.Counter(clip.label for clip in clips)
    return {
        "corpus": ", ".join(sorted({clip.corpus for clip in clips})),
        "sequences": len(clips),
        "frames": sum(len(clip.frames) for clip in clips),
        "missing": sum(clip.frames[-1] - clip.frames[0] + 1 - len(clip.frames) for clip in clips),
        "sequences_by_label": {name: labels[name] for name in (*EMOTIONS, "") if labels[name]},
        "sequences_by_subject": dict(sorted(subjects.items())),
        "sequences_by_length": {str(length): lengths[length] for length in sorted(lengths)},
        "skipped": skipped,
        "sha256": {pathlib.Path(shard.records).name: shard.read_notes()["sha256"] for shard in shards},
    }
