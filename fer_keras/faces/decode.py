"""Encoded face crops to pixels, in the graph: the one decoder of training, the pipeline and every signature."""

import tensorflow as tf


def decode_face(encoded, height, width, channels):
    """Decodes one face crop and brings it to a model's input size.

    Args:
        encoded: scalar string tensor, a PNG, JPEG, GIF or BMP file.
        height: int, rows of the result.
        width: int, columns of the result.
        channels: 1 for grey, 3 for colour.

    Returns:
        A uint8 tensor of shape `(height, width, channels)`, values 0-255. Resizing is bilinear with antialiasing,
        rounded, so that whoever decodes the same bytes gets the same pixels.
    """
    # PNG and JPEG decoders disagree on channels=1, so grey is always made here, from colour.
    pixels = tf.io.decode_image(encoded, channels=3, expand_animations=False)
    if channels == 1:
        pixels = tf.image.rgb_to_grayscale(pixels)
    pixels = tf.image.resize(tf.cast(pixels, tf.float32), (height, width), method="bilinear", antialias=True)
    pixels = tf.cast(tf.round(tf.clip_by_value(pixels, 0.0, 255.0)), tf.uint8)
    return tf.ensure_shape(pixels, (height, width, channels))


def decode_faces(encoded, height, width, channels):
    """Decodes a batch of face crops.

    Args:
        encoded: string tensor of shape `(batch,)`.
        height: int, rows of the result.
        width: int, columns of the result.
        channels: 1 for grey, 3 for colour.

    Returns:
        A uint8 tensor of shape `(batch, height, width, channels)`, values 0-255.
    """
    return tf.map_fn(
        lambda one: decode_face(one, height, width, channels),
        encoded,
        fn_output_signature=tf.TensorSpec((height, width, channels), tf.uint8),
    )
