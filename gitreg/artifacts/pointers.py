"""Finds files that a version cannot keep as they are, before they are registered.

A pointer of Git LFS, git-annex or DVC stands for a model's bytes without being them.
Such a file has a hundred bytes and every digest of it is right, but nobody can load it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from gitreg.dvc.member_paths import shown
from gitreg.errors import InvalidRequest, WorldError

POINTER_LIMIT = 1024
"""The largest file that can be a pointer, in bytes; Git LFS has the same limit."""

_LFS = (b"version https://git-lfs.github.com/spec/", b"version https://hawser.github.com/spec/")
_ANNEX = b"/annex/objects/"
_WEIGHTS = (
    *(".bin", ".caffemodel", ".cbm", ".ckpt", ".gguf", ".h5", ".hdf5", ".joblib", ".keras"),
    *(".mlmodel", ".model", ".msgpack", ".npy", ".npz", ".onnx", ".pb", ".pickle", ".pkl"),
    *(".pt", ".pth", ".safetensors", ".tflite", ".ubj", ".weights"),
)


def check_pointers(source: Path) -> tuple[str, ...]:
    """Return warnings about a file or folder to register: empty weights, lost execute bits.

    Raises:
        InvalidRequest: it is, or has in it, a pointer to bytes that are not there.
        WorldError: a file cannot be read.
    """
    files = [source] if source.is_file() else _files(source)
    empty: list[str] = []
    programs: list[str] = []
    for path in files:
        name = shown(str(path.relative_to(source)) if path != source else str(source))
        try:
            state = path.stat()
            size = state.st_size
            if state.st_mode & stat.S_IXUSR and path.is_file() and _is_program(path):
                programs.append(name)
            if size <= POINTER_LIMIT and path.is_file():
                _check(path, name)
        except OSError as error:
            raise WorldError(f"{name}: {error.strerror or error}") from error
        if size == 0 and (path == source or path.suffix.lower() in _WEIGHTS):
            empty.append(name)
    warnings = []
    if empty:
        warnings.append(f"empty, although a model's bytes belong there: {', '.join(empty)}")
    if programs:
        warnings.append(f"a version does not keep execute bits: {', '.join(programs)}")
    return tuple(warnings)


def _is_program(path: Path) -> bool:
    """Tell whether a file is one that is run; on some disks every file has the execute bit."""
    with path.open("rb") as stream:
        return stream.read(4).startswith((b"#!", b"\x7fELF"))


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder; what cannot be registered is refused elsewhere."""
    for place, folders, names in os.walk(folder):
        folders.sort()
        yield from (path for name in sorted(names) if (path := Path(place, name)).is_file())


def _check(path: Path, name: str) -> None:
    content = path.read_bytes()
    if content.startswith(_LFS):
        raise InvalidRequest(
            f"{name} is a pointer of Git LFS, not the file itself", hint="git lfs pull brings it"
        )
    if content.startswith(_ANNEX):
        raise InvalidRequest(
            f"{name} is a pointer of git-annex, not the file itself", hint="git annex get brings it"
        )
    if path.suffix == ".dvc" and b"outs:" in content and not path.with_suffix("").exists():
        raise InvalidRequest(
            f"{name} is a pointer of DVC, and {path.with_suffix('').name} itself is not there",
            hint="dvc pull brings it",
        )
