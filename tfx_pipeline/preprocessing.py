"""Transform: records of faces or clips to what the Trainer takes, in the graph."""

import tensorflow as tf

from fer_keras.faces.decode import decode_faces
from tfx_pipeline.example_gen import ORDER

FACE, LABEL, SUBJECT, SEQUENCE, LANDMARKS = "face", "label", "subject", "sequence", "landmarks"
FRAME, PHASE, OCCLUSION = "frame", "phase", "occlusion"


def preprocessing_fn(inputs, custom_config):
    """Decodes and resizes faces with the function that every serving signature uses.

    There are no analyzers: nothing is learned from the data, so one Transform serves every fold without leakage.

    Args:
        inputs: dict of tensors of shape `(batch, 1)`: face records; `landmarks` has the shape `(batch, 136)`.
        custom_config: dict with `label_names`, `image_size` and `channels`.

    Returns:
        A dict of tensors of shape `(batch,)`: `face`, the face at the model's input size as PNG (Transform has no
        uint8, and PNG is lossless and small); `label`, its place in `label_names`, -1 if it is none of them;
        `subject`, `sequence`, `occlusion`, and `order`, the place in the corpus. And `landmarks` as they came.
    """
    return {
        **_about(inputs, custom_config),
        FACE: _resized(inputs["image/encoded"], custom_config),
        OCCLUSION: _flat(inputs[OCCLUSION]),
    }


def preprocess_clips(inputs, custom_config):
    """The same for clips, whose frames become as many faces.

    Args:
        inputs: dict of sparse tensors: records of clips, see `fer_keras.corpora.clip_examples`.
        custom_config: as for `preprocessing_fn`.

    Returns:
        A dict as that of `preprocessing_fn`, but `face` and `landmarks` are sparse, of every frame of the clip; and so
        are `frame` and `phase`. There is no `occlusion`.
    """
    encoded = inputs["image/encoded"]
    return {
        **_about(inputs, custom_config),
        FACE: tf.SparseTensor(encoded.indices, _resized(encoded.values, custom_config), encoded.dense_shape),
        FRAME: inputs[FRAME],
        PHASE: inputs[PHASE],
    }


def _resized(encoded, custom_config):
    size, channels = custom_config["image_size"], custom_config["channels"]
    faces = decode_faces(_flat(encoded), size, size, channels)
    return tf.map_fn(tf.io.encode_png, faces, fn_output_signature=tf.TensorSpec((), tf.string))


def _about(inputs, custom_config):
    is_label = _flat(inputs["label"])[:, None] == tf.constant(custom_config["label_names"])[None]
    return {
        LABEL: tf.where(tf.reduce_any(is_label, axis=1), tf.argmax(is_label, axis=1), -1),
        SUBJECT: _flat(inputs["subject"]),
        SEQUENCE: _flat(inputs["sequence"]),
        ORDER: _flat(inputs[ORDER]),
        LANDMARKS: inputs[LANDMARKS],
    }


def _flat(values):
    """One value a record, or of images all that there are, as a vector."""
    return values.values if isinstance(values, tf.SparseTensor) else tf.reshape(values, [-1])
