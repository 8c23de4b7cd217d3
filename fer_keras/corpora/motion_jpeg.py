"""Clips as Motion JPEG in AVI files: every frame a JPEG picture, in the oldest container that everything reads.

OpenCV's own writers report no error when a disk is full, and put the version of FFmpeg into the file.
"""

import struct

import cv2

from fer_keras.errors import InputError

_QUALITY = 92
_HAS_INDEX, _KEY_FRAME = 0x10, 0x10


def encode_avi(frames, fps):
    """Encodes a clip.

    Args:
        frames: iterable of uint8 arrays of one shape, `(height, width, 3)`, BGR, or `(height, width)`, grey.
        fps: int, frames a second.

    Returns:
        The AVI file as bytes; the same pixels give the same bytes.

    Raises:
        InputError: there is no frame.
    """
    pictures, size = [], None
    for frame in frames:
        size = frame.shape[1::-1]
        pictures.append(cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes())
    if size is None:
        raise InputError("a clip needs at least one frame, received none")
    # Field by field the structures AVIMAINHEADER, AVISTREAMHEADER, BITMAPINFOHEADER and the entries of AVIOLDINDEX.
    main = struct.pack("<14I", round(1e6 / fps), 0, 0, _HAS_INDEX, len(pictures), 0, 1, 0, *size, 0, 0, 0, 0)
    stream = struct.pack("<4s4s10I4H", b"vids", b"MJPG", 0, 0, 0, 1, fps, 0, len(pictures), 0, 0, 0, 0, 0, *size)
    picture = struct.pack("<IiiHH4sIiiII", 40, *size, 1, 24, b"MJPG", 3 * size[0] * size[1], 0, 0, 0, 0)
    headers = _list(b"hdrl", _chunk(b"avih", main), _list(b"strl", _chunk(b"strh", stream), _chunk(b"strf", picture)))
    index, place = [], 4
    for encoded in pictures:
        index.append(struct.pack("<4s3I", b"00dc", _KEY_FRAME, place, len(encoded)))
        place += 8 + len(encoded) + len(encoded) % 2
    movie = _list(b"movi", *(_chunk(b"00dc", encoded) for encoded in pictures))
    return _chunk(b"RIFF", b"AVI " + headers + movie + _chunk(b"idx1", b"".join(index)))


def _chunk(name, content):
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def _list(name, *chunks):
    return _chunk(b"LIST", name + b"".join(chunks))
