"""Reads the tags of one model, and tells whether they can stand for its history.

A clone that was just made, or one that was last written to long ago, would have to read thousands
of commits to number one tag. See `gitreg.core.state.ledger` for what the tags must prove.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from gitreg.core.model import layout
from gitreg.core.model.names import format_version, is_taggable, parse_tag
from gitreg.core.state.history import Event, events_of
from gitreg.core.state.ledger import FoundTag, Ledger, Ledgers, ledger_of
from gitreg.core.state.state import RegistryState
from gitreg.core.state.tags import Tag
from gitreg.git.log import read_commits
from gitreg.git.objects import CommitSnapshot
from gitreg.git.repository import GitRepository

FAR = 1000
"""How many commits the history index may lack before the tags are asked instead, and how many of
the last commits are then looked at for moves without a tag."""

_FORMAT = (
    "%(objecttype)%00%(*objecttype)%00%(*objectname)%00%(taggerdate:unix)%00%(tag)%00"
    "%(contents:subject)%00%(refname:strip=2)"
)

TagsOf = Callable[[str], Sequence[FoundTag]]
"""Returns the tags that begin with a model's name."""


def patterns(model: str) -> list[str]:
    """Return the patterns of a model's tags, for Git."""
    return [f"refs/tags/{model}@v*", f"refs/tags/{model}#*"]


def tags_here(repository: GitRepository, model: str) -> list[FoundTag]:
    """Return a model's tags in a repository."""
    listing = repository.run("for-each-ref", f"--format={_FORMAT}", *patterns(model)).text
    return [_found(*line.split("\0")) for line in listing.split("\n") if line]


def _found(kind: str, target_kind: str, target: str, *said: str) -> FoundTag:
    time, own_name, subject, name = said
    is_ours = (kind, target_kind, own_name) == ("tag", "commit", name)
    tag = parse_tag(name)
    if tag is not None and tag.version is not None and not tag.cancelled:
        is_ours = is_ours and subject == format_version(tag.model, tag.version)
    return FoundTag(name, target if is_ours else None, int(time) if time else None)


def ledgers(
    repository: GitRepository, tip: str, models: Iterable[str], tags_of: TagsOf
) -> Ledgers | None:
    """Return what models' tags tell at a commit; ``None`` if they cannot stand for the history.

    Args:
        repository: where the commit is.
        tip: the commit that the tags should lead to.
        models: the models; those whose names cannot be tagged are left out.
        tags_of: reads the tags.
    """
    state = RegistryState(repository.snapshot(tip))
    found: dict[str, Ledger] = {}
    for model in models:
        if not is_taggable(model):
            continue
        ledger = ledger_of(model, tags_of(model), state)
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


def are_registrations(repository: GitRepository, tip: str, tags: Iterable[Tag], new: str) -> bool:
    """Tell whether the commits that tags name registered their versions, as the files are now.

    A version's tag may have been moved to another commit.

    Args:
        repository: where the commits are.
        tip: the commit before the one that is tagged.
        tags: the tags.
        new: the commit that is tagged, which may register versions itself.
    """
    return all(
        _registers(repository, tip, *pair)
        for pair in {(tag.model, tag.version, tag.target) for tag in tags if tag.target != new}
    )


def _registers(repository: GitRepository, tip: str, model: str, version: int, commit: str) -> bool:
    now, then, before = (
        # A light copy has folders, and would have to fetch the file.
        CommitSnapshot(repository.reader, at).identities(layout.version_path(model, version))
        for at in (tip, commit, f"{commit}^")
    )
    manifest = now.get("manifest.yaml")
    return manifest is not None and manifest == then.get("manifest.yaml") and not before
