"""A copy of a clip with what was read drawn on its frames."""

import contextlib
import math
import os
import pathlib

import cv2
import numpy as np

from fer_keras.errors import InputError
from fer_keras.faces.image import printable
from fer_keras.faces.video import MAX_FPS, Video
from fer_keras.video.palette import class_colours

FORMATS = {".mp4": "mp4v", ".avi": "MJPG"}
"""The endings that a copy may have, with their codecs: MPEG-4 Visual, or Motion JPEG, larger and played anywhere."""

_GREY = (90, 90, 90)


class AnnotatedVideo:
    """Writes an annotated copy, frame by frame; it appears whole or not at all.

    To be used in `with`: the file is written aside and gets its name when all went well. All frames are of the first
    one's size, less a last odd row or column; a frame of another size is scaled to fit, black around it. A frame
    without a picture is black and says so; one without a face says that. Sound is not copied.

    Args:
        path: the file to write, `.mp4` or `.avi`; what it held is replaced.
        fps: frames a second.

    Raises:
        InputError: the ending is another, OpenCV cannot write there, or, at the end, the copy is not complete, as on a
            full disk.

    Example:
    >>> with AnnotatedVideo("annotated.mp4", fps=25) as copy:
    ...     copy.write(frame, [(1, (40, 60, 120, 150), "happiness", 0.93)])
    """

    def __init__(self, path, fps):
        path = pathlib.Path(path)
        self._name = printable(path)
        if path.suffix.lower() not in FORMATS:
            raise InputError(f"{self._name}: expected an annotated copy to end in {' or '.join(FORMATS)}")
        try:
            os.fspath(path.absolute()).encode()
        except UnicodeEncodeError:
            raise InputError(
                f"{self._name}: OpenCV writes only where all names are UTF-8; choose another folder"
            ) from None
        self._path, self._fps = path, min(fps, MAX_FPS)
        self._aside = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
        self._writer, self._size = None, None
        self._count = 0

    def __enter__(self):
        return self

    def __exit__(self, kind, *exception):
        try:
            if self._writer is not None:
                self._writer.release()
                if kind is None:
                    self._check()
                    self._aside.replace(self._path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                self._aside.unlink()

    def write(self, image, faces):
        """Writes the next frame.

        Args:
            image: uint8 array of shape `(height, width, 3)`, RGB, or `None` where there is no picture.
            faces: list of `(track, box, label, probability)`, the box in pixels of the image.

        Raises:
            InputError: OpenCV cannot write there.
        """
        self._count += 1
        if self._writer is None and image is not None:
            self._open(image.shape[1] & ~1, image.shape[0] & ~1)
            for _ in range(self._count - 1):  # frames without a picture, whose size was not known
                self._writer.write(_no_picture(*self._size))
        if self._writer is not None:
            picture = _no_picture(*self._size) if image is None else fit(annotate(image, faces), *self._size)
            self._writer.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))

    def _open(self, width, height):
        codec = cv2.VideoWriter_fourcc(*FORMATS[self._path.suffix.lower()])
        self._size = width, height
        self._writer = cv2.VideoWriter(os.fspath(self._aside.absolute()), cv2.CAP_FFMPEG, codec, self._fps, self._size)
        if not self._writer.isOpened():
            raise InputError(f"{self._name}: OpenCV cannot write there a video of {width}×{height} pixels")

    def _check(self):
        # The writer reports nothing, not even a full disk.
        try:
            with Video(self._aside) as written:
                count = written.frame_count
        except InputError:
            count = 0
        if count != self._count:
            raise InputError(f"{self._name}: only {count} of {self._count} frames were written; is the disk full?")


def annotate(image, faces):
    """Draws boxes, labels and probabilities on a frame, or writes that there is no face.

    Args:
        image: uint8 array of shape `(height, width, 3)`, RGB.
        faces: list of `(track, box, label, probability)`, the box in pixels.

    Returns:
        A new uint8 array of the image's shape.
    """
    picture = np.ascontiguousarray(image).copy()
    height, width = picture.shape[:2]
    unit = min(height, width) / 480
    thick = max(2, round(2 * unit))
    if not faces:
        _write_tag(picture, "no face", (0, height, height), _GREY, unit)
    for track, box, label, probability in faces:
        colour = tuple(int(class_colours([label])[label][place : place + 2], 16) for place in (1, 3, 5))
        left, top, right, bottom = (round(float(edge)) for edge in box)
        cv2.rectangle(picture, (left, top), (right, bottom), colour, thick, cv2.LINE_AA)
        _write_tag(picture, f"{track} {label} {probability:.2f}", (left, top, bottom), colour, unit)
    return picture


def _write_tag(picture, text, place, colour, unit):
    """Writes on a plate above a box, below it where there is no room, within the picture."""
    left, top, bottom = place
    height, width = picture.shape[:2]
    font, scale, line = cv2.FONT_HERSHEY_SIMPLEX, max(0.36, 0.6 * unit), max(1, round(1.4 * unit))
    (across, up), down = cv2.getTextSize(text, font, scale, line)
    pad = max(2, math.ceil(4 * unit))
    plate = up + down + 2 * pad
    y = max(0, min(top - plate if top >= plate else bottom, height - plate))
    x = max(0, min(left, width - across - 2 * pad))
    cv2.rectangle(picture, (x, y), (x + across + 2 * pad, y + plate), colour, cv2.FILLED)
    red, green, blue = colour
    ink = (0, 0, 0) if 0.299 * red + 0.587 * green + 0.114 * blue > 150 else (255, 255, 255)
    cv2.putText(picture, text, (x + pad, y + pad + up), font, scale, ink, line, cv2.LINE_AA)


def fit(picture, width, height):
    """Brings a picture to a size: as it is, cut by an odd last row or column, or scaled with black around it."""
    if picture.shape[0] - height in (0, 1) and picture.shape[1] - width in (0, 1):
        return picture[:height, :width]
    scale = min(width / picture.shape[1], height / picture.shape[0])
    inner = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
    whole = np.zeros((height, width, 3), np.uint8)
    x, y = (width - inner[0]) // 2, (height - inner[1]) // 2
    whole[y : y + inner[1], x : x + inner[0]] = cv2.resize(picture, inner, interpolation=cv2.INTER_AREA)
    return whole


def _no_picture(width, height):
    picture = np.zeros((height, width, 3), np.uint8)
    _write_tag(picture, "no picture", (0, height, height), _GREY, min(height, width) / 480)
    return picture
