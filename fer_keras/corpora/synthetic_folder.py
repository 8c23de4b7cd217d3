"""A drawn corpus in a folder: all of it or nothing, and never over anything else."""

import contextlib
import dataclasses
import json
import os
import pathlib
import shutil

from fer_keras.corpora.abandoned import remove_abandoned
from fer_keras.corpora.synthetic_sequence import SIZES, VERSION
from fer_keras.errors import InputError

_MARK = "synthetic.json"


def write_folder(directory, layout, size, seed, plan, write_entry, progress=None):
    """Writes a built-in corpus, or reuses it if it is there already.

    A run that is killed leaves nothing under `directory`.

    Args:
        directory: path; must not exist, be empty, or hold this very corpus.
        layout: name of the layout, part of the mark by which the corpus is known again.
        size: name of a preset in `SIZES`, or a `Size`.
        seed: int ≥ 0.
        plan: function of the `Size` that returns the list of entries to write.
        write_entry: function `(root, size, seed, entry)` that writes one entry below the folder `root`.
        progress: optional function `(done, total)`, called after every entry.

    Returns:
        `directory` as a `pathlib.Path`.

    Raises:
        InputError: unknown size, negative seed, or `directory` holds something else.
    """
    if isinstance(size, str):
        if size not in SIZES:
            raise InputError(f"unknown size {size!r} of the built-in corpus; expected one of {', '.join(SIZES)}")
        size = SIZES[size]
    if seed < 0:
        raise InputError(f"the seed must be 0 or more, received seed={seed}")
    directory = pathlib.Path(directory)
    # Through JSON once, so that tuples compare equal to the lists they are read back as.
    mark = json.loads(json.dumps({"layout": layout, "version": VERSION, "seed": seed, **dataclasses.asdict(size)}))
    if _is_taken(directory, mark):
        return directory
    directory.parent.mkdir(parents=True, exist_ok=True)
    aside = directory.with_name(f".{directory.name}.{os.getpid()}.tmp")
    remove_abandoned(directory)
    try:
        entries = plan(size)
        for done, entry in enumerate(entries, start=1):
            write_entry(aside, size, seed, entry)
            if progress is not None:
                progress(done, len(entries))
        (aside / _MARK).write_text(json.dumps(mark, indent=1) + "\n", encoding="utf-8")
        try:
            with contextlib.suppress(FileNotFoundError):
                directory.rmdir()  # an empty directory gives way
            aside.rename(directory)
        except OSError:
            # Another process may have been faster; anything else that lies there now is refused.
            if not _is_taken(directory, mark):
                raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return directory


def _is_taken(directory, mark):
    """Whether the directory holds the marked corpus; False if it is free."""
    if not directory.exists() or (directory.is_dir() and not any(directory.iterdir())):
        return False
    found = None
    if (directory / _MARK).is_file():
        with contextlib.suppress(ValueError):
            found = json.loads((directory / _MARK).read_text(encoding="utf-8"))
    if found == mark:
        return True
    held = "another built-in corpus" if isinstance(found, dict) else "something else"
    raise InputError(f"{directory} holds {held}; expected an empty or new directory for the built-in corpus")
