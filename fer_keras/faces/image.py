"""Picture files to pixels and back: every picture from outside comes in through here."""

import os
import stat
import struct

import cv2
import numpy as np

from fer_keras.errors import InputError

MIN_SIDE = 8
MAX_SIDE = 32_766  # OpenCV cannot warp larger ones
MAX_PIXELS = 100_000_000
MAX_BYTES = 8 * MAX_PIXELS  # 16-bit RGBA without compression

# Broken files are reported as InputError; OpenCV would print its own lines about them as well.
if "OPENCV_LOG_LEVEL" not in os.environ:
    (cv2.setLogLevel if hasattr(cv2, "setLogLevel") else cv2.utils.logging.setLogLevel)(0)


def read_image(path):
    """Reads a picture file of any format that OpenCV decodes.

    Args:
        path: the file; its name may hold any characters.

    Returns:
        A uint8 array of shape `(height, width, 3)`, RGB, turned upright as its EXIF orientation says. Grey becomes
        colour, 16 bits become 8, transparency is dropped, of an animation the first frame is taken.

    Raises:
        InputError: there is no such file, it cannot be read, or it is not a picture that `decode_image` takes.
    """
    name = printable(path)
    try:
        found = os.stat(path)
        if stat.S_ISDIR(found.st_mode):
            raise InputError(f"{name}: is a directory, expected an image file")
        if not stat.S_ISREG(found.st_mode):  # a pipe would block, a device never end
            raise InputError(f"{name}: is not a regular file, expected an image file")
        if found.st_size > MAX_BYTES:
            raise InputError(f"{name}: has {found.st_size} bytes, expected an image of at most {MAX_BYTES}")
        encoded = np.fromfile(path, np.uint8)  # opens names that OpenCV cannot on every system
    except FileNotFoundError:
        raise InputError(f"{name}: no such file, expected an image file") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the name
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{name}: cannot be read ({reason}), expected an image file") from None
    return decode_image(encoded, name)


def decode_image(encoded, name="image"):
    """Decodes a picture from memory.

    Args:
        encoded: bytes, or a uint8 array of them, of a file in any format that OpenCV decodes.
        name: what error messages call the picture.

    Returns:
        A uint8 array of shape `(height, width, 3)` as `read_image` describes.

    Raises:
        InputError: it is empty, not an image, truncated, or has sides or an area beyond the limits of this module.
    """
    encoded = np.frombuffer(encoded, np.uint8)
    if encoded.size == 0:
        raise InputError(f"{name}: is empty, expected an image")
    check_size(name, *_size_in_header(encoded))
    try:
        pixels = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    except (cv2.error, MemoryError):
        pixels = None
    if pixels is None:
        raise InputError(
            f"{name}: is not an image or is damaged ({encoded.size} bytes), expected PNG, JPEG or the like"
        )
    check_size(name, pixels.shape[1], pixels.shape[0])
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)


def encode_png(pixels):
    """Encodes a picture without loss.

    Args:
        pixels: uint8 array of shape `(height, width, 3)`, RGB, or `(height, width)`, grey.

    Returns:
        The PNG file as bytes; the same pixels give the same bytes.
    """
    return cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR) if pixels.ndim == 3 else pixels)[1].tobytes()


def resize_image(pixels, width, height):
    """Resizes a picture; where it shrinks, each pixel averages those that it covers, of odd sizes unevenly.

    Args:
        pixels: uint8 array of shape `(rows, columns, 3)`.
        width: int, new columns.
        height: int, new rows.

    Returns:
        A uint8 array of shape `(height, width, 3)`.
    """
    if width > pixels.shape[1] or height > pixels.shape[0]:
        return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR)
    # To halve, linear interpolation averages as well, several times as fast.
    while pixels.shape[1] >= 2 * width and pixels.shape[0] >= 2 * height:
        pixels = cv2.resize(pixels, (pixels.shape[1] // 2, pixels.shape[0] // 2), interpolation=cv2.INTER_LINEAR)
    return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)


def printable(path):
    """Gives a path as text that any terminal or log takes, bytes that are not UTF-8 escaped."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def check_size(name, width, height):
    """Refuses pictures beyond the limits of this module.

    Args:
        name: what the message calls the picture.
        width: pixels.
        height: pixels.

    Raises:
        InputError: a side or the area is too small or too large.
    """
    if min(width, height) < MIN_SIDE:
        raise InputError(f"{name}: is {width}×{height} pixels, expected at least {MIN_SIDE}×{MIN_SIDE}")
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise InputError(
            f"{name}: is {width}×{height} pixels, expected at most {MAX_PIXELS // 1_000_000} megapixels "
            f"and {MAX_SIDE} pixels a side"
        )


def _size_in_header(encoded):
    """Width and height as a PNG or JPEG header states them, so that a small file cannot fill the memory when decoded.

    Other formats get a size within the limits and are checked after decoding.
    """
    unknown = (MIN_SIDE, MIN_SIDE)
    head = encoded[:24].tobytes()
    if head.startswith(b"\x89PNG\r\n\x1a\n") and len(head) == 24:
        return struct.unpack(">II", head[16:24])
    if not head.startswith(b"\xff\xd8"):
        return unknown
    at = 2
    while at + 9 <= encoded.size and encoded[at] == 0xFF:
        marker, length = struct.unpack(">BH", encoded[at + 1 : at + 4].tobytes())
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # a frame header
            height, width = struct.unpack(">HH", encoded[at + 5 : at + 9].tobytes())
            return width, height
        # A run of 0xFF is padding before a marker.
        at += 1 if marker == 0xFF else 2 + length
    return unknown
