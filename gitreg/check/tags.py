"""Checks of tags: a tag with a name of gitreg's is the one that history implies."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gitreg.check.finding import CheckFinding
from gitreg.core.model.names import model_of_tag
from gitreg.core.state.tags import Tag, major_of
from gitreg.git.history_index import HistoryIndex
from gitreg.git.objects import GitObject
from gitreg.git.publish import is_tag
from gitreg.git.repository import GitRepository

_OBJECT = re.compile(rb"object ([0-9a-f]{40})\n")


@dataclass(frozen=True)
class TagUpdate:
    """What somebody does to a tag: creates, moves or deletes it.

    Attributes:
        name: the short name.
        before: what it named, ``None`` for nothing.
        after: what it is to name; ``None`` deletes it.
    """

    name: str
    before: GitObject | None
    after: GitObject | None


def is_ours(name: str) -> bool:
    """Tell whether a tag's name may be about a model, by gitreg's grammar or GTO's wider one."""
    return model_of_tag(name) is not None


def is_in_the_way(name: str) -> bool:
    """Tell whether a tag lies below a name of a model's tag, which Git could not create then.

    >>> [is_in_the_way(tag) for tag in ("churn@v2.0.0/x", "churn@v2.0.0", "churn/x")]
    [True, False, False]
    """
    parts = name.split("/")
    return any(is_ours("/".join(parts[:end])) for end in range(1, len(parts)))


def judge_tags(
    updates: Sequence[TagUpdate],
    implied: Sequence[Tag],
    others: Collection[str] = (),
    adopted: Mapping[str, str] | None = None,
) -> Iterator[CheckFinding]:
    """Find updates that make a tag something else than history implies.

    A tag of GTO's grammar is about a model also where there is none of that name yet: it would wait
    for the model, and be its first assignment for GTO and DVC.

    Args:
        updates: what happens to tags.
        implied: the tags that history implies, at the branch's tip afterwards.
        others: the artifacts that are another tool's, by ``dvc.yaml``: their tags are none of ours.
        adopted: GTO's tags of imported versions and moves, name to the commit that each is on.
    """
    by_name: Mapping[str, Tag] = {tag.name: tag for tag in implied}
    for update in updates:
        model = model_of_tag(update.name)
        if model is None:
            continue
        wanted = by_name.get(update.name)
        target = (adopted or {}).get(update.name)
        if wanted is None and target is not None:
            yield from _judge_adopted(update, target)
        elif wanted is None:
            if update.after is not None and model not in others:
                yield _finding(
                    "tag-not-implied",
                    update.name,
                    "no event in history implies it",
                    f"git tag -d {shlex.quote(update.name)}",
                )
        elif update.after is None:
            if update.before is not None and not is_tag(update.before, wanted):
                continue  # it makes room for the right one
            yield _finding("tag-deleted", update.name, "history implies it: it cannot be deleted")
        elif not is_tag(update.after, wanted):
            code = "tag-not-implied" if update.before is None else "tag-moved"
            yield _finding(code, update.name, "it is not the tag that history implies")


def judge_in_the_way(names: Iterable[str]) -> Iterator[CheckFinding]:
    """Find tags below the name of a model's tag, among those that are created."""
    for name in filter(is_in_the_way, names):
        message = "it would be in the way of a model's tag"
        yield _finding("tag-not-implied", name, message, f"git tag -d {shlex.quote(name)}")


def _judge_adopted(update: TagUpdate, target: str) -> Iterator[CheckFinding]:
    """Find an update by which GTO's tag of something imported would go, or be elsewhere."""
    if update.after is None:
        yield _finding(
            "tag-deleted", update.name, "GTO's tag was imported: it cannot be deleted", None
        )
    elif _target(update.after) != target:
        code = "tag-not-implied" if update.before is None else "tag-moved"
        message = f"GTO's tag was imported from {target[:9]}, and this is another commit"
        yield _finding(code, update.name, message, None)


def _target(tag: GitObject) -> str:
    """Return the commit that a tag is on: its own name where the tag is lightweight."""
    found = _OBJECT.match(tag.data) if tag.kind == "tag" else None
    return found[1].decode() if found else tag.oid


def judge_born(
    present: Mapping[str, GitObject | None],
    implied: Sequence[Tag],
    adopted: Mapping[str, str],
    versions: Collection[tuple[str, int]],
) -> Iterator[CheckFinding]:
    """Find tags that were there before their model, and would now say something about it.

    A version's tag of another tool says nothing about a number that the model does not have.

    Args:
        present: the tags of models that are new, with their objects.
        implied: the tags that history implies.
        adopted: GTO's tags of imported versions and moves, name to the commit that each is on.
        versions: the models' versions, by the names of the tags.
    """
    by_name: Mapping[str, Tag] = {tag.name: tag for tag in implied}
    for name, found in present.items():
        wanted, model = by_name.get(name), str(model_of_tag(name))
        if found is not None and name in adopted and _target(found) == adopted[name]:
            continue
        number = major_of(name, model)
        if number is not None and (model, number) not in versions:
            continue
        if wanted is None or found is None or not is_tag(found, wanted):
            yield _finding(
                "tag-not-implied",
                name,
                "it was there before its model, and no event in history implies it",
                f"gitreg import gto --model {shlex.quote(model)}, if it is a record of GTO's; else "
                f"git push origin {shlex.quote(f':refs/tags/{name}')}",
            )


def judge_clone(
    repository: GitRepository, history: HistoryIndex, head: str
) -> Iterator[CheckFinding]:
    """Find tags of a clone that differ from those that the history up to a commit implies.

    Missing tags are no finding: `gitreg tags sync` makes them.
    """
    history.advance(head)
    implied = history.tags()
    present = repository.tags()
    objects = repository.reader.get_many([f"refs/tags/{tag.name}" for tag in implied])
    for tag, found in zip(implied, objects, strict=True):
        if tag.name in present and (found is None or not is_tag(found, tag)):
            yield _finding("tag-moved", tag.name, "it is not the tag that history implies")


def _finding(
    code: str, name: str, message: str, remedy: str | None = "gitreg tags sync --force"
) -> CheckFinding:
    return CheckFinding(code, "error", f"refs/tags/{name}", message, remedy)
