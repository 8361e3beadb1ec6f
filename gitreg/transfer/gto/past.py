"""The artifact of a version at the commit of its tag, and where it came from.

The small files of that commit (DVC's own, metrics and params) are written into a temporary folder.
There they are read as `gitreg register` reads a work tree. The bytes come from DVC's cache or
remote, or from Git.
"""

from __future__ import annotations

import os
import posixpath
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from gitreg.artifacts.dvc_files import DVC_FILE_LIMIT
from gitreg.artifacts.files import read_file
from gitreg.artifacts.lineage import TrackedOutput
from gitreg.artifacts.metrics_and_params import FORMATS
from gitreg.artifacts.source import Source
from gitreg.core.documents.foreign_yaml import load
from gitreg.core.model.gto_tags import GtoTag
from gitreg.core.model.model import Lineage
from gitreg.core.text.invisible import has_invisible
from gitreg.dvc import DvcProject, past
from gitreg.errors import DvcError, GitregError, InvalidDocument, InvalidRequest, NotFound, Refused
from gitreg.git.repository import GitRepository
from gitreg.transfer.report import one_line

_SMALL = 1024 * 1024
_DVC_NAMES = ("dvc.yaml", "dvc.lock", ".dvcignore", "artifacts.yaml")
_NEVER = ("", ".", "..", ".git")


class Gone(Refused):
    """The artifact of a version cannot be had any more, or nobody knows where it was."""


@dataclass(frozen=True)
class Entry:
    """An artifact as ``dvc.yaml`` names it: its path from the repository's root, and words."""

    path: str
    description: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """What a version was: its bytes, and everything that DVC knew of it."""

    source: Source
    lineage: Lineage
    entry: Entry
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Blob:
    """A file in the tree of a commit."""

    path: str
    mode: str
    oid: str
    size: int


class Checkout:
    """The small files of a commit, in a temporary folder; see `checkout`."""

    def __init__(self, repository: GitRepository, commit: str, root: Path) -> None:
        self._repository = repository
        self._commit = commit
        self._root = root

    def write(self) -> None:
        """Write the files that tell where an artifact came from."""
        (self._root / ".git").mkdir()  # marks the root for what looks for it; it stays empty
        chosen = [blob for blob in self._blobs() if _tells(blob)]
        found = self._repository.reader.get_many([blob.oid for blob in chosen])
        for blob, content in zip(chosen, found, strict=True):
            if content is not None:
                _write(self._root / blob.path, content.data)

    def _blobs(self, path: str = "") -> Iterator[_Blob]:
        words = ["ls-tree", "-r", "-z", "--long", "--full-tree", self._commit]
        listing = self._repository.run(*words, "--", *([path] if path else []))
        for line in listing.stdout.split(b"\0"):
            head, _, name = line.partition(b"\t")
            mode, kind, oid, size = [*head.decode("ascii").split(), "", "", "", ""][:4]
            blob = _Blob(os.fsdecode(name), mode, oid, int(size) if size.isdigit() else 0)
            if kind and not any(part.lower() in _NEVER for part in blob.path.split("/")):
                yield blob

    # The artifact

    def entry(self, tag: GtoTag) -> Entry:
        """Return the artifact in ``dvc.yaml``, or in the ``artifacts.yaml`` of old GTO.

        Raises:
            Gone: it is in neither file, or has no path that could be read.
        """
        where = posixpath.join(tag.folder, "dvc.yaml")
        document = self._document(where)
        sections = [document.get("artifacts") if isinstance(document, dict) else None]
        if not tag.folder:
            sections.append(self._document("artifacts.yaml"))
        for section in sections:
            found = section.get(tag.name) if isinstance(section, dict) else None
            if isinstance(found, dict) and isinstance(found.get("path"), str):
                return _entry(tag.folder, found)
        raise Gone(
            f"{where} has no path of the artifact {tag.name} there: give it with --path "
            f"{tag.artifact}=PATH"
        )

    def _document(self, where: str) -> object:
        try:
            data = read_file(self._root / where, where, DVC_FILE_LIMIT)
            return None if data is None else load(data, where)
        except InvalidDocument as error:
            raise Gone(one_line(error)) from None

    def find(self, entry: Entry) -> Found:
        """Return an artifact with its bytes, which stay until the checkout ends.

        Raises:
            Gone: its bytes are nowhere.
            DvcError: a remote cannot be reached.
        """
        path = self._inside(entry.path)
        try:
            source, warnings = self._tracked(path)
        except (InvalidDocument, InvalidRequest) as error:
            raise Gone(one_line(error)) from None
        tracked = source.tracked if source else None
        if source is not None and tracked is not None:
            source = replace(source, tracked=self._with_bytes(tracked, entry.path))
        elif not self._by_git(entry.path):
            self._by_dvc(entry.path, path)  # a file in a folder that DVC tracks
        lineage = Lineage(
            entry.path, None, tracked.data if tracked else (), tracked.command if tracked else None
        )
        return Found(source or Source(path), lineage, entry, warnings)

    def _inside(self, path: str) -> Path:
        parts = path.split("/")
        if has_invisible(path) or any(part.lower() in _NEVER for part in parts):
            raise Gone(f"{path[:100]!a} is not a path inside the repository")
        return self._root.joinpath(*parts)

    def _tracked(self, path: Path) -> tuple[Source | None, tuple[str, ...]]:
        """Return what DVC 3 knew of the artifact; ``None`` where DVC does not track it."""
        for with_metrics in (True, False):
            try:
                source = Source.of(path, with_metrics=with_metrics)
            except NotFound:
                return None, ()
            except GitregError as error:
                if not with_metrics:
                    raise
                warnings: tuple[str, ...] = (f"no metrics: {one_line(error)}",)
            else:
                known = source.warnings if with_metrics else warnings
                return (source if source.tracked else None), known
        return None, ()

    def _with_bytes(self, tracked: TrackedOutput, path: str) -> TrackedOutput:
        """Return what DVC tracked as an output of today's project, which has the objects.

        Where it does not have them, DVC brings the bytes by the settings of the commit: the remote
        may have been another one, and DVC 2 named objects in another way.
        """
        project = self._project(tracked.dvc_root, tracked.md5)
        if project is not None and not tracked.is_old:
            return replace(tracked, dvc_root=project.root)
        self._by_dvc(path, tracked.path)
        return tracked

    def _project(self, root: Path, md5: str) -> DvcProject | None:
        """Return today's DVC project in the place of an old one, if it has an object.

        Raises:
            DvcError: its remote cannot be reached.
        """
        project = DvcProject(self._top / root.relative_to(self._root))
        if not (project.root / ".dvc").is_dir():
            return None
        if project.available(md5):
            return project
        folder = project.missing_folder()
        if folder is not None:
            raise DvcError(f"the DVC remote's folder {folder} is not there: is it mounted?")
        return None

    @property
    def _top(self) -> Path:
        return self._repository.top_level or self._repository.folder

    def _by_dvc(self, path: str, destination: Path) -> None:
        try:
            past.bring(self._top, self._commit, path, destination)
        except DvcError as error:
            raise Gone(
                f"its bytes, {path}, are neither in Git, the DVC cache nor on the remote "
                f"({one_line(error)})"
            ) from None

    def _by_git(self, path: str) -> bool:
        """Write an artifact that is in Git itself; return whether it is.

        Raises:
            Gone: it has a symbolic link or a submodule.
        """
        blobs = list(self._blobs(path))
        for blob in blobs:
            if blob.mode not in ("100644", "100755"):
                raise Gone(f"{blob.path} is a symbolic link or a submodule")
            content = self._repository.run("cat-file", "blob", blob.oid).stdout
            _write(self._root / blob.path, content)
        return bool(blobs)


@contextmanager
def checkout(repository: GitRepository, commit: str) -> Iterator[Checkout]:
    """Yield the small files of a commit, in a folder that is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="gitreg-import-") as folder:
        found = Checkout(repository, commit, Path(folder).resolve())
        found.write()
        yield found


def _tells(blob: _Blob) -> bool:
    """Tell whether a file may say where an artifact came from."""
    name = posixpath.basename(blob.path)
    if blob.mode not in ("100644", "100755"):
        return False
    in_dvc = posixpath.basename(posixpath.dirname(blob.path)) == ".dvc"
    if name in _DVC_NAMES or name.endswith(".dvc") or in_dvc:
        return blob.size <= DVC_FILE_LIMIT
    return name.endswith(FORMATS) and blob.size <= _SMALL


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _entry(folder: str, found: Mapping[str, object]) -> Entry:
    path = posixpath.normpath(posixpath.join(folder, str(found["path"])))
    texts = {"type": found.get("type"), "labels": _joined(found.get("labels"))}
    tags = {f"gto.{key}": str(value) for key, value in texts.items() if value}
    description = found.get("desc") or found.get("description")
    return Entry(path, description if isinstance(description, str) else None, tags)


def _joined(labels: object) -> str:
    return ", ".join(map(str, cast("list[object]", labels))) if isinstance(labels, list) else ""
