"""Uploads to a DVC remote that is a folder, atomically: an object is complete or absent.

DVC's own transfer is not used for a folder. It first tries to clone the first object's blocks into
the target: on Linux that empties the existing file, fails on a read-only file, and removes the
file where the file system cannot clone. A kill in between leaves an empty object.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from gitreg.dvc import digest
from gitreg.dvc.cache import CHECKED, TEMPORARY
from gitreg.dvc.digest import Meter


def put(source: Path, target: Path, scratch: Path, meter: Meter, *, md5: str) -> bool:
    """Copy an object into a folder with a final rename; an existing file is replaced.

    The bytes are synced to disk before the rename, because a version in Git relies on them.

    Args:
        source: the object in the cache, read once.
        target: the object's path in the remote folder; its parent folder exists.
        scratch: a folder on the same file system for the unfinished file.
        meter: called with the number of bytes copied.
        md5: the MD5 that the bytes must have, 32 hex digits.

    Returns:
        Whether the object was copied; ``False`` when the source has another MD5, and then nothing
        was changed.

    Raises:
        WorldError: a file cannot be read or written.
        OSError: the copy cannot be renamed.
    """
    temporary = scratch / f"{TEMPORARY}{secrets.token_hex(8)}.tmp"
    try:
        if digest.copy_and_md5(source, temporary, meter) != md5:
            return False
        _flush(temporary)
        temporary.chmod(CHECKED)
        temporary.replace(target)
    finally:
        with suppress(OSError):
            temporary.unlink()
    return True


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
