"""One site of several registries: each has its pages in a folder of its own, and a page lists all.

A registry that cannot be read keeps the pages of the last build, and the first page says so. All
that the first page shows comes from the lists that the builds left in these folders.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

from gitreg.core.model.names import folder_of
from gitreg.core.text.times import lasting, utc
from gitreg.core.text.urls import address_of, has_scheme, without_credentials
from gitreg.errors import GitError, GitregError, InvalidDocument, InvalidRequest
from gitreg.registry import Registry
from gitreg.site.building import assets, build, builder_digest, check_installed
from gitreg.site.output import Counts, Output, left_by
from gitreg.site.pages import Pages
from gitreg.site.texts import sort_key
from gitreg.site.values import Member, Row, Setting

FOLDER = "registries"
_LONGEST = 120
"""How many bytes of a name are in a folder's name."""

_NAMED = frozenset("/\\:")
"""What a name before ``=`` does not have: a location has one of them before any ``=``."""


@dataclass(frozen=True)
class Source:
    """A registry of a catalogue: its name, and its path or URL, which no page shows."""

    name: str
    location: str

    @property
    def folder(self) -> str:
        """The folder of its pages in the site."""
        name = folder_of(self.name)
        if len(name) > _LONGEST:
            name = f"{name[:_LONGEST].rpartition('%')[0] or name[:_LONGEST]}-{_digest(self.name)}"
        return f"{FOLDER}/{name}"


@dataclass(frozen=True)
class Catalogue:
    """A catalogue that was built.

    Attributes:
        folder: where it is.
        members: its registries, by name.
        models: how many models they have.
        counts: what was written, kept and deleted.
        missed: why registries were not read, or only from an old copy: by name.
    """

    folder: Path
    members: tuple[Member, ...]
    models: int
    counts: Counts
    missed: dict[str, str]


def _digest(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def source_of(text: str, base: Path | None = None) -> Source:
    """Return the registry that ``LOCATION`` or ``NAME=LOCATION`` names.

    Args:
        text: what a person wrote.
        base: the folder that a relative path starts from; by default the working directory.

    Raises:
        InvalidRequest: there is no location.

    >>> source_of("https://ada:s3cret@example.com/team/churn.git").name
    'team/churn'
    >>> source_of("Risk=git@example.com:team/risk.git").name
    'Risk'
    """
    name, sign, location = text.partition("=")
    if not sign or _NAMED & set(name) or not name.strip():
        name, location = "", text
    location = location.strip()
    if not location:
        raise InvalidRequest(
            f"{without_credentials(text)!a} names no registry", hint="give its path or its URL"
        )
    clean = without_credentials(location)
    if base is not None and not has_scheme(clean) and address_of(clean) is None:
        location = str(base / location)
    return Source(name.strip() or _name_of(location), location)


def _name_of(location: str) -> str:
    clean = without_credentials(location)
    address = address_of(clean)
    if address is not None and address.scheme != "file":
        found = address.path.strip("/")
    else:
        found = Path(os.path.abspath(clean)).name  # noqa: PTH100  links keep their own name
    return found.removesuffix(".git").rstrip("/") or "registry"


def read_sources(path: Path) -> list[Source]:
    """Return the registries that a file lists: one a line; ``#`` begins a comment.

    Raises:
        InvalidDocument: the file cannot be read, is not UTF-8 or lists none.
    """
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise InvalidDocument(f"{path}: {why}") from None
    lines = [line.strip() for line in text.split("\n")]
    found = [source_of(line, path.parent) for line in lines if line and not line.startswith("#")]
    if not found:
        raise InvalidDocument(
            f"{path}: it lists no registry", hint="write a path or a URL in each line"
        )
    return found


def build_catalogue(
    sources: Sequence[Source],
    folder: str | os.PathLike[str],
    *,
    title: str | None = None,
    allow_rewind: bool = False,
    tell: Callable[[str], None] | None = None,
) -> Catalogue:
    """Build the pages of several registries, and return what was done.

    A registry that cannot be read stops nothing: `Catalogue.missed` has it.

    Args:
        sources: which registries.
        folder: where the pages go: an empty or new folder, or one that was built before.
        title: of the first page.
        allow_rewind: read a registry whose branch was rewound, too.
        tell: is called with the name of each registry before it is read.

    Raises:
        InvalidRequest: two registries have the same name, the folder has files and is not a site
            of gitreg's, or Jinja2, markdown-it-py or nh3 is not installed.
        WorldError: a page cannot be written.
    """
    check_installed()
    ordered = sorted(sources, key=lambda one: (sort_key(one.name), one.name))
    _check_names(ordered)
    output = Output(Path(folder), builder_digest())
    for source in ordered:
        output.check_folder(output.folder / source.folder)
    output.begin()
    missed: dict[str, str] = {}
    for source in ordered:
        if tell is not None:
            tell(source.name)
        why = _build_one(source, output, allow_rewind=allow_rewind)
        if why:
            missed[source.name] = why
    return _finish(output, ordered, missed, title)


def _check_names(sources: Iterable[Source]) -> None:
    """Refuse names that one folder would stand for, on file systems that ignore case, too."""
    taken: dict[str, str] = {}
    for source in sources:
        if taken.setdefault(source.folder.casefold(), source.name) is not source.name:
            raise InvalidRequest(
                f"two registries are called {source.name!a}",
                hint="name one of them: NAME=LOCATION",
            )


def _build_one(source: Source, output: Output, *, allow_rewind: bool) -> str:
    """Build a registry's pages; return why it was not read, or how old what was read is."""
    with ExitStack() as stack:
        try:
            opened = Registry(source.location, allow_rewind=allow_rewind)
            registry = stack.enter_context(opened)
            registry.models()  # raises where there is no registry
        except GitregError as error:
            return str(error)
        try:
            folder = output.folder / source.folder
            made = build(registry, folder, title=source.name, home="../../index.html")
        except GitError as error:  # its host stopped answering; an error of the disk ends the build
            return str(error)
        output.counts.add(made.counts)
        return "; ".join(registry.warnings)


def _finish(
    output: Output, sources: Sequence[Source], missed: dict[str, str], title: str | None
) -> Catalogue:
    """Write the first page from what each registry's folder lists, and the list of all files."""
    left = [(source, left_by(output.folder / source.folder)) for source in sources]
    newest = max((_moment(known) for _, (_, known) in left), default=0)
    members = []
    rows: list[Row] = []
    for source, (files, known) in left:
        for path, stamped in files.items():
            output.files[f"{source.folder}/{path}"] = stamped
        try:
            some = list(_rows(source, known))
        except (KeyError, TypeError, ValueError, AttributeError):  # another release wrote it
            some = []
        rows += some
        members.append(_member(source, known, some, newest, is_read=source.name not in missed))
    rows.sort(key=lambda row: (sort_key(row.name), row.registry))
    setting = Setting(title or "Model registries", is_catalogue=True)
    for path, text in Pages(setting).catalogue(members, rows, utc(newest)).items():
        output.write(path, text)
    for path, data in assets():
        output.write(path, data)
    counts = output.finish({})
    return Catalogue(output.folder, tuple(members), len(rows), counts, missed)


def _address(source: Source) -> str:
    return f"{quote(source.folder)}/"


def _moment(known: Mapping[str, Any]) -> int:
    found = known.get("moment")
    return found if isinstance(found, int) else 0


def _rows(source: Source, known: Mapping[str, Any]) -> Iterator[Row]:
    for model in known.get("models", {}).values():
        row = Row.of(model["row"])
        yield replace(row, site=_address(source), registry=source.name)


def _member(
    source: Source, known: Mapping[str, Any], rows: Sequence[Row], newest: int, *, is_read: bool
) -> Member:
    moment = _moment(known)
    return Member(
        source.name,
        _address(source) if known else "",
        len(rows),
        sum(row.count for row in rows),
        utc(moment) if known else "",
        str(known.get("commit", "")),
        lasting(newest - moment) if known and newest > moment else "",
        is_read,
    )
