"""Updates index and work tree after a publication, without touching the user's own work.

A publication moves the branch first, and then updates the files. If gitreg is killed in between,
`git status` shows the publication as if the user had reverted it. Therefore gitreg announces the
publication in a small file before the branch moves, and the next writer finishes it where index
and files are still exactly as before.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gitreg.core.model import layout
from gitreg.core.state.change import Edit
from gitreg.errors import GitError, Refused
from gitreg.git import process
from gitreg.git.index import possibly_dirty
from gitreg.git.objects import NO_OBJECT, CommitSnapshot
from gitreg.git.repository import EMPTY_TREE, GitRepository, Tip

ANNOUNCEMENT = "gitreg-following.json"
"""The file in the work tree's ``.git`` that announces a publication."""

OURS = (layout.ROOT, layout.DVC_YAML, ".dvc", ".dvcignore")
"""The paths that gitreg writes; only `init` writes the last two."""

_PATIENCE = 1.0
"""How long to wait for a locked index, in seconds: an editor's ``git status`` takes the lock for a
few milliseconds, again and again."""


def refuse_dirty(repository: GitRepository, paths: Mapping[str, bytes | None]) -> None:
    """Refuse a write that would overwrite the user's uncommitted work.

    Args:
        repository: the repository with the work tree and index; a bare one has neither.
        paths: each path to write, and the tip's content there.

    Raises:
        Refused: a path is staged, changed, untracked or ignored in the work tree, or a file or
            link is in the place of its folder.
        GitError: another process holds the index.
    """
    top = repository.top_level
    if top is None:
        return
    _refuse_locked_index(repository)
    for path in paths:
        _refuse_obstacle(top, path)
    dirty = []
    unsure = possibly_dirty(repository, top, paths)
    if unsure:
        status = repository.run_at_root(
            "status", "--porcelain", "-z", "--no-renames", "--untracked-files=no", "--", *unsure
        )
        dirty = [os.fsdecode(entry[3:]) for entry in status.stdout.split(b"\0") if entry]
    # `git status` above skips untracked and ignored files, because finding them takes a walk of
    # the tree, and it skips files marked with `--skip-worktree`.
    dirty += [path for path, before in paths.items() if _is_changed(top / path, before)]
    if dirty:
        raise Refused(
            f"{dirty[0]} has uncommitted changes that this would overwrite",
            hint="commit them, or revert them with git restore; nothing was written",
        )


def _refuse_locked_index(repository: GitRepository) -> None:
    until = time.monotonic() + _PATIENCE
    while (repository.git_dir / "index.lock").exists():
        if time.monotonic() >= until:
            raise GitError(
                "another Git process holds the index (.git/index.lock)",
                hint="wait for it to end; if no Git is running, remove that file",
            )
        time.sleep(0.01)


def _refuse_obstacle(top: Path, path: str) -> None:
    """Refuse a path through a file, or through a link, which can lead out of the repository."""
    for place in list((top / path).parents)[: path.count("/")]:
        if place.is_symlink() or (place.exists() and not place.is_dir()):
            raise Refused(
                f"{place.relative_to(top)} is in the way: a folder belongs there",
                hint="move it away; nothing was written",
            )


def _is_changed(file: Path, before: bytes | None) -> bool:
    if file.is_symlink():
        return os.fsencode(file.readlink()) != before
    if not file.exists():
        return False  # `git status` reports a deleted file, unless the checkout is sparse
    if before is None or file.is_dir():
        return True
    # Git may be configured to write CRLF.
    return file.read_bytes().replace(b"\r\n", b"\n") != before.replace(b"\r\n", b"\n")


def announce(repository: GitRepository, base: Tip, commit: str) -> None:
    """Store that index and work tree are to move from a tip to a commit.

    If an earlier announcement is still open, its start is kept: the work tree is still there.
    """
    if repository.top_level is None:
        return
    earlier = announced(repository)
    behind = earlier is not None and (earlier.branch, earlier.after) == (base.branch, base.commit)
    before = earlier.before if earlier is not None and behind else base.commit
    text = json.dumps({"branch": base.branch, "before": before, "after": commit})
    place = repository.git_dir / ANNOUNCEMENT
    fresh = place.with_name(f"{ANNOUNCEMENT}.new")
    try:
        fresh.write_text(text, "utf-8")
        fresh.replace(place)
    except OSError as error:
        raise GitError(f"cannot write to {repository.git_dir}: {error.strerror}") from None


def follow(repository: GitRepository, base: Tip, edits: Sequence[Edit]) -> tuple[str, ...]:
    """Update the edited paths in work tree and index to the commit that was just published.

    A failure is a warning, not an error, because the change is published already.
    """
    if repository.top_level is None:
        return ()
    if repository.head_branch() != base.branch:
        _clear_announcement(repository)
        return ("another branch was checked out in the meantime: the work tree stays as it is",)
    warnings = _apply(repository.top_level, edits)
    if not warnings:  # else the next writer tries again
        _clear_announcement(repository)
    return warnings


def refuse_to_move(repository: GitRepository, before: str | None, after: str) -> None:
    """Refuse to move index and work tree between two commits when the user's work is in the way.

    Raises:
        Refused: a path that differs between the two is staged, changed, untracked or ignored.
        GitError: another process holds the index.
    """
    if repository.top_level is None:
        return
    _refuse_locked_index(repository)
    untracked = _untracked_in_the_way(repository, repository.top_level, before, after)
    if untracked is not None:
        raise Refused(
            f"the work tree cannot be updated: {untracked} exists and is not in Git",
            hint="move it away, then run the command again",
        )
    # A file that was touched but not changed is no work; a refresh makes Git notice.
    repository.run_at_root("update-index", "-q", "--refresh", check=False)
    done = _read_trees(repository, before, after, "-n")
    if done.returncode != 0:
        raise Refused(
            f"the work tree cannot be updated: {_obstacle(done.stderr)}",
            hint="commit that, or revert it with git restore, then run the command again",
        )


def move(repository: GitRepository, base: Tip, after: str) -> tuple[str, ...]:
    """Update index and work tree to a commit that the branch was just moved to.

    Call `refuse_to_move` first. A failure here is a warning, not an error.
    """
    if repository.top_level is None:
        return ()
    if repository.head_branch() != base.branch:
        _clear_announcement(repository)
        return ("another branch was checked out in the meantime: the work tree stays as it is",)
    done = _read_trees(repository, base.commit, after)
    if done.returncode == 0:
        _clear_announcement(repository)
        return ()
    return (
        f"the work tree was not updated ({_obstacle(done.stderr)}); to try again: gitreg fetch",
    )


def _untracked_in_the_way(
    repository: GitRepository, top: Path, before: str | None, after: str
) -> str | None:
    """Return an untracked file of the user at a path where the commit adds a file, if any.

    Git overwrites ignored files, but in a DVC repository they are the data.
    """
    listing = repository.run(
        "diff-tree", "-r", "-z", "--name-status", "--no-renames", before or EMPTY_TREE, after
    ).stdout.split(b"\0")
    changes = list(zip(listing[::2], map(os.fsdecode, listing[1::2]), strict=False))
    gone = {path for status, path in changes if status == b"D"}
    new = repository.snapshot(after)
    for path in (path for status, path in changes if status == b"A"):
        place = top / path
        for folder in reversed(place.relative_to(top).parents[:-1]):
            if not (top / folder).is_dir() and os.path.lexists(top / folder):
                if folder.as_posix() not in gone:
                    return folder.as_posix()
                break
        else:
            if place.is_dir() and not place.is_symlink():
                below = (Path(at, name) for at, _, names in os.walk(place) for name in names)
                others = (file.relative_to(top).as_posix() for file in below)
                untracked = next((name for name in others if name not in gone), None)
                if untracked is not None:
                    return untracked
            elif os.path.lexists(place) and _file(place) != _read(new, path):
                return path
    return None


def _read_trees(
    repository: GitRepository, before: str | None, after: str, *options: str
) -> process.Completed:
    """Move index and work tree from one commit to another with Git, all or nothing."""
    old = before or repository.writer.write("tree", b"")
    return repository.run_at_root(
        "read-tree", *options, "-m", "-u", "--no-recurse-submodules", old, after, check=False
    )


def _obstacle(stderr: str) -> str:
    """Return the first reason why Git refuses, in plain words."""
    first = next((line for line in stderr.splitlines() if line.startswith("error: ")), stderr)
    entry = re.search(r"Entry '(.*)' (?:not uptodate|would be overwritten|overlaps)", first)
    untracked = re.search(r"Untracked working tree file '(.*)' would be", first)
    if entry:
        return f"{entry[1]} has uncommitted changes"
    if untracked:
        return f"{untracked[1]} exists and is not in Git"
    return first.removeprefix("error: ").strip() or "git read-tree failed"


@dataclass(frozen=True)
class Announced:
    """A publication that was announced: the branch, its old commit and its new commit."""

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


def finish(repository: GitRepository) -> Announced | None:
    """Update the work tree for a publication whose writer failed or was killed.

    If that fails again (a stale Git lock, a full disk), the announcement stays.

    Returns:
        The announced publication; ``None`` when there is nothing to finish.
    """
    found = announced(repository)
    if found is None or repository.tip() != Tip(found.branch, found.after):
        _clear_announcement(repository)
        return None
    top = repository.top_level
    if top is not None and not (repository.git_dir / "index.lock").exists():
        _finish(repository, top, found)
    return found


def _finish(repository: GitRepository, top: Path, announced: Announced) -> None:
    # Git itself can update everything while index and files are as before. If a file was already
    # written and the index was not, Git takes the file for the user's work; gitreg handles these.
    paths = repository.changed_paths(announced.before, announced.after)
    if _move_with_git(repository, top, announced):
        _sweep(top, paths)
    else:
        edits = _untouched(repository, top, announced, paths)
        if _apply(top, [edit for edit in edits if _is_ours(edit.path)]):
            return
        _restore(repository, top, edits)
        _move_with_git(repository, top, announced)
    _clear_announcement(repository)


def lagging(repository: GitRepository, before: str, after: str) -> list[Edit]:
    """Return the edits of gitreg's files between two commits that the index does not have yet.

    The index has the old content, and the file has the old content, the new content or what a
    killed writer leaves. Everything else is the user's work and is left out.
    """
    top = repository.top_level
    if top is None:
        return []
    publication = Announced("", before, after)
    paths = [path for path in repository.changed_paths(before, after) if _is_ours(path)]
    edits = _untouched(repository, top, publication, paths)
    old, staged = repository.snapshot(before), _staged(repository, paths)
    return [
        edit
        for edit in edits
        if staged.get(edit.path) == repository.blob_name(_read(old, edit.path))
    ]


def catch_up(repository: GitRepository, edits: Sequence[Edit]) -> tuple[str, ...]:
    """Apply the edits from `lagging` to index and work tree; return warnings.

    Raises:
        GitError: another process holds the index.
    """
    if repository.top_level is None:
        return ()
    _refuse_locked_index(repository)
    return _apply(repository.top_level, edits)


def _move_with_git(repository: GitRepository, top: Path, announced: Announced) -> bool:
    before, after = announced.before, announced.after
    if _untracked_in_the_way(repository, top, before, after) is not None:
        return False
    return _read_trees(repository, before, after).returncode == 0


def _is_ours(path: str) -> bool:
    """Return whether gitreg writes a path; such a file has no filter and no special mode."""
    return path in OURS or path.startswith(tuple(f"{place}/" for place in OURS))


def _untouched(
    repository: GitRepository, top: Path, announced: Announced, paths: Sequence[str]
) -> list[Edit]:
    """Return the edits between two commits at paths without work of the user.

    There, index and file have the old content, the new content or what a killed writer leaves. Git
    removes the old file before it writes the new one, which can then be incomplete.
    """
    old, new = repository.snapshot(announced.before), repository.snapshot(announced.after)
    staged = _staged(repository, paths)
    found = []
    for path in paths:
        was, content = _read(old, path), _read(new, path)
        index, file = staged.get(path), _file(top / path)
        as_before = index == repository.blob_name(was)
        if (as_before and (file == was or _may_be_partial(top / path, content))) or (
            index in (repository.blob_name(was), repository.blob_name(content))
            and file in (was, content)
        ):
            found.append(Edit(path, content))
    return found


def _staged(repository: GitRepository, paths: Sequence[str]) -> dict[str, str]:
    """Return the paths that the index has, each with its object name."""
    entries = repository.run_at_root("ls-files", "-s", "-z", "--", *paths).stdout if paths else b""
    return {
        os.fsdecode(path): fields.split()[1].decode("ascii")
        for fields, _, path in (entry.partition(b"\t") for entry in entries.split(b"\0") if entry)
    }


def _read(snapshot: CommitSnapshot, path: str) -> bytes | None:
    """Return a file of a commit; ``None`` for a file that is too large to compare."""
    try:
        return snapshot.read(path)
    except GitError:
        return None


def _restore(repository: GitRepository, top: Path, edits: Sequence[Edit]) -> None:
    """Restore the old content of files that a killed Git wrote, completely or in part."""
    paths = [edit.path for edit in edits if not _is_ours(edit.path)]
    known = _staged(repository, paths)
    for path in paths:
        if path not in known and _file(top / path) is not None:
            with suppress(OSError):  # else Git reports that the file is in the way
                (top / path).unlink()
    # A path outside the index would make Git discard its index refresh for the others.
    repository.run_at_root(
        "checkout-index",
        "--force",
        "--index",
        "--quiet",
        "-z",
        "--stdin",
        check=False,
        stdin=b"".join(os.fsencode(path) + b"\0" for path in known),
    )


def _may_be_partial(path: Path, content: bytes | None) -> bool:
    """Return whether a file is missing, or has only the beginning of its new content."""
    file = _file(path)
    if file is None:
        return not os.path.lexists(path)
    return content is not None and content.startswith(file)


def _sweep(top: Path, paths: Sequence[str]) -> None:
    """Remove the temporary files of a killed writer."""
    for path in filter(_is_ours, paths):
        with suppress(OSError):
            _temporary(top / path).unlink(missing_ok=True)


def _file(path: Path) -> bytes | None:
    try:
        return None if path.is_symlink() else path.read_bytes()
    except OSError:
        return None


def _clear_announcement(repository: GitRepository) -> None:
    with suppress(OSError):  # the next writer then finds that nothing is left to do
        (repository.git_dir / ANNOUNCEMENT).unlink(missing_ok=True)


def _apply(top: Path, edits: Sequence[Edit]) -> tuple[str, ...]:
    if not edits:
        return ()
    for edit in edits:
        try:
            _write_file(top, edit)
        except OSError as error:
            return (_left_behind(edits, f"{edit.path}: {error.strerror}"),)
    # The blobs are given by name. Reading them from the files would apply the user's filters, and
    # `git reset` with paths takes four times as long in a large index.
    stdin = b"".join(_index_line(edit) for edit in edits)
    top_repository = GitRepository(top)
    for pause in (0.05, 0.1, 0.2, 0.4, 0.8, 0.0):
        done = top_repository.run("update-index", "-z", "--index-info", stdin=stdin, check=False)
        if done.returncode == 0:
            return ()
        # Another Git process of the user (an editor, a prompt) briefly holds index.lock.
        time.sleep(pause)
    return (_left_behind(edits, done.stderr.strip()),)


def _index_line(edit: Edit) -> bytes:
    """Return the line that puts an edit into an index; mode 0 removes the path."""
    oid = GitRepository.blob_name(edit.content)
    mode, name = ("0", NO_OBJECT) if oid is None else ("100644", oid)
    return f"{mode} {name}\t".encode() + os.fsencode(edit.path) + b"\0"


def _left_behind(edits: Sequence[Edit], cause: str) -> str:
    paths = " ".join(edit.path for edit in edits)
    return (
        f"published, but the work tree was not updated ({cause}); to update it: "
        f"git restore --staged --worktree -- {paths}"
    )


def _write_file(top: Path, edit: Edit) -> None:
    target = top / edit.path
    if edit.content is None:
        target.unlink(missing_ok=True)
        for folder in list(target.parents)[: edit.path.count("/")]:
            try:
                folder.rmdir()
            except OSError:
                return  # not empty: other files are there
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(target)
    try:
        temporary.write_bytes(edit.content)
        temporary.replace(target)
    except OSError:
        with suppress(OSError):  # a failing disk may refuse this, too
            temporary.unlink()
        raise


def _temporary(target: Path) -> Path:
    return target.with_name(f".{target.name}.gitreg")
