"""The tags of GTO, all of its grammar (``gto/constants.py``); gitreg itself writes only some.

>>> tag = parse_gto_tag("churn@v1.2.0")
>>> tag.action, tag.artifact, tag.version
('register', 'churn', 'v1.2.0')
>>> tag = parse_gto_tag("models=churn#prod!#7")
>>> tag.action, tag.folder, tag.name, tag.stage, tag.counter
('unassign', 'models', 'churn', 'prod', 7)
>>> parse_gto_tag("v1.2.0") is None
True
"""

from __future__ import annotations

import re
from dataclasses import dataclass

LENGTH = 250
"""The longest name of a tag that is read; a file system takes hardly more."""

_NUMBER = r"(?:0|[1-9][0-9]{0,17})"
_PRE = r"(?:0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)"
"""A part of a pre-release: by SemVer, a number has no leading zero."""

_NAME = r"[a-zA-Z0-9](?:[a-zA-Z0-9/_-]*[a-zA-Z0-9])?"
_VERSION = (
    rf"v(?P<core>{_NUMBER}\.{_NUMBER}\.{_NUMBER})"
    rf"(?:-(?P<pre>{_PRE}(?:\.{_PRE})*))?(?:\+[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*)?"
)
_TAG = re.compile(
    rf"(?P<artifact>(?:(?P<folder>[a-zA-Z0-9_./-]+)=)?(?P<name>{_NAME}))"
    rf"(?:(?:#(?P<stage>{_NAME})|@(?P<version>{_VERSION}))(?P<cancel>!?)|@(?P<word>deprecated|created))"
    r"(?:#(?P<counter>[0-9]{1,9}))?"
)


@dataclass(frozen=True)
class GtoTag:
    """A tag of GTO.

    Attributes:
        text: the tag's name.
        artifact: the artifact's name in tags: ``churn``, or ``models=churn`` of a folder's
            ``dvc.yaml``.
        folder: the folder of that ``dvc.yaml``; empty for the root.
        name: the artifact's name in ``dvc.yaml``.
        action: ``register``, ``deregister``, ``assign``, ``unassign``, ``deprecate`` (the
            artifact), ``create``.
        version: ``v1.2.0``, for ``register`` and ``deregister``.
        stage: for ``assign`` and ``unassign``.
        counter: counts the tags of an artifact; old ones have none.
        order: of a version, sorts as SemVer does.
    """

    text: str
    artifact: str
    folder: str
    name: str
    action: str
    version: str | None = None
    stage: str | None = None
    counter: int | None = None
    order: tuple[object, ...] = ()

    @property
    def major(self) -> int:
        """The major version."""
        return int(str(self.version)[1:].partition(".")[0])


def parse_gto_tag(text: str) -> GtoTag | None:
    """Return the tag that ``text`` spells in GTO's grammar, or ``None`` for any other tag."""
    match = _TAG.fullmatch(text) if len(text) <= LENGTH else None
    if match is None:
        return None
    if match["word"]:
        action = "deprecate" if match["word"] == "deprecated" else "create"
    elif match["version"]:
        action = "deregister" if match["cancel"] else "register"
    else:
        action = "unassign" if match["cancel"] else "assign"
    return GtoTag(
        text,
        match["artifact"],
        (match["folder"] or "").strip("/"),
        match["name"],
        action,
        match["version"],
        match["stage"],
        int(match["counter"]) if match["counter"] else None,
        _order(match["core"], match["pre"]) if match["version"] else (),
    )


def _order(core: str, pre: str | None) -> tuple[object, ...]:
    """Return a key that sorts versions: a pre-release comes before its release."""
    numbers = tuple(int(number) for number in core.split("."))
    if pre is None:
        return (*numbers, 1, ())
    parts = tuple(
        (0, int(part), "") if part.isdigit() and len(part) < 19 else (1, 0, part)
        for part in pre.split(".")
    )
    return (*numbers, 0, parts)
