"""The recorded commit in a folder of its own, with the recorded data: nothing of the tree now."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from gitreg.artifacts.dvc_files import find_record
from gitreg.core.model.model import DataDependency
from gitreg.dvc import DvcProject
from gitreg.dvc.digest import hash_tree
from gitreg.errors import DvcError, GitError, InvalidRequest, WorldError
from gitreg.git.process import run


class Missing(Exception):
    """Something that a reproduction needs is not there; the text says what."""


def check_out(top: Path, commit: str, folder: Path) -> Path:
    """Return a new checkout of a commit, in a repository that shares the objects of another.

    It is no work tree of the user's repository: that gets no entry that could be left behind.

    Args:
        top: the root of the user's work tree.
        commit: 40 hex digits.
        folder: an empty folder.

    Raises:
        Missing: the repository does not have the commit.
    """
    if run(top, "cat-file", "-e", f"{commit}^{{commit}}", check=False).returncode != 0:
        raise Missing(
            f"code: commit {commit[:9]} is not in this repository; git fetch may bring it"
        )
    tree = folder / "tree"
    run(folder, "clone", "--quiet", "--shared", "--no-checkout", "--", str(top), str(tree))
    try:
        run(tree, "checkout", "--quiet", "--detach", commit)
    except GitError as error:
        raise Missing(f"code: commit {commit[:9]} cannot be checked out: {error}") from None
    return tree


def stage_of(tree: Path, source: str) -> str | None:
    """Return the DVC stage that makes a path, as ``dvc repro`` takes it; ``None`` without one."""
    record = find_record(tree / source)
    if record is None or record.stage is None:
        return None
    return f"{record.file.parent / 'dvc.yaml'}:{record.stage.name}"


def bring_data(top: Path, tree: Path, data: tuple[DataDependency, ...]) -> None:
    """Put recorded data into a checkout, by its hashes; what Git has there already is compared.

    Raises:
        Missing: some is neither in the commit, the DVC cache nor on the remote, or lies outside of
            the repository.
    """
    lacking = [line for item in data for line in _bring(top, tree, item)]
    if lacking:
        raise Missing("\n".join(lacking))


def _bring(top: Path, tree: Path, item: DataDependency) -> Iterator[str]:
    assert item.md5 is not None
    parts = PurePosixPath(item.path)
    if parts.is_absolute() or ".." in parts.parts:
        yield f"data: {item.path} is outside of the repository"
        return
    place = tree / item.path
    if not place.resolve().is_relative_to(tree.resolve()):
        yield f"data: {item.path} is behind a link that leaves the repository"
        return
    if place.exists() and hash_tree(place, as_source=True).md5 == item.md5:
        return
    project = _project(top, item.path)
    name = f"data: {item.path} ({item.md5[:9]})"
    if project is None:
        yield f"{name} is not in the commit, and no DVC project tracks it"
        return
    try:
        project.discard(project.damaged(project.fetch(item.md5)))
        _copy(project, item.md5, place)
    except (DvcError, InvalidRequest, OSError) as error:
        yield f"{name}: {error}"


def _project(top: Path, path: str) -> DvcProject | None:
    """Return the DVC project of the user's work tree that a path is in."""
    for folder in (top / path).parents:
        if (folder / ".dvc").is_dir():
            return DvcProject(folder)
        if folder == top:
            return None
    return None


def _copy(project: DvcProject, md5: str, place: Path) -> None:
    """Copy an object out of the cache, whatever is in its place, and check the copy.

    Raises:
        DvcError: an object is missing or damaged.
    """
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)
    for member in project.members(md5):
        target = place / member.path if member.path else place
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(project.cache_path(member.md5), target)
    if not place.exists() or hash_tree(place, as_source=True).md5 != md5:
        raise DvcError("its bytes in the DVC cache are damaged", hint="dvc pull brings them again")


def made_files(tree: Path, source: str) -> dict[str, str]:
    """Return the files of an artifact that a command made, path to SHA-256.

    Raises:
        Missing: the command made nothing there.
    """
    place = tree / source
    if not place.exists():
        raise Missing(f"the command made no {source}")
    try:
        return {member.path: member.sha256 for member in hash_tree(place).members}
    except (WorldError, InvalidRequest) as error:
        raise Missing(f"what the command made cannot be read: {error}") from None
