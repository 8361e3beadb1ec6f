"""Finishes a publication whose writer failed or was killed between work tree and branch.

A publication is announced in a small file. Then index and files move to it, and then the branch. If
the writer is killed in between, index and files are ahead of the branch, and `git status` shows
the publication as if the user had staged it. The next writer brings index and files to the commit
of HEAD, where they have the content of before or after and nothing of the user's.

A user who commits first makes the change under their own name. That commit then counts as the
operation (`absorbed`), so that the same command does not make it twice.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gitreg.core.state.change import OPERATION, Edit, trailers_of
from gitreg.errors import GitError
from gitreg.git import locks, process, worktree
from gitreg.git.repository import GitRepository, Tip
from gitreg.git.worktree import file_at, is_ours, read_at

ANNOUNCEMENT = "gitreg-following.json"
"""The file in the work tree's ``.git`` that announces a publication."""

_ABSORBED = "absorbed.json"
"""The file in ``.git/gitreg`` with the operations that a commit of the user's contains."""


def announce(repository: GitRepository, base: Tip, commit: str) -> None:
    """Store that index and work tree are to move from a tip to a commit.

    Raises:
        GitError: the file cannot be written.
    """
    if repository.top_level is None:
        return
    text = json.dumps({"branch": base.reference, "before": base.commit, "after": commit})
    _replace(repository.git_dir / ANNOUNCEMENT, text, repository.git_dir)


def _replace(place: Path, text: str, shown: Path) -> None:
    fresh = place.with_name(f"{place.name}.new")
    try:
        fresh.unlink(missing_ok=True)  # of a group, somebody else may have left it
        with fresh.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())  # else a power cut can leave it empty, and index and files new
        fresh.replace(place)
    except OSError as error:
        raise GitError(f"cannot write to {shown}: {error.strerror}") from None


@dataclass(frozen=True)
class Announced:
    """A publication that was announced: the branch or ``HEAD``, its old commit and its new one."""

    branch: str
    before: str | None
    after: str


def announced(repository: GitRepository) -> Announced | None:
    """Return the announced publication; ``None`` when there is none, or it cannot be read."""
    try:
        found = json.loads((repository.git_dir / ANNOUNCEMENT).read_text("utf-8"))
        return Announced(found["branch"], found["before"], found["after"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def forget(repository: GitRepository) -> None:
    """Remove the announcement: nothing is left to do."""
    with suppress(OSError):  # the next writer then finds that nothing is left to do
        (repository.git_dir / ANNOUNCEMENT).unlink(missing_ok=True)


def finish(repository: GitRepository) -> Announced | None:
    """Bring index and work tree to the commit of HEAD after a publication that was interrupted.

    The caller holds the lock of the clone.

    Returns:
        The announced publication, if the branch has it; otherwise ``None``.

    Raises:
        GitError: another Git process holds the index, or Git cannot write the files; the
            announcement stays, and the next writer tries again.
    """
    worktree.remove_own_lock(repository)
    found = announced(repository)
    top = repository.top_level
    if found is None or top is None or repository.commit_of(found.after) is None:
        forget(repository)
        return None
    worktree.refuse_locked_index(repository)
    worktree.refuse_damaged_index(repository)
    head = repository.head_commit()
    _bring_to(repository, top, found, head)
    is_published = head is not None and repository.is_ancestor(found.after, head)
    if head not in (found.before, None) and not is_published:
        _note_if_absorbed(repository, found, str(head))
    forget(repository)
    return found if is_published else None


def _bring_to(repository: GitRepository, top: Path, announced: Announced, head: str | None) -> None:
    """Bring what the announced publication touched to a commit, unless it is the user's work."""
    paths = repository.changed_paths(announced.before, announced.after)
    target = repository.snapshot(head)
    edits = [
        Edit(path, read_at(target, path)) for path in _untouched(repository, top, announced, paths)
    ]
    known = staged(repository, [edit.path for edit in edits])
    edits = [
        edit
        for edit in edits
        if known.get(edit.path) != repository.blob_name(edit.content)
        or file_at(top / edit.path) != edit.content
    ]
    worktree.write(repository, [edit for edit in edits if is_ours(edit.path)])
    others = [edit for edit in edits if not is_ours(edit.path)]
    if others:
        _restore(repository, top, others, str(head))


def _restore(repository: GitRepository, top: Path, edits: Sequence[Edit], commit: str) -> None:
    """Let Git write the user's files, with their filters and modes."""
    tracked = staged(repository, [edit.path for edit in edits])
    for edit in edits:
        if edit.path not in tracked and edit.content is None:
            (top / edit.path).unlink(missing_ok=True)
    paths = [edit.path for edit in edits if edit.path in tracked or edit.content is not None]
    if not paths:
        return
    done = repository.run_at_root(
        "restore",
        f"--source={commit}",
        "--staged",
        "--worktree",
        "--no-recurse-submodules",
        "--pathspec-from-file=-",
        "--pathspec-file-nul",
        check=False,
        stdin=b"".join(os.fsencode(path) + b"\0" for path in paths),
    )
    if done.returncode != 0:
        lock = locks.named_in(done.stderr)
        if lock is not None:
            raise locks.failure(repository.git_dir / lock)
        raise process.failure("restore", done)


def lagging(repository: GitRepository, before: str, after: str) -> list[Edit]:
    """Return the edits of gitreg's files between two commits that the index does not have yet.

    The index has the old content, and the file has the old content, the new content or what a
    killed writer leaves. Everything else is the user's work and is left out.
    """
    top = repository.top_level
    if top is None:
        return []
    publication = Announced("", before, after)
    paths = [path for path in repository.changed_paths(before, after) if is_ours(path)]
    old, new = repository.snapshot(before), repository.snapshot(after)
    known = staged(repository, paths)
    return [
        Edit(path, read_at(new, path))
        for path in _untouched(repository, top, publication, paths)
        if known.get(path) == repository.blob_name(read_at(old, path))
    ]


def _untouched(
    repository: GitRepository, top: Path, announced: Announced, paths: Sequence[str]
) -> list[str]:
    """Return the paths of two commits' difference without work of the user.

    There, index and file have the old content, the new content or what a killed writer leaves. Git
    removes the old file before it writes the new one, which can then be incomplete.
    """
    old, new = repository.snapshot(announced.before), repository.snapshot(announced.after)
    known = staged(repository, paths)
    found = []
    for path in paths:
        was, content = read_at(old, path), read_at(new, path)
        index, file = known.get(path), file_at(top / path)
        as_before = index == repository.blob_name(was)
        if (as_before and (file == was or _may_be_partial(top / path, content))) or (
            index in (repository.blob_name(was), repository.blob_name(content))
            and file in (was, content)
        ):
            found.append(path)
    return found


def staged(repository: GitRepository, paths: Sequence[str]) -> dict[str, str]:
    """Return the paths that the index has, each with its object name."""
    entries = repository.run_at_root("ls-files", "-s", "-z", "--", *paths).stdout if paths else b""
    return {
        os.fsdecode(path): fields.split()[1].decode("ascii")
        for fields, _, path in (entry.partition(b"\t") for entry in entries.split(b"\0") if entry)
    }


def _may_be_partial(path: Path, content: bytes | None) -> bool:
    """Return whether a file is missing, or has only the beginning of its new content."""
    file = file_at(path)
    if file is None:
        return not os.path.lexists(path)
    return content is not None and content.startswith(file)


# Operations that a commit of the user's contains


def _note_if_absorbed(repository: GitRepository, announced: Announced, head: str) -> None:
    """Remember that the user committed what index and files had of a publication."""
    if announced.before is not None and not repository.is_ancestor(announced.before, head):
        return
    paths = [
        path
        for path in repository.changed_paths(announced.before, announced.after)
        if is_ours(path)
    ]
    wanted, found = (
        repository.snapshot(commit).read_many(paths) for commit in (announced.after, head)
    )
    names = trailers_of(repository.message_of(announced.after)).get(OPERATION, ())
    if list(wanted) != list(found) or not names:
        return
    commit = (
        repository.run("rev-list", "--first-parent", "--max-count=1", head, "--", *paths).text
        or head
    )
    known = _read_absorbed(repository) | dict.fromkeys(names, commit)
    _replace(repository.private_dir / _ABSORBED, json.dumps(known), repository.private_dir)


def absorbed(repository: GitRepository, operation: str, tip: str | None) -> str | None:
    """Return the commit of the user's that contains an operation, if ``tip`` follows it."""
    commit = _read_absorbed(repository).get(operation)
    if commit is None or tip is None or repository.commit_of(commit) is None:
        return None
    return commit if repository.is_ancestor(commit, tip) else None


def _read_absorbed(repository: GitRepository) -> dict[str, str]:
    try:
        found = json.loads((repository.private_dir / _ABSORBED).read_text("utf-8"))
        return {str(name): str(commit) for name, commit in dict(found).items()}
    except (OSError, ValueError, TypeError):
        return {}
