"""Asks a remote which commit its default branch is at, and fetches nothing."""

from __future__ import annotations

import re
import subprocess

from gitreg.core.text.urls import hide_credentials
from gitreg.errors import GitError
from gitreg.git import process
from gitreg.git.copies import check_url, copies_folder
from gitreg.git.light import REMOTE, remote_environment


def remote_tip(url: str, patience: float) -> str | None:
    """Return the commit of a remote's default branch now: one connection.

    Args:
        url: see `gitreg.git.copies.check_url`.
        patience: the time limit in seconds.

    Returns:
        40 hex digits; ``None`` where there is no copy yet to ask from, or no such branch.

    Raises:
        GitError: the remote cannot be reached, or does not answer in time.
    """
    folder = copies_folder(check_url(url))
    copies = (folder / "repository.git", folder / "light.git")
    git_dir = next((copy for copy in copies if (copy / "HEAD").is_file()), None)
    if git_dir is None:
        return None
    program = process.command(git_dir, "ls-remote", REMOTE, "HEAD")
    variables = process.environment(remote_environment(git_dir, url))
    try:
        asked = process.within(patience, program, git_dir, variables)
    except subprocess.TimeoutExpired:
        raise GitError(f"{hide_credentials(url)}: no answer in {patience:.0f} s") from None
    except OSError as error:
        raise process.no_git(git_dir, error) from None
    if asked.returncode != 0:
        raise process.failure("ls-remote", asked)
    found = re.match(r"[0-9a-f]{40}", asked.text)
    return found[0] if found else None
