"""SavedModels for TensorFlow Serving: signatures on encoded face crops, on tensors and on records."""

import os
import pathlib
import shutil
import time

import keras
import tensorflow as tf

from fer_keras.corpora.records import FEATURES
from fer_keras.errors import InputError
from fer_keras.export.serving_assets import write_serving_assets
from fer_keras.export.shown_signatures import add_shown_signatures
from fer_keras.export.video_signatures import add_video_signatures
from fer_keras.faces.decode import decode_faces
from fer_keras.models import VideoEmotion


def export_saved_model(model, directory, clip_frames=None):
    """Writes a SavedModel that answers with named probabilities.

    Signatures, all batched:

    - `serving_default`: `image`, string `(batch,)` of encoded face crops → `probabilities`, float32 `(batch, K)`;
      `label`, string `(batch,)`; `label_names`, string `(batch, K)`.
    - `serve_tensor`: `face`, float32 `(batch, height, width, channels)`, values 0-255 → the same.
    - `serve_examples`: `inputs`, string `(batch,)` of serialized face records → `classes`, string `(batch, K)`;
      `scores`, float32 `(batch, K)`.
    - `serve_grad_cam`, of a model with maps: `image`, and `class_index`, int32 `(batch,)`, below 0 for the best class →
      `heat`, float32 `(batch, height, width)`, see `fer_keras.explain.grad_cam`.
    - `serve_restored`, of an `OccludedEmotion`: `image` → `restored`, float32 `(batch, height, width, channels)`,
      0-255, the face that it reads, and `mask`, float32 `(batch, height, width, 1)`, 1 where it was painted.

    Of a model with a key-point angle map those that answer with probabilities or `heat` take `landmarks` as well,
    float32 `(batch, 68, 2)`, x and y in [0, 1] of the crop, zeros where none were found; `serve_examples` reads them
    from the records.

    Of a `VideoEmotion`:

    - `serving_default` and `serve_video`: `frames`, string `(batch, frames)` of encoded face crops, padded with `""`,
      and `lengths`, int32 `(batch,)`, from 1 to `frames` → as above, and `attention`, float32 `(batch, frames)`. What
      is behind a clip's length is not looked at. A length out of that range, and an empty or undecodable string within
      it, are an `InvalidArgumentError` (gRPC's INVALID_ARGUMENT, REST's 400) for the whole batch.
    - `serve_tensor`: `frames`, float32 `(batch, frames, height, width, channels)`, and `lengths` → the same.
    - `serve_stream`: `image`, string `(batch,)`, the next frame of every stream, none of them empty, and the state of
      the streams → the answer so far, `attention` over the latest frames, and the next state. The state is in the
      client's hands: it sends back every output whose name begins with `state_`, and zeros for a stream's first frame.
      An IRNN adds its inputs up, so a client starts anew with zeros when a stream has become longer than the clips that
      were trained on.
    - `serve_examples`: `inputs`, string `(batch,)` of serialized clips, see `fer_keras.corpora.clip_examples` →
      `classes` and `scores`, as above.

    With a key-point angle map these take `landmarks` as well, `(batch, frames, 68, 2)` or, in a stream, `(batch, 68,
    2)`; and in a stream `reference`, the landmarks of its first frame, where the model compares with that.

    Beside the graph, in `assets.extra`: `labels.txt`, and requests that servers answer before they serve a version,
    see `fer_keras.export.serving_assets`.

    Args:
        model: a `JointSupervision`, such as `AlexNetEmotion` or `VideoEmotion`.
        directory: the folder to write; it must not exist.
        clip_frames: of a `VideoEmotion`, how many frames `serve_examples` takes of a longer clip, evenly from the first
            to the last; by default all.

    Raises:
        InputError: the folder exists.
    """
    directory = pathlib.Path(directory)
    if directory.exists():
        raise InputError(f"{directory}: exists; expected the name of a new folder")
    names = tf.constant(model.label_names)

    def named(probabilities):
        return {
            "probabilities": probabilities,
            "label": tf.gather(names, tf.argmax(probabilities, axis=-1)),
            "label_names": tf.repeat(names[None], tf.shape(probabilities)[0], axis=0),
        }

    archive = keras.export.ExportArchive()
    if isinstance(model, VideoEmotion):
        add_video_signatures(archive, model, named, clip_frames)
    else:
        _add_face_signatures(archive, model, named)
    archive.write_out(str(directory), verbose=False)
    write_serving_assets(model, directory)


def _add_face_signatures(archive, model, named):
    """Adds the signatures of a model of single faces."""
    inference = model.inference_model()
    points, features = [], {"image/encoded": FEATURES["image/encoded"]}
    if model.takes_landmarks:
        points.append(tf.TensorSpec([None, 68, 2], tf.float32, name="landmarks"))
        features["landmarks"] = FEATURES["landmarks"]

    def serve_tensor(face, landmarks=None):
        inputs = face if landmarks is None else {"face": face, "landmarks": landmarks}
        return named(keras.ops.softmax(inference(inputs, training=False)))

    def serve_image(image, landmarks=None):
        return serve_tensor(tf.cast(decode_faces(image, *model.face_shape), tf.float32), landmarks)

    def serve_examples(inputs):
        parsed = tf.io.parse_example(inputs, features)
        landmarks = [tf.reshape(parsed["landmarks"], (-1, 68, 2))] if points else []
        answers = serve_image(parsed["image/encoded"], *landmarks)
        return {"classes": answers["label_names"], "scores": answers["probabilities"]}

    archive.track(inference)
    archive.add_endpoint("serving_default", serve_image, [tf.TensorSpec([None], tf.string, name="image"), *points])
    face = tf.TensorSpec([None, *model.face_shape], tf.float32, name="face")
    archive.add_endpoint("serve_tensor", serve_tensor, [face, *points])
    # TensorFlow Serving's Classify takes signatures whose one input has this name.
    archive.add_endpoint("serve_examples", serve_examples, [tf.TensorSpec([None], tf.string, name="inputs")])
    add_shown_signatures(archive, model, points)


def export_version(model, base_path):
    """Writes a SavedModel as the newest version under a server's base path; it appears whole or not at all.

    Args:
        model: see `export_saved_model`.
        base_path: folder of versions, such as `saved_models/fer`; created if missing.

    Returns:
        The path of the new version, named by Unix time.
    """
    return publish_version(base_path, lambda aside: export_saved_model(model, aside))


def newest_version(base_path):
    """The number of the newest version under a server's base path, 0 where there is none."""
    base_path = pathlib.Path(base_path)
    children = base_path.iterdir() if base_path.is_dir() else ()
    return max((int(child.name) for child in children if child.name.isascii() and child.name.isdigit()), default=0)


def publish_version(base_path, write):
    """Makes a new version under a server's base path, written aside and renamed: no server sees half of it.

    Args:
        base_path: folder of versions, such as `saved_models/fer`; created if missing.
        write: callable that gets the path of a folder, which does not exist yet, and writes the SavedModel there.

    Returns:
        The path of the new version, named by Unix time.
    """
    base_path = pathlib.Path(base_path)
    base_path.mkdir(parents=True, exist_ok=True)
    version = max(int(time.time()), newest_version(base_path) + 1)
    aside = base_path / f".{version}.{os.getpid()}.tmp"
    try:
        write(aside)
        return aside.rename(base_path / str(version))
    finally:
        shutil.rmtree(aside, ignore_errors=True)
