import csv
import os
import pathlib

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf

from fer_keras import Recognizer
from fer_keras.corpora.motion_jpeg import encode_avi
from fer_keras.corpora.synthetic import SIZES, draw_sequence
from fer_keras.faces import BlazeFace, Face, read_image
from fer_keras.models import AlexNetEmotion, VideoEmotion

NAMES = ("neutral", "happiness", "surprise")
FPS = 25


@pytest.fixture(scope="session")
def shipped():
    """The shipped preset with the real detector."""
    return Recognizer.from_preset("alexnet_emotion_fer2013")


@pytest.fixture(scope="session")
def drawn():
    """A function that draws the frames of one person's display, RGB."""

    def draw(person=4, emotion="happiness", size="small", offset=True):
        frames = [frame.image for frame in draw_sequence(SIZES[size], 0, person, 1, emotion, offset=offset)]
        return [cv2.cvtColor(image, cv2.COLOR_BGR2RGB if image.ndim == 3 else cv2.COLOR_GRAY2RGB) for image in frames]

    return draw


@pytest.fixture
def write_clip(tmp_path):
    """A function that writes RGB frames of one size as a clip of 25 frames a second."""

    def write(frames, name="clip.avi", fps=FPS):
        (tmp_path / name).write_bytes(encode_avi([frame[..., ::-1] for frame in frames], fps))
        return tmp_path / name

    return write


@pytest.fixture
def write_folder(tmp_path):
    """A function that writes RGB frames, `None` for a damaged one, as pictures of a folder."""

    def write(frames, name="frames"):
        folder = tmp_path / name
        folder.mkdir()
        for number, frame in enumerate(frames):
            if frame is None:
                (folder / f"f{number}.png").write_bytes(b"\x89PNG\r\n\x1a\nno more of it")
            else:
                cv2.imwrite(str(folder / f"f{number}.png"), frame[..., ::-1])
        return folder

    return write


class PaintedFaces:
    """A detector for frames of flat colour: of every white square it says that it is a face."""

    def detect(self, images):
        return [self._detect(image) for image in images]

    def _detect(self, image):
        count, _, stats, _ = cv2.connectedComponentsWithStats((image.min(axis=-1) > 200).astype(np.uint8))
        faces = []
        for left, top, width, height, _ in stats[1:count].astype(float):
            eyes = np.array([[left + 0.3 * width, top + 0.4 * height], [left + 0.7 * width, top + 0.4 * height]])
            faces.append(Face((left, top, left + width, top + height), 0.9, eyes))
        return faces


def paint(*places, shade=255, size=(120, 160), side=30):
    """A dark frame, `(height, width, 3)`, with squares whose left top corners are `places`."""
    frame = np.zeros((*size, 3), np.uint8)
    for left, top in places:
        frame[top : top + side, left : left + side] = shade
    return frame


class MeanGrey(keras.Model):
    """A model of single faces whose answer depends on how bright they are: nothing to train, fast."""

    label_names = NAMES
    face_shape = (8, 8, 1)
    takes_landmarks = False

    def call(self, faces, training=False):
        grey = tf.reduce_mean(tf.cast(faces, tf.float32), axis=(1, 2, 3)) / 255.0
        return tf.stack([2.0 - grey, 6.0 * grey - 2.0, tf.zeros_like(grey)], axis=-1)


@pytest.fixture
def painted():
    """A recogniser of painted faces, with a model of single faces."""
    return Recognizer(MeanGrey(), 0.4, PaintedFaces())


@pytest.fixture(scope="module")
def sequences():
    """A recogniser of painted faces, with a model of sequences whose attention is not even."""
    keras.utils.set_random_seed(1)
    model = VideoEmotion.from_frame_model(AlexNetEmotion(NAMES, width=0.25), units=16)
    kernel = model.temporal.get_layer("pooling").kernel
    kernel.assign(np.random.default_rng(0).normal(0, 4, kernel.shape))
    return Recognizer(model, 0.4, PaintedFaces())


@pytest.fixture(scope="session")
def film():
    """Twelve frames with two painted faces that move and change, the second out of sight for four of them."""
    frames = []
    for step in range(12):
        frame = paint((10 + 2 * step, 40), shade=205 + 4 * step)
        if not 5 <= step < 9:
            frame |= paint((110, 70 - step), shade=250 - 3 * step)
        frames.append(frame)
    return frames


@pytest.fixture(scope="session")
def smile():
    """A function that gives the RGB frames of a morph from a neutral to a smiling photograph of one person."""
    if not os.environ.get("FER_TEST_FACES"):
        pytest.skip("needs photographs of faces: set FER_TEST_FACES to a folder with london_faces/")
    folder = pathlib.Path(os.environ["FER_TEST_FACES"], "london_faces")
    with (folder / "labels.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    detector = BlazeFace()

    def morph(subject, count=24):
        paths = {row["label"]: folder / row["path"] for row in rows if row["subject"] == subject}
        pictures = [read_image(paths[label]) for label in ("neutral", "happy")]
        points = [faces[0].landmarks for faces in detector.detect(pictures)]
        course = 0.5 - 0.5 * np.cos(np.linspace(0, np.pi, count))
        return [_blend(pictures, points, share) for share in course]

    morph.subjects = sorted({row["subject"] for row in rows})
    return morph


def _blend(pictures, points, share):
    """Both pictures with their landmarks moved to a place between, one faded into the other."""
    between = (1 - share) * points[0] + share * points[1]
    moved = [_move(picture, between, own) for picture, own in zip(pictures, points, strict=True)]
    return cv2.addWeighted(moved[0], 1 - share, moved[1], share, 0)


def _move(picture, targets, sources, reach=20.0):
    """Moves the points `sources` of a picture to `targets`, and what is around them with them."""
    height, width = picture.shape[:2]
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype("float32")
    coarse = grid[::8, ::8]
    weights = np.exp(-np.square(coarse[:, :, None] - targets).sum(axis=-1) / (2 * reach**2))
    shift = np.einsum("hwn,nc->hwc", weights, sources - targets) / (weights.sum(axis=-1, keepdims=True) + 0.1)
    places = grid + cv2.resize(shift, (width, height), interpolation=cv2.INTER_LINEAR)
    return cv2.remap(picture, places.astype("float32"), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
