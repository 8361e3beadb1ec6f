"""Examines the clone itself, and compares it with its remote branch."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from gitreg.core.text.counts import quantity
from gitreg.doctor.inspection import Inspection
from gitreg.errors import GitError
from gitreg.findings import Finding
from gitreg.git import remote, rewinds
from gitreg.git.remote import Survey, Upstream
from gitreg.git.repository import GitRepository, Tip


@dataclass(frozen=True)
class RemoteState:
    """A clone compared with its remote branch; empty when ``upstream`` is ``None``.

    Attributes:
        upstream: the remote branch; ``None`` when the clone has none, or it cannot be read.
        published: its commit; ``None`` when there is no such branch yet.
        fork: the last commit that clone and remote branch have in common.
        tags: the tags of the remote, short name to object.
    """

    upstream: Upstream | None = None
    published: str | None = None
    fork: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


def examine(inspection: Inspection) -> Iterator[Finding]:
    """Yield findings about the clone itself, such as what prevents writes."""
    repository = inspection.repository
    try:
        repository.signature("COMMITTER")
    except GitError as error:
        yield Finding("no-identity", "warning", "git", str(error), error.hint)
    if repository.head_branch() is None:
        yield _detached(inspection)
    if repository.is_shallow:
        yield Finding(
            "shallow-clone",
            "warning",
            "git",
            "the clone is shallow: writes fetch the history that they need, but fetch, push, "
            "tags sync and check --history need it here",
            "git fetch --unshallow",
        )


def _detached(inspection: Inspection) -> Finding:
    """Return the finding that says which writes a detached HEAD allows."""
    repository, clone = inspection.repository, inspection.clone
    try:
        tip = clone.tip()
        known = clone.last_published(tip.branch)
    except GitError as error:
        why = str(error).removeprefix("HEAD is detached: ")
        return Finding("detached-head", "warning", "HEAD", f"it is detached: {why}", error.hint)
    branch = tip.branch.removeprefix("refs/heads/")
    if known is None or repository.is_ancestor(str(tip.commit), known):
        what = f"a write needs --push, and is published on {branch} if that has its commit"
        remedy = f"git switch {shlex.quote(branch)}"
    else:
        what = f"its commit is not on {branch}, so nothing can be written from here"
        remedy = "git switch -c BRANCH"
    return Finding("detached-head", "warning", "HEAD", f"it is detached: {what}", remedy)


def against_remote(inspection: Inspection) -> tuple[list[Finding], RemoteState]:
    """Return the differences from the remote branch, read in one request; no reference moves.

    The last known remote commit (``refs/gitreg/seen/``) does not move either: only `fetch` and
    `push` show it to the user.
    """
    repository = inspection.repository
    try:
        tip = inspection.clone.tip()
        upstream = inspection.clone.upstream(tip)
    except GitError as error:
        if repository.head_branch() is None:
            return [], RemoteState()  # reported as a detached HEAD
        return _no_upstream(repository, error), RemoteState()
    # gitreg's own copy of a remote is updated at every start. In a shallow clone (reported above)
    # the last common commit is unknown.
    if upstream.seen is None or repository.is_shallow:
        return [], RemoteState()
    try:
        survey = remote.survey(repository, upstream)
    except GitError as error:
        why = f"it cannot be read, so its published commits are unknown: {error}"
        finding = Finding(
            "remote-unreachable",
            "warning",
            upstream.shown,
            why,
            f"git ls-remote {shlex.quote(upstream.shown)}",
        )
        return [finding], RemoteState()
    fork = _fork(repository, tip.commit, survey.commit)
    remote_state = RemoteState(upstream, survey.commit, fork, survey.tags)
    name = f"{upstream.shown}/{upstream.short_branch}"
    rewound = _rewound(repository, upstream, survey, tip.branch, name)
    differences = _differences(repository, tip, remote_state, name)
    return [rewound] if rewound else list(differences), remote_state


def _no_upstream(repository: GitRepository, error: GitError) -> list[Finding]:
    if repository.top_level is None:
        return []  # a bare repository publishes nowhere; others publish to it
    code = "no-git-remote" if "no Git remote" in str(error) else "no-upstream"
    return [Finding(code, "note", "git", str(error), error.hint)]


def _fork(repository: GitRepository, local: str | None, published: str | None) -> str | None:
    if local is None or published is None:
        return None
    return local if local == published else repository.merge_base(local, published)


def _rewound(
    repository: GitRepository, upstream: Upstream, survey: Survey, branch: str, name: str
) -> Finding | None:
    """Return a finding if the remote branch does not contain a commit that it had."""
    if survey.commit is None:
        seen = remote.last_seen(repository, upstream)
        if seen is None:
            return None
        place = shlex.quote(upstream.shown)
        return Finding(
            "remote-gone-back",
            "error",
            name,
            f"the branch was at {seen[:9]} and no longer exists",
            f"git push {place} {shlex.quote(f'{branch}:{upstream.branch}')}",
        )
    known = rewinds.known_tips(repository, upstream)
    gone = rewinds.withdrawn(repository, upstream, known, survey.commit)
    if not gone:
        return None
    return Finding(
        "remote-gone-back",
        "error",
        name,
        f"it was at {gone[0][:9]} and is now at {survey.commit[:9]}, which does not contain it: "
        "somebody withdrew published commits; gitreg refuses to publish until you accept that",
        "gitreg fetch --allow-rewind",
    )


def _differences(
    repository: GitRepository, tip: Tip, remote_state: RemoteState, name: str
) -> Iterator[Finding]:
    published, fork = remote_state.published, remote_state.fork
    local = str(tip.commit)
    if published == local or (tip.is_detached and fork != local):  # then it is reported as such
        return
    own = len(repository.commits_between(published, local))
    if fork == published:
        yield Finding(
            "unpublished",
            "note",
            name,
            f"not published yet: {quantity(own, 'commit')}",
            "gitreg push",
        )
        return
    new = len(repository.commits_between(local, str(published)))
    if fork == local:
        yield Finding(
            "behind",
            "warning",
            name,
            f"it has {quantity(new, 'commit')} more than this clone, which shows an old state",
            "gitreg fetch",
        )
        return
    yield Finding(
        "diverged",
        "warning",
        name,
        f"it has {quantity(new, 'commit')} more than this clone, which has "
        f"{quantity(own, 'commit')} of its own, not published; "
        "gitreg push repeats your operations on top of it",
        "gitreg push",
    )
