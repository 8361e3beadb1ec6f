"""The bytes of an output at an old commit, by DVC itself, also where DVC 2 recorded it.

gitreg looks up objects of DVC 3 alone. This is for a project's past, once a version.
"""

from __future__ import annotations

from pathlib import Path

from gitreg.dvc.door import door, load


def bring(root: Path, commit: str, path: str, destination: Path) -> None:
    """Copy an output as it was at a commit, from DVC's cache or remote: ``dvc get --rev``.

    Args:
        root: the root of the repository.
        commit: 40 hex digits.
        path: of the output, relative to ``root``.
        destination: a path that does not exist yet.

    Raises:
        DvcError: DVC cannot get it.
    """
    with door(f"dvc get --rev {commit[:9]} {path}"):
        load()
        from dvc.repo import Repo

        destination.parent.mkdir(parents=True, exist_ok=True)
        Repo.get(str(root), path, out=str(destination), rev=commit)
