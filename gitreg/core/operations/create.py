"""Create: a model without versions. The name of a deleted model can be used again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gitreg.core.model import layout, manifest
from gitreg.core.model.model import Annotations
from gitreg.core.model.names import check_model_name
from gitreg.core.operations.annotate import check_tags, check_text
from gitreg.core.operations.register import refuse_twin
from gitreg.core.state.change import Change, Edit
from gitreg.core.state.state import RegistryState
from gitreg.errors import AlreadyExists


@dataclass(frozen=True)
class Creation:
    """The request to create a model.

    Attributes:
        name: of the model.
        created_at: when, UTC, ``2026-11-22T20:25:06Z``.
        description: a text, which may change later.
        owner: the person responsible for it, likewise.
        tags: likewise.
    """

    name: str
    created_at: str | None
    description: str | None = None
    owner: str | None = None
    tags: Mapping[str, str | None] = field(default_factory=dict)


def create_model(state: RegistryState, request: Creation) -> Change:
    """Return the change that creates a model.

    Raises:
        AlreadyExists: the model exists.
        InvalidRequest: the name, a tag, the description or the owner is malformed, or the name
            differs from another only by case or Unicode form.
    """
    name = check_free_name(state, request.name)
    check_tags(request.tags, of_model=True)
    for what, value in (("description", request.description), ("owner", request.owner)):
        if value is not None:
            check_text(what, value)
    annotations = Annotations(
        request.description or None, request.owner or None, request.tags, request.created_at
    )
    return Change(
        f"create {name}",
        (
            *tombstone_edit(state, name),
            Edit(layout.model_document_path(name), manifest.write_annotations(annotations)),
        ),
        trailers=(("Gitreg-Action", "create"), ("Gitreg-Model", name)),
    )


def check_free_name(state: RegistryState, name: str) -> str:
    """Return ``name`` if a model may be created with it or renamed to it.

    Raises:
        AlreadyExists: a model has this name.
        InvalidRequest: it is malformed, or differs from another only by case or Unicode form.
    """
    check_model_name(name)
    if state.has_model(name):
        raise AlreadyExists(f"the model {name!r} already exists", hint=f"gitreg list {name}")
    refuse_twin(state, name)
    return name


def tombstone_edit(state: RegistryState, name: str) -> tuple[Edit, ...]:
    """Return the edit that removes the tombstone of a deleted model, if there is one."""
    path = layout.model_tombstone_path(name)
    return () if state.snapshot.read(path) is None else (Edit(path, None),)
