"""What runs that were killed left half-written: found by its name and removed.

Files and folders are written aside, as `.NAME.PROCESS.tmp`, and renamed when they are whole.
"""

import glob
import os
import pathlib
import shutil


def remove_abandoned(path):
    """Removes what was written aside for a file or folder by processes that run no more.

    Args:
        path: the file or folder, there or not. What a running process is writing stays.
    """
    path = pathlib.Path(path)
    for left in path.parent.glob(f".{glob.escape(path.name)}.[0-9]*.tmp"):
        owner = left.name.split(".")[-2]
        if owner.isdecimal() and (int(owner) == os.getpid() or not _is_running(int(owner))):
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)


def _is_running(process):
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True  # someone else's
    return True
