"""How long ago a clone last read its remote. Asks no remote, and imports little."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from gitreg.git.remote_settings import chosen_remote, remote_settings
from gitreg.git.repository import GitRepository


def last_answer(repository: GitRepository) -> Path:
    """Return a file that is as old as the last answer of the remote to gitreg."""
    return repository.private_dir / "fetched"


def age(repository: GitRepository, branch: str) -> float | None:
    """Return how many seconds ago the remote was last read, by gitreg or by Git, if known.

    Args:
        repository: the clone.
        branch: its branch, a full name.

    Returns:
        ``None`` without a remote.
    """
    short = branch.removeprefix("refs/heads/")
    settings = remote_settings(repository)
    remote = chosen_remote(settings, short)
    if remote is None:
        return None
    there = settings.get(f"branch.{short}.merge", branch).removeprefix("refs/heads/")
    remotes = repository.common_dir / "refs" / "remotes" / remote
    times = []
    for place in (
        last_answer(repository),
        repository.common_dir / "FETCH_HEAD",
        remotes / there,
        remotes / "HEAD",
    ):
        with suppress(OSError):
            times.append(place.stat().st_mtime)
    return max(0.0, time.time() - max(times)) if times else None
