"""Makes the tags that history implies, and compares those that are there with them."""

from __future__ import annotations

from dataclasses import dataclass

from gitreg.git import publish, remote
from gitreg.git.repository import GitRepository
from gitreg.history import Tag
from gitreg.ledger import History
from gitreg.names import parse_tag


@dataclass(frozen=True)
class TagReport:
    """The tags of a clone beside those that history implies.

    Attributes:
        made: were missing, and are there now (in a dry run: would be).
        kept: were there already, and right.
        wrong: have the name of a tag that history implies, and another object.
        replaced: were wrong, and were replaced because that was asked for.
        foreign: have a name of gitreg's grammar for a model of the registry, but no event
            of history stands behind them.
        pushed: whether the remote has the right ones now.
    """

    made: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    pushed: bool = False


def compare_tags(repository: GitRepository, implied: list[Tag]) -> TagReport:
    """Return how the tags of a clone stand beside those that history implies."""
    present = repository.tags()
    names = {tag.name for tag in implied}
    models = {tag.model for tag in implied}
    wanted = {tag.name: publish.tag_object_name(tag.content) for tag in implied}
    foreign = [
        name
        for name in present
        if name not in names and (parsed := parse_tag(name)) and parsed.model in models
    ]
    return TagReport(
        made=tuple(name for name in wanted if name not in present),
        kept=tuple(name for name, oid in wanted.items() if present.get(name) == oid),
        wrong=tuple(name for name, oid in wanted.items() if present.get(name, oid) != oid),
        foreign=tuple(sorted(foreign)),
    )


def sync_tags(
    repository: GitRepository,
    history: History,
    *,
    dry_run: bool = False,
    push: bool = False,
    force: bool = False,
) -> TagReport:
    """Make the missing tags; see `gitreg.registry.Registry.sync_tags`.

    Raises:
        GitError: a reference could not be written, or the push was refused.
    """
    repository.refuse_shallow()
    implied = history.tags()
    report = compare_tags(repository, implied)
    replaced = report.wrong if force else ()
    report = TagReport(
        report.made, report.kept, () if force else report.wrong, replaced, report.foreign
    )
    if dry_run:
        return report
    with publish.exclusive(repository.private_dir):
        objects = publish.write_tags(repository, implied)
        if push:
            right = {name: oid for name, oid in objects.items() if name not in report.wrong}
            upstream = remote.upstream_of(repository, repository.tip())
            remote.push(repository, upstream, None, None, right, force_tags=force)
        publish.set_tags(repository, {n: objects[n] for n in (*report.made, *replaced)})
    return TagReport(report.made, report.kept, report.wrong, replaced, report.foreign, pushed=push)
