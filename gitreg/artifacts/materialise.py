"""Delivers artifacts from DVC's cache to a folder; the copy is verified.

DVC's own checkout is not used: it follows any path that a listing names, trusts MD5, and may link
the delivered files to its cache. Here the files are copied to a private folder beside the
destination, their SHA-256 is compared, and a rename puts them in place.

Some folders cannot be renamed: a mounted volume (EBUSY), or a folder of a container's image (EXDEV
in overlayfs). `gitreg.artifacts.swap` then exchanges the files in it.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from gitreg.artifacts import swap
from gitreg.core.model.model import Artifact
from gitreg.dvc import DvcProject, Member, digest
from gitreg.dvc.digest import FileDigest, Meter, Progress, translated
from gitreg.dvc.member_paths import shown
from gitreg.errors import DvcError, InvalidRequest, WorldError
from gitreg.git import scratch


def deliver(
    project: DvcProject,
    artifact: Artifact,
    destination: Path,
    fetched: set[str],
    *,
    replace: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Copy an artifact out of the cache to ``destination``, unless it is already there.

    1. A destination that already holds the artifact is returned untouched.
    2. The files are copied beside it and hashed while copied; nothing is linked to the cache.
    3. They are compared with the manifest. If they differ, nothing is delivered, and damaged
       objects that nobody has verified leave the cache: the next run fetches them again.
    4. A rename puts them in place; where a folder cannot be renamed, its files are exchanged.

    The caller ensures that all objects are in the cache (`DvcProject.fetch`).

    Args:
        project: whose cache has the objects.
        artifact: what the manifest says; ``md5`` is from the ``.dvc`` file.
        destination: the path of the file or folder itself, not of its parent folder.
        fetched: what `DvcProject.fetch` returned.
        replace: whether something else at the destination may be replaced.
        progress: called with the bytes copied.

    Raises:
        InvalidRequest: the destination is a symbolic link, is below a file, or holds something
            else.
        DvcError: an object is missing, or the bytes are not those of the manifest.
        WorldError: the destination cannot be written.
    """
    destination = destination.absolute()
    with _delivering(destination):
        if _stands(destination, artifact, replace=replace):  # 1
            return destination
    if artifact.md5 is None:
        raise DvcError(f"no .dvc file names the object of {artifact.path}")
    members = project.members(artifact.md5)
    with _workshop(destination, is_folder=artifact.is_folder) as workshop:
        copy = workshop / "new"
        found = _copy(project, members, copy, artifact, progress)  # 2
        _compare(project, artifact, members, found, fetched)  # 3
        project.vouch(sorted({member.md5 for member in members}))
        _put(copy, destination, {file.path: file.sha256 for file in found})  # 4
    return destination


def check_delivered(
    path: Path,
    artifact: Artifact,
    project: DvcProject | None = None,
    progress: Progress | None = None,
) -> list[str]:
    """Return how ``path`` differs from an artifact; an empty list if it does not.

    Args:
        path: where the artifact was delivered to.
        artifact: what the manifest says.
        project: its cache may have the listing that shows which file differs; without it only
            the whole is compared.
        progress: called with the bytes read.

    Returns:
        lines such as ``weights.bin: missing``, ``weights.bin: differs``, ``notes.txt: not part of
        it``; ``missing`` or ``differs`` for the whole.

    Raises:
        WorldError: a file cannot be read.
    """
    if not path.exists():
        return ["missing"]
    if path.is_symlink() or path.is_dir() != artifact.is_folder:
        return ["differs"]
    try:
        if digest.hash_whole(path, progress) == (artifact.sha256, artifact.size, artifact.files):
            return []
        expected = _known_members(project, artifact)
        found = digest.hash_tree(path).members if expected else ()
    except InvalidRequest as error:  # a link, a device or nothing at all in the folder
        return [f"differs: {error}"]
    return _differences(found, expected) or ["differs"]


def _known_members(project: DvcProject | None, artifact: Artifact) -> Sequence[Member]:
    if project is None or artifact.md5 is None or not artifact.is_folder:
        return ()
    try:
        return project.members(artifact.md5)
    except DvcError:
        return ()


def _differences(found: Sequence[FileDigest], expected: Sequence[Member]) -> list[str]:
    there = {file.path: file.md5 for file in found}
    lines = [
        f"{shown(member.path)}: {'differs' if member.path in there else 'missing'}"
        for member in expected
        if there.get(member.path) != member.md5
    ]
    known = {member.path for member in expected}
    return lines + [f"{shown(path)}: not part of it" for path in there if path not in known]


def _stands(destination: Path, artifact: Artifact, *, replace: bool) -> bool:
    """Tell whether the destination already holds the artifact."""
    if destination.is_symlink():
        raise InvalidRequest(
            f"{shown(str(destination))} is a symbolic link, which is not followed",
            hint="remove it, or name another destination",
        )
    standing = next(path for path in destination.parents if os.path.lexists(path))
    if not standing.is_dir():
        raise InvalidRequest(f"{shown(str(standing))} is not a folder")
    if not destination.exists() or (artifact.is_folder and _is_empty_folder(destination)):
        return False
    if not check_delivered(destination, artifact):
        return True
    if replace or swap.is_unfinished(destination):
        return False
    raise InvalidRequest(
        f"{shown(str(destination))} already exists and is something else",
        hint="remove it, name another destination, or replace it with --force",
    )


def _is_empty_folder(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def _delivering(path: Path) -> AbstractContextManager[None]:
    """Translate errors of the operating system about the destination."""
    return translated(path, f"cannot deliver to {shown(str(path))}: ")


@contextmanager
def _workshop(destination: Path, *, is_folder: bool) -> Iterator[Path]:
    """Yield a private folder in the destination's file system, so that a rename is atomic.

    It is beside the destination. For a folder that is a mounted volume, or the only writable place,
    it is inside.
    """
    with _delivering(destination):
        destination.parent.mkdir(parents=True, exist_ok=True)
        inside = is_folder and swap.is_an_island(destination)
        place = destination if inside else destination.parent
    with ExitStack() as stack:
        with _delivering(destination):
            workshop = stack.enter_context(scratch.beside(place))
        if inside:
            swap.refuse_others(destination, {workshop})
        yield workshop


def _copy(
    project: DvcProject,
    members: Sequence[Member],
    copy: Path,
    artifact: Artifact,
    progress: Progress | None,
) -> list[FileDigest]:
    def copy_one(member: Member) -> FileDigest:
        source = project.cache_path(member.md5)
        if not source.is_file():
            raise DvcError(
                f"DVC object {member.md5} of {_named(member, artifact)} is not in the cache"
            )
        sha256, size = digest.copy_and_sha256(source, copy / member.path, meter)
        return FileDigest(member.path, size, member.md5, sha256)

    with _delivering(copy):
        if artifact.is_folder:
            for folder in sorted({(copy / member.path).parent for member in members}):
                folder.mkdir(parents=True, exist_ok=True)
    meter = Meter(progress)
    return digest.each(copy_one, members, meter)


def _named(member: Member, artifact: Artifact) -> str:
    return shown(member.path or artifact.path)


def _compare(
    project: DvcProject,
    artifact: Artifact,
    members: Sequence[Member],
    found: Sequence[FileDigest],
    fetched: set[str],
) -> None:
    """Refuse files that differ from the manifest; remove unverified damage from the cache."""
    tree = digest.tree_digest(found, is_folder=artifact.is_folder)
    if (tree.sha256, tree.size, tree.files) == (artifact.sha256, artifact.size, artifact.files):
        return
    damaged = project.damaged(member.md5 for member in members)
    if not damaged:
        raise DvcError(
            f"{artifact.path} has the MD5 that its .dvc file names, but not the SHA-256 of its "
            "manifest: one of the two files was tampered with"
        )
    names = ", ".join(_named(m, artifact) for m in members if m.md5 in damaged)
    left = sorted(project.discard(damaged))
    came = "arrived damaged from the DVC remote" if damaged & fetched else "damaged in DVC's cache"
    raise DvcError(
        f"{names}: {came}; nothing was delivered",
        hint=f"remove {project.cache_path(left[0])}, then run the command again"
        if left
        else "run the command again; if the error stays, the object on the DVC remote is damaged",
    )


def _put(copy: Path, destination: Path, hashes: Mapping[str, str]) -> None:
    """Move the copy into place; if that fails, put back what it replaces.

    Args:
        copy: the file or folder.
        destination: its path.
        hashes: the SHA-256 of each file of the copy, by its path in it.
    """
    with _delivering(destination):
        if copy.parent.parent == destination:
            swap.exchange(copy, destination, hashes)
            return
        try:
            _rename(copy, destination)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EBUSY):
                raise
            if not (destination.is_dir() and copy.is_dir()):
                raise WorldError(
                    f"{shown(str(destination))} cannot be replaced: it is a mount, or a folder of "
                    "a container's image",
                    hint="remove or unmount it, or name another destination",
                ) from None
            swap.exchange(copy, destination, hashes)


def _rename(copy: Path, destination: Path) -> None:
    # Not inside the workshop: that is always removed, and this may be the only copy.
    place = copy.parent.with_name(copy.parent.name + swap.ASIDE)
    aside = place / destination.name
    try:
        # A file replaces a file in one step; a folder needs a free place.
        if destination.is_dir() or (copy.is_dir() and destination.exists()):
            place.mkdir()
            scratch.hide(place)
            destination.rename(aside)
        copy.replace(destination)
    except BaseException:
        if aside.exists() and not destination.exists():
            aside.rename(destination)
        if not aside.exists():
            shutil.rmtree(place, ignore_errors=True)
        raise
    shutil.rmtree(place, ignore_errors=True)
