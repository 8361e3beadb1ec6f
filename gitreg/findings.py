"""`Finding`: one problem, and what to do about it."""

# Annotations are values here, not texts: a subclass in another module inherits `__init__` with
# them, and `typing.get_type_hints` would look for their names there.
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Finding:
    """One problem that a check found.

    Attributes:
        code: a stable name for its kind, ``missing-tag``.
        severity: ``error`` for a fault, ``warning`` for a risk, ``note`` for information.
        subject: the version, file or tag that it is about.
        message: what is wrong, in one line.
        remedy: the command that repairs it, or ``None``.
    """

    code: str
    severity: Severity
    subject: str
    message: str
    remedy: str | None = None
