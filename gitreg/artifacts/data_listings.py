"""Which files a folder of data had: by DVC's listings, without the bytes of any file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath

from gitreg.artifacts.store import ArtifactStore
from gitreg.core.state.state import Snapshot
from gitreg.dvc import DvcProject, Member
from gitreg.errors import DvcError

MOST_LOOKED_UP = 100
"""How many files are looked up on a remote for their sizes alone."""


class DataListings:
    """The listings of data in DVC's caches and on its remotes.

    Args:
        store: knows the registry's DVC project, and the one around it, which tracks data.
        snapshot: the commit with their configuration.
        top: the root of the work tree, where projects in folders may track data; ``None`` without.
    """

    def __init__(self, store: ArtifactStore, snapshot: Snapshot, top: Path | None) -> None:
        self._store = store
        self._snapshot = snapshot
        self._top = top
        self._unreachable: DvcError | None = None

    def files(self, path: str, md5: str) -> Mapping[str, str]:
        """Return the files of a folder and their hashes.

        Args:
            path: where the data is, relative to the repository.
            md5: the name of the listing, which ends in ``.dir``.

        Raises:
            DvcError: the listing is nowhere, is damaged, or a remote cannot be reached.
        """
        members = self._cached(path, md5)
        if members is None and self._unreachable is None:
            members = self._anywhere(path, md5)
        if members is not None:
            return {member.path: member.md5 for member in members}
        raise self._unreachable or DvcError(
            f"the listing {md5} is neither in DVC's cache nor on its remote"
        )

    def sizes(self, path: str, hashes: Iterable[str]) -> dict[str, int]:
        """Return the sizes of files in bytes, as far as they are known without reading one."""
        wanted = set(hashes)
        found: dict[str, int] = {}
        for project in self._projects(path) if wanted else ():
            with suppress(DvcError):
                found |= project.sizes(
                    sorted(wanted - set(found)), 0 if self._unreachable else MOST_LOOKED_UP
                )
        return found

    def _cached(self, path: str, md5: str) -> Iterable[Member] | None:
        for project in self._projects(path):
            with suppress(DvcError):
                return project.members(md5)
        return None

    def _anywhere(self, path: str, md5: str) -> Iterable[Member] | None:
        try:
            found = self._store.members(self._snapshot, md5)
            others = (project.members_anywhere(md5) for project in self._inner(path))
            return found if found is not None else next(filter(None, others), None)
        except DvcError as error:
            self._unreachable = error  # asked once: the next question would wait as long
            return None

    def _projects(self, path: str) -> Iterator[DvcProject]:
        with suppress(DvcError):
            yield self._store.project(self._snapshot)
        yield from self._inner(path)

    def _inner(self, path: str) -> Iterator[DvcProject]:
        """Yield the DVC projects in folders of the work tree that a path is in."""
        place = PurePosixPath(path)
        if self._top is None or place.is_absolute() or ".." in place.parts:
            return
        for folder in place.parents[:-1]:
            if (self._top / folder / ".dvc").is_dir():
                yield DvcProject(self._top / folder)
