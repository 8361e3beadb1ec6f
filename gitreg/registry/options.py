"""The options that all reads and all writes of `Registry` share.

A method takes them as ``**options``, so that a call names them like any other keyword and an
editor completes them:

    registry.promote("churn-predictor@2", stage="production", reason="better recall", push=True)
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypedDict

from gitreg.core.model.names import check_operation_id
from gitreg.errors import InvalidRequest

if sys.version_info >= (3, 11):
    from typing import Self, Unpack
else:
    from typing_extensions import Self, Unpack

__all__ = ["ReadOptions", "Self", "Unpack", "WriteOptions", "WriteSettings", "revision_and_time"]


class ReadOptions(TypedDict, total=False):
    """Which state of the registry a method reads; by default the newest one.

    Attributes:
        rev: a commit: a branch, a tag, a hash, ``HEAD~2``.
        at: a moment, for the commit that was the branch's tip then; UTC without an offset, see
            `gitreg.core.text.times.parse_instant`. Not together with ``rev``.
    """

    rev: str | None
    at: str | None


class WriteOptions(TypedDict, total=False):
    """How a method commits and publishes its change.

    Attributes:
        reason: why, for the commit message.
        dry_run: return what would be done, and do nothing.
        push: publish the change, to the DVC remote and then to the Git remote. A registry that is
            used by URL always does.
        pr: instead, push a branch with the change and open a pull request; see `Outcome.review`.
        op_id: names the operation: run again under the same id, it happens once.
    """

    reason: str | None
    dry_run: bool
    push: bool
    pr: bool
    op_id: str | None


@dataclass(frozen=True)
class WriteSettings:
    """`WriteOptions` that were checked, with the defaults filled in."""

    reason: str | None = None
    dry_run: bool = False
    push: bool = False
    pr: bool = False
    op_id: str | None = None

    @classmethod
    def of(cls, options: WriteOptions) -> WriteSettings:
        """Return the settings of a call.

        Raises:
            TypeError: an option is unknown.
            InvalidRequest: ``push`` and ``pr`` are both given, or the operation's id is malformed.

        >>> WriteSettings.of({"reason": "better recall"}).push
        False
        """
        _refuse_unknown(options, WriteOptions.__annotations__)
        settings = cls(**options)
        if settings.pr and settings.push:
            raise InvalidRequest("--pr and --push exclude each other: give one of them")
        if settings.op_id is not None:
            check_operation_id(settings.op_id)
        return settings

    def followed_by(self, what: str) -> WriteSettings:
        """Return the settings of the second commit that an operation makes.

        Its id follows from the operation's, so that a repetition finds both commits.
        """
        if self.op_id is None:
            return self
        digest = hashlib.sha256(self.op_id.encode()).hexdigest()[:32]
        return replace(self, op_id=f"{what}-{digest}")


def revision_and_time(options: ReadOptions) -> tuple[str | None, str | None]:
    """Return ``rev`` and ``at`` of a call; for a caller that only passes them on, check them.

    A mistyped keyword is refused before the other arguments are looked at, as Python does.

    Raises:
        TypeError: an option is unknown.
        InvalidRequest: both are given.
    """
    _refuse_unknown(options, ReadOptions.__annotations__)
    rev, at = options.get("rev"), options.get("at")
    if rev is not None and at is not None:
        raise InvalidRequest("give --rev or --at, not both")
    return rev, at


def _refuse_unknown(options: Mapping[str, object], known: Iterable[str]) -> None:
    """Refuse what Python itself would refuse if the options were spelled out in the signature."""
    unknown = sorted(options.keys() - set(known))
    if unknown:
        from gitreg.core.text.suggest import did_you_mean

        near = did_you_mean(unknown[0], known)
        raise TypeError(
            f"unexpected keyword argument {unknown[0]!r}" + (f": {near}" if near else "")
        )
