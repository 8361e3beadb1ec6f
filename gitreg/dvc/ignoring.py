"""What `.dvcignore` leaves out of a folder, by DVC's own rules."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from gitreg.dvc.door import door, load

Kept = Callable[[str, list[str], list[str]], tuple[list[str], list[str]]]
"""Returns which of the folders and files of a folder DVC tracks; the folder is absolute."""


def kept_in(source: Path) -> Kept | None:
    """Return the filter that `dvc add` uses for a folder; ``None`` if it leaves nothing out.

    A folder that is ignored itself is not filtered: somebody named it.

    Raises:
        DvcError: a `.dvcignore` cannot be read.
    """
    source = Path(os.path.abspath(source))  # noqa: PTH100  DVC follows no links either
    root = next((folder for folder in source.parents if (folder / ".dvc").is_dir()), None)
    if root is None:
        return None
    above = [folder for folder in (source, *source.parents) if folder.is_relative_to(root)]
    if not any(_has_patterns(folder / ".dvcignore") for folder in above):
        return None  # DVC takes half a second to import
    load()
    with door("cannot read .dvcignore"):
        from dvc.fs import localfs
        from dvc.ignore import DvcIgnoreFilter

        patterns = DvcIgnoreFilter(localfs, str(root))

    def kept(folder: str, folders: list[str], files: list[str]) -> tuple[list[str], list[str]]:
        with door("cannot read .dvcignore"):
            found: tuple[list[str], list[str]] = patterns(
                folder, folders, files, ignore_subrepos=False
            )
            return found

    for folder in above[:-1]:
        if not kept(str(folder.parent), [folder.name], [])[0]:
            return None
    return kept


def _has_patterns(path: Path) -> bool:
    with door("cannot read .dvcignore"):
        if not path.is_file():
            return False
        lines = path.read_text("utf-8", errors="replace").splitlines()
    return any(line.strip() and not line.strip().startswith("#") for line in lines)
