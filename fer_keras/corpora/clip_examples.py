"""Whole clips as `tf.train.Example`, lists in place of steps: for tools that know no sequences, as TFX's Transform.

The features are those of `fer_keras.corpora.sequence_records`, by the same names.
"""

import tensorflow as tf

from fer_keras.corpora.records import FEATURES, int_feature
from fer_keras.corpora.sequence_records import CLIP_FEATURES, FRAME_FEATURES, clip_fault, clip_label, make_sequence

CLIP_EXAMPLE_FEATURES = {
    **CLIP_FEATURES,
    "order": tf.io.FixedLenFeature([], tf.int64, -1),  # the place in its corpus of the clip's first frame
    **{name: tf.io.RaggedFeature(feature.dtype) for name, feature in FRAME_FEATURES.items()},
}
"""What a clip's Example holds: of every frame a value after the other, 136 of them in `landmarks`."""


def make_clip_example(faces):
    """Packs one clip.

    Args:
        faces: list of at least one face record as `read_records` gives them as NumPy, the frames of one clip in order.

    Returns:
        A `tf.train.Example` as `CLIP_EXAMPLE_FEATURES` describes; see
        `fer_keras.corpora.sequence_records.make_sequence` for what the clip has of its frames.
    """
    sequence = make_sequence(faces)
    example = tf.train.Example(features=sequence.context)
    example.features.feature["order"].CopyFrom(int_feature(min(int(face["order"]) for face in faces)))
    for name, steps in sequence.feature_lists.feature_list.items():
        for step in steps.feature:
            example.features.feature[name].MergeFrom(step)  # lists of the same feature are joined
    return example


def clip_examples(records):
    """Packs the clips that face records make up.

    Args:
        records: list of `tf.train.Example` of single faces, see `fer_keras.corpora.records`, all frames of a clip among
            them.

    Returns:
        `(examples, skipped)`: the clips in the order of their first frames, and `[clip, reason]` of those left out, see
        `fer_keras.corpora.sequence_records.clip_fault`.
    """
    clips, examples, skipped = {}, [], []
    for record in records:
        parsed = tf.io.parse_single_example(record.SerializeToString(), FEATURES)
        face = {name: value.numpy() for name, value in parsed.items()}
        clips.setdefault((face["subject"], face["sequence"]), []).append(face)
    for (subject, sequence), faces in clips.items():
        faces.sort(key=lambda face: face["frame"])
        reason = clip_fault(faces, clip_label(face["label"] for face in faces))
        if reason:
            skipped.append([f"{subject.decode()}/{sequence.decode()}", reason])
        else:
            examples.append(make_clip_example(faces))
    return examples, skipped


def parse_clip_examples(serialized, frames=None):
    """Reads clips in a graph, padded into one batch.

    Args:
        serialized: string tensor of shape `(batch,)`, serialized Examples.
        frames: optional int ≥ 1; of longer clips so many frames are taken, evenly from the first to the last, as
            `fer_keras.corpora.clip_set.ClipSet.sample` takes them.

    Returns:
        A dict of `frames`, string `(batch, longest)`, padded with `""`; `lengths`, int32 `(batch,)`; and `landmarks`,
        float32 `(batch, longest, 68, 2)`.
    """
    wanted = {name: CLIP_EXAMPLE_FEATURES[name] for name in ("image/encoded", "landmarks")}
    parsed = tf.io.parse_example(serialized, wanted)
    images = parsed["image/encoded"]
    lengths = tf.cast(images.row_lengths(), tf.int32)
    padded, longest = images.to_tensor(""), tf.reduce_max(lengths)
    landmarks = parsed["landmarks"].to_tensor(shape=tf.stack([-1, longest * 136]))
    landmarks = tf.reshape(landmarks, (-1, longest, 68, 2))
    if frames is not None:
        places = spread_places(lengths, frames)
        padded, landmarks = tf.gather(padded, places, batch_dims=1), tf.gather(landmarks, places, batch_dims=1)
        lengths = tf.minimum(lengths, frames)
        shown = tf.sequence_mask(lengths, tf.shape(places)[1])
        padded = tf.where(shown, padded, "")
        landmarks = tf.where(shown[..., None, None], landmarks, 0.0)
    return {"frames": padded, "lengths": lengths, "landmarks": landmarks}


def spread_places(lengths, count):
    """Places of frames spread evenly from the first to the last of every clip.

    Args:
        lengths: int32 tensor of shape `(batch,)`, frames of the clips.
        count: int ≥ 1, the most frames to take of a clip.

    Returns:
        Int32 tensor of shape `(batch, min(count, longest))`; of a clip with fewer frames the places after its last
        repeat the last.
    """
    steps, last = tf.range(tf.minimum(count, tf.reduce_max(lengths))), (lengths - 1)[:, None]
    spread = lengths[:, None] // 2 if count == 1 else (steps * last + (count - 1) // 2) // (count - 1)
    return tf.where(lengths[:, None] > count, spread, tf.minimum(steps, last))
