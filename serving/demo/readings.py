"""What is read from a visitor's file, as the page takes it: frames to show, faces with named probabilities."""

import base64
import contextlib
import math

import cv2
import numpy as np

from fer_keras.errors import InputError
from fer_keras.explain import overlay
from fer_keras.faces import align_face, align_landmarks, decode_image, encode_png
from fer_keras.video import ClipFrames
from serving.client import RequestError
from serving.demo.memory_file import memory_file
from serving.server.errors import ServingError
from serving.server.image_limits import check_pictures

MOST_FRAMES = 150
"""Frames of a clip that are read at most; of a longer one every so many, from its start on."""

_RATE = 10  # frames a second of a clip that has more than `MOST_FRAMES`
_PICTURE_SIDE, _FRAME_SIDE = 1280, 640  # of what the page gets to show
# With WebP those of which `check_pictures` reads the size before a pixel is decoded. A GIF is read as a clip: it may be
# one, and not every OpenCV has them as pictures.
_PICTURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")


class UnreadableError(Exception):
    """A file that is not read.

    Args:
        code: str for the page: `undecodable` or `too_large`.
        message: str for the visitor.
    """

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def read_file(recognizer, encoded, limits, with_picture=True):
    """Reads a picture or a clip; the first bytes tell which.

    Args:
        recognizer: `remote_model.RemoteRecognizer`.
        encoded: bytes of the file.
        limits: `serving.server.limits.Limits`.
        with_picture: bool, whether the answer has the picture in it; a camera's frames are shown already.

    Returns:
        A dict, see `_read_picture` and `_read_clip`; boxes are fractions of width and height.

    Raises:
        UnreadableError: the file is too large, or neither a picture nor a clip.
        RequestError: the model server does not answer.
    """
    is_picture = encoded.startswith(_PICTURES) or (encoded[:4] == b"RIFF" and encoded[8:12] == b"WEBP")
    return (
        _read_picture(recognizer, encoded, limits, with_picture)
        if is_picture
        else _read_clip(recognizer, encoded, limits)
    )


def explain_face(recognizer, encoded, landmarks, label):
    """Shows where the model looked.

    Args:
        recognizer: `remote_model.RemoteRecognizer` of a model that `explains`.
        encoded: bytes, the face crop as PNG, as it came in a reading.
        landmarks: its landmarks there, or `None`.
        label: str, the class to explain.

    Returns:
        A dict of `overlay`, an image; `empty`, whether nothing in the face speaks for the class.
    """
    heat = recognizer.model.explain(encoded, landmarks, label)
    crop = cv2.resize(decode_image(encoded), None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    return {"overlay": _png(overlay(crop, heat)), "empty": not heat.any()}


def _read_picture(recognizer, encoded, limits, with_picture):
    """Returns `kind`, `size`, and `faces` in reading order, each as `_face` makes it; perhaps `picture`."""
    try:
        check_pictures("picture", np.array([encoded], object), limits.image_bytes, limits.image_pixels)
        image = decode_image(encoded)
    except ServingError as error:
        raise UnreadableError("too_large", _too_large(limits)) from error
    except InputError as error:
        raise UnreadableError(
            "undecodable", "This picture is damaged, or of a kind that cannot be read here."
        ) from error
    found = _in_reading_order(recognizer.detector.detect([image])[0])
    crops = [align_face(image, face.eyes) for face in found]
    landmarks = [align_landmarks(face.landmarks, face.eyes) for face in found]
    faces = []
    if found:
        rows = recognizer.classify(crops, landmarks)
        faces = [_face(recognizer, image, *one) for one in zip(found, crops, landmarks, rows, strict=True)]
        if recognizer.model.restores:
            for face, crop, restored, mask in zip(faces, crops, *recognizer.model.restore(crops), strict=True):
                if mask.any():
                    face["restored"] = _png(_painted(crop, restored, mask))
                    face["covered"] = round(float(mask.mean()), 3)
    answer = {"kind": "picture", "size": [image.shape[1], image.shape[0]], "faces": faces}
    return {**answer, "picture": _jpeg(image, _PICTURE_SIDE)} if with_picture else answer


def _in_reading_order(faces):
    """Row after row, each from left to right; a row are the faces whose middle is not below its topmost face."""
    rows = []
    for face in sorted(faces, key=lambda face: face.box[1] + face.box[3]):
        middle = (face.box[1] + face.box[3]) / 2
        if not rows or middle > rows[-1][0].box[3]:
            rows.append([])
        rows[-1].append(face)
    return [face for row in rows for face in sorted(row, key=lambda face: face.box[0])]


def _face(recognizer, image, face, crop, landmarks, row):
    return {
        "box": _fractions(face.box, image.shape),
        "label": recognizer.label(row),
        "probabilities": [round(float(value), 4) for value in row],
        "crop": _png(crop),
        "landmarks": np.round(landmarks, 4).tolist() if recognizer.model.takes_landmarks else None,
    }


def _read_clip(recognizer, encoded, limits):
    """Returns `kind`, `size`, `frames` with `seconds` and `picture`, `tracks` over these, and how much was read.

    That is: every so many frames (`every`), to the clip's end or not (`whole`), of so many `seconds` where known.
    """
    with memory_file(encoded) as path, _clip_errors():
        with contextlib.closing(ClipFrames(path)) as clip:
            fps, count = clip.fps or float(_RATE), clip.frame_count
            first = next(clip).image
        if first.shape[0] * first.shape[1] > limits.image_pixels:
            raise UnreadableError("too_large", _too_large(limits))
        every = 1 if count and count <= MOST_FRAMES else max(1, round(fps / _RATE))
        timeline = recognizer.read_video(path, every=every, max_frames=MOST_FRAMES)
        frames = []
        with contextlib.closing(ClipFrames(path)) as clip:
            for frame in clip:
                frames.append({"seconds": round(frame.seconds, 3), "picture": _jpeg(frame.image, _FRAME_SIDE)})
                is_last = len(frames) == len(timeline.frames)
                goes_on = all(clip.skip() for _ in range(every if is_last else every - 1))
                if is_last or not goes_on:
                    break
    return {
        "kind": "clip",
        "size": [first.shape[1], first.shape[0]],
        "frames": frames,
        "every": every,
        "whole": not goes_on,
        "seconds": round(count / fps, 1) if count else None,
        "tracks": [_track(recognizer, track, every, first.shape) for track in timeline.tracks],
    }


def _track(recognizer, track, every, shape):
    return {
        "number": track.number,
        "label": track.label,
        "probabilities": [round(float(value), 4) for value in track.answer],
        "frames": (track.frames // every).tolist(),
        "boxes": [_fractions(box, shape) for box in track.boxes],
        "labels": list(track.labels),
        "rows": np.round(track.probabilities.astype(float), 4).tolist(),
        "attention": None if track.attention is None else np.round(track.attention.astype(float), 5).tolist(),
    }


@contextlib.contextmanager
def _clip_errors():
    """Turns what is wrong with a clip, but not with the server, into words for the visitor."""
    try:
        yield
    except RequestError:
        raise
    except (InputError, StopIteration) as error:
        kinds = "PNG, JPEG, WebP, MP4, WebM, AVI and GIF can."
        message = f"This file is neither a picture nor a clip that can be read here. {kinds}"
        raise UnreadableError("undecodable", message) from error


def _too_large(limits):
    return (
        f"This is too large: pictures may have {limits.image_pixels / 1e6:.0f} megapixels and "
        f"{limits.image_bytes // 2**20} MiB, clips {limits.message_bytes // 2**20} MiB."
    )


def _painted(crop, restored, mask):
    """The crop in grey with what the model painted in it, at the crop's size."""
    size = crop.shape[1::-1]
    grey = cv2.cvtColor(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    faces = np.clip(np.round(restored), 0, 255).astype("uint8")
    faces = cv2.resize(
        np.repeat(faces, 3, axis=-1) if faces.shape[-1] == 1 else faces, size, interpolation=cv2.INTER_CUBIC
    )
    inside = cv2.resize(mask.astype("uint8"), size, interpolation=cv2.INTER_NEAREST).astype(bool)
    return np.where(inside[..., None], faces, grey)


def _fractions(box, shape):
    height, width = shape[:2]
    return [round(float(edge) / side, 4) for edge, side in zip(box, (width, height) * 2, strict=True)]


def _jpeg(image, side):
    shrink = side / max(image.shape[:2])
    if shrink < 1:
        size = [math.ceil(shrink * length) for length in image.shape[1::-1]]
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    encoded = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 85])[1]
    return "data:image/jpeg;base64," + base64.b64encode(encoded).decode()


def _png(image):
    return "data:image/png;base64," + base64.b64encode(encode_png(image)).decode()
