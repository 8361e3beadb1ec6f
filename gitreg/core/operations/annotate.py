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
    """The request to annotate a model or a version.

    Attributes:
        reference: the model, or one version of it.
        description: the new text; an empty one removes it, ``None`` leaves it.
        owner: the person responsible for the model, likewise; a version has no owner.
        tags: tags to set; a tag of a model may have no value, ``None``.
        untag: keys of tags to remove.
    """

    reference: Reference
    description: str | None = None
    owner: str | None = None
    tags: Mapping[str, str | None] = field(default_factory=dict)
    untag: tuple[str, ...] = ()


def check_text(name: str, value: object) -> None:
    """Refuse a value that is not text; the type hints of a caller prove nothing at run time.

    Raises:
        InvalidRequest: the value is not text.
    """
    if not isinstance(value, str):
        raise InvalidRequest(f"{name}: expected text, found {kind(value)}")


def check_tags(tags: Mapping[str, str | None], *, of_model: bool = False) -> None:
    """Refuse tags that are not text, or whose key is empty, too long or has invisible characters.

    Args:
        tags: key to value.
        of_model: whether a value may be ``None``.

    Raises:
        InvalidRequest: a key or a value is malformed.
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
    """Return the change that annotates; it has no edits when nothing changes.

    Raises:
        InvalidRequest: nothing is requested, a version is given an owner, a key is malformed, or
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
        before, path = state.model_annotations(model), layout.model_document_path(model)
        name = model
    else:
        model, version = reference.model, state.resolve(reference)
        if request.owner is not None:
            raise InvalidRequest("a version has no owner: annotate the model")
        before, path = state.annotations(model, version), layout.annotations_path(model, version)
        name = format_version(model, version)
    for key in request.untag:
        if key not in before.tags:
            raise NotFound(f"{name} has no tag {key!r}", hint=did_you_mean(key, before.tags))
    tags = {key: before.tags[key] for key in before.tags if key not in request.untag}
    updated = Annotations(
        before.description if request.description is None else request.description or None,
        before.owner if request.owner is None else request.owner or None,
        {**tags, **request.tags},
        before.created_at,
    )
    numbers = () if version is None else (("Gitreg-Version", str(version)),)
    return Change(
        f"annotate {name}",
        (Edit(path, manifest.write_annotations(updated)),) if updated != before else (),
        trailers=(("Gitreg-Action", "annotate"), ("Gitreg-Model", model), *numbers),
    )
