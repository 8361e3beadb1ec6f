"""Which commits a remote branch is known to have had: the evidence that tells a rewind.

A fetch moves the remote-tracking reference, gitreg's as well as an editor's. So that reference
alone is no evidence: its reflog and gitreg's own reference (``refs/gitreg/seen/``) are. What a
person accepted is in ``refs/gitreg/accepted/``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gitreg.git import own_references, remote
from gitreg.git.remote import Upstream
from gitreg.git.repository import GitRepository

_PUSHED = "update by push"
_NONE = "0" * 40


def known_tips(repository: GitRepository, upstream: Upstream) -> tuple[str, ...]:
    """Return commits that the remote branch had, newest first; read them before a fetch.

    They are what the tracking reference was at, and the last commit that gitreg stored. Commits
    before a push from this clone do not count: a person who replaces them by force knows about it.

    Args:
        repository: the clone.
        upstream: the remote branch.
    """
    seen = remote.last_seen(repository, upstream)
    known: dict[str, None] = {}
    # With a separate push URL, the tracking reference is about another repository.
    if upstream.push_url is None:
        tracked = remote.tracked(repository, upstream)
        if tracked is not None:
            known[tracked] = None
            known |= dict.fromkeys(_logged(repository, upstream))
    if seen is not None:
        known[seen] = None
    return tuple(known)


def _logged(repository: GitRepository, upstream: Upstream) -> Iterator[str]:
    """Yield what the reflog of the tracking reference has since the last push, newest first."""
    name = f"{upstream.remote}/{upstream.short_branch}"
    try:
        log = (repository.common_dir / "logs" / "refs" / "remotes" / name).read_bytes()
    except OSError:
        return  # Git is configured to keep none
    for line in reversed(log.decode("utf-8", "replace").splitlines()):
        commits, _, message = line.partition("\t")
        before, after, *_ = f"{commits}  ".split(" ")
        yield after
        if message.strip() == _PUSHED:
            return
        # `git clone` writes no reflog, so its commit is only the first line's old value.
        if before != _NONE:
            yield before


def withdrawn(
    repository: GitRepository, upstream: Upstream, known: Sequence[str], published: str | None
) -> tuple[str, ...]:
    """Return the known commits that a branch at ``published`` does not contain, newest first.

    Commits whose withdrawal a person accepted, and those that the clone does not have any more,
    are left out.
    """
    others = [oid for oid in known if oid != published]
    if published is None or not _missing(repository, others, published):
        return tuple(others) if published is None else ()
    listing = repository.run("for-each-ref", "--format=%(objectname)", f"{_accepted(upstream)}/")
    contained = (published, *listing.text.split())
    return tuple(oid for oid in others if _missing(repository, [oid], *contained))


def _missing(repository: GitRepository, commits: Sequence[str], *tips: str) -> bool:
    """Tell whether one of the commits is in none of the tips' histories."""
    if not commits:
        return False
    script = "\n".join([*commits, *(f"^{tip}" for tip in tips), ""]).encode()
    listing = repository.run(
        "rev-list", "--ignore-missing", "--max-count=1", "--stdin", stdin=script
    )
    return bool(listing.text)


def accept(repository: GitRepository, upstream: Upstream, gone: Sequence[str]) -> None:
    """Store that a person accepted the withdrawal of commits: they are no evidence any more.

    Raises:
        GitError: the references cannot be written.
    """
    for oid in gone if upstream.seen is not None else ():
        own_references.write(repository, f"{_accepted(upstream)}/{oid}", oid)


def _accepted(upstream: Upstream) -> str:
    return str(upstream.seen).replace("/seen/", "/accepted/")
