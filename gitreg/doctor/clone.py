"""The clone itself, and how it stands to the branch that it publishes on."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from gitreg.doctor.inspection import Inspection
from gitreg.errors import GitError
from gitreg.findings import Finding
from gitreg.git import remote
from gitreg.git.remote import Survey, Upstream
from gitreg.git.repository import GitRepository


@dataclass(frozen=True)
class RemoteState:
    """How a clone stands to the remote branch; nothing is known where ``upstream`` is ``None``.

    Attributes:
        upstream: the remote branch.
        published: its commit; ``None`` when there is no such branch yet.
        fork: the last commit that both have.
        tags: the tags of the remote, short name to object.
    """

    upstream: Upstream | None = None
    published: str | None = None
    fork: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


def itself(inspection: Inspection) -> Iterator[Finding]:
    """Say what keeps anybody from writing in this clone."""
    repository = inspection.repository
    try:
        repository.signature("COMMITTER")
    except GitError as error:
        yield Finding("no-identity", "warning", "git", str(error), error.hint)
    try:
        repository.tip()
    except GitError as error:
        yield Finding("detached-head", "warning", "HEAD", str(error), error.hint)
    if repository.is_shallow:
        yield Finding(
            "shallow-clone",
            "warning",
            "git",
            "history is cut off: no rollback, no writes",
            "git fetch --unshallow",
        )


def against_remote(inspection: Inspection) -> tuple[list[Finding], RemoteState]:
    """Compare the clone with its remote branch, which is asked once. Nothing moves by it.

    What gitreg remembers of the remote (``refs/gitreg/seen/``) stays too: only a person who was
    told by `fetch` or `push` has seen where it is.
    """
    repository = inspection.repository
    if repository.head_branch() is None:
        return [], RemoteState()  # reported as a detached HEAD
    tip = repository.tip()
    try:
        upstream = inspection.clone.upstream(tip)
    except GitError as error:
        return _no_upstream(repository, error), RemoteState()
    # A copy of gitreg's own is brought up to date at every start. In a shallow clone, which is
    # reported, it cannot be seen where the two part.
    if upstream.seen is None or repository.is_shallow:
        return [], RemoteState()
    try:
        there = remote.survey(repository, upstream)
    except GitError as error:
        why = f"it cannot be asked, so what is published is not known: {error}"
        finding = Finding(
            "remote-unreachable",
            "warning",
            upstream.shown,
            why,
            f"git ls-remote {shlex.quote(upstream.shown)}",
        )
        return [finding], RemoteState()
    fork = _fork(repository, tip.commit, there.commit)
    remote_state = RemoteState(upstream, there.commit, fork, there.tags)
    name = f"{upstream.shown}/{upstream.short_branch}"
    gone_back = _backwards(repository, upstream, there, tip.branch, name)
    compared = _compared(repository, str(tip.commit), remote_state, name)
    return [gone_back] if gone_back else list(compared), remote_state


def _no_upstream(repository: GitRepository, error: GitError) -> list[Finding]:
    if repository.top_level is None:
        return []  # a bare repository is what others publish on
    code = "no-git-remote" if "no Git remote" in str(error) else "no-upstream"
    return [Finding(code, "note", "git", str(error), error.hint)]


def _fork(repository: GitRepository, local: str | None, published: str | None) -> str | None:
    if local is None or published is None:
        return None
    return local if local == published else repository.merge_base(local, published)


def _backwards(
    repository: GitRepository, upstream: Upstream, there: Survey, branch: str, name: str
) -> Finding | None:
    """Say that the remote branch does not lead on from where it was last seen."""
    seen = remote.last_seen(repository, upstream)
    if seen is None or seen == there.commit:
        return None
    if there.commit is None:
        place = shlex.quote(upstream.shown)
        return Finding(
            "remote-gone-back",
            "error",
            name,
            f"the branch was at {seen[:9]}, and is gone",
            f"git push {place} {shlex.quote(f'{branch}:{upstream.branch}')}",
        )
    if repository.is_ancestor(seen, there.commit):
        return None
    return Finding(
        "remote-gone-back",
        "error",
        name,
        f"it was at {seen[:9]} and is at {there.commit[:9]}, which does not follow: somebody took "
        "back what was published, and gitreg refuses to publish until you accept that",
        "gitreg fetch --allow-rewind",
    )


def _compared(
    repository: GitRepository, local: str, remote_state: RemoteState, name: str
) -> Iterator[Finding]:
    published, fork = remote_state.published, remote_state.fork
    if published == local:
        return
    own = len(repository.commits_between(published, local))
    if fork == published:
        yield Finding(
            "unpublished",
            "note",
            name,
            f"{own} commit(s) here are not published yet",
            "gitreg push",
        )
        return
    new = len(repository.commits_between(local, str(published)))
    if fork == local:
        yield Finding(
            "behind",
            "warning",
            name,
            f"it has {new} commit(s) that are not here: what gitreg says here is out of date",
            "gitreg fetch",
        )
        return
    yield Finding(
        "diverged",
        "warning",
        name,
        f"it has {new} commit(s) that are not here, and {own} commit(s) here are not published: "
        "they are done again on top of it",
        "gitreg push",
    )
