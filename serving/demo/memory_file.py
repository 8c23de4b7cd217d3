"""A file that is never on a disk: FFmpeg opens clips by name, and what a visitor shows is not to be stored."""

import contextlib
import os


@contextlib.contextmanager
def memory_file(content):
    """Gives bytes a path for as long as the context lasts.

    Args:
        content: bytes.

    Yields:
        str, a path that only this process can open.
    """
    descriptor = os.memfd_create("clip", os.MFD_CLOEXEC)
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
