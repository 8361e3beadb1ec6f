"""DVC projects, their remotes and damage done to them."""

from __future__ import annotations

import hashlib
import shutil
import stat
from pathlib import Path
from typing import Any

from gitreg.dvc import DvcProject

EMPTY = hashlib.md5(b"").hexdigest()
ABSENT = "0" * 32

# Two blocks with one MD5, by Wang and Yu: https://www.mscs.dal.ca/~selinger/md5collision/
COLLISION = (
    bytes.fromhex(
        "d131dd02c5e6eec4693d9a0698aff95c2fcab58712467eab4004583eb8fb7f89"
        "55ad340609f4b30283e488832571415a085125e8f7cdc99fd91dbdf280373c5b"
        "d8823e3156348f5bae6dacd436c919c6dd53e2b487da03fd02396306d248cda0"
        "e99f33420f577ee8ce54b67080a80d1ec69821bcb6a8839396f9652b6ff72a70"
    ),
    bytes.fromhex(
        "d131dd02c5e6eec4693d9a0698aff95c2fcab50712467eab4004583eb8fb7f89"
        "55ad340609f4b30283e4888325f1415a085125e8f7cdc99fd91dbd7280373c5b"
        "d8823e3156348f5bae6dacd436c919c6dd53e23487da03fd02396306d248cda0"
        "e99f33420f577ee8ce54b67080280d1ec69821bcb6a8839396f965ab6ff72a70"
    ),
)


def make_project(root: Path, remote: str | None = None, **options: str) -> DvcProject:
    """Make a DVC project without Git, which costs a process."""
    lines = ["[core]", "    no_scm = true"]
    if remote is not None:
        lines += ["    remote = storage", "['remote \"storage\"']", f"    url = {remote}"]
        lines += [f"    {key} = {value}" for key, value in options.items()]
    (root / ".dvc").mkdir(parents=True)
    (root / ".dvc" / "config").write_text("\n".join(lines) + "\n")
    return DvcProject(root)


def remote_path(project: DvcProject, oid: str) -> Path:
    return project.root.parent / "remote" / "files" / "md5" / oid[:2] / oid[2:]


def damage(path: Path, content: bytes = b"damaged", mode: int = 0o444) -> None:
    path.chmod(0o644)
    path.write_bytes(content)
    path.chmod(mode)


def files_below(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(folder)): (path.read_bytes(), stat.S_IMODE(path.stat().st_mode))
        for path in folder.rglob("*")
        if path.is_file()
    }


def open_dvc(root: Path) -> Any:
    from dvc.repo import Repo

    return Repo(str(root))


def write_pointer(root: Path, md5: str, name: str = "model") -> None:
    (root / f"{name}.dvc").write_text(f"outs:\n- md5: {md5}\n  hash: md5\n  path: {name}\n")


def forget_cache(project: DvcProject) -> DvcProject:
    """What a second clone is: the same configuration, no cache."""
    shutil.rmtree(project.root / ".dvc" / "cache", ignore_errors=True)
    return DvcProject(project.root)
