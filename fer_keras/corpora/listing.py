"""What lies in a folder, in a fixed order, for readers whose layout is one of folders.

One folder is listed at a time and never what lies below it, so that no loop of links is walked. Hidden entries are
left out: operating systems leave `.DS_Store` and `._*` beside everything.
"""

import os
import pathlib
import re
import stat

PICTURES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
"""Endings of picture files, lower case."""

_NUMBER = re.compile(r"(?:.*_)?([0-9]{1,9})", re.DOTALL)  # more digits would not fit into a record


def folders(parent, skips):
    """Lists the folders in a folder.

    Args:
        parent: `pathlib.Path`; nothing is listed if there is no such folder.
        skips: `SkipLog`; receives the folder if it cannot be listed, and links that would lead back to where it lies.

    Returns:
        List of `pathlib.Path`, sorted by name.
    """
    found = []
    for path in _entries(parent, skips):
        if os.path.islink(path) and _leads_back(path):
            skips.add(path, _LOOP)
        elif os.path.isdir(path):
            found.append(path)
    return found


def files(parent, skips, endings=PICTURES):
    """Lists the files of a kind in a folder.

    Args:
        parent: `pathlib.Path`; nothing is listed if there is no such folder.
        skips: `SkipLog`; receives what is named like such a file and is none: a folder, a pipe; and links that lead
            nowhere, or back to where they lie.
        endings: string or tuple of strings that the names end with, lower case; the names' own case does not matter.

    Returns:
        List of `pathlib.Path`, sorted by name.
    """
    found = []
    for path in _entries(parent, skips):
        named = path.name.lower().endswith(endings)
        if named and os.path.isfile(path):
            found.append(path)
        elif os.path.islink(path) and _leads_back(path):
            skips.add(path, _LOOP)
        elif os.path.islink(path) and not os.path.exists(path):
            skips.add(path, "is a link that leads nowhere; expected a file")
        elif named:
            skips.add(path, "is no file; expected one by its name")
    return found


def frames(folder, skips, endings, example):
    """Lists the numbered pictures in the folder of a sequence.

    Args:
        folder: `pathlib.Path`; nothing is listed if there is no such folder.
        skips: `SkipLog`; receives pictures whose name does not end in a number.
        endings: as for `files`.
        example: a good name, for the reason.

    Returns:
        List of pairs of frame number and `pathlib.Path`, sorted.
    """
    found = []
    for path in files(folder, skips, endings):
        match = _NUMBER.fullmatch(path.stem)
        if match:
            found.append((int(match[1]), path))
        else:
            skips.add(path, f"no frame number; expected a name like {example}")
    return sorted(found)


def first_folder(*paths):
    """The first of some paths that is a folder, `None` if none is."""
    return next((pathlib.Path(path) for path in paths if os.path.isdir(path)), None)


def first_file(*paths):
    """The first of some paths that is a file, `None` if none is."""
    return next((pathlib.Path(path) for path in paths if os.path.isfile(path)), None)


def read_small(path, limit=1_000_000):
    """Reads a small file that lies beside the pictures.

    Args:
        path: the file.
        limit: how many bytes it may have.

    Returns:
        Pair of its bytes and what is wrong with it, `""` if nothing is. The bytes are `None` if there is no such file,
        which is no fault, or a faulty one.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # a pipe would block, a device never end
            return None, "is no file; expected one by its name"
        with open(path, "rb") as file:
            content = file.read(limit + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None, ""
    except OSError as error:
        return None, f"cannot be read ({error.strerror}); expected a file"
    return (content, "") if len(content) <= limit else (None, f"has more than {limit} bytes; expected a small file")


_LOOP = "is a link back to where it lies, which is not followed"


def _leads_back(link):
    """Whether a link leads to itself, or to a folder that it lies in."""
    target = os.path.realpath(link)
    if os.path.islink(target):  # that is where a loop of links ends
        return True
    return pathlib.Path(os.path.realpath(link.parent)).is_relative_to(target)


def _entries(parent, skips):
    try:
        names = sorted(name for name in os.listdir(parent) if not name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        skips.add(parent, f"cannot be listed ({error.strerror}); expected a folder")
        return []
    return [parent / name for name in names]
