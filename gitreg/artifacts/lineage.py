"""Where a version came from, found at registration: what DVC already knows.

DVC's files are read as they are (`.dvc`, `dvc.yaml`, `dvc.lock`), without DVC: they say which
object holds an output and which stage made it from what. Nothing here runs a stage, copies a
byte or writes a file.

>>> from pathlib import Path
>>> find_tracked(Path("/nowhere/model.pkl")) is None
True
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import takewhile
from pathlib import Path, PurePath
from typing import TypeVar, cast

from gitreg.artifacts import values
from gitreg.artifacts.values import read_file
from gitreg.core.documents.fields import Fields
from gitreg.core.documents.foreign_yaml import load
from gitreg.core.documents.yaml import SIZE_LIMIT, Value, kind
from gitreg.core.model.model import DataDependency
from gitreg.core.model.names import has_invisible
from gitreg.core.text.urls import has_scheme, without_credentials
from gitreg.dvc.digest import hash_tree
from gitreg.errors import InvalidDocument, InvalidRequest, NotFound, WorldError

DVC_FILE_LIMIT = 16 * 1024 * 1024
"""The largest `dvc.yaml`, `dvc.lock` or `.dvc` file that is read, in bytes."""

_MD5 = re.compile(r"[0-9a-f]{32}(?:\.dir)?")
_TEMPLATE = re.compile(r"\$\{[^}]*\}")
_T = TypeVar("_T")


@dataclass(frozen=True)
class TrackedOutput:
    """A file or folder that DVC already tracks, and what DVC knows of its making.

    Attributes:
        md5: the object's name in DVC's cache; ends in ``.dir`` for a folder.
        size: of all files together, in bytes, when recorded.
        files: how many files, when recorded.
        path: where it is (or would be, after ``dvc checkout``) in the work tree; absolute.
        dvc_root: the folder that holds ``.dvc/``.
        origin: what says so: ``models/churn.dvc`` or ``dvc.lock: train``.
        command: the stage's command line.
        data: the stage's dependencies.
        params: the stage's parameters, by the names that ``dvc.lock`` gives them.
        metrics: of the stage, and of stages that depend on the output.
    """

    md5: str
    size: int | None
    files: int | None
    path: Path
    dvc_root: Path
    origin: str
    command: str | None = None
    data: tuple[DataDependency, ...] = ()
    params: Mapping[str, Value] = field(default_factory=dict)
    metrics: Mapping[str, int | float] = field(default_factory=dict)


@dataclass(frozen=True)
class _Stage:
    """A stage that was run: its entry in `dvc.lock` and the one in `dvc.yaml` that made it."""

    name: str
    recorded: Fields
    defined: Fields
    folder: Path
    command: str | None

    def entries(self, section: str) -> Iterator[Fields]:
        """Yield what `dvc.lock` records under ``deps`` or ``outs``."""
        return _entries(self.recorded, section, f"stages.{self.name}.")

    def find(self, section: str, path: Path) -> Fields | None:
        """Return what `dvc.lock` records of ``path`` under ``deps`` or ``outs``."""
        for entry in self.entries(section):
            if _path(entry, self.folder) == path:
                return entry
        return None

    def declared(self, section: str) -> Iterator[tuple[str, Mapping[str, Value]]]:
        """Yield path and flags of what `dvc.yaml` declares under ``outs`` or ``metrics``."""
        for item in self.defined.items(section):
            if isinstance(item, dict):
                for path, flags in item.items():
                    yield str(path), flags if isinstance(flags, dict) else {}
            else:
                yield str(item), {}


@dataclass(frozen=True)
class _Pipeline:
    """The stages of one `dvc.lock`, and the metric files that `dvc.yaml` names outside of them."""

    stages: tuple[_Stage, ...]
    metrics: tuple[Path, ...]


@dataclass(frozen=True)
class _Record:
    """An output as one of DVC's files records it; ``stage`` is the one that made it."""

    path: Path
    root: Path
    file: Path
    document: Fields
    md5: str
    size: int | None
    files: int | None
    stage: _Stage | None = None
    pipeline: _Pipeline = field(default_factory=lambda: _Pipeline((), ()))


def find_tracked(source: Path, *, with_metrics: bool = True) -> TrackedOutput | None:
    """Return what DVC knows of ``source``.

    The first of these that names it says so:

    1. ``source`` itself, when it is a ``.dvc`` file;
    2. ``<source>.dvc`` beside it;
    3. a ``dvc.lock`` beside it or in a folder above it, up to the one that holds ``.dvc/``.

    Whether the bytes in the work tree still are those that were recorded is the caller's to
    check: it hashes them anyway.

    Args:
        source: a file or folder, which may be missing from the work tree; or a ``.dvc`` file.
        with_metrics: whether to read the metric files of the pipeline.

    Returns:
        ``None`` when DVC does not track it as an output of its own, keeps it out of the cache,
        or tracks it in the format of DVC 2, whose hashes of text files are not of their bytes.

    Raises:
        NotFound: the ``.dvc`` file is not there.
        InvalidRequest: the ``.dvc`` file does not point at one cached output; or a metric file
            is not the one that the pipeline made.
        InvalidDocument: a file of DVC's, or a metric file, does not parse or breaks a rule.
        WorldError: such a file cannot be read.
    """
    record = _find(_absolute(source))
    if record is None:
        return None
    stage = record.stage
    origin = _relative(record.file, record.root)
    return TrackedOutput(
        md5=record.md5,
        size=record.size,
        files=record.files,
        path=record.path,
        dvc_root=record.root,
        origin=f"{origin}: {stage.name}" if stage else origin,
        command=stage.command if stage else None,
        data=tuple(_dependencies(record)),
        params=_params(stage) if stage else {},
        metrics=_metrics(record) if with_metrics else {},
    )


def data_dependency(path: Path, root: Path | None) -> DataDependency:
    """Return a dependency on ``path`` as it is in the work tree now.

    The hash that DVC recorded is taken when the files are still as large and as many and none
    is newer than the record; else they are hashed.

    Args:
        path: a file or folder, which may be missing when DVC tracks it; or its ``.dvc`` file.
        root: the folder that the path is stored relative to; outside of it, it is absolute.

    Raises:
        NotFound: there is no such file or folder, and DVC tracks none.
        InvalidDocument: a file of DVC's on the way does not parse.
        WorldError: a file cannot be read.
    """
    absolute = _absolute(path)
    record = _find(absolute)
    path = record.path if record else absolute
    stored = _relative(path, _absolute(root)) if root is not None else path.as_posix()
    if record is not None and _unchanged(record):
        return DataDependency(stored, record.md5, record.size)
    if not path.exists():
        raise NotFound(f"{path}: no such file or folder", hint=values.near_sibling(path))
    digest = hash_tree(path)
    return DataDependency(stored, digest.md5, digest.size)


def _unchanged(record: _Record) -> bool:
    """Tell whether the work tree holds what was recorded, as far as that shows without hashing."""
    if not os.path.lexists(record.path):
        return True  # not pulled: what was recorded is all there is
    found = [record.path] if record.path.is_file() else list(record.path.rglob("*"))
    try:
        states = [path.stat() for path in found if path.is_file()]
    except OSError:
        return False  # hashing will say what cannot be read
    newest = max((state.st_mtime_ns for state in states), default=0)
    return (
        record.size == sum(state.st_size for state in states)
        and record.files == len(states)
        and newest <= record.file.stat().st_mtime_ns
    )


def _find(source: Path) -> _Record | None:
    root = next((folder for folder in source.parents if (folder / ".dvc").is_dir()), None)
    if source.suffix == ".dvc" and not source.is_dir():
        return _named(source, root)
    if root is None:
        return None
    return _beside(source, root) or _in_pipeline(source, root)


def _named(pointer: Path, root: Path | None) -> _Record:
    """Return the one output of a ``.dvc`` file that was named outright."""
    if root is None:
        raise InvalidRequest(f"{pointer}: not inside a DVC repository", hint="dvc init makes one")
    document = _load(pointer, root)
    if document is None:
        raise NotFound(f"{pointer}: no such file", hint=values.near_sibling(pointer))
    outs = list(_pointers(document, pointer))
    if len(outs) != 1:
        raise InvalidRequest(
            f"{pointer}: has {len(outs)} outputs, not one", hint="name the output itself"
        )
    path, out = outs[0]
    record = _record(path, root, pointer, document, out)
    if record is None:
        raise InvalidRequest(
            f"{pointer}: its output has no MD5 of DVC 3, or is kept out of the cache",
            hint="dvc commit records it; dvc cache migrate --dvc-files converts one of DVC 2",
        )
    return record


def _beside(source: Path, root: Path) -> _Record | None:
    pointer = source.with_name(f"{source.name}.dvc")
    document = _load(pointer, root)
    if document is None:
        return None
    for path, out in _pointers(document, pointer):
        if path == source:
            return _record(path, root, pointer, document, out)
    return None


def _pointers(document: Fields, pointer: Path) -> Iterator[tuple[Path, Fields]]:
    """Yield the outputs of a ``.dvc`` file and where they are."""
    folder = _working_folder(document, pointer.parent)
    for out in _entries(document, "outs"):
        yield _path(out, folder), out


def _record(path: Path, root: Path, file: Path, document: Fields, out: Fields) -> _Record | None:
    """Return the record of an output, or ``None`` when DVC 3 does not keep it in its cache."""
    md5 = _md5(out)
    if md5 is None or (out.has("cache") and not out.boolean("cache")):
        return None
    files = out.optional_integer("nfiles") if md5.endswith(".dir") else 1
    return _Record(path, root, file, document, md5, out.optional_integer("size"), files)


def _md5(entry: Fields) -> str | None:
    """Return the object that an entry names; ``None`` for DVC 2's, which has no ``hash: md5``."""
    if not entry.has("md5") or entry.optional_text("hash") != "md5":
        return None
    md5 = entry.text("md5")
    if not _MD5.fullmatch(md5):
        entry.fail("md5", "expected an MD5, with .dir for a folder")
    return md5


def _in_pipeline(source: Path, root: Path) -> _Record | None:
    for folder in takewhile(lambda folder: folder.is_relative_to(root), source.parents):
        lock = folder / "dvc.lock"
        document = _load(lock, root, mentioning=source.name)
        if document is None:
            continue
        pipeline = _pipeline(document, _load(folder / "dvc.yaml", root), folder)
        for stage in pipeline.stages:
            out = stage.find("outs", source)
            if out is None:
                continue
            record = _record(source, root, lock, document, out)
            if record is None or not _is_cached(stage, out.text("path")):
                return None
            return replace(record, stage=stage, pipeline=pipeline)
    return None


def _pipeline(lock: Fields, definition: Fields | None, folder: Path) -> _Pipeline:
    """Return the stages that `dvc.lock` records and `dvc.yaml` still defines."""
    if definition is None:
        return _Pipeline((), ())
    recorded, defined = lock.fields("stages"), definition.fields("stages")
    stages = []
    for name in map(str, lock.mapping("stages")):
        # `foreach` and `matrix` make the stages train@a, train@b … from one definition.
        key = name if defined.has(name) else name.partition("@")[0]
        if not defined.has(key):
            continue
        entry = defined.fields(key)
        entry = entry.fields("do") if entry.has("do") else entry
        if not _TEMPLATE.search(entry.optional_text("wdir") or ""):
            stage = recorded.fields(name)
            command = _command(stage, recorded.mapping(name).get("cmd"))
            stages.append(_Stage(name, stage, entry, _working_folder(entry, folder), command))
    metrics = [str(item) for item in definition.items("metrics")]
    return _Pipeline(
        tuple(stages),
        tuple(_join(folder, path, definition) for path in metrics if not _TEMPLATE.search(path)),
    )


def _command(stage: Fields, command: Value) -> str | None:
    if command is None or isinstance(command, str):
        return command
    if not isinstance(command, list) or not all(isinstance(line, str) for line in command):
        stage.fail("cmd", "expected text or a list of texts")
    return " && ".join(cast("list[str]", command))


def _is_cached(stage: _Stage, path: str) -> bool:
    """Tell whether `dvc.yaml` declares the output ``path`` and has it cached.

    A templated path may stand for this one or for another: all that could must be cached.
    """
    exact: list[Mapping[str, Value]] = []
    templated: list[Mapping[str, Value]] = []
    for section in ("outs", "metrics", "plots"):
        for declared, flags in stage.declared(section):
            pattern = ".*".join(map(re.escape, _TEMPLATE.split(posixpath.normpath(declared))))
            if re.fullmatch(pattern, posixpath.normpath(path), re.DOTALL):
                (templated if _TEMPLATE.search(declared) else exact).append(flags)
    matching = exact or templated
    return bool(matching) and all(flags.get("cache", True) is True for flags in matching)


def _dependencies(record: _Record) -> Iterator[DataDependency]:
    """Yield what an output was made from, by paths relative to the repository."""
    base = next(
        (folder for folder in (record.root, *record.root.parents) if (folder / ".git").exists()),
        record.root,
    )
    if record.stage is not None:
        for dep in record.stage.entries("deps"):
            yield _dependency(dep, record.stage.folder, base)
        return
    # What `dvc import` and `dvc import-url` fetched from is no file of this repository.
    for dep in _entries(record.document, "deps"):
        if dep.has("md5") and dep.has("path") and not dep.has("repo"):
            yield _dependency(dep, _working_folder(record.document, record.file.parent), base)


def _dependency(dep: Fields, folder: Path, base: Path) -> DataDependency:
    text = dep.text("path")
    if has_scheme(text):
        stored = without_credentials(text)
    else:
        path = _path(dep, folder)
        stored = _relative(path, base)
        if stored == path.as_posix() and not PurePath(text).is_absolute():
            stored = PurePath(os.path.relpath(path, base)).as_posix()
    return DataDependency(stored, _md5(dep), dep.optional_integer("size"))


def _params(stage: _Stage) -> dict[str, Value]:
    files = stage.recorded.fields("params")
    return _merged(
        {
            name: values.plain(
                files.mapping(name),
                f"{files.where}: stages.{stage.name}.params.{name}",
                strict=False,
            )
            for name in map(str, stage.recorded.mapping("params"))
        },
        files.where,
    )


def _metrics(record: _Record) -> dict[str, int | float]:
    """Return the metrics of the stage that made the output, and of those that evaluated it."""
    found: dict[str, dict[str, int | float]] = {}
    for stage in record.pipeline.stages:
        dep = None if stage is record.stage else stage.find("deps", record.path)
        if stage is not record.stage and dep is None:
            continue
        for path in _metric_files(stage, record.pipeline):
            name = _relative(path, record.root)
            if dep is not None and _md5(dep) != record.md5:
                raise _not_reproduced(f"{name}: the stage {stage.name} measured another output")
            found[name] = _recorded_metrics(path, name, stage)
    stems = {name: name.removesuffix(PurePath(name).suffix) for name in found}
    short = len(set(stems.values())) == len(stems)
    return _merged({stems[name] if short else name: found[name] for name in found}, "metrics")


def _metric_files(stage: _Stage, pipeline: _Pipeline) -> Iterator[Path]:
    for text, _ in stage.declared("metrics"):
        if not _TEMPLATE.search(text):
            yield _join(stage.folder, text, stage.defined)
    for path in pipeline.metrics:
        if stage.find("outs", path) is not None:
            yield path


def _recorded_metrics(path: Path, name: str, stage: _Stage) -> dict[str, int | float]:
    """Return the metrics in a file of the work tree, when it is the one that the stage made."""
    values.check_format(PurePath(name), "metrics")
    out = stage.find("outs", path)
    if out is None:
        raise _not_reproduced(f"{name}: the stage {stage.name} has not made it yet")
    try:
        data = values.read_bytes(path, "metrics")
    except NotFound:
        raise _not_reproduced(f"{name}: the metrics of {stage.name} are not there") from None
    recorded = out.optional_text("md5")
    found = hashlib.md5(data, usedforsecurity=False).hexdigest()  # the hash that DVC records
    if found != recorded and len(data) <= SIZE_LIMIT:  # of a larger file this is the beginning
        raise _not_reproduced(f"{name}: differs from what the stage {stage.name} made")
    return values.parse_metrics(data, name)


def _not_reproduced(message: str) -> InvalidRequest:
    return InvalidRequest(message, hint="dvc repro brings it up to date; or give --metrics")


def _merged(by_file: Mapping[str, Mapping[str, _T]], where: str) -> dict[str, _T]:
    """Return all values by name; a name that several files have becomes ``file:name``."""
    counts = Counter(name for named in by_file.values() for name in named)
    found: dict[str, _T] = {}
    for file, named in by_file.items():
        for name, value in named.items():
            unique = name if counts[name] == 1 else f"{file}:{name}"
            if unique in found:
                raise InvalidDocument(f"{where}: {unique}: two values have this name")
            found[unique] = value
    return found


def _absolute(path: Path) -> Path:
    """Return ``path`` without ``..``; a symlink stays one, since DVC may put one there."""
    absolute = Path(os.path.normpath(path.absolute()))
    try:
        absolute.lstat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        raise WorldError(f"{path}: {error.strerror}") from None
    except ValueError:
        raise InvalidRequest(f"{str(path)!a} is not a path") from None
    return absolute


def _relative(path: Path, root: Path) -> str:
    """Return ``path`` relative to ``root`` with slashes; outside of it, as it is."""
    # Git names its root without symlinks, a person's working folder may have some.
    for inner, outer in ((path, root), (path.parent.resolve() / path.name, root.resolve())):
        if inner.is_relative_to(outer):
            return inner.relative_to(outer).as_posix()
    return path.as_posix()


def _working_folder(document: Fields, folder: Path) -> Path:
    return _join(folder, document.optional_text("wdir") or ".", document)


def _path(entry: Fields, folder: Path) -> Path:
    return _join(folder, entry.text("path"), entry)


def _join(folder: Path, text: str, fields: Fields) -> Path:
    """Return the path that ``text`` names in ``folder``, as it is spelled: no link is followed."""
    if has_invisible(text):  # NUL and half surrogate pairs, which no file system takes, included
        fields.fail("path", f"{text[:100]!a} has a control or invisible character")
    return Path(os.path.normpath(folder / text))


def _entries(fields: Fields, name: str, prefix: str = "") -> Iterator[Fields]:
    """Yield the mappings in a list of a document."""
    for number, item in enumerate(fields.items(name)):
        if not isinstance(item, dict):
            fields.fail(f"{name}[{number}]", f"expected a mapping, found {kind(item)}")
        yield Fields(item, fields.where, f"{prefix}{name}[{number}].")


def _load(path: Path, root: Path, mentioning: str | None = None) -> Fields | None:
    """Return the fields of one of DVC's files, or ``None`` when it is not there.

    Anchors are legal in them, so the registry's own strict reader does not fit.

    Args:
        path: the file.
        root: the folder that messages name it relative to.
        mentioning: a name; a file that does not have it is not parsed: of a large `dvc.lock`
            that takes seconds.
    """
    where = _relative(path, root)
    data = read_file(path, where, DVC_FILE_LIMIT)
    if data is None:
        return None
    # A name with other characters may be escaped in the file.
    is_plain = mentioning and re.fullmatch(r"[\w.-]+", mentioning, re.ASCII)
    if mentioning and is_plain and mentioning.encode() not in data:
        return None
    document = load(data, where)
    if document is None:
        document = {}
    if not isinstance(document, dict):
        raise InvalidDocument(f"{where}: expected a mapping, found {kind(document)}")
    return Fields(cast("dict[str, Value]", document), where)
