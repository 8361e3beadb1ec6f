"""Reads DVC's own files as they are (`.dvc`, `dvc.yaml`, `dvc.lock`), without DVC.

They say which object holds an output, and which stage made it. Nothing here runs a stage.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import takewhile
from pathlib import Path
from typing import cast

from gitreg.artifacts.files import near_sibling, read_file
from gitreg.core.documents.fields import Fields
from gitreg.core.documents.foreign_yaml import load
from gitreg.core.documents.yaml import Value, kind
from gitreg.core.text.invisible import has_invisible
from gitreg.errors import InvalidDocument, InvalidRequest, NotFound, WorldError

DVC_FILE_LIMIT = 16 * 1024 * 1024
"""The largest `dvc.yaml`, `dvc.lock` or `.dvc` file that is read, in bytes."""

_MD5 = re.compile(r"[0-9a-f]{32}(?:\.dir)?")
TEMPLATE = re.compile(r"\$\{[^}]*\}")


@dataclass(frozen=True)
class Stage:
    """A stage that was run: its entry in `dvc.lock` and the one in `dvc.yaml` that made it."""

    name: str
    recorded: Fields
    defined: Fields
    folder: Path
    command: str | None

    def entries(self, section: str) -> Iterator[Fields]:
        """Yield what `dvc.lock` records under ``deps`` or ``outs``."""
        return entries_of(self.recorded, section, f"stages.{self.name}.")

    def outputs(self) -> Iterator[tuple[str, Path]]:
        """Yield the outputs that `dvc.lock` records: each as written there, and where it is."""
        for entry in self.entries("outs"):
            yield posixpath.normpath(entry.text("path")), path_of(entry, self.folder)

    def find(self, section: str, path: Path) -> Fields | None:
        """Return what `dvc.lock` records of ``path`` under ``deps`` or ``outs``."""
        for entry in self.entries(section):
            if path_of(entry, self.folder) == path:
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
class Pipeline:
    """The stages of one `dvc.lock`, and the metrics files that `dvc.yaml` lists outside of them.

    The paths of metrics files may have templates.
    """

    stages: tuple[Stage, ...]
    metrics: tuple[Path, ...]


@dataclass(frozen=True)
class Record:
    """An output as one of DVC's files records it; ``stage`` made it.

    If DVC 2 recorded it (``is_old``), the MD5 is that of `gitreg.dvc.old_hash` and names no object
    of DVC 3.
    """

    path: Path
    root: Path
    file: Path
    document: Fields
    md5: str
    size: int | None
    files: int | None
    is_old: bool = False
    stage: Stage | None = None
    pipeline: Pipeline = field(default_factory=lambda: Pipeline((), ()))


def find_record(source: Path) -> Record | None:
    """Return how DVC records ``source``; ``None`` if DVC does not track it.

    See `gitreg.artifacts.lineage.find_tracked` for where it is looked up, and for the errors.
    """
    root = next((folder for folder in source.parents if (folder / ".dvc").is_dir()), None)
    if source.suffix == ".dvc" and not source.is_dir():
        return _named(source, root)
    if root is None:
        return None
    return _beside(source, root) or _in_pipeline(source, root)


def _named(pointer: Path, root: Path | None) -> Record:
    """Return the only output of a ``.dvc`` file that the user named."""
    if root is None:
        raise InvalidRequest(f"{pointer}: not inside a DVC repository", hint="dvc init makes one")
    document = _load(pointer, root)
    if document is None:
        raise NotFound(f"{pointer}: no such file", hint=near_sibling(pointer))
    outs = list(_pointers(document, pointer))
    if len(outs) != 1:
        raise InvalidRequest(
            f"{pointer}: has {len(outs)} outputs, not one", hint="name the output itself"
        )
    path, out = outs[0]
    record = _record(path, root, pointer, document, out)
    if record is None:
        raise InvalidRequest(
            f"{pointer}: its output has no MD5, or is kept out of the cache",
            hint="dvc commit records it",
        )
    return record


def _beside(source: Path, root: Path) -> Record | None:
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
    folder = working_folder(document, pointer.parent)
    for out in entries_of(document, "outs"):
        yield path_of(out, folder), out


def _record(path: Path, root: Path, file: Path, document: Fields, out: Fields) -> Record | None:
    """Return the record of an output; ``None`` if DVC does not keep it in its cache."""
    md5 = md5_of(out)
    if md5 is None or (out.has("cache") and not out.boolean("cache")):
        return None
    files = out.optional_integer("nfiles") if md5.endswith(".dir") else 1
    size, old = out.optional_integer("size"), is_old(out)
    return Record(path, root, file, document, md5, size, files, old)


def is_old(entry: Fields) -> bool:
    """Tell whether DVC 2 recorded the MD5 of an entry: without ``hash: md5``."""
    return entry.optional_text("hash") in (None, "md5-dos2unix")


def md5_of(entry: Fields) -> str | None:
    """Return the MD5 of an entry; ``None`` if it has none, but perhaps another hash."""
    if not entry.has("md5") or not (is_old(entry) or entry.is_text("hash", "md5")):
        return None
    md5 = entry.text("md5")
    if not _MD5.fullmatch(md5):
        entry.fail("md5", "expected an MD5, with .dir for a folder")
    return md5


def _in_pipeline(source: Path, root: Path) -> Record | None:
    for folder in takewhile(lambda folder: folder.is_relative_to(root), source.parents):
        lock = folder / "dvc.lock"
        document = _load(lock, root, mentioning=source.name)
        if document is None:
            continue
        pipeline = pipeline_of(document, _load(folder / "dvc.yaml", root), folder)
        for stage in pipeline.stages:
            out = stage.find("outs", source)
            if out is None:
                continue
            record = _record(source, root, lock, document, out)
            if record is None or not _is_cached(stage, out.text("path")):
                return None
            return replace(record, stage=stage, pipeline=pipeline)
    return None


def pipeline_of(lock: Fields, definition: Fields | None, folder: Path) -> Pipeline:
    """Return the stages that `dvc.lock` records and `dvc.yaml` still defines."""
    if definition is None:
        return Pipeline((), ())
    recorded, defined = lock.fields("stages"), definition.fields("stages")
    stages = []
    for name in map(str, lock.mapping("stages")):
        # `foreach` and `matrix` make the stages train@a, train@b … from one definition.
        key = name if defined.has(name) else name.partition("@")[0]
        if not defined.has(key):
            continue
        entry = defined.fields(key)
        entry = entry.fields("do") if entry.has("do") else entry
        if not TEMPLATE.search(entry.optional_text("wdir") or ""):
            stage = recorded.fields(name)
            command = _command(stage, recorded.mapping(name).get("cmd"))
            stages.append(Stage(name, stage, entry, working_folder(entry, folder), command))
    metrics = (join(folder, str(item), definition) for item in definition.items("metrics"))
    return Pipeline(tuple(stages), tuple(metrics))


def listed_around(record: Record) -> Iterator[Pipeline]:
    """Yield the pipelines that list metrics, for an output that no stage makes.

    They are those of its folder and of the folders above it, and DVCLive's.
    """
    for folder in takewhile(lambda one: one.is_relative_to(record.root), record.path.parents):
        for place in (folder, folder / "dvclive"):
            definition = _load(place / "dvc.yaml", record.root, mentioning="metrics")
            if definition is not None and definition.has("metrics"):
                lock = _load(place / "dvc.lock", record.root)
                yield pipeline_of(lock or Fields({}, "dvc.lock"), definition, place)


def _command(stage: Fields, command: Value) -> str | None:
    if command is None or isinstance(command, str):
        return command
    if not isinstance(command, list) or not all(isinstance(line, str) for line in command):
        stage.fail("cmd", "expected text or a list of texts")
    return " && ".join(cast("list[str]", command))


def named_by(stage: Stage, pipeline: Pipeline) -> tuple[Path, ...]:
    """Return what a stage, and the stages that made its dependencies, name: what of it exists.

    These are their dependencies, and the words and modules of their commands.
    """
    named = (path for one in up_to(stage, pipeline) for path in named_in(one))
    return tuple(path for path in dict.fromkeys(named) if os.path.lexists(path))


def up_to(stage: Stage, pipeline: Pipeline) -> Iterator[Stage]:
    """Yield a stage, and the stages that made its dependencies."""
    made = {path: one for one in pipeline.stages for _, path in one.outputs()}
    waiting, done = [stage], [stage]
    while waiting:
        one = waiting.pop()
        yield one
        deps = [path_of(dep, one.folder) for dep in one.entries("deps")]
        before = [made[path] for dep in deps for path in (dep, *dep.parents) if path in made]
        new = [each for each in before if each not in done]
        waiting += new
        done += new


def named_in(stage: Stage) -> Iterator[Path]:
    """Yield a stage's dependencies, and what in its command may be a path."""
    yield from (path_of(dep, stage.folder) for dep in stage.entries("deps"))
    yield from (stage.folder / word for word in _words(stage.command or ""))


def _words(command: str) -> Iterator[str]:
    """Yield what in a command may be a path: its words, and the files of ``-m package.module``."""
    before = ""
    for word in re.split(r"[\s;&|<>()'\"]+", command):
        yield word
        if before == "-m":
            module = word.replace(".", "/")
            yield from (f"{module}.py", f"src/{module}.py", f"{module}/__main__.py")
        before = word


def _is_cached(stage: Stage, path: str) -> bool:
    """Tell whether `dvc.yaml` declares the output ``path`` as cached.

    A templated path may or may not mean this output: every path that could must be cached.
    """
    exact: list[Mapping[str, Value]] = []
    templated: list[Mapping[str, Value]] = []
    for section in ("outs", "metrics", "plots"):
        for declared, flags in stage.declared(section):
            pattern = ".*".join(map(re.escape, TEMPLATE.split(posixpath.normpath(declared))))
            if re.fullmatch(pattern, posixpath.normpath(path), re.DOTALL):
                (templated if TEMPLATE.search(declared) else exact).append(flags)
    matching = exact or templated
    return bool(matching) and all(flags.get("cache", True) is True for flags in matching)


def absolute_path(path: Path) -> Path:
    """Return ``path`` without ``..``; a symlink stays one: DVC may have put it there."""
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


def relative_path(path: Path, root: Path) -> str:
    """Return ``path`` relative to ``root`` with slashes; outside of it, as it is."""
    # Git's root has no symlinks; the path of the working folder may have some.
    for inner, outer in ((path, root), (path.parent.resolve() / path.name, root.resolve())):
        if inner.is_relative_to(outer):
            return inner.relative_to(outer).as_posix()
    return path.as_posix()


def working_folder(document: Fields, folder: Path) -> Path:
    """Return the folder that the paths of a stage or a ``.dvc`` file are relative to."""
    return join(folder, document.optional_text("wdir") or ".", document)


def path_of(entry: Fields, folder: Path) -> Path:
    """Return the path of an output or a dependency."""
    return join(folder, entry.text("path"), entry)


def join(folder: Path, text: str, fields: Fields) -> Path:
    """Return the path of ``text`` in ``folder``, as spelled: no link is followed."""
    if has_invisible(text):  # NUL and half surrogate pairs, which no file system takes, included
        fields.fail("path", f"{text[:100]!a} has a control or invisible character")
    return Path(os.path.normpath(folder / text))


def entries_of(fields: Fields, name: str, prefix: str = "") -> Iterator[Fields]:
    """Yield the mappings in a list of a document."""
    for number, item in enumerate(fields.items(name)):
        if not isinstance(item, dict):
            fields.fail(f"{name}[{number}]", f"expected a mapping, found {kind(item)}")
        yield Fields(item, fields.where, f"{prefix}{name}[{number}].")


def _load(path: Path, root: Path, mentioning: str | None = None) -> Fields | None:
    """Return the fields of one of DVC's files, or ``None`` if it does not exist.

    DVC's files may have anchors, so the registry's strict reader cannot read them.

    Args:
        path: the file.
        root: the folder that paths in messages are relative to.
        mentioning: a name; a file without it is not parsed, as that takes seconds for a large
            `dvc.lock`.
    """
    where = relative_path(path, root)
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
