"""Reads the tags of one model, and tells whether they can stand for its history.

A clone that was just made, or one that was last written to long ago, would have to read thousands
of commits to number one tag. See `gitreg.core.state.ledger` for what the tags must prove.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from gitreg.core.model import layout
from gitreg.core.model.names import RegistryTag, format_version, is_taggable, parse_tag
from gitreg.core.state.history import Event, events_of
from gitreg.core.state.ledger import FoundTag, Ledger, Ledgers, last_tags, ledger_of
from gitreg.core.state.state import RegistryState
from gitreg.core.state.tags import Tag
from gitreg.git.log import read_commits
from gitreg.git.objects import GitObject
from gitreg.git.remote import Upstream, list_references, unreadable
from gitreg.git.repository import GitRepository

FAR = 1000
"""How many commits the history index may lack before the tags are asked instead, and how many of
the last commits are then looked at for moves without a tag."""

_FORMAT = (
    "%(objecttype)%00%(*objecttype)%00%(*objectname)%00%(taggerdate:unix)%00%(tag)%00"
    "%(contents:subject)%00%(refname:strip=2)"
)

_PARENT = re.compile(rb"^parent ([0-9a-f]{40})$", re.MULTILINE)
_TAGGER = re.compile(rb"tagger [^\n]* (\d+) [-+]\d{4}", re.MULTILINE)


class Tags(Protocol):
    """The tags that are complete as far as anybody knows."""

    def of(self, model: str, versions: Iterable[int] = ()) -> Sequence[FoundTag]:
        """Return the tags that begin with a model's name.

        Args:
            model: the name.
            versions: those whose commits are going to be read.
        """

    def bring(self, names: Sequence[str]) -> None:
        """Make the commits that tags name readable here, each with its first parent."""


class TagsHere:
    """The tags in a repository with all of its history."""

    def __init__(self, repository: GitRepository) -> None:
        self._repository = repository

    def of(self, model: str, versions: Iterable[int] = ()) -> Sequence[FoundTag]:  # noqa: ARG002
        """Return the tags that begin with a model's name."""
        listing = self._repository.run("for-each-ref", f"--format={_FORMAT}", *_patterns(model))
        return [_found(*line.split("\0")) for line in listing.text.split("\n") if line]

    def bring(self, names: Sequence[str]) -> None:
        """Do nothing: the commits are here."""


class PublishedTags:
    """The tags on a remote, for a repository that has only the last commits.

    Args:
        repository: where their objects are fetched to; no reference names them.
        upstream: names the remote, when it is first asked.
    """

    def __init__(self, repository: GitRepository, upstream: Callable[[], Upstream]) -> None:
        self._repository = repository
        self._upstream = upstream
        self._brought: set[str] = set()
        self._targets: dict[str, str | None] = {}

    def of(self, model: str, versions: Iterable[int] = ()) -> Sequence[FoundTag]:
        """Return the tags that begin with a model's name; the last ones have their time.

        Raises:
            GitError: the remote cannot be reached.
        """
        there = list_references(self._repository, self._upstream(), "--tags", *_patterns(model))
        found = {
            (name := full.removeprefix("refs/tags/")): FoundTag(name, there.get(f"{full}^{{}}"))
            for full in there
            if not full.endswith("^{}")
        }
        self._targets |= {name: tag.target for name, tag in found.items()}
        last = last_tags(model, found.values())
        named = (str(RegistryTag(model, version)) for version in versions)
        self.bring([*last, *(name for name in named if name in found)])
        objects = self._repository.reader.get_many([there[f"refs/tags/{name}"] for name in last])
        for name, tag in zip(last, objects, strict=True):
            data = b"" if tag is None else tag.data
            time = _TAGGER.search(data.partition(b"\n\n")[0])
            start = f"object {found[name].target}\ntype commit\ntag {name}\n".encode()
            is_ours = time is not None and data.startswith(start)
            target = found[name].target if is_ours else None
            found[name] = FoundTag(name, target, int(time[1]) if time else None)
        return list(found.values())

    def bring(self, names: Sequence[str]) -> None:
        """Fetch tags, the commits that they name and their parents, with nothing before these.

        Raises:
            GitError: the remote cannot be reached.
        """
        wanted = [name for name in dict.fromkeys(names) if name not in self._brought]
        known = [name for name in wanted if self._has_commit(self._targets.get(name))]
        # A fetch with a depth cuts off what is before: known history would become shorter.
        self._fetch(known)
        self._fetch([name for name in wanted if name not in known], "--depth=2")
        self._brought.update(wanted)

    def _fetch(self, names: Sequence[str], *depth: str) -> None:
        if not names:
            return
        refs = [f"refs/tags/{name}" for name in names]
        done = self._repository.fetch_some(self._upstream().place, *depth, refs=refs)
        if done.returncode != 0:
            raise unreadable(self._repository, self._upstream(), "fetch", done)

    def bring_commits(self, tags: Iterable[Tag]) -> None:
        """Fetch commits that tags are going to name, with nothing before them.

        A remote that sends only what its references name sends those of versions by their tags.

        Raises:
            GitError: the remote cannot be reached, or does not send them.
        """
        named = {tag.target: str(RegistryTag(tag.model, tag.version)) for tag in tags}
        missing = self._repository.without(list(named))
        if not missing:
            return
        place = self._upstream().place
        done = self._repository.fetch_some(place, "--depth=1", refs=missing)
        if done.returncode != 0:
            self._fetch([named[commit] for commit in missing], "--depth=1")
            if self._repository.without(missing):
                raise unreadable(self._repository, self._upstream(), "fetch", done)

    def _has_commit(self, commit: str | None) -> bool:
        """Tell whether a commit and its first parent are here already; nothing is fetched."""
        if commit is None or self._repository.without([commit]):
            return False
        parent = _parent(self._repository.reader.get(commit))
        return parent is None or not self._repository.without([parent])


def _parent(commit: GitObject | None) -> str | None:
    """Return the first parent of a commit, also where the history is cut off behind it."""
    found = None if commit is None else _PARENT.search(commit.data.partition(b"\n\n")[0])
    return None if found is None else found[1].decode()


def _patterns(model: str) -> list[str]:
    return [f"refs/tags/{model}@v*", f"refs/tags/{model}#*"]


def _found(kind: str, target_kind: str, target: str, *said: str) -> FoundTag:
    time, own_name, subject, name = said
    is_ours = (kind, target_kind, own_name) == ("tag", "commit", name)
    tag = parse_tag(name)
    if tag is not None and tag.version is not None and not tag.cancelled:
        is_ours = is_ours and subject == format_version(tag.model, tag.version)
    return FoundTag(name, target if is_ours else None, int(time) if time else None)


def ledgers(
    repository: GitRepository, tip: str, models: Mapping[str, Iterable[int]], tags: Tags
) -> Ledgers | None:
    """Return what models' tags tell at a commit; ``None`` if they cannot stand for the history.

    Args:
        repository: where the commit is.
        tip: the commit that the tags should lead to.
        models: the models, each with the versions whose commits are going to be read; those whose
            names cannot be tagged are left out.
        tags: reads the tags.
    """
    state = RegistryState(repository.snapshot(tip))
    found: dict[str, Ledger] = {}
    for model, versions in models.items():
        if not is_taggable(model):
            continue
        ledger = ledger_of(model, tags.of(model, versions), state)
        if ledger is None or not ledger.ends_with(_last_events(repository, model, tip)):
            return None
        found[model] = ledger
    return Ledgers(found)


def _last_events(repository: GitRepository, model: str, tip: str) -> list[Event]:
    """Return the events of a model in the last commits up to a tip, oldest first."""
    since = repository.shallow_commits() or [f"{tip}~{FAR}"]
    if since == [tip]:
        return []
    commits = read_commits(repository, since, tip, layout.model_path(model))
    return [event for commit, changes in commits for event in events_of(commit, changes)]


def are_registrations(
    repository: GitRepository, tip: str, made: Iterable[Tag], new: str, tags: Tags
) -> bool:
    """Tell whether the commits that tags name registered their versions, as the files are now.

    A version's tag may have been moved to another commit.

    Args:
        repository: where the commits are.
        tip: the commit before the one that is tagged.
        made: the tags that name them.
        new: the commit that is tagged, which may register versions itself.
        tags: makes the commits readable.
    """
    named = {(tag.model, tag.version, tag.target) for tag in made if tag.target != new}
    tags.bring([str(RegistryTag(model, version)) for model, version, _ in sorted(named)])
    # Not `commit^`: the reader was started when the history was perhaps cut off here.
    commits = repository.reader.get_many([commit for *_, commit in named])
    before = [_parent(commit) for commit in commits]
    if None in commits or repository.without([parent for parent in before if parent]):
        return False
    repository.bring_paths(
        [
            (at, layout.version_path(model, version))
            for (model, version, commit), parent in zip(named, before, strict=True)
            for at in (tip, commit, parent)
            if at is not None
        ]
    )
    moves = zip(named, before, strict=True)
    return all(_registers(repository, tip, *one, parent) for one, parent in moves)


def _registers(
    repository: GitRepository, tip: str, model: str, version: int, commit: str, before: str | None
) -> bool:
    """Tell whether a commit wrote a version's manifest as it is at the tip."""
    now, then, earlier = (
        # A light copy has folders, and would have to fetch the file.
        repository.another_snapshot(at).identities(layout.version_path(model, version))
        for at in (tip, commit, before)
    )
    manifest = now.get("manifest.yaml")
    return manifest is not None and manifest == then.get("manifest.yaml") and not earlier
