"""What a client says of references, held against the repository that it pushes to.

A client that speaks Git's protocol by hand sends any old value, names a reference twice, or goes
through a symbolic one. Git itself finds this out only after the hook, when it moves the references
one by one; so a push that is judged by the client's words is not the push that happens.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from gitreg.check.finding import CheckFinding
from gitreg.git.objects import NO_OBJECT
from gitreg.git.repository import GitRepository

_OID = re.compile(r"[0-9a-f]{40}")
_ASKED_AT_ONCE = 200
"""How many references one call of Git lists: the length of a command line is limited."""


@dataclass(frozen=True)
class Update:
    """What a push does to one reference; ``None`` where it is created or deleted."""

    old: str | None
    new: str | None
    name: str


@dataclass(frozen=True)
class Reference:
    """What the repository has: the object, or for a symbolic reference also its target."""

    oid: str
    target: str | None


def read_updates(stdin: Iterable[str]) -> tuple[list[Update], list[CheckFinding]]:
    """Return the updates that Git hands to the hook, and the findings on lines that are none."""
    updates: list[Update] = []
    findings = []
    for entry in stdin:
        old, _, rest = entry.rstrip("\n").partition(" ")
        new, _, name = rest.partition(" ")
        if not entry.strip():
            continue
        if not (_OID.fullmatch(old) and _OID.fullmatch(new) and name.startswith("refs/")):
            findings.append(refused("bad-update", entry.strip()[:100], "not a line of Git's"))
            continue
        before, after = (None if oid == NO_OBJECT else oid for oid in (old, new))
        updates.append(Update(before, after, name))
    if not updates and not findings:
        findings.append(
            refused(
                "no-updates",
                "stdin",
                "no reference arrived, so nothing can be judged",
                "let a script that runs before this hook hand its standard input on",
            )
        )
    return updates, findings


def judge_claims(repository: GitRepository, updates: Sequence[Update]) -> Iterator[CheckFinding]:
    """Find updates that are named twice, symbolic, or start from a value that is not there."""
    names = [update.name for update in updates]
    for name in (name for name, times in Counter(names).items() if times > 1):
        yield refused("named-twice", name, "one push moves this reference twice")
    found = read_references(repository, names)
    for update in updates:
        there = found.get(update.name)
        if there is not None and there.target is not None:
            yield refused(
                "symbolic-ref",
                update.name,
                f"it is a symbolic reference to {there.target}",
                "push to that branch by its own name",
            )
        elif update.old != (None if there is None else there.oid):
            said, has = (
                "absent" if oid is None else f"at {oid[:9]}"
                for oid in (update.old, None if there is None else there.oid)
            )
            yield refused(
                "stale-claim",
                update.name,
                f"the push says that it is {said}, and it is {has}",
                "git fetch, and push again",
            )


def read_references(repository: GitRepository, names: Sequence[str]) -> dict[str, Reference]:
    """Return those of the references that the repository has, by name."""
    found: dict[str, Reference] = {}
    wanted = iter(dict.fromkeys(names))
    while chunk := list(islice(wanted, _ASKED_AT_ONCE)):
        listing = repository.run(
            "for-each-ref", "--format=%(objectname) %(symref)%00%(refname)%00", "--", *chunk
        ).stdout
        fields = iter(listing.split(b"\0")[:-1])
        for values, full in zip(fields, fields, strict=True):
            oid, _, target = os.fsdecode(values.lstrip(b"\n")).partition(" ")
            found[os.fsdecode(full)] = Reference(oid, target or None)
        for name in chunk:
            absent = None if name in found else _dangling(repository, name)
            if absent is not None:
                found[name] = Reference(NO_OBJECT, absent)
    return {name: found[name] for name in dict.fromkeys(names) if name in found}


def _dangling(repository: GitRepository, name: str) -> str | None:
    """Return the target of a symbolic reference whose target does not exist yet."""
    try:
        content = (repository.common_dir / name).read_bytes()
    except OSError:
        return None
    return os.fsdecode(content[4:].strip()) if content.startswith(b"ref:") else None


def refused(code: str, name: str, message: str, remedy: str | None = None) -> CheckFinding:
    """Return the finding that refuses an update."""
    return CheckFinding(code, "error", name, message, remedy)
