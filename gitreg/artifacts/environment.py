"""The origin of a training run: the commit of its code, its interpreter and packages.

>>> environment()[0].requirements
'requirements.txt'
"""

from __future__ import annotations

import json
import os
import platform
import re
import sys
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib import metadata
from pathlib import Path

from gitreg.core.model.model import CodeCommit, Environment
from gitreg.core.text.invisible import has_invisible
from gitreg.core.text.urls import without_credentials
from gitreg.git.process import failure, run

CHANGED_LIMIT = 20
"""How many files with uncommitted changes a manifest names."""

LOCAL = "  # local"
"""Ends the line of a package from a local folder, which nobody else can install."""

_FIELDS_BEFORE = {"1": 8, "2": 9, "u": 10}
"""The fields before a file's name in `git status --porcelain=v2`, by the kind of entry."""


def code_commit(folder: Path) -> CodeCommit | None:
    """Return the commit that is checked out in the Git work tree of ``folder``.

    ``dirty`` means that tracked files differ from it, also those that ``git status`` passes over
    as configured: in a submodule, or marked with ``git update-index``. The repository is the URL
    of the remote ``origin``, or of the only remote. `gitreg.artifacts.untracked_code` finds the
    files that are not tracked.

    Returns:
        ``None`` outside of any work tree, and before the first commit.

    Raises:
        GitError: Git is not installed, or does not trust the repository.
        InvalidRequest: the folder does not exist.
    """
    # One process answers both questions: headers begin with '#', each change is a line more.
    quiet = ("--untracked-files=no", "--ignore-submodules=untracked")
    status = run(folder, "status", "--porcelain=v2", "-z", "--branch", *quiet, check=False)
    if status.returncode != 0:
        if "not a git repository" in status.stderr or "in a work tree" in status.stderr:
            return None
        raise failure("status", status)
    entries = os.fsdecode(status.stdout).split("\0")
    commit = re.search(r"^# branch\.oid ([0-9a-f]{40,64})$", "\n".join(entries), re.MULTILINE)
    if commit is None:
        return None
    changed = tuple(_changed(entries))
    dirty = bool(changed) or _has_hidden_changes(folder)
    named = [name for name in changed if not has_invisible(name)][:CHANGED_LIMIT]
    return CodeCommit(commit[1], _repository(folder), dirty, changed=tuple(named))


def _changed(entries: Sequence[str]) -> Iterator[str]:
    """Yield the files that differ, from the root of the work tree; Git's second format has them."""
    rest = iter(entries)
    for entry in rest:
        kind = entry[:1]
        if kind in _FIELDS_BEFORE:
            yield entry.split(" ", _FIELDS_BEFORE[kind])[-1]
        if kind == "2":
            next(rest)  # of a renamed file, the old name


def _has_hidden_changes(folder: Path) -> bool:
    """Tell whether a file differs that is marked ``assume-unchanged`` or ``skip-worktree``."""
    top = Path(run(folder, "rev-parse", "--show-toplevel").text)
    marked = {}
    for entry in run(top, "ls-files", "-z", "-v", "--stage").stdout.split(b"\0"):
        facts, _, name = entry.partition(b"\t")
        # An ordinary file has a capital letter, and S is one that a sparse checkout may leave out.
        path = top / os.fsdecode(name)
        if (facts[:1].islower() or facts.startswith(b"S")) and path.is_file():
            marked[name] = facts.split()[2]
    if not marked:
        return False
    paths = b"\n".join(marked)  # a line break in a name makes Git fail: then it is not clean
    found = run(top, "hash-object", "--stdin-paths", stdin=paths, check=False).stdout.split()
    return found != list(marked.values())


def _repository(folder: Path) -> str | None:
    # Not `git remote get-url`: that applies url.*.insteadOf, where people keep their tokens.
    found = run(folder, "config", "-z", "--get-regexp", r"^remote\..*\.url$", check=False)
    urls: dict[str, str] = {}
    for entry in found.text.split("\0")[:-1]:
        key, _, url = entry.partition("\n")
        urls.setdefault(key, url)  # of several, the first is fetched from
    names = ["remote.origin.url", *(urls if len(urls) == 1 else ())]
    return next((without_credentials(urls[name]) for name in names if urls.get(name)), None)


def environment() -> tuple[Environment, bytes]:
    """Return the running interpreter's environment, and its packages as ``requirements.txt``.

    Each line names one package, sorted by normalised name. A package from a version control system
    is pinned to its commit. One from a local folder has its version and a mark, because nobody else
    can install it.
    """
    described = Environment(
        python=platform.python_version(),
        platform=f"{sys.platform}-{platform.machine()}".lower(),
        requirements="requirements.txt",
    )
    return described, _frozen(tuple(map(_state, sys.path)))


def _state(folder: str) -> tuple[str, int]:
    """Return a folder of packages and the time of its last installation."""
    try:
        return folder, Path(folder).stat().st_mtime_ns
    except OSError:
        return folder, 0


@lru_cache(maxsize=1)
def _frozen(_folders: tuple[tuple[str, int], ...]) -> bytes:
    """Return the packages as ``requirements.txt``, cached until something is installed."""
    pins: dict[str, str] = {}
    for distribution in metadata.distributions():
        try:
            described_by = distribution.metadata
        except FileNotFoundError:
            continue  # the backport raises this, once MLflow has imported it
        if not {"Name", "Version"} <= set(described_by):
            continue  # an installation that broke off leaves a folder without metadata behind
        name = re.sub(r"[-_.]+", "-", described_by["Name"]).lower()
        if name not in pins:  # of two with one name, Python imports the first on its path
            pins[name] = _pin(name, described_by["Version"], distribution)
    return "".join(f"{pins[key]}\n" for key in sorted(pins)).encode()


def _pin(name: str, version: str, distribution: metadata.Distribution) -> str:
    try:
        # https://packaging.python.org/en/latest/specifications/direct-url/
        origin = json.loads(distribution.read_text("direct_url.json") or "{}")
        url = without_credentials(origin.get("url", ""))
        if "vcs_info" in origin and not url.startswith("file:"):
            vcs, commit = origin["vcs_info"]["vcs"], origin["vcs_info"]["commit_id"]
            folder = origin.get("subdirectory")
            return f"{name} @ {vcs}+{url}@{commit}" + (f"#subdirectory={folder}" if folder else "")
    except (ValueError, TypeError, AttributeError, KeyError):
        url = ""  # another installer writes that file differently
    if url and not url.startswith("file:"):
        return f"{name} @ {url}"
    return f"{name}=={version}" + (LOCAL if url else "")
