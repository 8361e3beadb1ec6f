"""One SHA-256 means one MD5: which object in DVC's cache has the bytes that a manifest describes.

gitreg pulls by SHA-256, plain DVC by MD5. A version whose manifest has the digest of known bytes,
and whose ``.dvc`` file names others, would be one thing for gitreg and another one for DVC.

The digests of all versions at a commit are kept in a file that can be deleted at any time; only a
commit that registers a version asks for them.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from gitreg.check.finding import CheckFinding
from gitreg.check.step import Step
from gitreg.check.versions import new_versions
from gitreg.core.model import layout
from gitreg.core.model.manifest import read_manifest
from gitreg.core.model.names import format_version
from gitreg.errors import GitregError, InvalidDocument
from gitreg.git.objects import CommitSnapshot
from gitreg.git.repository import GitRepository
from gitreg.git.sharing import share

_HEAD = "digests 1 {}"
_MANIFEST = "/manifest.yaml"
# The lines as gitreg writes them; parsing YAML takes a thousand times as long.
_SHA256 = re.compile(rb"^  sha256: '?([0-9a-f]{64})'?$", re.MULTILINE)
_PATH = re.compile(rb"^  path: (model(?:\.[A-Za-z0-9_-]{1,20}){0,2})$", re.MULTILINE)
_MD5 = re.compile(rb"^- md5: '?([0-9a-f]{32}(?:\.dir)?)'?$", re.MULTILINE)
_AT_ONCE = 2000


class Known(NamedTuple):
    """The MD5 of bytes, and a version that has them: ``churn@5``."""

    md5: str
    version: str


class Digests:
    """The digests of the versions up to a commit, and of those that a range registers.

    Args:
        repository: where they are.
        base: the commit; ``None`` for no versions.
    """

    def __init__(self, repository: GitRepository, base: str | None) -> None:
        self._repository = repository
        self._base = base

    def judge(self, step: Step) -> Iterator[CheckFinding]:
        """Find new versions whose bytes are known under another MD5, and remember the others."""
        for model, numbers in new_versions(step):
            for number in numbers:
                try:
                    artifact = step.after.manifest(model, number).artifact
                    md5 = step.after.artifact_md5(model, number, artifact.path)
                except GitregError:
                    continue  # the checks of versions report it, or it is a tombstone
                known = self._known.setdefault(
                    artifact.sha256, Known(md5, format_version(model, number))
                )
                if known.md5 != md5:
                    yield step.found(
                        "digest-mismatch",
                        layout.dvc_pointer_path(model, number, artifact.path),
                        f"{format_version(model, number)} has the SHA-256 of {known.version}, and "
                        f"another MD5: {md5}, not {known.md5}",
                        remedy="register the bytes with gitreg register",
                    )

    @cached_property
    def _known(self) -> dict[str, Known]:
        if self._base is None:
            return {}
        tip, found = self._read()
        if tip == self._base:
            return found
        if tip is None or not self._repository.is_ancestor(tip, self._base):
            tip, found = None, {}
        for sha256, known in self._registered(tip, self._base):
            found.setdefault(sha256, known)
        self._write(found)
        return found

    def _registered(self, tip: str | None, base: str) -> Iterator[tuple[str, Known]]:
        """Yield the digests of the versions at a commit that another one does not have."""
        names_only = ("-r", "-z", "--name-only")
        listing = ["ls-tree", *names_only, "--full-tree", base, "--", layout.ROOT]
        if tip is not None:
            listing = ["diff-tree", *names_only, "--no-renames", tip, base, "--", layout.ROOT]
        names = self._repository.run_at_root(*listing).stdout.split(b"\0")
        paths = sorted(os.fsdecode(name) for name in names if name.endswith(_MANIFEST.encode()))
        snapshot = self._repository.snapshot(base)
        for start in range(0, len(paths), _AT_ONCE):
            yield from _digests_of(snapshot, paths[start : start + _AT_ONCE])

    # The file

    @property
    def _path(self) -> Path:
        return self._repository.private_dir / "digests"

    def _read(self) -> tuple[str | None, dict[str, Known]]:
        """Return the commit up to which the file goes, and what it has."""
        try:
            head, *lines = self._path.read_text("utf-8").splitlines()
            found = {
                sha256: Known(md5, version)
                for sha256, md5, version in (entry.split(" ", 2) for entry in lines)
            }
        except (OSError, ValueError):
            return None, {}
        tip = head.rpartition(" ")[2]
        is_whole = head == _HEAD.format(tip) and self._repository.commit_of(tip) == tip
        return (tip, found) if is_whole else (None, {})

    def _write(self, found: dict[str, Known]) -> None:
        lines = [f"{sha256} {known.md5} {known.version}" for sha256, known in found.items()]
        fresh = self._path.with_name(f"digests.{os.getpid()}")
        with contextlib.suppress(OSError, UnicodeEncodeError):
            fresh.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_text("\n".join([_HEAD.format(self._base), *lines, ""]), "utf-8")
            share(self._repository.common_dir, fresh.parent, fresh)
            fresh.replace(self._path)


def _digests_of(snapshot: CommitSnapshot, paths: Sequence[str]) -> Iterator[tuple[str, Known]]:
    contents = snapshot.read_many(paths)
    described = [
        (path.removesuffix(_MANIFEST), *found)
        for path, content in zip(paths, contents, strict=True)
        if (found := _described(content, path)) is not None
    ]
    pointers = snapshot.read_many([f"{folder}/{name}.dvc" for folder, _, name in described])
    for (folder, sha256, _), pointer in zip(described, pointers, strict=True):
        md5 = _MD5.search(pointer or b"")
        if md5 is not None:
            _, model, _, number = folder.split("/", 3)
            yield sha256, Known(md5[1].decode("ascii"), f"{model}@{number}")


def _described(content: bytes | None, path: str) -> tuple[str, str] | None:
    """Return the SHA-256 and the name of the artifact in a manifest."""
    if content is None or path.count("/") != 4:
        return None
    sha256, name = _SHA256.findall(content), _PATH.findall(content)
    if len(sha256) == len(name) == 1:
        return sha256[0].decode("ascii"), name[0].decode("ascii")
    try:
        artifact = read_manifest(content, path).artifact
    except InvalidDocument:
        return None
    return artifact.sha256, artifact.path
