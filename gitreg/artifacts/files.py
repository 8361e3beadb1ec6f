"""Reads files that people and tools wrote, up to a limit; errors name the file."""

from __future__ import annotations

import errno
from pathlib import Path

from gitreg.core.documents.yaml import SIZE_LIMIT
from gitreg.core.text.suggest import near_misses
from gitreg.errors import InvalidDocument, InvalidRequest, NotFound, WorldError


def read_file(path: Path, where: str, limit: int) -> bytes | None:
    """Return the bytes of a file, or ``None`` when there is no such file.

    Args:
        path: the file.
        where: its name, for messages.
        limit: the most that is read, in bytes.

    Raises:
        InvalidDocument: it is larger.
        WorldError: it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(limit + 1)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:  # a name so long that it takes no `.dvc` behind it
            return None
        raise WorldError(f"{where}: cannot be read: {error.strerror}") from None
    if len(data) > limit:
        raise InvalidDocument(f"{where}: larger than {limit // 1024:,} KiB")
    return data


def read_bytes(path: Path, kind: str) -> bytes:
    """Return the bytes of a file of metrics or params; of a large one only the beginning.

    Raises:
        NotFound: there is no such file.
        InvalidRequest: it is a folder.
        WorldError: it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return stream.read(SIZE_LIMIT + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"{path}: no such {kind} file", hint=near_sibling(path)) from None
    except IsADirectoryError:
        raise InvalidRequest(f"{path}: a folder, expected a {kind} file") from None
    except OSError as error:
        raise WorldError(f"{path}: cannot be read: {error.strerror}") from None


def near_sibling(path: Path) -> str | None:
    """Return ``did you mean …?`` for the files beside ``path``, or ``None``."""
    try:
        names = near_misses(path.name, [entry.name for entry in path.parent.iterdir()])
    except OSError:
        return None
    found = " or ".join(repr(str(path.with_name(name))) for name in names)
    return f"did you mean {found}?" if found else None
