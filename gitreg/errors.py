"""Everything gitreg raises on purpose: one root, few leaves, exit code and hint as data.

>>> raise_hint = NotFound("no model 'churn'", hint="did you mean 'churn-predictor'?")
>>> raise_hint.exit_code, str(raise_hint)
(2, "no model 'churn'")
"""

from __future__ import annotations

from typing import ClassVar


class GitregError(Exception):
    """The root: a problem that a person can act on.

    Attributes:
        hint: what to do next, one line, or ``None``.
        exit_code: the exit status that the command line gives for it.
    """

    exit_code: ClassVar[int] = 3

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class Refused(GitregError):
    """The answer is no: a gate, a policy or a check refused. Nothing was written."""

    exit_code = 1


class InvalidRequest(GitregError):
    """The request is wrong: usage, a malformed name, bad input."""

    exit_code = 2


class NotFound(InvalidRequest):
    """A model, version, alias, stage or commit that is not there."""


class AlreadyExists(InvalidRequest):
    """A model or a version of that name is there already, or was."""


class InvalidDocument(InvalidRequest):
    """A file of the registry, or one given as input, that does not parse or breaks a rule."""


class WorldError(GitregError):
    """The world is wrong: Git, DVC, the remote, the disk. Nothing was published."""


class GitError(WorldError):
    """Git refused or failed; the message carries Git's own words, without credentials."""


class DvcError(WorldError):
    """DVC, its cache or its remote refused or failed."""


class UnknownOutcome(GitError):
    """The remote did not answer after a push: it may have been published, or not."""


class LostRace(GitError):
    """Somebody else moved the branch between reading it and writing it."""
