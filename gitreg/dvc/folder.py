"""Uploads to a DVC remote that is a folder: an object is whole under its name, or is not there.

DVC's own transfer is not used for a folder. It begins by trying to clone the first object's blocks
into the place of the object: on Linux that empties the file there, fails on one that is read-only,
and where the file system cannot clone, removes it again. A kill in between leaves an empty object.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from gitreg.dvc import digest
from gitreg.dvc.cache import CHECKED, TEMPORARY
from gitreg.dvc.digest import Meter


def put(source: Path, target: Path, workshop: Path, meter: Meter, *, md5: str) -> bool:
    """Copy an object into a folder by a rename, over whatever file is there.

    The bytes are on the disk before the name is: a version that names them is durable in Git.

    Args:
        source: the object in the cache, read once.
        target: the object in the folder; its own folder is there.
        workshop: a folder of the same file system for the unfinished file.
        meter: told the bytes copied.
        md5: what the bytes must have, 32 hex digits.

    Returns:
        whether it did; ``False`` when the source has other bytes, and then nothing was changed.

    Raises:
        WorldError: one of the files cannot be read or written.
        OSError: the copy cannot be renamed.
    """
    temporary = workshop / f"{TEMPORARY}{secrets.token_hex(8)}.tmp"
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
