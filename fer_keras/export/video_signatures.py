"""Signatures of video models: a whole clip at once, or frame by frame with the state in the client's hands."""

import keras
import tensorflow as tf

from fer_keras.corpora.clip_examples import parse_clip_examples
from fer_keras.faces.decode import decode_faces
from fer_keras.layers.frame_mask import mask_of_lengths

STREAM_WINDOW = 32
"""How many of the latest frames the attention of `serve_stream` looks back over."""


def add_video_signatures(archive, model, named, clip_frames=None):
    """Adds the signatures of a video model to an archive, see `export_saved_model`.

    Args:
        archive: a `keras.export.ExportArchive`.
        model: a `VideoEmotion`.
        named: callable that makes the answer, a dict, from probabilities `(batch, K)`.
        clip_frames: frames that `serve_examples` takes of a longer clip; by default all.
    """
    archive.track(model.backbone)
    archive.track(model.head)
    face = model.face_shape
    points, point = [], []
    if model.takes_landmarks:
        points.append(tf.TensorSpec([None, None, 68, 2], tf.float32, name="landmarks"))
        point.append(tf.TensorSpec([None, 68, 2], tf.float32, name="landmarks"))
    if model.takes_reference:
        point.append(tf.TensorSpec([None, 68, 2], tf.float32, name="reference"))

    def serve_tensor(frames, lengths, landmarks=None):
        inputs = {"frames": frames, "lengths": lengths, **({} if landmarks is None else {"landmarks": landmarks})}
        answers = model.attend(inputs)
        return {**named(keras.ops.softmax(answers["logits"])), "attention": answers["attention"]}

    def serve_video(frames, lengths, landmarks=None):
        faces = _decode(frames, mask_of_lengths(frames, lengths), face)
        return serve_tensor(faces, lengths, *([] if landmarks is None else [landmarks]))

    def serve_stream(image, state_window, state_count, *rest):
        recurrent, more = list(rest[: len(states)]), rest[len(states) :]
        with tf.control_dependencies(_state_checks(tf.shape(image)[0], state_window, state_count, recurrent)):
            faces = tf.cast(decode_faces(image, *face), tf.float32)
        if more:
            faces = {"face": faces, **dict(zip(("landmarks", "reference"), more, strict=False))}
        state = {"recurrent": recurrent, "window": state_window, "count": state_count}
        logits, attention, state = model.step(model.encode(faces), state)
        return {
            **named(keras.ops.softmax(logits)),
            "attention": attention,
            "state_window": state["window"],
            "state_count": state["count"],
            **{f"state_recurrent_{number}": tensor for number, tensor in enumerate(state["recurrent"])},
        }

    def serve_examples(inputs):
        clips = parse_clip_examples(inputs, clip_frames)
        answers = serve_video(clips["frames"], clips["lengths"], *([clips["landmarks"]] if points else []))
        return {"classes": answers["label_names"], "scores": answers["probabilities"]}

    clip = [tf.TensorSpec([None, None], tf.string, name="frames"), tf.TensorSpec([None], tf.int32, name="lengths")]
    pixels = tf.TensorSpec([None, None, *face], tf.float32, name="frames")
    start = model.initial_state(1, STREAM_WINDOW)
    states = [
        tf.TensorSpec([None, *tensor.shape[1:]], tensor.dtype, name=f"state_recurrent_{number}")
        for number, tensor in enumerate(start["recurrent"])
    ]
    stream = [
        tf.TensorSpec([None], tf.string, name="image"),
        tf.TensorSpec([None, *start["window"].shape[1:]], start["window"].dtype, name="state_window"),
        tf.TensorSpec([None], tf.int32, name="state_count"),
        *states,
        *point,
    ]
    archive.add_endpoint("serving_default", serve_video, [*clip, *points])
    archive.add_endpoint("serve_video", serve_video, [*clip, *points])
    archive.add_endpoint("serve_tensor", serve_tensor, [pixels, clip[1], *points])
    archive.add_endpoint("serve_stream", serve_stream, stream)
    archive.add_endpoint("serve_examples", serve_examples, [tf.TensorSpec([None], tf.string, name="inputs")])


def _state_checks(streams, window, frames, recurrent):
    """Operations that fail where what a client sends as the state of its streams is none."""
    floats = [window, *recurrent]
    rows = tf.stack([tf.shape(one)[0] for one in (*floats, frames)])
    conditions = {
        "state: expected one of every stream": tf.reduce_all(rows == streams),
        "state: expected finite numbers": tf.reduce_all([tf.reduce_all(tf.math.is_finite(one)) for one in floats]),
        "state_count: expected frames so far, 0 or more": tf.reduce_all(frames >= 0),
    }
    return [tf.raw_ops.Assert(condition=good, data=[message]) for message, good in conditions.items()]


def _decode(frames, mask, face):
    """Faces of encoded crops, `(batch, frames, height, width, channels)`; what does not count is black, not decoded."""
    absent = tf.reshape(tf.where(mask & (tf.strings.length(frames) == 0))[:1], (-1,))
    message = "frames must not be empty within the length of their clip. Received: clip and frame, from 0"
    with tf.control_dependencies([tf.raw_ops.Assert(condition=tf.size(absent) == 0, data=[message, absent])]):
        encoded = tf.where(mask, frames, tf.io.encode_png(tf.zeros((1, 1, 1), tf.uint8)))
    faces = tf.cast(decode_faces(tf.reshape(encoded, (-1,)), *face), tf.float32)
    return tf.reshape(faces, tf.concat([tf.shape(frames), face], axis=0))
