"""`Finding`: one thing that is wrong, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Finding:
    """One thing that a check found.

    Attributes:
        code: a stable name for its kind, ``missing-tag``.
        severity: ``error`` for what is wrong, ``warning`` for what may hurt, ``note`` for what is
            good to know.
        subject: the version, file or tag that it is about.
        message: what is wrong, one line.
        remedy: the command that mends it, or ``None``.
    """

    code: str
    severity: Severity
    subject: str
    message: str
    remedy: str | None = None
