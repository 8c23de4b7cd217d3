import os
import struct
import zlib

import cv2
import numpy as np
import pytest

from fer_keras.errors import InputError
from fer_keras.faces.image import decode_image, encode_png, printable, read_image, resize_image


@pytest.fixture
def picture():
    """A smooth picture without any symmetry, (40, 60, 3), RGB: red grows to the right, green downwards, no blue."""
    y, x = np.mgrid[:40, :60]
    return np.stack([x * 4, y * 5, np.zeros_like(x)], axis=-1).astype(np.uint8)


def encode(pixels, extension, *options):
    return cv2.imencode(extension, pixels, *options)[1].tobytes()


def with_orientation(jpeg, orientation):
    """Puts an EXIF segment with nothing but an orientation behind a JPEG's first marker."""
    directory = struct.pack(">HHHIHHI", 1, 0x0112, 3, 1, orientation, 0, 0)
    segment = b"Exif\0\0MM\0\x2a\0\0\0\x08" + directory
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + jpeg[2:]


@pytest.mark.parametrize("extension", [".png", ".bmp", ".tiff", ".webp", ".jpg"])
def test_formats(picture, extension, tmp_path):
    path = tmp_path / f"picture{extension}"
    path.write_bytes(encode(picture[..., ::-1], extension))
    pixels = read_image(path)
    assert pixels.dtype == np.uint8
    assert np.abs(pixels.astype(int) - picture).max() <= (16 if extension in (".jpg", ".webp") else 0)


def test_grey(picture):
    pixels = decode_image(encode(picture[..., 0], ".png"))
    np.testing.assert_array_equal(pixels, np.repeat(picture[..., :1], 3, axis=-1))


def test_transparency_is_dropped(picture):
    alpha = np.full((40, 60, 1), 7, np.uint8)
    pixels = decode_image(encode(np.concatenate([picture[..., ::-1], alpha], axis=-1), ".png"))
    np.testing.assert_array_equal(pixels, picture)


@pytest.mark.parametrize("extension", [".png", ".tiff"])
def test_16_bit(picture, extension):
    pixels = decode_image(encode(picture[..., ::-1].astype(np.uint16) * 257, extension))
    assert pixels.dtype == np.uint8
    assert np.abs(pixels.astype(int) - picture).max() <= 1


@pytest.mark.parametrize(
    ("orientation", "upright"),
    [
        (1, lambda stored: stored),
        (3, lambda stored: stored[::-1, ::-1]),
        (6, lambda stored: np.rot90(stored, -1)),
        (8, lambda stored: np.rot90(stored)),
    ],
)
def test_exif_orientation(picture, orientation, upright):
    jpeg = encode(picture[..., ::-1], ".jpg", [cv2.IMWRITE_JPEG_QUALITY, 100])
    np.testing.assert_array_equal(decode_image(with_orientation(jpeg, orientation)), upright(decode_image(jpeg)))


@pytest.mark.parametrize("name", ["Gesichter/größe 微笑 😀.png".encode(), b"latin-\xe9\xff.png"])
def test_any_file_name(picture, name, tmp_path):
    path = os.path.join(os.fsencode(tmp_path), name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(encode_png(picture))
    np.testing.assert_array_equal(read_image(os.fsdecode(path)), picture)
    printable(os.fsdecode(path)).encode()


def test_error_about_a_name_that_is_not_utf8_can_be_printed(tmp_path):
    with pytest.raises(InputError, match=r"bad-\\xff.png: no such file") as error:
        read_image(os.path.join(tmp_path, os.fsdecode(b"bad-\xff.png")))
    str(error.value).encode()


def test_encode_png(picture):
    np.testing.assert_array_equal(decode_image(encode_png(picture)), picture)
    np.testing.assert_array_equal(decode_image(encode_png(picture[..., 0]))[..., 1], picture[..., 0])
    assert encode_png(picture) == encode_png(picture.copy())


@pytest.mark.parametrize(("height", "width"), [(512, 768), (511, 770), (300, 8000)])
def test_resize_averages(height, width):
    random = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    resized = resize_image(random, 96, 64)
    assert resized.shape == (64, 96, 3)
    one_step = cv2.resize(random, (96, 64), interpolation=cv2.INTER_AREA).astype(float)
    skipping = cv2.resize(random, (96, 64), interpolation=cv2.INTER_LINEAR)
    assert np.abs(resized - one_step).mean() < 0.25 * np.abs(skipping - one_step).mean()
    smooth = cv2.resize(random[:12, :12], (width, height), interpolation=cv2.INTER_CUBIC)
    exact = cv2.resize(smooth, (96, 64), interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs(resize_image(smooth, 96, 64) - exact).max() <= 4


def test_resize_enlarges_and_keeps(picture):
    np.testing.assert_array_equal(resize_image(picture, 60, 40), picture)
    assert resize_image(picture, 120, 80).shape == (80, 120, 3)
    assert resize_image(picture, 1, 1).shape == (1, 1, 3)


def one_line(error):
    return "\n" not in str(error.value)


def test_missing_file_and_directory(tmp_path):
    with pytest.raises(InputError, match=r"cannot be read \(.*embedded null .*\), expected an image file"):
        read_image("no\0ne.png")
    with pytest.raises(InputError, match=r"none\.png: no such file, expected an image file"):
        read_image(tmp_path / "none.png")
    with pytest.raises(InputError, match="is a directory, expected an image file"):
        read_image(tmp_path)


def test_pipe_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(InputError, match=r"pipe\.png: is not a regular file"):
        read_image(tmp_path / "pipe.png")


def test_link_to_itself(tmp_path):
    (tmp_path / "loop.png").symlink_to("loop.png")
    with pytest.raises(InputError, match=r"loop\.png: cannot be read"):
        read_image(tmp_path / "loop.png")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"path,label\n1.png,happy\n", r"is not an image or is damaged \(23 bytes\)"),
        (b"\x89PNG\r\n\x1a\n", "is not an image or is damaged"),
        (b"\xff\xd8\xff\xff\xff\xff", "is not an image or is damaged"),
    ],
)
def test_no_image(content, message, tmp_path):
    path = tmp_path / "bad.png"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"bad\.png: {message}") as error:
        read_image(path)
    assert one_line(error)


@pytest.mark.parametrize("extension", [".png", ".jpg", ".bmp", ".webp", ".tiff"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_truncated(extension, share):
    random = np.random.default_rng(0).integers(0, 256, (120, 90, 3), np.uint8)
    content = encode(random, extension)
    with pytest.raises(InputError, match=r"cut: is not an image or is damaged"):
        decode_image(content[: int(len(content) * share)], "cut")


@pytest.mark.parametrize("shape", [(1, 1), (7, 100), (100, 7)])
@pytest.mark.parametrize("extension", [".png", ".jpg", ".bmp"])
def test_too_small(shape, extension):
    with pytest.raises(InputError, match=f"is {shape[1]}×{shape[0]} pixels, expected at least 8×8"):
        decode_image(encode(np.zeros((*shape, 3), np.uint8), extension))


def test_too_large_is_refused_before_decoding(picture):
    png = bytearray(encode_png(picture))
    png[16:24] = struct.pack(">II", 20_000, 20_000)
    png[29:33] = struct.pack(">I", zlib.crc32(png[12:29]))
    with pytest.raises(InputError, match="is 20000×20000 pixels, expected at most 100 megapixels"):
        decode_image(bytes(png))
    jpeg = with_orientation(encode(picture, ".jpg"), 1)
    frame = jpeg.index(b"\xff\xc0")
    jpeg = jpeg[: frame + 5] + struct.pack(">HH", 60_000, 50_000) + jpeg[frame + 9 :]
    with pytest.raises(InputError, match="is 50000×60000 pixels"):
        decode_image(jpeg)


def test_too_wide():
    with pytest.raises(InputError, match="is 40000×8 pixels, expected at most"):
        decode_image(encode(np.zeros((8, 40_000, 3), np.uint8), ".png"))


@pytest.mark.parametrize("extension", [".png", ".jpg", ".bmp", ".webp", ".tiff"])
def test_damaged_bytes_never_escape_as_another_error(picture, extension):
    random = np.random.default_rng(1)
    content = np.frombuffer(encode(picture, extension), np.uint8)
    for _ in range(60):
        damaged = content.copy()
        # Half of the damage goes to the header.
        reach = random.choice([64, damaged.size])
        damaged[random.integers(0, min(reach, damaged.size), 4)] = random.integers(0, 256, 4)
        try:
            pixels = decode_image(damaged)
        except InputError:
            continue
        assert pixels.dtype == np.uint8
        assert pixels.ndim == 3
