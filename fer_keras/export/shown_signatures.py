"""Signatures for people who look on: where a model of single faces looked, and what it took a covered face for."""

import tensorflow as tf

from fer_keras.explain import grad_cam_in_graph
from fer_keras.faces.decode import decode_faces
from fer_keras.models import OccludedEmotion


def add_shown_signatures(archive, model, points):
    """Adds those that the model has to an archive, see `export_saved_model`.

    Args:
        archive: a `keras.export.ExportArchive` that tracks the model's variables.
        model: a `JointSupervision` of single faces.
        points: list of the `tf.TensorSpec` of landmarks, empty for a model without.
    """
    image = tf.TensorSpec([None], tf.string, name="image")

    def faces_of(encoded):
        return tf.cast(decode_faces(encoded, *model.face_shape), tf.float32)

    def heat_of(face, landmarks, class_index):
        inputs = face if landmarks is None else {"face": face, "landmarks": landmarks}
        return grad_cam_in_graph(model, inputs, class_index)

    def serve_grad_cam(image, class_index, landmarks=None):
        return {"heat": heat_of(faces_of(image), landmarks, class_index)}

    def serve_restored(image):
        return model.restorer(faces_of(image), training=False)

    # Not every network has maps: tried on one black face, since a signature that fails would fail the export.
    black = tf.zeros((1, *model.face_shape)), tf.zeros((1, 68, 2)) if points else None
    if heat_of(*black, tf.constant([-1])) is not None:
        class_index = tf.TensorSpec([None], tf.int32, name="class_index")
        archive.add_endpoint("serve_grad_cam", serve_grad_cam, [image, class_index, *points])
    if isinstance(model, OccludedEmotion):
        archive.add_endpoint("serve_restored", serve_restored, [image])
