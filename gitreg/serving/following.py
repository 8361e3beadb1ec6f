"""Finds out which version a reference names, as cheaply as it can be known that it did not move."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from gitreg.core.model.names import Reference
from gitreg.errors import GitError
from gitreg.git.remote_tip import remote_tip
from gitreg.git.repository import GitRepository
from gitreg.registry import Registry
from gitreg.serving.fetching import Order, fetch
from gitreg.serving.loaders import allowed_by

PATIENCE = 30.0
"""Seconds that a remote has to tell its branch's commit."""

LONGEST_PAUSE = 60.0
"""Seconds between two questions to a remote that is away, unless the poll interval is longer."""


class RemoteAway(GitError):
    """The registry's remote does not answer."""


@dataclass(frozen=True)
class Named:
    """The version that a reference names.

    Attributes:
        model: the model's name.
        version: its number.
        commit: of the registry, 40 hex digits.
        sha256: of the artifact, by its manifest.
    """

    model: str
    version: int
    commit: str
    sha256: str

    @property
    def key(self) -> tuple[str, int, str]:
        """What makes it another version: neither the commit nor what moved beside it."""
        return self.model, self.version, self.sha256


def pause(poll: float, unanswered: int, chance: float) -> float:
    """Return the seconds until the next question.

    Args:
        poll: the interval; never exceeded while the remote answers.
        unanswered: how many questions in a row had no answer; each doubles the pause.
        chance: a random number from 0 to 1, so that many processes do not ask at once.

    >>> pause(5, 0, 1), pause(5, 0, 0), pause(5, 2, 1), pause(5, 99, 1), pause(300, 99, 1)
    (5.0, 4.0, 20.0, 60.0, 300.0)
    """
    longest = max(poll, LONGEST_PAUSE)
    return min(longest, poll * float(1 << min(unanswered, 16))) * (0.8 + 0.2 * chance)


class View:
    """A registry at one commit: what the reference names there, and its bytes."""

    def __init__(self, registry: Registry, location: str, named: Named) -> None:
        self._registry = registry
        self._location = location
        self.named = named

    def allowed(self) -> Callable[[str], bool]:
        """Return which files the policy allows by name; see `loaders.allowed_by`."""
        exact = Reference(self.named.model, version=self.named.version)
        version, policy = self._registry.governed(exact, rev=self.named.commit)
        return allowed_by(policy, version)

    def pull(
        self, destination: Path, cache: Path, lock: int, is_stopped: Callable[[], bool]
    ) -> Path:
        """Return the path of the verified artifact in a folder; see `fetching.fetch`."""
        named = self.named
        order = Order(
            self._location, named.model, named.version, named.commit, str(destination), str(cache)
        )
        return fetch(order, lock, is_stopped)


class Pointer:
    """A reference in a registry, and the branch's commit at the last look."""

    def __init__(self, location: str, reference: Reference) -> None:
        self._location = location
        self._reference = reference
        self._tip: str | None = None

    @cached_property
    def _folder(self) -> GitRepository | None:
        return GitRepository(Path(self._location)) if os.path.isdir(self._location) else None  # noqa: PTH112

    def has_moved(self) -> bool:
        """Return whether the branch is at another commit than at the last look.

        Raises:
            RemoteAway: the remote does not answer.
        """
        try:
            if self._folder is None:
                tip = remote_tip(self._location, PATIENCE)
            else:
                tip = self._folder.head_commit()
        except GitError as error:
            raise RemoteAway(str(error), hint=error.hint) from None
        before, self._tip = self._tip, tip
        return tip is None or tip != before

    @contextmanager
    def read(self) -> Iterator[View]:
        """Open the registry at its newest commit.

        Raises:
            RemoteAway: the remote does not answer.
            NotFound: the reference names no version.
            GitregError: the registry cannot be read.
        """
        with Registry(self._location) as registry:
            commit = registry.commit
            if registry.warnings:
                raise RemoteAway(registry.warnings[0])
            self._tip = commit
            found = registry.resolve(self._reference, rev=commit)
            exact = Reference(found.model, version=found.version)
            sha256 = registry.sha256(exact, rev=commit)
            named = Named(found.model, found.version, str(commit), sha256)
            yield View(registry, self._location, named)
