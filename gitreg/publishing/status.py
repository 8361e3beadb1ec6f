"""Where a clone stands: unpublished commits, what is in service, open reviews. Asks no remote."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitreg.core.model.names import ARCHIVE
from gitreg.core.state.history import Event, entry_of
from gitreg.core.state.state import RegistryState
from gitreg.errors import GitError
from gitreg.git.freshness import age
from gitreg.git.repository import Tip

if TYPE_CHECKING:
    from gitreg.git.history_index import HistoryIndex
    from gitreg.git.remote import Upstream
    from gitreg.git.repository import GitRepository
    from gitreg.publishing.clone import Clone

REVIEWS = "gitreg/"
"""How the names of review branches start."""


BROUGHT = 50
"""Of how many commits that a fetch brought the first lines are given."""


@dataclass(frozen=True)
class Subject:
    """A commit and the first line of its message."""

    commit: str
    subject: str


@dataclass(frozen=True)
class Held:
    """What a stage holds.

    Attributes:
        model: the model.
        stage: the stage, never the archive.
        versions: ascending.
        since: when the highest of them entered, ISO 8601; ``None`` where history does not say.
        by: who put it there.
        reason: why.
        commit: in which commit.
    """

    model: str
    stage: str
    versions: tuple[int, ...]
    since: str | None = None
    by: str | None = None
    reason: str | None = None
    commit: str | None = None


@dataclass(frozen=True)
class CloneStatus:
    """A clone beside what it last saw of its remote branch.

    Attributes:
        branch: the checked-out branch; ``None`` where HEAD is detached.
        commit: its commit.
        upstream: the remote branch, ``origin/main``; ``None`` without one.
        known: the last known commit of it.
        age: seconds since the remote was last read; ``None`` where that is not known.
        unpublished: the clone's own commits, oldest first.
        behind: how many known commits of the remote the clone does not have.
        brought: the commits that the last fetch brought, the newest first, at most `BROUGHT`.
        held: what is in service, by model and stage.
        reviews: known branches on the remote that wait for review.
    """

    branch: str | None
    commit: str | None
    upstream: str | None
    known: str | None
    age: float | None
    unpublished: tuple[Subject, ...]
    behind: int
    brought: tuple[Subject, ...]
    held: tuple[Held, ...]
    reviews: tuple[str, ...]


def status(
    repository: GitRepository, history: HistoryIndex, clone: Clone, state: RegistryState
) -> CloneStatus:
    """Return where a clone stands."""
    tip = Tip("HEAD", state.commit, is_detached=True)
    upstream = known = None
    with suppress(GitError):
        tip = clone.tip()
        upstream = clone.upstream(tip)
        known = clone.last_published(tip.branch)
    commit = str(tip.commit)
    own = repository.commits_between(known, commit) if upstream is not None else []
    behind = repository.commits_between(commit, known) if known is not None else []
    return CloneStatus(
        None if tip.is_detached else tip.branch.removeprefix("refs/heads/"),
        tip.commit,
        None if upstream is None else f"{upstream.remote}/{upstream.short_branch}",
        known,
        age(repository, tip.branch),
        tuple(Subject(oid, repository.subject_of(oid)) for oid in own),
        len(behind),
        () if upstream is None else tuple(_brought(repository, upstream)),
        tuple(_held(history, state)),
        () if upstream is None else tuple(_reviews(repository, upstream.remote, known)),
    )


def _brought(repository: GitRepository, upstream: Upstream) -> Iterator[Subject]:
    """Yield the commits that the last fetch added to the remote's branch, newest first.

    Git notes the moves of its reference: a clone writes none, and pushes of one's own are not news.
    """
    name = f"logs/refs/remotes/{upstream.remote}/{upstream.short_branch}"
    try:
        moves = (repository.common_dir / name).read_text("utf-8", "replace")
    except OSError:
        return
    fetched = [move for move in moves.splitlines() if not move.endswith("\tupdate by push")]
    before, after = (fetched[-1].split()[:2]) if fetched else ("", "")
    if not before.strip("0") or repository.commit_of(before) is None:
        return
    listing = repository.run(
        *("log", "--first-parent", f"-n{BROUGHT}", "--format=%H %s"),
        *("--end-of-options", f"{before}..{after}"),
        check=False,
    )
    for entry in listing.text.splitlines():
        commit, _, subject = entry.partition(" ")
        yield Subject(commit, subject)


def _held(history: HistoryIndex, state: RegistryState) -> Iterator[Held]:
    for name in state.model_names():
        for stage, versions in state.readable_pointers(name, []).stages.items():
            if stage == ARCHIVE:
                continue
            yield held(history.moves_of(name, f"stages/{stage}"), name, stage, versions)


def held(moves: list[Event], model: str, stage: str, versions: tuple[int, ...]) -> Held:
    """Return what a stage holds, and how the highest version came there.

    Args:
        moves: of the stage, newest first.
        model: the model.
        stage: the stage.
        versions: what it holds, ascending, at least one.
    """
    entry = entry_of(moves, versions[-1])
    if entry is None:
        return Held(model, stage, versions)
    why = entry.override or entry.reason
    return Held(model, stage, versions, entry.time, entry.author, why, entry.commit)


def _reviews(repository: GitRepository, remote: str, known: str | None) -> Iterator[str]:
    """Yield the review branches that the published branch does not contain."""
    prefix = f"refs/remotes/{remote}/"
    listing = repository.run("for-each-ref", "--format=%(refname)", f"{prefix}{REVIEWS}").text
    for name in listing.split():
        commit = repository.commit_of(name)
        if commit and known and not repository.is_ancestor(commit, known):
            yield name.removeprefix(prefix)
