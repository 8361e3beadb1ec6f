"""Makes the tags that history implies, and compares those that are there with them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gitreg.clone import Clone
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
        abandoned: were wrong or foreign, of a commit that is on no branch any more, as after an
            unpublished operation was taken back; they are replaced or removed.
        pushed: whether the remote has the right ones now.
    """

    made: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    abandoned: tuple[str, ...] = ()
    pushed: bool = False


def compare_tags(repository: GitRepository, implied: list[Tag]) -> TagReport:
    """Return how the tags of a clone stand beside those that history implies.

    A signature behind a tag makes it no other one: see `publish.present_tags`.
    """
    present = repository.tags()
    models = {tag.model for tag in implied}
    wanted = {tag.name: publish.tag_object_name(tag.content) for tag in implied}
    other = [tag for tag in implied if present.get(tag.name, wanted[tag.name]) != wanted[tag.name]]
    signed = publish.present_tags(repository, other)
    wrong = [tag.name for tag in other if tag.name not in signed]
    foreign = sorted(
        name
        for name in present
        if name not in wanted and (parsed := parse_tag(name)) and parsed.model in models
    )
    abandoned = {
        name for name in (*wrong, *foreign) if repository.is_abandoned(f"refs/tags/{name}")
    }
    return TagReport(
        made=tuple(name for name in wanted if name not in present),
        kept=tuple(name for name in wanted if name in present and name not in wrong),
        wrong=tuple(name for name in wrong if name not in abandoned),
        foreign=tuple(name for name in foreign if name not in abandoned),
        abandoned=tuple(name for name in (*wrong, *foreign) if name in abandoned),
    )


def sync_tags(
    repository: GitRepository,
    history: History,
    clone: Clone,
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
    if force:
        report = replace(report, wrong=(), replaced=report.wrong)
    if dry_run:
        return report
    with clone.exclusive():
        objects = publish.write_tags(repository, implied, sign=True)
        if push:
            upstream = clone.upstream(repository.tip())
            there = clone.published_tags(upstream, implied, objects)
            right = {
                name: oid
                for name, oid in objects.items()
                if name not in report.wrong and there.get(name) != oid
            }
            remote.push(repository, upstream, None, None, right, force_tags=force)
        renewed = (*report.made, *report.replaced, *report.abandoned)
        publish.set_tags(repository, {name: objects.get(name) for name in renewed})
    return replace(report, pushed=push)
