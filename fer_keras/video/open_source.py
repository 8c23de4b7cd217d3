"""From what a person names to frames: a file, a folder or the number of a webcam."""

import numbers
import os

from fer_keras.errors import InputError
from fer_keras.faces.image import printable
from fer_keras.video.camera_frames import CameraFrames
from fer_keras.video.clip_frames import ClipFrames
from fer_keras.video.folder_frames import FolderFrames, has_picture_name

_CLIP_ENDINGS = (".mjpeg", ".mjpg")
"""Of clips that begin as pictures do: JPEGs one behind the other."""
_PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"BM", b"GIF8", b"II*\0", b"MM\0*")


def open_source(source):
    """Opens a source of frames.

    Args:
        source: path of a video file or of a folder of pictures, or the number of a webcam, as an int or as text of
            digits. Where a file or folder is called like a number, it goes before the webcam.

    Returns:
        A `FrameSource`: `ClipFrames`, `FolderFrames` or `CameraFrames`.

    Raises:
        InputError: it is of another type, there is no such source, or it holds no frame.
    """
    if isinstance(source, numbers.Integral) and not isinstance(source, bool):
        return CameraFrames(int(source))
    if not isinstance(source, (str, bytes, os.PathLike)):
        raise InputError(
            f"received {type(source).__name__}; expected the path of a video file or of a folder of frames, or the "
            "number of a webcam (frames in memory are for a Stream)"
        )
    if os.path.isdir(source):
        return FolderFrames(source)
    if not os.path.lexists(source):
        text = os.fspath(source)
        if text.isdecimal():
            return CameraFrames(int(text))
        raise InputError(
            f"{printable(source)}: no such file, expected a video file, a folder of frames or the number of a webcam"
        )
    return ClipFrames(source)


def is_picture(path):
    """Whether a path is a file that is taken for a single picture, not for a source of frames.

    It is by the ending of its name, or, where that says nothing, by its first bytes. A GIF is a picture.

    Args:
        path: any path.
    """
    if os.path.isdir(path) or os.path.splitext(path)[1].lower() in _CLIP_ENDINGS:
        return False
    if has_picture_name(os.path.basename(path)):
        return True
    try:
        with open(path, "rb") as file:
            head = file.read(12)
    except (OSError, ValueError):
        return False
    return head.startswith(_PICTURES) or (head[:4] == b"RIFF" and head[8:] == b"WEBP")
