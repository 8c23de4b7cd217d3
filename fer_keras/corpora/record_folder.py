"""A folder of record files: whose it is, its notes and its manifest."""

import json
import pathlib

from fer_keras.errors import InputError
from fer_keras.json_file import write_json

MANIFEST_FILE = "manifest.json"
NOTES = ".notes"  # folder of what is known about each record file


def claim_folder(out, fingerprint, writer, other):
    """Takes a folder for the records of one source, or finds it taken for the same.

    Args:
        out: the folder; it is made if there is none.
        fingerprint: string that identifies what the records are made of and how.
        writer: what writes such folders, for the message.
        other: what a folder with another fingerprint holds, for the message.

    Raises:
        InputError: the folder cannot be written, or holds something else.
    """
    out = pathlib.Path(out)
    claim = out / ".fingerprint"
    try:
        out.mkdir(parents=True, exist_ok=True)
        # Of a run that was killed: a corpus half drawn, or the fingerprint half written.
        others = [child.name for child in out.iterdir() if not child.name.startswith((".corpus.", "..fingerprint."))]
    except OSError as error:
        raise InputError(f"{out}: cannot be written; expected a folder: {error.strerror}") from error
    if not claim.exists():
        if set(others) - {"corpus"}:  # where the built-in corpus is drawn
            raise InputError(f"{out}: is not empty; expected a new folder, or one that `{writer}` wrote")
        write_json(claim, fingerprint)
    elif claim.read_text() != json.dumps(fingerprint) + "\n":
        raise InputError(f"{out}: holds {other}; choose another folder, or remove it")


def write_manifest(out, manifest):
    """Writes the manifest unless the folder has this very one.

    Args:
        out: the folder.
        manifest: dict of plain data.
    """
    file = pathlib.Path(out, MANIFEST_FILE)
    try:
        same = json.loads(file.read_text()) == manifest
    except (OSError, ValueError):
        same = False
    if not same:
        write_json(file, manifest)
