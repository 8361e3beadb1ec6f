"""Examines what a power cut leaves: empty references, objects and indexes of Git's."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

from gitreg.errors import GitError
from gitreg.findings import Finding
from gitreg.git import damage, remote
from gitreg.git.damage import Damage
from gitreg.git.repository import GitRepository
from gitreg.publishing.clone import Clone

_LISTED = 20


def examine(repository: GitRepository, clone: Clone) -> Iterator[Finding]:
    """Yield an error for each empty file of Git's, in the clone and in its remote, if a folder."""
    here = repository.common_dir
    found = chain(
        damage.of_settings(here),
        damage.of_references(here),
        damage.of_index(repository.git_dir),
        damage.of_objects(here),
    )
    there = clone.folder_of_remote()
    if there is not None and there != here:
        found = chain(found, _on_the_remote(repository, clone, there))
    yield from map(finding, islice(found, _LISTED))


def finding(harm: Damage) -> Finding:
    """Return the error about an empty file of Git's."""
    return Finding("damaged", "error", str(harm.path), f"it {harm.text}", harm.remedy)


def _on_the_remote(repository: GitRepository, clone: Clone, there: Path) -> Iterator[Damage]:
    known: dict[str, str] = {}
    try:
        upstream = clone.upstream(clone.tip())
        seen = remote.last_seen(repository, upstream) or remote.tracked(repository, upstream)
        known = {upstream.branch: seen} if seen else {}
    except GitError:
        known = {}  # the clone is damaged itself
    yield from damage.of_references(there, known, is_remote=True)
    yield from damage.of_objects(there, repository.top_level or repository.common_dir)
