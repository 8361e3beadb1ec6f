"""What a live model reports about itself: what serves, what failed, when the remote was reached."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gitreg.errors import WorldError
from gitreg.serving.served import ServedVersion

Step = Literal["registry", "reference", "fetch", "load", "check", "swap"]

_WHY: dict[Step, str] = {
    "registry": "the registry cannot be read",
    "reference": "the reference names no version",
    "fetch": "its bytes could not be downloaded or verified",
    "load": "it does not load",
    "check": "it fails the smoke check",
    "swap": "the requests of the version before did not end in time",
}


class ModelUnavailable(WorldError):
    """No version serves at this moment: not started, stopped, or in a swap that frees first."""


@dataclass(frozen=True)
class Failure:
    """Why the version that the reference names does not serve.

    Attributes:
        version: its number; ``None`` when the reference names none.
        since: since when, in UTC.
        step: what failed.
        kind: the class of the error.
        detail: the error's own words. They may name files of this machine: for logs, not answers.
    """

    version: int | None
    since: str
    step: Step
    kind: str
    detail: str

    @property
    def why(self) -> str:
        """The reason, without anything that tells about this machine."""
        return f"{_WHY[self.step]} ({self.kind})"


@dataclass(frozen=True)
class LiveStatus:
    """A live model at a moment.

    Attributes:
        name: the live model's name.
        model: the model that its reference names.
        reference: what it follows.
        serving: the version that answers; ``None`` when none does.
        failed: why the version that the reference names is not the one that answers, if so.
        checked_at: when the registry last answered, in UTC; ``None`` if never.
        away_since: since when it does not answer, in UTC; ``None`` while it does.
        swaps: how many versions have come into service in this process.
        failures: how often a version, or the reference, was refused in this process.
    """

    name: str
    model: str
    reference: str
    serving: ServedVersion | None
    failed: Failure | None
    checked_at: str | None
    away_since: str | None
    swaps: int = 0
    failures: int = 0
