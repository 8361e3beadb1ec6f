"""Builds a site: reads the models that changed since the last build, and writes their pages.

A model's pages depend on its files, its events, the policy and the program. The list in the folder
has what the last build was made from; where that does not hold any more, everything is built.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import gitreg
from gitreg.core.model import layout
from gitreg.core.state.intervals import seconds_of
from gitreg.core.state.state import RegistryState
from gitreg.errors import InvalidRequest
from gitreg.registry import Registry
from gitreg.site import finding, records
from gitreg.site.folders import Folders
from gitreg.site.output import Counts, Output
from gitreg.site.pages import Pages
from gitreg.site.reading import model_seen, moment_of, policy_changes, setting_of
from gitreg.site.seen import folder_of, row_of
from gitreg.site.texts import script, sort_key
from gitreg.site.values import Row, Setting

if TYPE_CHECKING:
    from multiprocessing.pool import Pool

_HERE = Path(__file__).parent
_MANY = 40
"""From how many models on more than one process reads them."""

_EVENTS_PER_PART = 2_000
_WEEK = 7 * 86_400
_MOST_RECENT = 2_000
"""How many of the last events are looked through for those of the last week."""

Tell = Callable[[int, int], None]
"""Takes how many models are done, and of how many."""


@dataclass(frozen=True)
class Built:
    """A site that was built.

    Attributes:
        folder: where it is.
        commit: the registry's commit that it shows.
        models: how many models it has.
        counts: what was written, kept and deleted.
    """

    folder: Path
    commit: str
    models: int
    counts: Counts


def build(
    registry: Registry,
    folder: str | os.PathLike[str],
    *,
    title: str | None = None,
    home: str = "",
    tell: Tell | None = None,
) -> Built:
    """Build the site of a registry, and return what was done.

    Args:
        registry: which.
        folder: where the pages go: an empty or new folder, or one that was built before.
        title: of the site; by default the repository's name on its Git host.
        home: the address of a page that lists several registries, from this folder.
        tell: is called while models are read.

    Raises:
        InvalidRequest: the folder has files and is not a site of gitreg's, or Jinja2,
            markdown-it-py or nh3 is not installed.
            The folder is among the files of the registry or of Git.
        NotFound: there is no registry.
        WorldError: a page cannot be written.
    """
    check_installed()
    output = Output(Path(folder), builder_digest())
    state = registry.state()
    if not state.exists() or state.commit is None:
        registry.models()  # raises, with a hint
    _check_place(registry, output.folder)
    setting = replace(setting_of(registry, state, title), home=home)
    output.begin()
    return _Build(registry, state, output, setting).run(tell)


def _check_place(registry: Registry, folder: Path) -> None:
    """Refuse a folder in which pages would be taken for files of the registry or of Git."""
    place = folder.resolve()
    repository = registry.repository
    if place.is_relative_to(registry.private_dir.resolve()):
        return
    own = [repository.git_dir, repository.common_dir]
    if repository.top_level is not None:
        own.append(repository.top_level / layout.ROOT)
    for one in own:
        if place.is_relative_to(one.resolve()):
            raise InvalidRequest(
                f"{folder} is in {one}, which has other files", hint="choose another folder with -o"
            )


def check_installed() -> None:
    """Raise `InvalidRequest` where what pages are made with is not installed."""
    try:
        import jinja2  # noqa: F401
        import markdown_it  # noqa: F401
        import nh3  # noqa: F401
    except ImportError as error:
        raise InvalidRequest(
            f"pages need {error.name}, which is not installed", hint="pip install 'gitreg[site]'"
        ) from None


@lru_cache(maxsize=1)
def builder_digest() -> str:
    """Return the digest of the program that builds: of its code, templates and assets."""
    found = hashlib.sha256(gitreg.__version__.encode())
    for path in sorted(_HERE.rglob("*")):
        if path.suffix in (".py", ".html", ".js", ".css"):
            found.update(path.name.encode() + path.read_bytes())
    return found.hexdigest()[:32]


@dataclass(frozen=True)
class _Made:
    """The pages of a model, path to text, and what other pages need of it."""

    row: Row
    entry: list[Any]
    files: Mapping[str, str]
    versions: int


class _Build:
    """One build."""

    def __init__(
        self,
        registry: Registry,
        state: RegistryState,
        output: Output,
        setting: Setting,
    ) -> None:
        self.registry = registry
        self.state = state
        self.output = output
        self.setting = setting
        self.pages = Pages(self.setting)
        self.past = registry.past(state).rows
        self._events_count = self.past.count()
        snapshot = registry.repository.snapshot(state.commit)
        self._identities = snapshot.identities(layout.ROOT)

    def run(self, tell: Tell | None) -> Built:
        """Build what changed."""
        trees = self._trees()
        known = self._known()
        stale = self._stale(trees, known)
        rows: dict[str, Row] = {}
        entries: dict[str, list[Any]] = {}
        for done, (name, made) in enumerate(self._made(stale), start=1):
            rows[name], entries[name] = made.row, made.entry
            for path, text in made.files.items():
                self.output.write(path, text)
            if tell is not None:
                tell(done, len(stale))
        self.output.counts.models = len(stale)
        for name in trees:
            if name not in rows:
                rows[name] = Row.of(known["models"][name]["row"])
                self.output.keep_folder(f"models/{folder_of(name)}")
        ordered = sorted(rows.values(), key=lambda row: sort_key(row.name))
        parts = self._write_search(trees, entries, ordered, known)
        audit = self._write_audit(known)
        self._write_overview(ordered)
        self._write_rest(parts, audit, known)
        counts = self.output.finish(
            {
                "setting": asdict(self.setting),
                "policy": self._policy_name(),
                "seq": self.past.seq,
                "oid": self.past.oid,
                "commit": self.state.commit,
                "moment": moment_of(self.registry, self.state),
                "events": self._events_count,
                "parts": parts,
                "models": {
                    name: {"tree": trees[name], "row": asdict(rows[name])} for name in sorted(rows)
                },
            }
        )
        return Built(self.output.folder, str(self.state.commit), len(rows), counts)

    # What changed

    def _trees(self) -> dict[str, str]:
        """Return the models there are, each with the object name of its folder."""
        return {
            name: self._identities[folder_of(name)]
            for name in self.state.model_names()
            if folder_of(name) in self._identities
        }

    def _policy_name(self) -> str:
        return self._identities.get("policy.yaml", "")

    def _known(self) -> dict[str, Any]:
        """Return what the last build noted, if this one can go on from it."""
        known = self.output.known
        try:
            if (
                known["setting"] == json.loads(json.dumps(asdict(self.setting)))
                and known["policy"] == self._policy_name()
                and self.past.seq >= known["seq"]
                and self.past.has(known["seq"], known["oid"])
                and not self.registry.is_shallow
                and self.registry.repository.commit_of(known["commit"]) is not None
            ):
                return known
        except (KeyError, TypeError):
            pass
        return {"models": {}, "seq": -1, "parts": 0, "events": 0}

    def _stale(self, trees: Mapping[str, str], known: Mapping[str, Any]) -> list[str]:
        """Return the models whose pages have to be made."""
        touched = self.past.models_since(known["seq"]) if known["models"] else set(trees)
        return [
            name
            for name, tree in trees.items()
            if name in touched or known["models"].get(name, {}).get("tree") != tree
        ]

    # Models

    def _made(self, names: Sequence[str]) -> Iterator[tuple[str, _Made]]:
        """Yield models with their pages; of many, several processes make them."""
        workers = min(8, os.cpu_count() or 1)
        if len(names) < _MANY or workers < 2 or not hasattr(os, "fork"):
            for some in _chunks(names, 50):
                yield from self.make(some)
            return
        _SHARED[:] = [self]
        try:
            # The processes share what was read so far; each opens its own Git and index.
            with forked(workers) as pool:
                for made in pool.imap_unordered(_make_shared, list(_chunks(names, 20))):
                    yield from made
        finally:
            _SHARED.clear()

    def make(self, names: Sequence[str]) -> list[tuple[str, _Made]]:
        """Return some models with their pages."""
        trees = {name: self._identities[folder_of(name)] for name in names}
        repository = self.registry.repository
        commits = repository.snapshot(self.state.commit)
        state = RegistryState(Folders(commits, repository.reader, trees))
        return [(name, self._make_one(state, name)) for name in names]

    def _make_one(self, state: RegistryState, name: str) -> _Made:
        seen = model_seen(self.registry, state, name)
        row = row_of(seen, self.setting.main)
        folder = f"models/{folder_of(name)}"
        files = {f"{folder}/{file}": text for file, text in self.pages.model(seen, row).items()}
        files[f"{folder}/model.js"] = script("model", records.model_record(seen, self.setting))
        for part, record in records.part_records(seen).items():
            files[f"{folder}/versions-{part}.js"] = script("versions", part, record)
        return _Made(row, finding.entry_of(row, seen), files, len(seen.versions))

    # What is about all models

    def _write_search(
        self,
        trees: Mapping[str, str],
        made: Mapping[str, list[Any]],
        rows: Sequence[Row],
        known: Mapping[str, Any],
    ) -> int:
        """Write the parts of the index, and return how many there are."""
        parts = finding.parts_for(sum(row.count for row in rows))
        entries: list[dict[str, list[Any]]] = [{} for _ in range(parts)]
        changed = {finding.part_of(name, parts) for name in made}
        changed |= {finding.part_of(name, parts) for name in known["models"] if name not in trees}
        if known["parts"] != parts:
            changed = set(range(parts))
        old: dict[str, list[Any]] = {}
        for part in range(known["parts"]):
            if part in changed or known["parts"] != parts:
                old |= finding.read_part(self.output.text(f"search/part-{part}.js"))
        for name in trees:
            part = finding.part_of(name, parts)
            if part in changed:
                entries[part][name] = made[name] if name in made else old[name]
        for part in range(parts):
            path = f"search/part-{part}.js"
            if part in changed:
                self.output.write(path, finding.part_text(part, entries[part]))
            else:
                self.output.keep(path)
        return parts

    def _write_audit(self, known: Mapping[str, Any]) -> int:
        """Write the events in parts, the oldest in the first, and return how many parts there are.

        A full part never changes: the history goes on from where it was.
        """
        count = self._events_count
        parts = max(1, -(-count // _EVENTS_PER_PART))
        first = known["events"] // _EVENTS_PER_PART
        events = self._events(count - first * _EVENTS_PER_PART)
        for part in range(parts):
            path = f"audit/events-{part}.js"
            if part < first:
                self.output.keep(path)
                continue
            start = (part - first) * _EVENTS_PER_PART
            some = events[start : start + _EVENTS_PER_PART]
            records_of = [records.event_record(event) for event in some]
            self.output.write(path, script("events", part, records_of))
        return parts

    def _events(self, count: int) -> list[gitreg.Event]:
        """Return the last events, the oldest first."""
        if count <= 0:
            return []
        return self.registry.log(limit=count, rev=self.state.commit)[::-1]

    def _write_overview(self, rows: Sequence[Row]) -> None:
        now = moment_of(self.registry, self.state)
        recent = self.registry.log(limit=_MOST_RECENT, rev=self.state.commit)
        week = [one for one in recent if now - seconds_of(one.time) <= _WEEK]
        is_cut = len(week) == _MOST_RECENT
        for path, text in self.pages.overview(
            rows, week, str(self.state.commit), now, is_cut=is_cut
        ).items():
            self.output.write(path, text)

    def _write_rest(self, parts: int, audit: int, known: Mapping[str, Any]) -> None:
        if known["models"] and not policy_changes(self.registry, self.state, known["commit"]):
            self.output.keep("policy.html")
        else:
            history = policy_changes(self.registry, self.state)
            self.output.write("policy.html", self.pages.policy(self.state, history))
        self.output.write("audit.html", self.pages.audit(audit))
        self.output.write("search.html", self.pages.search(parts))
        for path, data in assets():
            self.output.write(path, data)


def assets() -> Iterator[tuple[str, bytes]]:
    """Yield the files that all sites have, with their contents."""
    folder = _HERE / "assets"
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix != ".md":
            yield f"assets/{path.relative_to(folder).as_posix()}", path.read_bytes()


def forked(count: int) -> Pool:
    """Return processes that leave Ctrl-C to this one, which ends them and says so once."""
    context = multiprocessing.get_context("fork")
    return context.Pool(count, signal.signal, (signal.SIGINT, signal.SIG_IGN))


_SHARED: list[_Build] = []
"""The build whose processes are forked: it cannot be sent to them."""

_T = TypeVar("_T")


def _make_shared(names: Sequence[str]) -> list[tuple[str, _Made]]:
    return _SHARED[0].make(names)


def _chunks(items: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
