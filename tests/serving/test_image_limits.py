import contextlib
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from serving_testing import png

from serving.server.errors import Code, ServingError
from serving.server.image_limits import check_pictures


def announce_png(width, height):
    """A few bytes that announce a PNG of any size."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunk = struct.pack(">I", len(header) - 4) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + chunk


def announce_jpeg(width, height, before=b""):
    return b"\xff\xd8\xff" + before + b"\xc0" + struct.pack(">HBHHB", 11, 8, height, width, 1) + bytes(3)


def gif_frame(width, height):
    return b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x01\x00\x00"


HUGE = {
    "png": announce_png(60_000, 60_000),
    "png after a chunk that nobody knows": announce_png(60_000, 60_000)[:8]
    + struct.pack(">I", 20)
    + b"abCd"
    + bytes(20 + 4)
    + announce_png(60_000, 60_000)[8:],
    "jpeg": announce_jpeg(60_000, 60_000),
    "jpeg after another segment": announce_jpeg(60_000, 60_000, b"\xe0\x00\x04ab\xff"),
    "jpeg after padding": announce_jpeg(60_000, 60_000, b"\xff\xff"),
    "jpeg after junk": announce_jpeg(60_000, 60_000, b"\xe0\x00\x04ab" + b"junk\xff"),
    "jpeg after a stuffed byte": announce_jpeg(60_000, 60_000, b"\xe0\x00\x04ab" + b"\xff\x00\xff"),
    "jpeg after markers without a length": announce_jpeg(60_000, 60_000, b"\xd0\xff\x01\xff"),
    "jpeg after a segment shorter than its length": announce_jpeg(60_000, 60_000, b"\xe1\x00\x00\xff"),
    "gif": b"GIF89a" + struct.pack("<HH", 60_000, 60_000) + bytes(3),
    "gif with a frame beyond its screen": b"GIF89a"
    + struct.pack("<HHB", 5, 5, 0x80)
    + bytes(2 + 6)  # a table of two colours
    + b"!\xf9\x04\x00\x00\x00\x00\x00,"
    + struct.pack("<HHHHB", 0, 0, 60_000, 60_000, 0),
    "gif of no known version": b"GIF8xx" + struct.pack("<HH", 60_000, 60_000) + bytes(3),
    "gif of many frames": b"GIF89a" + struct.pack("<HH", 100, 100) + bytes(3) + gif_frame(100, 100) * 101,
    "webp": b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + (60_000).to_bytes(3, "little") * 2,
    "lossless webp": b"RIFF\0\0\0\0WEBPVP8L\0\0\0\0\x2f" + struct.pack("<I", 16_000 | 16_000 << 14),
    "lossy webp": b"RIFF\0\0\0\0WEBPVP8 \0\0\0\0\0\0\0\x9d\x01\x2a" + struct.pack("<HH", 16_000, 16_000),
}


def check(value, max_bytes=10**6, max_pixels=10**6):
    check_pictures("image", np.array([value], object), max_bytes, max_pixels)


@pytest.mark.parametrize("kind", HUGE)
@pytest.mark.parametrize("around", [b"", b"\x0a\x80\x01image/encoded"])
def test_bombs_are_refused_by_their_header(kind, around):
    with pytest.raises(ServingError, match=r"Input image has a picture of \d+x\d+ pixels") as caught:
        check(around + HUGE[kind])
    assert caught.value.code == Code.INVALID_ARGUMENT


def test_real_pictures_pass():
    pixels = tf.zeros((20, 30, 3), tf.uint8)
    for encoded in (png(3), tf.io.encode_jpeg(pixels).numpy(), tf.io.encode_png(pixels).numpy()):
        check(encoded, max_pixels=600)
    with pytest.raises(ServingError, match="30x20 pixels; at most 599"):
        check(tf.io.encode_jpeg(pixels).numpy(), max_pixels=599)


@pytest.mark.parametrize("kind", HUGE)
def test_headers_cut_short_are_no_fault_of_the_server(kind):
    for cut in range(len(HUGE[kind])):
        with contextlib.suppress(ServingError):
            check(HUGE[kind][:cut])


def test_gifs_count_all_frames_for_tensorflow_decodes_them_all():
    gif = b"GIF89a" + struct.pack("<HH", 10, 10) + bytes(3) + gif_frame(10, 10) * 3
    check(gif, max_pixels=300)
    with pytest.raises(ServingError, match="10x10 pixels in each of 3 frames; at most 299"):
        check(gif, max_pixels=299)


def test_bmp_is_limited_where_it_is_whole():
    """Without compression it can be no bomb, and text that begins with BM is no picture."""
    header = b"BM" + bytes(8) + struct.pack("<IIiiHH", 54, 40, 20, -30, 1, 8) + bytes(24)
    with pytest.raises(ServingError, match="20x30 pixels; at most 599"):
        check(header + bytes(600), max_pixels=599)
    check(header, max_pixels=599)
    check(b"BM" + b"text" * 100)
    with pytest.raises(ServingError, match="a picture of 654 bytes; at most 600"):
        check(header + bytes(600), max_bytes=600)


@pytest.mark.parametrize("junk", [b"junk", b"\xff\x00", b"\xff\xd0", b"\xff\x01", b"\xff\xe1\x00\x00"])
def test_what_tensorflow_decodes_has_a_size(junk):
    encoded = tf.io.encode_jpeg(tf.zeros((20, 30, 1), tf.uint8)).numpy()
    at = 4 + int.from_bytes(encoded[4:6], "big")  # after the first segment
    encoded = encoded[:at] + junk + encoded[at:]
    assert tf.io.decode_image(encoded).shape == (20, 30, 1)
    with pytest.raises(ServingError, match="30x20 pixels; at most 599"):
        check(encoded, max_pixels=599)


def test_large_files():
    with pytest.raises(ServingError, match="a picture of 2000 bytes; at most 1000"):
        check(png(1)[:8] + bytes(1992), max_bytes=1000)
    check(b"text" * 500, max_bytes=1000)  # no picture
