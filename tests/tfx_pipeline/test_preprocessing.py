import cv2
import numpy as np
import pytest
import tensorflow as tf

from fer_keras.faces.decode import decode_faces

pytestmark = pytest.mark.tfx


@pytest.mark.parametrize("channels", [1, 3])
def test_the_trainer_gets_the_pixels_that_signatures_decode(channels):
    from tfx_pipeline.preprocessing import preprocessing_fn

    crops = np.random.default_rng(0).integers(0, 256, (3, 112, 112, 3), np.uint8)
    encoded = [cv2.imencode(".png", crop)[1].tobytes() for crop in crops]
    column = {"subject": ["a", "b", "c"], "sequence": ["1", "1", "2"], "order": [2, 0, 1]}
    inputs = {name: tf.constant(values)[:, None] for name, values in column.items()}
    inputs["image/encoded"] = tf.constant(encoded)[:, None]
    inputs["label"] = tf.constant(["sadness", "anger", "neutral"])[:, None]
    inputs["occlusion"] = tf.constant(["none", "scarf", "none"])[:, None]
    landmarks = np.random.default_rng(1).uniform(size=(3, 136)).astype("float32")
    inputs["landmarks"] = tf.constant(landmarks)
    config = {"label_names": ["anger", "sadness"], "image_size": 48, "channels": channels}

    outputs = preprocessing_fn(inputs, config)

    faces = np.stack([tf.io.decode_png(face, channels=channels).numpy() for face in outputs["face"]])
    np.testing.assert_array_equal(faces, decode_faces(tf.constant(encoded), 48, 48, channels))
    assert outputs["label"].numpy().tolist() == [1, 0, -1]
    assert outputs["order"].numpy().tolist() == [2, 0, 1]
    assert outputs["occlusion"].numpy().tolist() == [b"none", b"scarf", b"none"]
    np.testing.assert_array_equal(outputs["landmarks"], landmarks)


def test_frames_of_clips_are_decoded_as_faces_are():
    from tfx_pipeline.preprocessing import preprocess_clips

    crops = np.random.default_rng(0).integers(0, 256, (3, 112, 112, 3), np.uint8)
    encoded = [cv2.imencode(".png", crop)[1].tobytes() for crop in crops]
    lists = {"image/encoded": [encoded[:2], encoded[2:]], "landmarks": [[0.1] * 272, [0.2] * 136]}
    lists |= {"frame": [[4, 6], [1]], "phase": [["onset", "apex"], [""]], "label": [["sadness"], ["anger"]]}
    lists |= {"subject": [["a"], ["b"]], "sequence": [["1"], ["2"]], "order": [[9], [3]]}
    inputs = {name: tf.ragged.constant(values).to_sparse() for name, values in lists.items()}
    config = {"label_names": ["anger", "sadness"], "image_size": 48, "channels": 1}

    outputs = preprocess_clips(inputs, config)

    faces = outputs["face"]
    assert faces.indices.numpy().tolist() == [[0, 0], [0, 1], [1, 0]]
    decoded = np.stack([tf.io.decode_png(face, channels=1).numpy() for face in faces.values])
    np.testing.assert_array_equal(decoded, decode_faces(tf.constant(encoded), 48, 48, 1))
    assert outputs["label"].numpy().tolist() == [1, 0]
    assert outputs["order"].numpy().tolist() == [9, 3]
    assert outputs["subject"].numpy().tolist() == [b"a", b"b"]
    for name in ("landmarks", "frame", "phase"):
        assert outputs[name] is inputs[name]
