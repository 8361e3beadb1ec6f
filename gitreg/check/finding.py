"""`CheckFinding`: what a check found, and in which commit, file and line.

>>> line_of(b"versions:\\n- 4\\n- 5\\n", "- 5")
3
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gitreg.findings import Finding

_LINE = re.compile(r"\bline (\d+):")
_FIELD = re.compile(r"^(?:[\w./%-]+: )?(?P<field>[\w.-]+(?:\[\d+\])?(?:\.[\w-]+)*): ")


@dataclass(frozen=True)
class CheckFinding(Finding):
    """A finding with its commit, file and line.

    Attributes:
        commit: the commit that it is about, 40 hex digits, or ``None``.
        file: the path from the root of the repository, or ``None``.
        line: the line in that file, from 1, or ``None``.
    """

    commit: str | None = None
    file: str | None = None
    line: int | None = None

    @property
    def is_error(self) -> bool:
        """Whether it refuses what was checked."""
        return self.severity == "error"


def line_of(data: bytes | None, text: str) -> int | None:
    """Return the number of the first line that starts with ``text``, or ``None``."""
    for number, line in enumerate((data or b"").split(b"\n"), start=1):
        if line.strip().startswith(text.encode("utf-8", "surrogateescape")):
            return number
    return None


def line_in_error(data: bytes | None, message: str) -> int | None:
    """Return the line of a reader's error, which names the line or the field."""
    told = _LINE.search(message)
    if told is not None:
        return int(told[1])
    field = _FIELD.match(message)
    if field is None:
        return None
    last = re.sub(r"\[\d+\]", "", field["field"]).rpartition(".")[2]
    return line_of(data, f"{last}:")
