"""Annotate: description, owner and tags of a model or a version, which may change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gitreg.core.documents.yaml import kind
from gitreg.core.model import layout, manifest
from gitreg.core.model.model import Annotations
from gitreg.core.model.names import Reference, format_version
from gitreg.core.state.change import Change, Edit
from gitreg.core.state.state import RegistryState
from gitreg.core.text.invisible import has_invisible
from gitreg.core.text.suggest import did_you_mean
from gitreg.errors import InvalidRequest, NotFound

TAG_KEY_LIMIT = 250
"""The longest key of a tag, in characters: MLflow's."""


@dataclass(frozen=True)
class Annotation:
    """What is asked: new values for a model or a version.

    Attributes:
        reference: the model, or one version of it.
        description: the new text; an empty one removes it, ``None`` leaves it.
        owner: who answers for the model, likewise; a version has none.
        tags: tags to set; one of a model may be without a value, ``None``.
        untag: keys of tags to remove.
    """

    reference: Reference
    description: str | None = None
    owner: str | None = None
    tags: Mapping[str, str | None] = field(default_factory=dict)
    untag: tuple[str, ...] = ()


def check_text(name: str, value: object) -> None:
    """Refuse what is no text: the types of a Python caller are what it says, not what it gives.

    Raises:
        InvalidRequest: so.
    """
    if not isinstance(value, str):
        raise InvalidRequest(f"{name}: expected text, found {kind(value)}")


def check_tags(tags: Mapping[str, str | None], *, of_model: bool = False) -> None:
    """Refuse tags that are no texts, or whose key is empty, too long or has invisible characters.

    Args:
        tags: key to value.
        of_model: whether a value may be ``None``.

    Raises:
        InvalidRequest: so.
    """
    for key, value in tags.items():
        check_text("a tag's key", key)
        if value is not None or not of_model:
            check_text(f"tags.{key[:40]}", value)
        if not key.strip() or len(key) > TAG_KEY_LIMIT or has_invisible(key):
            raise InvalidRequest(
                f"{key[:40]!a} cannot be a tag's key: 1 to {TAG_KEY_LIMIT} visible characters"
            )


def annotate(state: RegistryState, request: Annotation) -> Change:
    """Return the change that annotates; without edits when it is all said already.

    Raises:
        InvalidRequest: nothing is asked, a version is given an owner, a key is malformed, or
            a value is no text.
        NotFound: no such model, version, or tag to remove.
    """
    check_tags(request.tags, of_model=request.reference.is_model)
    for name, value in (("description", request.description), ("owner", request.owner)):
        if value is not None:
            check_text(name, value)
    nothing = request.description is None and request.owner is None
    if nothing and not request.tags and not request.untag:
        raise InvalidRequest("nothing to annotate: give --description, --owner, --tag or --untag")
    reference = request.reference
    if reference.is_model:
        model, version = state.check_model(reference.model), None
        said, path = state.model_annotations(model), layout.model_document_path(model)
        name = model
    else:
        model, version = reference.model, state.resolve(reference)
        if request.owner is not None:
            raise InvalidRequest("a version has no owner: annotate the model")
        said, path = state.annotations(model, version), layout.annotations_path(model, version)
        name = format_version(model, version)
    for key in request.untag:
        if key not in said.tags:
            raise NotFound(f"{name} has no tag {key!r}", hint=did_you_mean(key, said.tags))
    tags = {key: said.tags[key] for key in said.tags if key not in request.untag}
    updated = Annotations(
        said.description if request.description is None else request.description or None,
        said.owner if request.owner is None else request.owner or None,
        {**tags, **request.tags},
        said.created_at,
    )
    numbers = () if version is None else (("Gitreg-Version", str(version)),)
    return Change(
        f"annotate {name}",
        (Edit(path, manifest.write_annotations(updated)),) if updated != said else (),
        trailers=(("Gitreg-Action", "annotate"), ("Gitreg-Model", model), *numbers),
    )
