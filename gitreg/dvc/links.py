"""Which symbolic links in a folder to register are followed.

Followed are links that end inside the folder, inside its repository, or in the cache beside it: a
snapshot of Hugging Face's is a folder of links into ``blobs/``. A link that leaves could bring any
file of the machine along, and so could one into ``.git``.
"""

from __future__ import annotations

import os
from pathlib import Path

_CACHE_LEVELS = 4
"""How far above a folder of a snapshot ``snapshots/`` and ``blobs/`` can be."""


class Links:
    """The links of one folder; ``source`` is that folder."""

    def __init__(self, source: Path) -> None:
        real = source.resolve()
        places = (real, *real.parents)
        self._inside = [real]
        root = next((one for one in places if _is_root(one)), None)
        if root is not None:
            self._inside.append(root)
        caches = (one / "blobs" for one in real.parents[:_CACHE_LEVELS] if _has_snapshots(one))
        self._inside += [cache for cache in caches if cache.is_dir()]

    def target(self, link: Path) -> Path | None:
        """Return where a link ends; ``None`` if it is not followed.

        Raises:
            OSError: nothing is there, or the links go round in a circle.
        """
        try:
            real = link.resolve(strict=True)
        except RuntimeError:  # a circle, before Python 3.13
            return None
        for place in self._inside:
            if real.is_relative_to(place):
                return None if _is_private(real.relative_to(place)) else real
        return None


def _is_root(folder: Path) -> bool:
    return os.path.lexists(folder / ".git") or (folder / ".dvc").is_dir()


def _has_snapshots(folder: Path) -> bool:
    return (folder / "snapshots").is_dir()


def _is_private(inner: Path) -> bool:
    """Tell whether a path inside a repository is one of Git's or DVC's own, which have secrets."""
    parts = [part.lower() for part in inner.parts]
    if ".git" in parts:
        return True
    return ".dvc" in parts and parts[parts.index(".dvc") + 1 :][:1] != ["cache"]
