"""Gives the registry its DVC remote, in the first commit after the project got one.

A project may get its DVC remote after ``gitreg init``. The registry's own remote is derived from it
and must be in a commit: without it, no clone finds the bytes. DVC reads it at the commit that
registered a version, so it comes before what is published.
"""

from __future__ import annotations

import re
from dataclasses import replace

from gitreg.core.model import layout
from gitreg.core.operations import Operation
from gitreg.core.state.change import Change, Edit
from gitreg.core.state.state import RegistryState, Snapshot

_NAMED = re.compile(rb"^\s*remote\s*=", re.MULTILINE)
"""What a configuration with a default remote has; cheaper than a parser, on every write."""

SUBJECT = "let the registry use the project's DVC remote"
"""The subject of a commit that does nothing else."""


def remote_edit(snapshot: Snapshot) -> Edit | None:
    """Return the edit that gives the registry a DVC remote; ``None`` if it has one, or cannot.

    Raises:
        DvcError: a configuration of DVC in the commit does not parse.
    """
    own, around = snapshot.read_many([layout.DVC_CONFIG, layout.PROJECT_CONFIG])
    if own is None or around is None or _NAMED.search(own):
        return None
    from gitreg.dvc.foreign import default_remote
    from gitreg.dvc.registry_config import registry_config

    if default_remote(own) is not None or default_remote(around) is None:
        return None
    return Edit(layout.DVC_CONFIG, registry_config(own, around))


def with_remote(operation: Operation) -> Operation:
    """Return an operation that also gives the registry its DVC remote, if that is missing."""

    def wrapped(state: RegistryState) -> Change:
        change = operation(state)
        edit = remote_edit(state.snapshot) if change.edits else None
        return change if edit is None else replace(change, edits=(*change.edits, edit))

    return wrapped


def give_remote(state: RegistryState) -> Change:
    """Return the change that gives the registry its DVC remote and does nothing else."""
    edit = remote_edit(state.snapshot)
    return Change(SUBJECT, () if edit is None else (edit,), trailers=(("Gitreg-Action", "init"),))
