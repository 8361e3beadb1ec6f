"""Finds what in a project is probably a trained model, to name it in an example."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from gitreg.artifacts.dvc_files import find_record
from gitreg.core.model import layout
from gitreg.errors import GitregError

_SUFFIXES = frozenset(
    {
        *(".cbm", ".ckpt", ".gguf", ".h5", ".joblib", ".keras", ".onnx", ".pickle", ".pkl"),
        *(".pt", ".pth", ".safetensors", ".skops", ".tflite", ".ubj"),
    }
)
_ENTRIES = 5000
"""How many files and folders are looked at."""


def likely_model(top: Path) -> Path | None:
    """Return the newest model file below a folder, or the folder around it that DVC tracks."""
    found = []
    for entry in islice(_entries(top, depth=3), _ENTRIES):
        if os.path.splitext(entry.name)[1].lower() in _SUFFIXES:  # noqa: PTH122
            with suppress(OSError):
                found.append((entry.stat().st_mtime_ns, entry.path))
    if not found:
        return None
    path = Path(max(found)[1])
    with suppress(GitregError):  # a broken file of DVC's is reported where it matters
        for place in (path, path.parent):
            if place != top and find_record(place) is not None:
                return place
    return path


def _entries(folder: Path | str, depth: int) -> Iterator[os.DirEntry[str]]:
    with suppress(OSError), os.scandir(folder) as entries:
        inner = []
        for entry in entries:
            if entry.is_file():
                yield entry
            elif depth > 1 and _may_hold_models(entry):
                inner.append(entry.path)
        for path in inner:
            yield from _entries(path, depth - 1)


def _may_hold_models(entry: os.DirEntry[str]) -> bool:
    """Tell whether a folder is worth a look: no environment, no cache, no link."""
    if entry.name.startswith(".") or entry.name in (layout.ROOT, "node_modules"):
        return False
    is_environment = os.path.exists(os.path.join(entry.path, "pyvenv.cfg"))  # noqa: PTH110, PTH118
    return entry.is_dir(follow_symlinks=False) and not is_environment
