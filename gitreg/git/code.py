"""Whether and how the code of two versions differs: registry commits are not code."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from typing import Literal

from gitreg.core.documents.foreign_yaml import load
from gitreg.core.model import layout
from gitreg.core.model.model import CodeCommit, ModelVersion
from gitreg.core.state.change import OPERATION
from gitreg.core.state.differences import CodeCommitEntry, CodeSide, FileChange, Relation
from gitreg.core.state.history import CommitInfo
from gitreg.core.text.times import utc
from gitreg.core.text.urls import without_credentials
from gitreg.errors import GitError, InvalidDocument, InvalidRequest
from gitreg.git.commit_info import read_commit_info
from gitreg.git.repository import GitRepository

_PATTERNS = "--no-literal-pathspecs"
"""Lets a path say that it is one to leave out; gitreg's other calls take every path literally."""

_NOT_THE_REGISTRY = (":(top)", f":(top,exclude,literal){layout.ROOT}")


def code_files(
    repository: GitRepository, base: ModelVersion, candidate: ModelVersion
) -> tuple[str, ...] | None:
    """Return the files outside the registry that differ between the code commits of two versions.

    The entries that gitreg writes into ``dvc.yaml`` are not code either.

    Returns:
        ``None`` where a version names no commit, or one that this repository does not have.
    """
    commits = []
    for version in (base, candidate):
        code = version.lineage.code
        known = None if code is None else repository.commit_of(code.commit)
        if known is None:
            return None
        commits.append(known)
    if commits[0] == commits[1]:
        return ()
    try:
        return changed_code(repository, commits[0], commits[1])
    except GitError:
        return None  # a light copy has not all trees


def changed_code(repository: GitRepository, base: str, candidate: str) -> tuple[str, ...]:
    """Return the files outside the registry that differ between two commits.

    Raises:
        GitError: Git lacks an object.
    """
    return tuple(
        path
        for path in repository.changed_paths(base, candidate)
        if not path.startswith(f"{layout.ROOT}/")
        and not (path == layout.DVC_YAML and _same_pipeline(repository, base, candidate))
    )


def code_side(repository: GitRepository, version: ModelVersion) -> CodeSide:
    """Return a version's code, and how to fetch a commit that is not here."""
    code = version.lineage.code
    if code is None:
        return CodeSide(version.reference, None, None, is_here=False, fetch=None, unrecorded=None)
    is_here = repository.commit_of(code.commit) is not None
    fetch = None if is_here else _fetch(repository, code)
    return CodeSide(
        version.reference, code.commit, code.repository, is_here, fetch, code.unrecorded
    )


def _fetch(repository: GitRepository, code: CodeCommit) -> str | None:
    """Return the command that brings a commit; a URL that could run something gets none."""
    from gitreg.git.copies import check_url

    origin = repository.config("remote.origin.url")
    is_own = code.repository is None or (
        origin is not None and without_credentials(origin) == code.repository
    )
    if is_own and repository.is_shallow:
        return "git fetch --unshallow"
    if is_own:
        return None if origin is None else f"git fetch origin {code.commit}"
    try:
        return f"git fetch {shlex.quote(check_url(str(code.repository)))} {code.commit}"
    except InvalidRequest:
        return None


def relation(repository: GitRepository, base: str, candidate: str) -> tuple[Relation, str | None]:
    """Return where the commit of the candidate stands, and the last common ancestor."""
    common = repository.merge_base(base, candidate)
    if base == candidate:
        return "same", common
    if common is None:
        return "unrelated", None
    return "ahead" if common == base else "behind" if common == candidate else "diverged", common


def commits_apart(
    repository: GitRepository, base: str, candidate: str, paths: Sequence[str] | None
) -> tuple[CodeCommitEntry, ...]:
    """Return the commits that only one of two commits has and that touch some files, newest first.

    Args:
        repository: where they are.
        base: a commit.
        candidate: a commit.
        paths: the files and folders; ``None`` for all outside the registry.
    """
    is_same = _same_pipeline(repository, base, candidate)
    specs = [*_specs(paths), *([f":(top,exclude,literal){layout.DVC_YAML}"] if is_same else ())]
    listing = repository.run(
        *(_PATTERNS, "rev-list", "--left-right", f"{base}...{candidate}", "--", *specs)
    )
    sides = {line[1:]: line[:1] for line in listing.text.splitlines()}
    found = []
    for commit in filter(None, repository.reader.get_many(list(sides))):
        info = read_commit_info(commit)
        if not is_same and OPERATION in info.trailers and _is_of_the_registry(repository, info):
            continue  # gitreg's entry in dvc.yaml, not a stage
        subject = info.message.strip().partition("\n")[0]
        side: Literal["base", "candidate"] = "base" if sides[commit.oid] == "<" else "candidate"
        found.append(CodeCommitEntry(commit.oid, side, utc(info.when), info.author, subject))
    return tuple(found)


def _is_of_the_registry(repository: GitRepository, commit: CommitInfo) -> bool:
    """Tell whether a commit of gitreg changed nothing but what gitreg writes."""
    paths = repository.changed_paths(commit.parent, commit.oid)
    return all(path == layout.DVC_YAML or path.startswith(f"{layout.ROOT}/") for path in paths)


def line_changes(
    repository: GitRepository, base: str, candidate: str, paths: Sequence[str] | None
) -> tuple[FileChange, ...]:
    """Return how many lines came and went in each file that differs; see `commits_apart`.

    Raises:
        GitError: Git lacks an object.
    """
    listing = repository.run(
        *(_PATTERNS, "diff-tree", "-r", "-z", "-M", "--numstat", "--no-ext-diff", "--no-textconv"),
        *(base, candidate, "--", *_specs(paths)),
    )
    fields = iter(listing.stdout.split(b"\0"))
    found = []
    for field in filter(None, fields):
        added, removed, path = field.split(b"\t", 2)
        was = None if path else os.fsdecode(next(fields))
        name = os.fsdecode(path or next(fields))
        found.append(FileChange(name, _lines(added), _lines(removed), was))
    return tuple(found)


def _lines(count: bytes) -> int | None:
    return None if count == b"-" else int(count)


def _specs(paths: Sequence[str] | None) -> Sequence[str]:
    """Return what limits Git to these paths, or to everything outside the registry."""
    if paths is None:
        return _NOT_THE_REGISTRY
    return [f":(top,literal){path}" for path in paths]


def _same_pipeline(repository: GitRepository, before: str, after: str) -> bool:
    """Tell whether ``dvc.yaml`` differs in its artifacts at most."""
    found = []
    for commit in (before, after):
        data = repository.snapshot(commit).read(layout.DVC_YAML)
        try:
            value = load(data or b"", layout.DVC_YAML)
        except InvalidDocument:
            return False
        document = dict(value) if isinstance(value, dict) else {}
        document.pop("artifacts", None)
        found.append(document)
    return found[0] == found[1]
