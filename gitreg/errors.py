"""The errors that gitreg raises: one base class, few subclasses, exit code and hint as data.

>>> error = NotFound("no model 'churn'", hint="did you mean 'churn-predictor'?")
>>> error.exit_code, str(error)
(2, "no model 'churn'")
"""

from __future__ import annotations

from typing import ClassVar


class GitregError(Exception):
    """The base class: a problem that the user can act on.

    Attributes:
        hint: what to do next, one line, or ``None``.
        exit_code: the exit status of the command line: 1 refused, 2 invalid, 3 failed.
    """

    exit_code: ClassVar[int] = 3

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class Refused(GitregError):
    """A gate, the policy or a check refused. Nothing was written."""

    exit_code = 1


class InvalidRequest(GitregError):
    """The request is wrong: bad usage, a malformed name, bad input."""

    exit_code = 2


class NotFound(InvalidRequest):
    """The model, version, alias, stage or commit does not exist."""


class AlreadyExists(InvalidRequest):
    """A model or version of that name exists, or existed before."""


class InvalidDocument(InvalidRequest):
    """A file of the registry, or an input file, does not parse or breaks a rule."""


class WorldError(GitregError):
    """Git, DVC, a remote or the disk failed. Nothing was published, except in `UnknownOutcome`."""


class GitError(WorldError):
    """Git refused or failed. The message has Git's own words, without credentials."""


class DvcError(WorldError):
    """DVC, its cache or its remote refused or failed."""


class ServerRefused(GitError):
    """A hook or a rule of the remote refused a push; nothing was published.

    Attributes:
        summary: the message without the server's own lines.
        lines: what the server printed, line by line.
    """

    exit_code = 1

    def __init__(self, summary: str, lines: tuple[str, ...], *, hint: str | None = None) -> None:
        super().__init__("\n".join((summary, *lines)), hint=hint)
        self.summary = summary
        self.lines = lines


class UnknownOutcome(GitError):
    """The remote did not answer a push: the commit may be published or not."""


class LostRace(GitError):
    """Somebody else moved the same pointer, or the branch kept moving."""
