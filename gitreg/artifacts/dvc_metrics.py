"""The metrics that DVC lists for an output: of its stage, of stages that evaluated it, and others.

The numbers of a metrics file are taken. What is no number is left out, with a warning.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePath
from typing import TypeVar

from gitreg.artifacts.dvc_files import (
    TEMPLATE,
    Pipeline,
    Record,
    Stage,
    is_old,
    join,
    listed_around,
    md5_of,
    relative_path,
)
from gitreg.artifacts.files import read_bytes
from gitreg.artifacts.metrics_and_params import FORMATS, parse_numbers
from gitreg.core.documents.fields import Fields
from gitreg.core.documents.yaml import SIZE_LIMIT
from gitreg.dvc.digest import FileDigest, dir_listing, file_md5, hash_tree, listing_name
from gitreg.dvc.old_hash import old_md5
from gitreg.errors import InvalidDocument, InvalidRequest, NotFound

_T = TypeVar("_T")
_NAMES = 5
"""How many names of values a warning has."""

_WAY_OUT = "--metrics FILE or --metric NAME=NUMBER gives other metrics"


def metrics_of(record: Record) -> tuple[dict[str, int | float], tuple[str, ...]]:
    """Return the metrics of an output, and warnings about what was left out.

    Raises:
        InvalidRequest: a metrics file is not the one that its stage made.
        InvalidDocument: a metrics file does not parse or has a number that is not finite.
        WorldError: a file cannot be read.
    """
    found: dict[str, dict[str, int | float]] = {}
    warnings: list[str] = []
    for path, stage in _listed(record):
        name = relative_path(path, record.root)
        try:
            numbers, left = parse_numbers(_content(path, name, stage), name)
        except NotFound:  # of a file that no stage makes
            warnings.append(f"{name}: DVC lists it as metrics, and it is not there; {_WAY_OUT}")
            continue
        found[name] = numbers
        if left:
            warnings.append(f"{name}: left out, not a number: {_some(left)}; {_WAY_OUT}")
    stems = {name: name.removesuffix(PurePath(name).suffix) for name in found}
    short = len(set(stems.values())) == len(stems)
    named = {stems[name] if short else name: found[name] for name in found}
    return merged(named, "metrics"), tuple(warnings)


def merged(by_file: Mapping[str, Mapping[str, _T]], where: str) -> dict[str, _T]:
    """Return all values by name; a name in several files becomes ``file:name``.

    Raises:
        InvalidDocument: two values have one name even so.
    """
    counts = Counter(name for named in by_file.values() for name in named)
    found: dict[str, _T] = {}
    for file, named in by_file.items():
        for name, value in named.items():
            unique = name if counts[name] == 1 else f"{file}:{name}"
            if unique in found:
                raise InvalidDocument(f"{where}: {unique}: two values have this name")
            found[unique] = value
    return found


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return ", ".join(names[:_NAMES]) + more


def _listed(record: Record) -> Iterator[tuple[Path, Stage | None]]:
    """Yield the metrics files of an output, each with the stage that makes it."""
    for stage in record.pipeline.stages:
        dep = None if stage is record.stage else stage.find("deps", record.path)
        if stage is not record.stage and dep is None:
            continue
        for path in dict.fromkeys(_metrics_of_stage(stage, record.pipeline)):
            if dep is not None and md5_of(dep) != record.md5:
                name = relative_path(path, record.root)
                raise _not_reproduced(f"{name}: the stage {stage.name} measured another output")
            for file in _files(path):
                yield file, stage
    pipelines = [record.pipeline] if record.stage else listed_around(record)
    for pipeline in pipelines:
        for path in pipeline.metrics:
            if not TEMPLATE.search(str(path)) and not any(
                _made(stage, path) for stage in pipeline.stages
            ):
                yield from ((file, None) for file in _files(path))


def _files(path: Path) -> list[Path]:
    """Return the files of a folder of metrics, or the path itself."""
    if not path.is_dir():
        return [path]
    return sorted(one for one in path.rglob("*") if one.suffix.lower() in FORMATS and one.is_file())


def _metrics_of_stage(stage: Stage, pipeline: Pipeline) -> Iterator[Path]:
    for text, _ in stage.declared("metrics"):
        if TEMPLATE.search(text):
            yield from _templated(stage, text)
        else:
            yield join(stage.folder, text, stage.defined)
    for path in pipeline.metrics:
        if TEMPLATE.search(str(path)):
            yield from (out for _, out in stage.outputs() if _pattern(str(path), str(out)))
        elif _made(stage, path) is not None:
            yield path


def _templated(stage: Stage, text: str) -> Iterator[Path]:
    """Yield the outputs that a templated path of a stage means."""
    for recorded, path in stage.outputs():
        best = max(
            (
                (_weight(declared, recorded), section == "metrics")
                for section in ("outs", "plots", "metrics")
                for declared, _ in stage.declared(section)
                if _pattern(posixpath.normpath(declared), recorded)
            ),
            default=(0, False),
        )
        if best[1] and _pattern(posixpath.normpath(text), recorded):
            yield path


def _pattern(declared: str, recorded: str) -> bool:
    """Tell whether a declared path, perhaps a templated one, can mean a recorded one."""
    pattern = ".*".join(map(re.escape, TEMPLATE.split(declared)))
    return re.fullmatch(pattern, recorded, re.DOTALL) is not None


def _weight(declared: str, recorded: str) -> int:
    """Return how well a declared path fits: by the characters that are not behind a template."""
    if posixpath.normpath(declared) == recorded:
        return len(recorded) + 1
    return len(TEMPLATE.sub("", declared))


def _made(stage: Stage, path: Path) -> tuple[Fields, Path] | None:
    """Return the output of a stage that a path is, or is inside of, and where that output is."""
    for place in (path, *path.parents):
        out = stage.find("outs", place)
        if out is not None:
            return out, place
        if place == stage.folder:
            return None
    return None


def _content(path: Path, name: str, stage: Stage | None) -> bytes:
    """Return the bytes of a metrics file, if it is the file that the stage made."""
    if stage is None:
        return read_bytes(path, "metrics")
    made = _made(stage, path)
    if made is None:
        raise _not_reproduced(f"{name}: the stage {stage.name} has not made it yet")
    out, place = made
    try:
        data = read_bytes(path, "metrics")
    except NotFound:
        raise _not_reproduced(f"{name}: the metrics of {stage.name} are not there") from None
    if place != path:
        found = _folder_md5(place)
    else:
        found = hashlib.md5(data, usedforsecurity=False).hexdigest()  # the hash that DVC records
    # Of a larger file only the beginning is read.
    if found != out.optional_text("md5") and (place != path or len(data) <= SIZE_LIMIT):
        if is_old(out) and old_md5(place) == out.optional_text("md5"):
            return data
        raise _not_reproduced(f"{name}: differs from what the stage {stage.name} made")
    return data


def _folder_md5(folder: Path) -> str:
    """Return the name of a folder's listing; links into DVC's cache are followed."""
    with suppress(InvalidRequest):  # it has links
        return hash_tree(folder, as_source=True).md5
    files = [path for path in folder.rglob("*") if path.is_file()]
    return listing_name(
        dir_listing(
            FileDigest(path.relative_to(folder).as_posix(), 0, file_md5(path.resolve()), "")
            for path in files
        )
    )


def _not_reproduced(message: str) -> InvalidRequest:
    return InvalidRequest(message, hint="dvc repro brings it up to date; or give --metrics")
