"""Small models with the signatures of exports, and drawn faces: what the tests of the demo share."""

import cv2
import numpy as np
import tensorflow as tf

from fer_keras.corpora.motion_jpeg import encode_avi
from fer_keras.corpora.synthetic import SIZES, draw_sequence

LABELS = ("neutral", "happiness", "surprise")
SIDE = 16
FRAMES = 8


def decode(encoded):
    pixels = tf.io.decode_image(encoded, channels=1, expand_animations=False)
    return tf.image.resize(pixels, (SIDE, SIDE))


def named(probabilities):
    labels = tf.constant(LABELS)
    return {
        "probabilities": probabilities,
        "label": tf.gather(labels, tf.argmax(probabilities, axis=-1)),
        "label_names": tf.repeat(labels[None], tf.shape(probabilities)[0], axis=0),
    }


def strings(*shape, name):
    return tf.TensorSpec(shape, tf.string, name=name)


class TinyFace(tf.Module):
    """A model of single faces that shows all there is to show: the darker the lower half, the more surprise."""

    def __init__(self):
        super().__init__()
        self.weights = tf.Variable([0.0, 1.0, 2.0])

    def faces(self, image):
        return tf.map_fn(decode, image, fn_output_signature=tf.TensorSpec((SIDE, SIDE, 1), tf.float32))

    @tf.function(input_signature=[strings(None, name="image")])
    def serving_default(self, image):
        dark = 4.0 - tf.reduce_mean(self.faces(image)[:, SIDE // 2 :], axis=(1, 2)) / 50.0
        return named(tf.nn.softmax(dark * self.weights))

    @tf.function(input_signature=[strings(None, name="image"), tf.TensorSpec([None], tf.int32, name="class_index")])
    def serve_grad_cam(self, image, class_index):
        """The lower half, for every class but the first, for which there is nothing."""
        half = tf.cast(tf.range(SIDE) >= SIDE // 2, tf.float32)[None, :, None]
        heat = half * tf.cast(class_index > 0, tf.float32)[:, None, None]
        return {"heat": tf.tile(heat, (1, 1, SIDE)) + 0.0 * self.faces(image)[..., 0]}

    @tf.function(input_signature=[strings(None, name="image")])
    def serve_restored(self, image):
        """Paints the upper half white."""
        faces = self.faces(image)
        mask = tf.tile(tf.cast(tf.range(SIDE) < SIDE // 2, tf.float32)[None, :, None, None], (1, 1, SIDE, 1))
        mask = tf.tile(mask, (tf.shape(faces)[0], 1, 1, 1))
        return {"restored": faces * (1 - mask) + 255.0 * mask, "mask": mask}

    def save(self, path):
        tf.saved_model.save(
            self, str(path), signatures=signatures(self, "serving_default", "serve_grad_cam", "serve_restored")
        )


class TinyClip(tf.Module):
    """A model of clips whose attention grows from frame to frame."""

    def __init__(self):
        super().__init__()
        self.weights = tf.Variable([0.0, 1.0, 2.0])

    def answer(self, faces, lengths):
        count = tf.shape(faces)[1]
        mask = tf.sequence_mask(lengths, count, tf.float32)
        attention = mask * tf.range(1.0, tf.cast(count, tf.float32) + 1.0)
        attention /= tf.reduce_sum(attention, axis=1, keepdims=True)
        dark = 4.0 - tf.reduce_mean(faces[:, :, SIDE // 2 :], axis=(2, 3, 4)) / 50.0
        scores = tf.reduce_sum(attention * dark, axis=1)[:, None] * self.weights
        return {**named(tf.nn.softmax(scores)), "attention": attention}

    @tf.function(input_signature=[strings(None, None, name="frames"), tf.TensorSpec([None], tf.int32, name="lengths")])
    def serving_default(self, frames, lengths):
        flat = tf.map_fn(
            decode, tf.reshape(frames, (-1,)), fn_output_signature=tf.TensorSpec((SIDE, SIDE, 1), tf.float32)
        )
        return self.answer(tf.reshape(flat, tf.concat([tf.shape(frames), (SIDE, SIDE, 1)], axis=0)), lengths)

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None, SIDE, SIDE, 1], tf.float32, name="frames"),
            tf.TensorSpec([None], tf.int32, name="lengths"),
        ]
    )
    def serve_tensor(self, frames, lengths):
        return self.answer(frames, lengths)

    def save(self, path):
        tf.saved_model.save(self, str(path), signatures=signatures(self, "serving_default", "serve_tensor"))


def signatures(model, *names):
    return {name: getattr(model, name) for name in names}


def draw(label="surprise", frames=FRAMES, side=240, seed=7):
    """The frames of a drawn face, BGR."""
    size = SIZES["small"].__class__(
        1, frames, side, side, 0.28 * side, (4.5, 5.0), 0.0, 2.0, (1.0, 1.0), (0.5, 1.0), (0.3, 0.5)
    )
    return [frame.image for frame in draw_sequence(size, seed, 4, 1, label, offset=True)]


def png(image):
    return cv2.imencode(".png", image)[1].tobytes()


def one_face():
    return png(draw()[FRAMES // 2])


def two_faces():
    return png(np.hstack([draw()[FRAMES // 2], draw("happiness", seed=9)[FRAMES // 2]]))


def no_face():
    return png(np.full((240, 320, 3), (180, 190, 200), np.uint8))


def clip():
    return encode_avi(draw(), FRAMES)
