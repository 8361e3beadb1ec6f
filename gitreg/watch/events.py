"""What happened in a registry after a commit, for programs that follow it.

`Registry.log` answers people: the newest first, and filtered by time and author. Here the oldest
comes first, every event has an id that never changes, and that id is where the next call goes on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from gitreg.core.model import layout
from gitreg.core.model.manifest import read_manifest
from gitreg.core.model.names import Reference
from gitreg.core.state.history import Event, named_by
from gitreg.core.state.state import RegistryState
from gitreg.core.text.times import utc
from gitreg.errors import GitError, InvalidDocument, InvalidRequest, NotFound
from gitreg.git.events import concerns, events_about
from gitreg.git.history_index import HistoryIndex
from gitreg.git.log import first_parents_reach
from gitreg.git.repository import GitRepository
from gitreg.registry import Registry
from gitreg.registry.references import ReferenceLike, existing, reference_of

_ID = re.compile(r"(?P<commit>[0-9a-f]{40})-(?P<place>[1-9][0-9]{0,5})")


@dataclass(frozen=True)
class RegistryEvent:
    """One change of a model in one commit.

    Attributes:
        id: the commit and the place in it, ``4b652c8…-1``: never changes, and ``since`` takes it.
        commit: where it happened, 40 hex digits.
        time: the committer's date, in UTC.
        model: the model.
        version: the version that it is about; ``None`` for the whole model, and where a pointer
            was emptied.
        previous: the version that the pointer named before; ``None`` where none moved.
        action: what happened: see `gitreg.core.state.history.Event`.
        actor: who did it, ``Name <email>``.
        reason: why, from the commit's message.
        sha256: the digest of the version's artifact; ``None`` without a version.
        pointer: ``stages/production`` or ``aliases/champion``; ``None`` where none moved.
        before: the versions that the pointer held.
        after: those that it holds afterwards.
        stage: the stage of an approval.
        principal: whose approval was given or withdrawn.
        override: the reason for overriding the policy.
        renamed_from: the model's old name.
        renamed_to: the model's new name.
        subject: the first line of the commit's message.
    """

    id: str
    commit: str
    time: str
    model: str
    version: int | None
    previous: int | None
    action: str
    actor: str
    reason: str | None
    sha256: str | None
    pointer: str | None
    before: tuple[int, ...]
    after: tuple[int, ...]
    stage: str | None
    principal: str | None
    override: str | None
    renamed_from: str | None
    renamed_to: str | None
    subject: str


@dataclass(frozen=True)
class Told:
    """Events, and where the next call goes on.

    Attributes:
        events: the oldest first.
        cursor: the commit that the registry was read at: ``since`` of the next call.
    """

    events: tuple[RegistryEvent, ...]
    cursor: str


def events(registry: Registry, *about: ReferenceLike, since: str | None = None) -> Told:
    """Return what happened after a commit or an event, the oldest first.

    Args:
        registry: which. It is read at its newest commit.
        about: models, stages, aliases or versions; everything by default.
        since: a commit of the branch, or the id of an event; by default the beginning.

    Raises:
        NotFound: there is no such commit: the history was rewritten, or it is another registry's.
            Or a model, version, stage or alias is unknown, and there never was one.
        GitError: the clone is shallow, and the remote cannot be reached.
    """
    state = existing(registry.state())
    history = registry.past(state, whole=True)
    wanted = [reference_of(given) for given in about]
    for reference in wanted:
        events_about(history, state, reference, 1)  # raises where there never was one
    commit, place = _beginning(registry.repository, since, str(state.commit))
    found = _numbered(history, commit, place)
    chosen = [
        (name, event)
        for name, event in found
        if not wanted or any(_is_about(event, one, state) for one in wanted)
    ]
    return Told(tuple(_read(registry.repository, chosen)), str(state.commit))


def _beginning(
    repository: GitRepository, since: str | None, tip: str
) -> tuple[str | None, int | None]:
    """Return the commit after which events are wanted; with a place, events of it are, too."""
    if since is None:
        return None, None
    match = _ID.fullmatch(since)
    commit = commit_on_branch(repository, match["commit"] if match else since, tip)
    return commit, int(match["place"]) if match else None


def commit_on_branch(repository: GitRepository, revision: str, tip: str) -> str:
    """Return a commit that the branch was at, 40 hex digits.

    Raises:
        NotFound: there is no such commit, or the branch was never at it.
    """
    whole = repository.with_history()
    try:
        commit = whole.parse_revision(revision)
    except (GitError, InvalidRequest):
        raise NotFound(
            f"{revision[:60]!a} is no commit of this repository: its history was rewritten, "
            "or the commit is of another one",
            hint="git log --first-parent lists the commits that the branch was at",
        ) from None
    if not first_parents_reach(whole, commit, tip):
        raise NotFound(
            f"the branch was never at {commit[:12]}, or its history was rewritten since",
            hint="git log --first-parent lists the commits that the branch was at",
        )
    return commit


def _numbered(
    history: HistoryIndex, since: str | None, place: int | None
) -> Iterator[tuple[str, Event]]:
    """Yield events with their ids, the oldest first."""
    if since is not None and place is not None:
        rest = list(enumerate(history.events_of_commit(since), start=1))[place:]
        yield from ((f"{since}-{number}", event) for number, event in rest)
    newest_first = history.events(since=since)
    commits = [list(several) for _, several in groupby(newest_first, key=lambda one: one.commit)]
    for several in reversed(commits):
        for number, event in enumerate(several, start=1):
            yield f"{event.commit}-{number}", event


def _is_about(event: Event, wanted: Reference, state: RegistryState) -> bool:
    if event.model != wanted.model:
        return False
    if wanted.is_model or event.ends_the_model:
        return True
    if wanted.alias is not None or wanted.stage is not None:
        return event.pointer == pointer_of(wanted)
    return concerns(event, wanted.version or state.resolve(wanted))


def pointer_of(wanted: Reference) -> str:
    """Return the pointer of a stage or an alias, as events name it."""
    return f"aliases/{wanted.alias}" if wanted.alias else f"stages/{wanted.stage}"


def _read(repository: GitRepository, found: Sequence[tuple[str, Event]]) -> Iterator[RegistryEvent]:
    """Yield events with what files of their commits have besides."""
    from gitreg.approvals.given import with_principals

    listed = with_principals(repository, [event for _, event in found])
    digests = _digests(repository, listed)
    for (name, _), event, sha256 in zip(found, listed, digests, strict=True):
        yield RegistryEvent(
            name,
            event.commit,
            utc(event.time),
            event.model,
            _version(event),
            named_by(event.before),
            event.action,
            event.author,
            event.reason,
            sha256,
            event.pointer,
            event.before,
            event.after,
            event.stage,
            event.principal,
            event.override,
            event.renamed_from,
            event.renamed_to,
            event.subject,
        )


def _version(event: Event) -> int | None:
    is_emptied = event.pointer is not None and not event.after
    return None if is_emptied else event.version


def _digests(repository: GitRepository, listed: Sequence[Event]) -> list[str | None]:
    """Return the digests of the events' versions; of a deleted one, from before its deletion."""
    return digests_at(
        repository, [(event.commit, event.model, _version(event)) for event in listed]
    )


def digests_at(
    repository: GitRepository, asked: Sequence[tuple[str, str, int | None]]
) -> list[str | None]:
    """Return the digests that manifests record: of a commit, a model and a version each.

    ``None`` without a version, and where no manifest can be read there or in the commit before.
    """
    places = [
        (commit + parent, layout.manifest_path(model, version or 0))
        for commit, model, version in asked
        for parent in ("", "^")
    ]
    whole = repository.with_history()
    whole.bring_paths(places)
    read = [
        None if one is None else one.data
        for one in whole.reader.get_many([f"{commit}:{path}" for commit, path in places])
    ]
    return [
        None if version is None else _digest(here, model) or _digest(before, model)
        for (_, model, version), here, before in zip(asked, read[::2], read[1::2], strict=True)
    ]


def _digest(manifest: bytes | None, where: str) -> str | None:
    try:
        return None if manifest is None else read_manifest(manifest, where).artifact.sha256
    except InvalidDocument:
        return None  # `gitreg check` reports the file
