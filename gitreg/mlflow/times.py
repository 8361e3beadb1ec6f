"""When models and versions were created and last updated, from the events of their history."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gitreg.instants import parse_instant
from gitreg.registry import Registry

_OF_MODEL = frozenset({"create", "register", "promote", "archive", "delete", "rename", "revert"})


@dataclass(frozen=True)
class Times:
    """Milliseconds since the epoch."""

    created: int
    updated: int


@dataclass(frozen=True)
class Activity:
    """Of a model, and of its versions by number."""

    created: int
    updated: int
    versions: Mapping[int, Times]


def activity(registry: Registry, name: str) -> Activity:
    """Return the times of a model's present life."""
    created = updated = last = 0
    commit = ""
    versions: dict[int, Times] = {}
    for event in reversed(registry.log(name)):
        if event.commit != commit:
            commit, last = event.commit, max(parse_instant(event.time) * 1000, last + 1)
        if event.action in ("create", "rename") or not created:
            created, updated = created or last, last
        if event.action in _OF_MODEL:
            updated = last
        for number in _touched(event.version, event.before, event.after):
            since = versions.get(number, Times(last, last)).created
            if event.action in _OF_MODEL:
                versions[number] = Times(since, last)
    return Activity(created, updated, versions)


def _touched(version: int | None, before: object, after: object) -> set[int]:
    found = {version} if version is not None else set()
    if isinstance(before, tuple) and isinstance(after, tuple):
        found |= set(before) ^ set(after)
    return found
