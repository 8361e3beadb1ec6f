"""Checks, without running Git, that index and work tree hold a file exactly as a commit has it.

A write checks the few files that it will overwrite, and they are nearly always clean. When this
module cannot be sure (another version of the index format, a file that looks different), Git
decides. The format: https://git-scm.com/docs/index-format
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from gitreg.git.repository import GitRepository

_FIXED = 62  # bytes of an entry before the path: ten numbers, an object name, flags
_NAME_LENGTH = 0x0FFF
_STAGE, _EXTENDED = 0x3000, 0x4000
_FILE_MODE = (0o100644).to_bytes(4, "big")
_INCOMPLETE = (b"\0link", b"\0sdir")  # a split index, and a sparse one


def possibly_dirty(
    repository: GitRepository, top: Path, paths: Mapping[str, bytes | None]
) -> list[str]:
    """Return the paths that may be dirty; Git must check them.

    Args:
        repository: the repository that owns the index.
        top: the root of its work tree.
        paths: path to the commit's content there; ``None`` when the commit has no such file.
    """
    try:
        index = (repository.git_dir / "index").read_bytes()
    except OSError:
        return list(paths)
    # Version 4 compresses paths; versions 2 and 3 store them whole.
    if index[:4] != b"DIRC" or index[4:8] not in (b"\0\0\0\2", b"\0\0\0\3"):
        return list(paths)
    if any(sign in index for sign in _INCOMPLETE):
        return list(paths)
    return [
        path
        for path, content in paths.items()
        if not (_has_entry(index, os.fsencode(path), content) and _has_file(top / path, content))
    ]


def _has_entry(index: bytes, path: bytes, content: bytes | None) -> bool:
    """Return whether the index holds exactly this content at a path, and no conflict."""
    entries = list(_entries(index, path))
    if content is None:
        return not entries
    name = bytes.fromhex(str(GitRepository.blob_name(content)))
    return [(mode, oid) for mode, oid, _ in entries] == [(_FILE_MODE, name)] and not any(
        flags & _STAGE for _, _, flags in entries
    )


def _entries(index: bytes, path: bytes) -> list[tuple[bytes, bytes, int]]:
    """Return mode, object and flags of each entry of a path.

    The search is for the bytes of the path. The length stored before it tells it apart from the
    end of a longer path.
    """
    found = []
    place = index.find(path + b"\0")
    while place >= 0:
        for extended in (0, 2):  # version 3 can have two more bytes of flags
            start = place - extended - _FIXED
            flags = int.from_bytes(index[place - extended - 2 : place - extended], "big")
            is_extended = flags & _EXTENDED == _EXTENDED
            fits = flags & _NAME_LENGTH == min(len(path), _NAME_LENGTH)
            if start >= 12 and fits and is_extended == bool(extended):
                found.append(
                    (index[start + 24 : start + 28], index[start + 40 : start + 60], flags)
                )
        place = index.find(path + b"\0", place + 1)
    return found


def _has_file(file: Path, content: bytes | None) -> bool:
    """Return whether the work tree has this content as a plain file, as Git would write it."""
    try:
        found = file.lstat()
        if content is None or not stat.S_ISREG(found.st_mode) or found.st_mode & stat.S_IXUSR:
            return False
        return file.read_bytes() == content
    except (FileNotFoundError, NotADirectoryError):
        return content is None
    except OSError:
        return False
