"""The user's work tree: what is theirs stays theirs, and it follows what was published.

A publication moves the branch first and the files after it. Killed in between, `git status`
would show the publication as if the user had taken it back. So it is announced in a small file
before the branch moves, and whoever writes next finishes what is announced: only where index and
file are still exactly what they were before.
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
from gitreg.git.index import not_surely_clean
from gitreg.git.objects import NO_OBJECT, CommitSnapshot
from gitreg.git.repository import EMPTY_TREE, GitRepository, Tip

ANNOUNCEMENT = "gitreg-following.json"
"""Where, in the work tree's ``.git``, it is written down what index and files are to follow."""

OURS = (layout.ROOT, layout.DVC_YAML, ".dvc", ".dvcignore")
"""What gitreg writes; `init` the last two."""

_PATIENCE = 1.0
"""For how many seconds another process may hold the index: an editor's ``git status`` takes it for
a few milliseconds, again and again."""


def refuse_dirty(repository: GitRepository, paths: Mapping[str, bytes | None]) -> None:
    """Refuse paths where the user has work that a write would overwrite.

    Args:
        repository: whose work tree and index; a bare one has neither.
        paths: what will be written, and what the tip has there.

    Raises:
        Refused: one of them is staged, changed, untracked or ignored in the work tree, or
            something that is no folder lies where its folder belongs.
        GitError: another process holds the index.
    """
    top = repository.top_level
    if top is None:
        return
    _refuse_locked_index(repository)
    for path in paths:
        _refuse_obstacle(top, path)
    dirty = []
    unsure = not_surely_clean(repository, top, paths)
    if unsure:
        status = repository.run_at_root(
            "status", "--porcelain", "-z", "--no-renames", "--untracked-files=no", "--", *unsure
        )
        dirty = [os.fsdecode(entry[3:]) for entry in status.stdout.split(b"\0") if entry]
    # Git is not asked for untracked and ignored files, which takes a walk of the tree, and does
    # not look at those that it was told to leave alone (`--skip-worktree`).
    dirty += [path for path, before in paths.items() if _is_changed(top / path, before)]
    if dirty:
        raise Refused(
            f"{dirty[0]} has uncommitted changes that this would overwrite",
            hint="commit them, or take them back with git restore; nothing was written",
        )


def _refuse_locked_index(repository: GitRepository) -> None:
    until = time.monotonic() + _PATIENCE
    while (repository.git_dir / "index.lock").exists():
        if time.monotonic() >= until:
            raise GitError(
                "another Git process holds the index (.git/index.lock)",
                hint="wait for it; if none is running, remove that file",
            )
        time.sleep(0.01)


def _refuse_obstacle(top: Path, path: str) -> None:
    """Refuse a path that leads through a link, which may leave the repository, or a file."""
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
        return False  # Git says so when it was there, but for a sparse checkout
    if before is None or file.is_dir():
        return True
    # Git may have been told to write CRLF.
    return file.read_bytes().replace(b"\r\n", b"\n") != before.replace(b"\r\n", b"\n")


def announce(repository: GitRepository, base: Tip, commit: str) -> None:
    """Write down that the work tree is to follow from a tip to a commit.

    One that it could not follow to yet stays announced: it has the longer way to go.
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
    """Bring work tree and index to what was just published, for the edited paths alone.

    The change is published by then, so that what fails here is a warning, not an error.
    """
    if repository.top_level is None:
        return ()
    if repository.head_branch() != base.branch:
        _forget(repository)
        return ("the branch was switched meanwhile: the work tree was left alone",)
    warnings = _bring(repository.top_level, edits)
    if not warnings:  # else the next writer tries again
        _forget(repository)
    return warnings


def refuse_to_move(repository: GitRepository, before: str | None, after: str) -> None:
    """Refuse to bring index and work tree from one commit to another when the user's work is there.

    Raises:
        Refused: a path that differs between the two is staged, changed, untracked or ignored.
        GitError: another process holds the index.
    """
    if repository.top_level is None:
        return
    _refuse_locked_index(repository)
    there = _in_the_way(repository, repository.top_level, before, after)
    if there is not None:
        raise Refused(
            f"the work tree cannot follow: {there} is there, and not in Git",
            hint="move it away, then run it again",
        )
    # What was touched but not changed is no work; Git finds out when it looks again.
    repository.run_at_root("update-index", "-q", "--refresh", check=False)
    done = _read_trees(repository, before, after, "-n")
    if done.returncode != 0:
        raise Refused(
            f"the work tree cannot follow: {_obstacle(done.stderr)}",
            hint="commit that, or take it back with git restore, then run it again",
        )


def move(repository: GitRepository, base: Tip, after: str) -> tuple[str, ...]:
    """Bring index and work tree to a commit that the branch was just moved to.

    `refuse_to_move` was asked before, so that what fails here is a warning, not an error.
    """
    if repository.top_level is None:
        return ()
    if repository.head_branch() != base.branch:
        _forget(repository)
        return ("the branch was switched meanwhile: the work tree was left alone",)
    done = _read_trees(repository, base.commit, after)
    if done.returncode == 0:
        _forget(repository)
        return ()
    return (f"the work tree could not follow ({_obstacle(done.stderr)}): gitreg fetch tries again",)


def _in_the_way(repository: GitRepository, top: Path, before: str | None, after: str) -> str | None:
    """Return a file of the user's, tracked by nobody, where a commit brings one of its own.

    Git takes ignored files for expendable, and in a DVC repository they are the data.
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
                stranger = next((name for name in others if name not in gone), None)
                if stranger is not None:
                    return stranger
            elif os.path.lexists(place) and _file(place) != _read(new, path):
                return path
    return None


def _read_trees(
    repository: GitRepository, before: str | None, after: str, *options: str
) -> process.Completed:
    """Let Git bring index and work tree from one commit to another, or nothing of it."""
    old = before or repository.writer.write("tree", b"")
    return repository.run_at_root(
        "read-tree", *options, "-m", "-u", "--no-recurse-submodules", old, after, check=False
    )


def _obstacle(stderr: str) -> str:
    """Return the first thing that Git has against it, in a person's words."""
    first = next((line for line in stderr.splitlines() if line.startswith("error: ")), stderr)
    entry = re.search(r"Entry '(.*)' (?:not uptodate|would be overwritten|overlaps)", first)
    untracked = re.search(r"Untracked working tree file '(.*)' would be", first)
    if entry:
        return f"{entry[1]} has uncommitted changes"
    if untracked:
        return f"{untracked[1]} is there, and not in Git"
    return first.removeprefix("error: ").strip() or "git read-tree failed"


@dataclass(frozen=True)
class Announced:
    """The branch is to move from one commit to another, and the work tree to follow."""

    branch: str
    before: str | None
    after: str


def announced(repository: GitRepository) -> Announced | None:
    """Return what is announced; ``None`` when nothing is, or nothing that can be read."""
    try:
        found = json.loads((repository.git_dir / ANNOUNCEMENT).read_text("utf-8"))
        return Announced(found["branch"], found["before"], found["after"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def finish(repository: GitRepository) -> Announced | None:
    """Let the work tree follow a publication whose writer could not, or was killed before it did.

    What cannot be done this time either (a lock of Git's that was left behind, a full disk) stays
    announced.

    Returns:
        what was announced and had come to pass; ``None`` when nothing was left to finish.
    """
    found = announced(repository)
    if found is None or repository.tip() != Tip(found.branch, found.after):
        _forget(repository)
        return None
    top = repository.top_level
    if top is not None and not (repository.git_dir / "index.lock").exists():
        _finish(repository, top, found)
    return found


def _finish(repository: GitRepository, top: Path, announced: Announced) -> None:
    # Git itself follows where index and files are as they were before. It takes a file that was
    # written already, beside an index that was not, for the user's work: those are looked at.
    paths = repository.changed_paths(announced.before, announced.after)
    if _follows(repository, top, announced):
        _sweep(top, paths)
    else:
        edits = _untouched(repository, top, announced, paths)
        if _bring(top, [edit for edit in edits if _is_ours(edit.path)]):
            return
        _take_back(repository, top, edits)
        _follows(repository, top, announced)
    _forget(repository)


def lagging(repository: GitRepository, before: str, after: str) -> list[Edit]:
    """Return the edits of our files between two commits that the index has not followed.

    The index is as ``before`` has it, and the file as either of the two has it, or as a writer who
    was killed leaves it. Everything else is the user's work, and left out.
    """
    top = repository.top_level
    if top is None:
        return []
    way = Announced("", before, after)
    paths = [path for path in repository.changed_paths(before, after) if _is_ours(path)]
    edits = _untouched(repository, top, way, paths)
    old, staged = repository.snapshot(before), _staged(repository, paths)
    return [
        edit
        for edit in edits
        if staged.get(edit.path) == repository.blob_name(_read(old, edit.path))
    ]


def catch_up(repository: GitRepository, edits: Sequence[Edit]) -> tuple[str, ...]:
    """Bring what `lagging` returned into index and work tree; return warnings.

    Raises:
        GitError: another process holds the index.
    """
    if repository.top_level is None:
        return ()
    _refuse_locked_index(repository)
    return _bring(repository.top_level, edits)


def _follows(repository: GitRepository, top: Path, announced: Announced) -> bool:
    before, after = announced.before, announced.after
    if _in_the_way(repository, top, before, after) is not None:
        return False
    return _read_trees(repository, before, after).returncode == 0


def _is_ours(path: str) -> bool:
    """Tell whether a path is one that gitreg writes, as it stands in Git: no filter, no mode."""
    return path in OURS or path.startswith(tuple(f"{place}/" for place in OURS))


def _untouched(
    repository: GitRepository, top: Path, announced: Announced, paths: Sequence[str]
) -> list[Edit]:
    """Return the edits between two commits that the user has nothing against.

    Index and file are as they were before, as they are to be, or as a writer who was killed leaves
    them. Git takes the old file away before it writes the new one, which may then be cut off.
    """
    old, new = repository.snapshot(announced.before), repository.snapshot(announced.after)
    staged = _staged(repository, paths)
    found = []
    for path in paths:
        was, content = _read(old, path), _read(new, path)
        index, file = staged.get(path), _file(top / path)
        as_before = index == repository.blob_name(was)
        if (as_before and (file == was or _may_be_half(top / path, content))) or (
            index in (repository.blob_name(was), repository.blob_name(content))
            and file in (was, content)
        ):
            found.append(Edit(path, content))
    return found


def _staged(repository: GitRepository, paths: Sequence[str]) -> dict[str, str]:
    """Return those of some paths that the index has, and their objects."""
    entries = repository.run_at_root("ls-files", "-s", "-z", "--", *paths).stdout if paths else b""
    return {
        os.fsdecode(path): fields.split()[1].decode("ascii")
        for fields, _, path in (entry.partition(b"\t") for entry in entries.split(b"\0") if entry)
    }


def _read(snapshot: CommitSnapshot, path: str) -> bytes | None:
    """Return a file of a commit; none that is too large to be looked at here."""
    try:
        return snapshot.read(path)
    except GitError:
        return None


def _take_back(repository: GitRepository, top: Path, edits: Sequence[Edit]) -> None:
    """Bring files that a killed Git wrote, whole or by half, to where they were before."""
    paths = [edit.path for edit in edits if not _is_ours(edit.path)]
    known = _staged(repository, paths)
    for path in paths:
        if path not in known and _file(top / path) is not None:
            with suppress(OSError):  # then Git says that it is in the way
                (top / path).unlink()
    # One that the index does not have would make it forget what it learnt of the others.
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


def _may_be_half(path: Path, content: bytes | None) -> bool:
    """Tell whether a file is the beginning of what was to be written there, or not there yet."""
    file = _file(path)
    if file is None:
        return not os.path.lexists(path)
    return content is not None and content.startswith(file)


def _sweep(top: Path, paths: Sequence[str]) -> None:
    """Remove what a killed writer had not yet given its name."""
    for path in filter(_is_ours, paths):
        with suppress(OSError):
            _temporary(top / path).unlink(missing_ok=True)


def _file(path: Path) -> bytes | None:
    try:
        return None if path.is_symlink() else path.read_bytes()
    except OSError:
        return None


def _forget(repository: GitRepository) -> None:
    with suppress(OSError):  # then the next writer looks at it, and finds it done
        (repository.git_dir / ANNOUNCEMENT).unlink(missing_ok=True)


def _bring(top: Path, edits: Sequence[Edit]) -> tuple[str, ...]:
    if not edits:
        return ()
    for edit in edits:
        try:
            _write_file(top, edit)
        except OSError as error:
            return (_left_behind(edits, f"{edit.path}: {error.strerror}"),)
    # The blobs are named, not read from the files, which would send them through the user's
    # filters. `git reset` with paths does the same, and takes four times as long in a large index.
    stdin = b"".join(_index_line(edit) for edit in edits)
    top_repository = GitRepository(top)
    for pause in (0.05, 0.1, 0.2, 0.4, 0.8, 0.0):
        done = top_repository.run("update-index", "-z", "--index-info", stdin=stdin, check=False)
        if done.returncode == 0:
            return ()
        # Another Git of the user's (an editor, a prompt) holds index.lock for moments.
        time.sleep(pause)
    return (_left_behind(edits, done.stderr.strip()),)


def _index_line(edit: Edit) -> bytes:
    """Return the line that makes an index hold an edit; mode 0 takes the path out of it."""
    oid = GitRepository.blob_name(edit.content)
    mode, name = ("0", NO_OBJECT) if oid is None else ("100644", oid)
    return f"{mode} {name}\t".encode() + os.fsencode(edit.path) + b"\0"


def _left_behind(edits: Sequence[Edit], cause: str) -> str:
    paths = " ".join(edit.path for edit in edits)
    return (
        f"published, but the work tree could not follow ({cause}); bring it up with: "
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
                return  # not empty: somebody else's files live there
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(target)
    try:
        temporary.write_bytes(edit.content)
        temporary.replace(target)
    except OSError:
        with suppress(OSError):  # a disk that takes nothing may give nothing up either
            temporary.unlink()
        raise


def _temporary(target: Path) -> Path:
    return target.with_name(f".{target.name}.gitreg")
