"""Limits on pictures in requests, read from their headers: a few bytes can announce gigabytes of pixels.

Headers are read as the libraries read them that TensorFlow decodes with, faults passed over that they pass over: what
yields no size here, they do not decode.
"""

import re
import struct

from serving.server.errors import Code, ServingError

# Formats that TensorFlow's decode_image takes, by the first bytes of a file; it leaves GIF's version open.
_STARTS = re.compile(rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff|GIF8|RIFF....WEBP", re.DOTALL)
# Two letters are too few to look for within records. BMP is not compressed: there the size of the message bounds it.
_BMP = re.compile(b"BM")
# As libjpeg's next_marker: bytes before an 0xFF are passed over. Left out are markers that have no length after them.
_JPEG_MARKER = re.compile(rb"\xff([^\x00\x01\xd0-\xd7\xff])", re.DOTALL)


def check_pictures(name, values, max_bytes, max_pixels):
    """Refuses pictures that are too large, wherever they are in a string: on their own or within a serialized record.

    Args:
        name: str, the input's name, for the message.
        values: array of `bytes` objects.
        max_bytes: int, the largest file.
        max_pixels: int, the most pixels that a header may state, of all frames together.

    Raises:
        ServingError: INVALID_ARGUMENT for a picture beyond a limit.
    """
    for value in values.ravel():
        at_start = _STARTS.match(value) or _BMP.match(value)
        if at_start and len(value) > max_bytes:
            raise ServingError(
                Code.INVALID_ARGUMENT,
                f"Input {name} has a picture of {len(value)} bytes; at most {max_bytes} are taken",
            )
        # In a picture itself, bytes that look like another one's start are chance or a thumbnail.
        for start in [at_start] if at_start else _STARTS.finditer(value):
            width, height, frames = _size(value, start.start())
            if width * height * frames > max_pixels:
                size = f"{width}x{height} pixels" + (f" in each of {frames} frames" if frames > 1 else "")
                raise ServingError(
                    Code.INVALID_ARGUMENT,
                    f"Input {name} has a picture of {size}; at most {max_pixels} pixels are taken",
                )


def _size(data, start):
    """Returns width, height and frames as the header at `start` states them; zeros where it is broken or cut off."""
    try:
        if data.startswith(b"GIF8", start):
            return _gif_size(data, start)
        for magic, size in ((b"\x89PNG", _png_size), (b"RIFF", _webp_size), (b"BM", _bmp_size)):
            if data.startswith(magic, start):
                return *size(data, start), 1
        return *_jpeg_size(data, start), 1
    except (struct.error, IndexError):
        return 0, 0, 0


def _png_size(data, start):
    at = start + 8
    while data[at + 4 : at + 8] != b"IHDR":  # libpng lets chunks that it does not know come before
        (length,) = struct.unpack_from(">I", data, at)
        at += 12 + length
    return struct.unpack_from(">II", data, at + 8)


def _jpeg_size(data, at):
    at += 2
    while True:
        marker = _JPEG_MARKER.search(data, at)
        if marker is None or marker[1] in b"\xd9\xda":  # the end, or pixels before any frame header
            return 0, 0
        at = marker.end()
        if marker[1][0] in range(0xC0, 0xD0) and marker[1] not in b"\xc4\xc8\xcc":  # a frame header
            height, width = struct.unpack_from(">HH", data, at + 3)
            return width, height
        (length,) = struct.unpack_from(">H", data, at)
        at += max(length, 2)


def _bmp_size(data, start):
    width, height = struct.unpack_from("<ii", data, start + 18)
    width, height = abs(width), abs(height)  # a negative height says that the top row is first
    # A pixel takes a byte at least: TensorFlow decodes no file, and no text that begins with BM, which lacks some.
    return (width, height) if width * height <= len(data) - start else (0, 0)


def _gif_size(data, start):
    """Returns the largest width and height and the number of frames.

    A frame may state more than the screen, and is what is decoded; all frames are, also where one is wanted.
    """
    width, height, flags = struct.unpack_from("<HHB", data, start + 6)
    at, frames = start + 13 + _colours(flags), 0
    try:
        while data[at] in b"!,":
            if data[at : at + 1] == b",":  # a frame
                frame = struct.unpack_from("<HHB", data, at + 5)
                width, height, frames = max(width, frame[0]), max(height, frame[1]), frames + 1
                at += 11 + _colours(frame[2])
            else:  # an extension
                at += 2
            while data[at]:  # blocks, each with its length before it
                at += 1 + data[at]
            at += 1
    except (struct.error, IndexError):  # cut off: what was seen counts
        pass
    return width, height, max(frames, 1)


def _colours(flags):
    """Bytes of the table of colours that follows."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _webp_size(data, start):
    kind, body = data[start + 12 : start + 16], start + 20
    if kind == b"VP8X":
        width, height = (int.from_bytes(data[at : at + 3], "little") + 1 for at in (body + 4, body + 7))
        return width, height
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, body + 1)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", data, body + 6)
    return width & 0x3FFF, height & 0x3FFF
