"""Limits on pictures in requests, read from their headers: a few bytes can announce gigabytes of pixels."""

import re
import struct

from serving.server.errors import Code, ServingError

# Formats that TensorFlow's decode_image takes, by the first bytes of a file. BMP is not compressed: no bomb.
_STARTS = re.compile(rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff|GIF8[79]a|RIFF....WEBP", re.DOTALL)


def check_pictures(name, values, max_bytes, max_pixels):
    """Refuses pictures that are too large, wherever they are in a string: on their own or within a serialized record.

    Args:
        name: str, the input's name, for the message.
        values: array of `bytes` objects.
        max_bytes: int, the largest file.
        max_pixels: int, the most pixels that a header may state.

    Raises:
        ServingError: INVALID_ARGUMENT for a picture beyond a limit.
    """
    for value in values.ravel():
        at_start = _STARTS.match(value)
        if at_start and len(value) > max_bytes:
            raise ServingError(
                Code.INVALID_ARGUMENT,
                f"Input {name} has a picture of {len(value)} bytes; at most {max_bytes} are taken",
            )
        # In a picture itself, bytes that look like another one's start are chance or a thumbnail.
        for start in [at_start] if at_start else _STARTS.finditer(value):
            width, height = _size(value, start.start())
            if width * height > max_pixels:
                raise ServingError(
                    Code.INVALID_ARGUMENT,
                    f"Input {name} has a picture of {width}x{height} pixels; at most {max_pixels} pixels are taken",
                )


def _size(data, start):
    """Returns width and height as the header at `start` states them; (0, 0) where it is broken or cut off."""
    try:
        if data.startswith(b"\x89PNG", start):
            return struct.unpack_from(">II", data, start + 16)
        if data.startswith(b"GIF8", start):
            return _gif_size(data, start)
        if data.startswith(b"RIFF", start):
            return _webp_size(data, start)
        return _jpeg_size(data, start)
    except (struct.error, IndexError):
        return 0, 0


def _jpeg_size(data, at):
    at += 2
    while data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # padding before a marker
            at += 1
            continue
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # a frame header
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height
        (length,) = struct.unpack_from(">H", data, at + 2)
        at += 2 + length
    return 0, 0


def _gif_size(data, start):
    """Returns the largest width and height: a frame may state more than the screen, and is what is decoded."""
    width, height, flags = struct.unpack_from("<HHB", data, start + 6)
    at = start + 13 + _colours(flags)
    try:
        while data[at] in b"!,":
            if data[at : at + 1] == b",":  # a frame
                frame = struct.unpack_from("<HHB", data, at + 5)
                width, height = max(width, frame[0]), max(height, frame[1])
                at += 11 + _colours(frame[2])
            else:  # an extension
                at += 2
            while data[at]:  # blocks, each with its length before it
                at += 1 + data[at]
            at += 1
    except (struct.error, IndexError):  # cut off: what was seen counts
        pass
    return width, height


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
