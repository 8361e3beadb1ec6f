"""YAML files of other tools: larger than ours, and looser; whatever is wrong with one is one error.

>>> safely("dvc.yaml", lambda: {}["stages"])
Traceback (most recent call last):
...
gitreg.errors.InvalidDocument: dvc.yaml: not YAML: 'stages'
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from gitreg.errors import InvalidDocument, WorldError

_T = TypeVar("_T")


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


def safely(where: str, parse: Callable[[], _T]) -> _T:
    """Return what ``parse`` returns; whatever a parser may trip over is one error.

    Raises:
        InvalidDocument: so, with the line where it is known.
    """
    from ruamel.yaml.error import YAMLError

    try:
        return parse()
    except RecursionError:
        raise InvalidDocument(f"{where}: nested too deep") from None
    except (
        YAMLError,
        ValueError,
        TypeError,
        LookupError,
        ArithmeticError,
        AttributeError,
        AssertionError,
    ) as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}:" if mark else ""
        problem = getattr(error, "problem", None) or (str(error).splitlines() or ["unreadable"])[0]
        raise InvalidDocument(f"{where}:{line} not YAML: {problem[:200]}") from None
