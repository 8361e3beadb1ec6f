"""gitreg's own references, ``refs/gitreg/…``: written by renames, without lock files that stay.

Git locks a reference by a file, and a Git that is killed leaves it. The writers of these references
hold the lock of the clone already, which the kernel frees, so a rename is enough. They stay
references, and not files of another kind, so that ``git gc`` keeps what they name.

==========================  =====================================================================
``refs/gitreg/seen/…``      the last known commit of a remote branch
``refs/gitreg/accepted/…``  commits whose withdrawal a person accepted
``refs/gitreg/withdrawn``   the last local commit that the remote took back
``refs/gitreg/left``        the local line whose push left commits unpublished
``refs/gitreg/tmp-…/``      what one fetch or push needs for a moment
==========================  =====================================================================
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from gitreg.errors import GitError
from gitreg.git.repository import GitRepository
from gitreg.git.sharing import share

_TEMPORARY = "refs/gitreg/tmp-"


def write(repository: GitRepository, name: str, commit: str) -> None:
    """Set a reference; the caller holds the lock of the clone.

    Raises:
        GitError: it cannot be written.
    """
    if not _are_files(repository):
        repository.run("update-ref", name, commit)
        return
    try:
        _write(repository.common_dir, {name: commit}, durable=True)
    except OSError as error:
        raise _unwritable(repository, error) from None


def delete(repository: GitRepository, name: str) -> None:
    """Delete a reference; the caller holds the lock of the clone.

    Raises:
        GitError: it cannot be deleted.
    """
    if _are_files(repository):
        with suppress(OSError):
            (repository.common_dir / name).unlink(missing_ok=True)
    if repository.commit_of(name) is not None:  # it is packed
        repository.run("update-ref", "-d", name)


@contextmanager
def temporary(
    repository: GitRepository, references: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Yield the name of a folder of references of one's own; it is removed afterwards.

    A Git that is killed in it leaves its locks where nobody else writes. The next call removes
    them, and so the caller holds the lock of the clone.

    Args:
        repository: where they are.
        references: name in the folder to object.

    Raises:
        GitError: they cannot be written.
    """
    name = f"{_TEMPORARY}{secrets.token_hex(8)}"
    wanted = {f"{name}/{inner}": oid for inner, oid in (references or {}).items()}
    if not _are_files(repository):
        yield from _temporary_in_tables(repository, name, wanted)
        return
    for left in (repository.common_dir / _TEMPORARY).parent.glob("tmp-*"):
        shutil.rmtree(left, ignore_errors=True)
    try:
        _write(repository.common_dir, wanted, durable=False)
        yield name
    except OSError as error:
        raise _unwritable(repository, error) from None
    finally:
        shutil.rmtree(repository.common_dir / name, ignore_errors=True)


def _temporary_in_tables(
    repository: GitRepository, name: str, wanted: Mapping[str, str]
) -> Iterator[str]:
    _change(repository, [f"update {full}\0{oid}\0" for full, oid in wanted.items()])
    try:
        yield name
    finally:
        listing = repository.run("for-each-ref", "--format=%(refname)", f"{name}/").text
        _change(repository, [f"delete {full}\0" for full in listing.split()])


def _change(repository: GitRepository, lines: list[str]) -> None:
    script = "\0".join(["start", *lines, "prepare", "commit", ""])
    repository.run("update-ref", "--stdin", "-z", stdin=script.encode("utf-8", "surrogateescape"))


def _are_files(repository: GitRepository) -> bool:
    """Return whether references are files; a reftable repository has them in tables."""
    return not (repository.common_dir / "reftable").is_dir()


def _write(common_dir: Path, references: Mapping[str, str], *, durable: bool) -> None:
    for name, oid in references.items():
        place = common_dir / name
        place.parent.mkdir(parents=True, exist_ok=True)
        fresh = common_dir / "gitreg" / "reference.new"
        fresh.parent.mkdir(exist_ok=True)
        fresh.unlink(missing_ok=True)
        with fresh.open("w", encoding="ascii") as file:
            file.write(f"{oid}\n")
            if durable:
                file.flush()
                os.fsync(file.fileno())  # else a power cut can leave an empty file
        share(common_dir, fresh, place.parent)
        fresh.replace(place)


def _unwritable(repository: GitRepository, error: OSError) -> GitError:
    return GitError(f"cannot write to {repository.common_dir}: {error.strerror}")
