"""Creates the tags that history implies, and compares the existing tags with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gitreg.core.model.gto_tags import parse_gto_tag
from gitreg.core.model.names import model_of_tag, parse_tag
from gitreg.core.state.tags import Tag
from gitreg.errors import GitError, NotFound, UnknownOutcome
from gitreg.git import own_references, publish, remote
from gitreg.git.history_index import HistoryIndex
from gitreg.git.repository import GitRepository, Tip
from gitreg.publishing.clone import Clone


@dataclass(frozen=True)
class TagReport:
    """The tags of a clone beside those that history implies.

    Attributes:
        made: missing tags that were created (in a dry run: would be).
        kept: existing tags that are right.
        wrong: tags with the name of a tag that history implies, but a different object.
        replaced: wrong tags that were replaced because the caller forced it.
        foreign: tags named like gitreg's for a model of the registry, but implied by no event.
        abandoned: wrong or foreign tags whose commit is on no branch any more, as after an
            unpublished operation was taken back. They are replaced or removed.
        pushed: whether the remote has the right tags now.
    """

    made: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    abandoned: tuple[str, ...] = ()
    pushed: bool = False


LEFT = "refs/gitreg/left"
"""The branch as it was when a push could not publish all of it; the user may return to it."""


def compare_tags(repository: GitRepository, history: HistoryIndex, tip: str) -> TagReport:
    """Compare the tags of a clone with those that the history of ``tip`` implies.

    ``tip`` is `Clone.tagged_commit`: a branch that waits for review implies no tags.
    A signature does not make a tag a different one: see `publish.present_tags`.
    """
    left = _tags_left(repository, history, tip)
    taken_back = publish.present_tags(repository, left)
    history.advance(tip)
    implied = history.tags()
    present = repository.tags()
    models = {tag.model for tag in implied}
    names_left = {tag.name for tag in left}
    wanted = {tag.name: publish.tag_object_name(tag.content) for tag in implied}
    other = [tag for tag in implied if present.get(tag.name, wanted[tag.name]) != wanted[tag.name]]
    signed = publish.present_tags(repository, other)
    wrong = [tag.name for tag in other if tag.name not in signed]
    foreign = sorted(
        name
        for name in present
        if name not in wanted
        and (name in names_left or ((parsed := parse_tag(name)) and parsed.model in models))
    )
    foreign = without_known(repository, history, foreign)
    abandoned = {
        name
        for name in (*wrong, *foreign)
        if name in taken_back
        or (
            repository.is_abandoned(f"refs/tags/{name}")
            and not publish.is_another_tools(repository, name)
        )
    }
    return TagReport(
        made=tuple(name for name in wanted if name not in present),
        kept=tuple(name for name in wanted if name in present and name not in wrong),
        wrong=tuple(name for name in wrong if name not in abandoned),
        foreign=tuple(name for name in foreign if name not in abandoned),
        abandoned=tuple(name for name in (*wrong, *foreign) if name in abandoned),
    )


def without_known(
    repository: GitRepository, history: HistoryIndex, names: Sequence[str]
) -> list[str]:
    """Return the tags that are neither gitreg's nor tags of GTO's that an import has seen."""
    adopted = history.adopted_tags()
    models = {model_of_tag(name) for name in adopted}

    def is_known(name: str) -> bool:
        tag = parse_gto_tag(name)
        if name in adopted or tag is None:
            return name in adopted
        return (
            tag.artifact in models
            and (tag.counter or 0) <= history.others_counter(tag.artifact)
            and publish.is_another_tools(repository, name)
        )

    return [name for name in names if not is_known(name)]


def _tags_left(repository: GitRepository, history: HistoryIndex, tip: str) -> list[Tag]:
    """Return the tags of commits that a push did not publish and that are on no branch now.

    The tag of a move names the commit of its version, which stays when the move is gone. Only the
    history that implied the tag tells which move it belongs to.
    """
    left = repository.commit_of(LEFT)
    if left is None or repository.is_on_a_branch(left):
        return []
    history.advance(left, exact=True)
    return history.tags(since=repository.merge_base(left, tip))


def tagged_tip(repository: GitRepository, clone: Clone) -> str | None:
    """Return the commit whose history implies the clone's tags; see `Clone.tagged_commit`."""
    return clone.tagged_commit(
        Tip(repository.head_branch() or "HEAD", repository.commit_of("HEAD"))
    )


def sync_tags(
    repository: GitRepository,
    history: HistoryIndex,
    clone: Clone,
    *,
    dry_run: bool = False,
    push: bool = False,
    force: bool = False,
) -> TagReport:
    """Create the missing tags; see `gitreg.registry.Registry.sync_tags`.

    Raises:
        NotFound: the branch waits for review, and none of its commits is on a tagged branch.
        GitError: a reference could not be written, or the push was refused.
    """
    repository.refuse_shallow()
    tip = tagged_tip(repository, clone)
    if tip is None:
        raise NotFound("none of this branch's commits is on a branch that gets tags")
    report = compare_tags(repository, history, tip)
    implied = history.tags()
    if force:
        report = replace(report, wrong=(), replaced=report.wrong)
    if dry_run:
        return report
    with clone.exclusive():
        objects = publish.write_tags(repository, implied, sign=True)
        if push:
            made = {tag.content: objects[tag.name] for tag in implied}
            _publish(repository, history, clone, made, force=force)
            history.advance(tip)
        renewed = (*report.made, *report.replaced, *report.abandoned)
        publish.set_tags(repository, {name: objects.get(name) for name in renewed})
        left = repository.commit_of(LEFT)
        if left is not None and not repository.is_on_a_branch(left):
            own_references.delete(repository, LEFT)
    return replace(report, pushed=push)


def _publish(
    repository: GitRepository,
    history: HistoryIndex,
    clone: Clone,
    made: Mapping[bytes, str],
    *,
    force: bool,
) -> None:
    """Publish the tags of published commits only: tags must not reveal unpublished ones.

    Tags in ``made``, content to object, are not signed a second time.
    """
    status = clone.fetch_status()
    if status.published is None:
        raise GitError(f"{status.name} does not exist yet", hint="gitreg push creates it")
    history.advance(status.published)
    tags = clone.tags(status.local.branch)
    objects = {tag.name: made[tag.content] for tag in tags if tag.content in made}
    others = [tag for tag in tags if tag.name not in objects]
    objects |= publish.write_tags(repository, others, sign=True)

    def push_missing() -> None:
        there = clone.published_tags(status.upstream, tags, objects)
        to_push = {name: oid for name, oid in objects.items() if there.get(name) != oid}
        remote.push(repository, status.upstream, None, None, to_push, force_tags=force)

    try:
        push_missing()
    except UnknownOutcome:
        push_missing()  # the connection was lost: those that arrived are not pushed again
