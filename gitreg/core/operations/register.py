"""Register: give an artifact the next version number, with everything known of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gitreg.core.documents.yaml import Value
from gitreg.core.model import layout, manifest
from gitreg.core.model.dvc_yaml import is_others, set_artifact
from gitreg.core.model.evaluation import write_evaluation
from gitreg.core.model.manifest import Tombstone
from gitreg.core.model.model import (
    Annotations,
    Artifact,
    Environment,
    Evaluation,
    Lineage,
    ModelSignature,
    ModelVersion,
)
from gitreg.core.model.names import check_model_name, format_version, is_taggable
from gitreg.core.operations.annotate import check_tags, check_text
from gitreg.core.state.change import Change, Edit
from gitreg.core.state.state import RegistryState
from gitreg.errors import AlreadyExists, InvalidRequest

GAP_LIMIT = 10_000
"""How many numbers one registration may skip at most."""


@dataclass(frozen=True)
class Registration:
    """The request to register a version.

    Attributes:
        model: the model's name; its first version creates it.
        artifact: the bytes, which are in DVC's cache already.
        created_at: when, UTC, ``2026-11-22T20:25:06Z``.
        created_by: who, ``Name <email>``.
        requirements: the frozen environment, the text of ``requirements.txt``.
        above: the highest number in the history; the number of a reverted registration stays
            taken.
        signature: the model's inputs and outputs.
        number: the requested version number, such as the one in another registry; the next number
            by default.
        left_out: the tombstone of each number that is skipped; by default it has the creator and
            the time of the version.
        evaluations: what was measured of it on named data; they get the digest of the bytes.
        warnings: what the person should know.
    """

    model: str
    artifact: Artifact
    created_at: str
    created_by: str
    metrics: Mapping[str, int | float] = field(default_factory=dict)
    params: Mapping[str, Value] = field(default_factory=dict)
    lineage: Lineage = field(default_factory=Lineage)
    environment: Environment = field(default_factory=Environment)
    requirements: bytes | None = None
    description: str | None = None
    tags: Mapping[str, str | None] = field(default_factory=dict)
    above: int = 0
    signature: ModelSignature | None = None
    number: int | None = None
    left_out: Tombstone | None = None
    evaluations: tuple[Evaluation, ...] = ()
    warnings: tuple[str, ...] = ()


def check_new_name(state: RegistryState, model: str) -> str:
    """Return ``model`` when versions may be registered under it.

    Raises:
        InvalidRequest: it is malformed, or differs from a model's only by case or Unicode form.
        NotFound: the model was deleted or renamed, which the user may not know.
    """
    check_model_name(model)
    if state.has_model(model):
        return model
    state.refuse_gone(model)
    refuse_twin(state, model)
    return model


def refuse_twin(state: RegistryState, model: str) -> None:
    """Refuse a new name that could be mistaken for that of another model, even a deleted one.

    Raises:
        InvalidRequest: the names differ only by case or Unicode form.
    """
    twin = state.same_name(model)
    if twin is not None:
        raise twin_of(model, twin)


def twin_of(model: str, twin: str) -> InvalidRequest:
    """Return the error for a name that could be mistaken for another one."""
    return InvalidRequest(
        f"{model!a} differs from the model {twin!a} only by case or Unicode form",
        hint=f"register under {twin!a}, or choose another name",
    )


def _with_digest(environment: Environment, requirements: bytes | None) -> Environment:
    """Return an environment with the digest of the frozen list that is written beside it."""
    digest = None if requirements is None else hashlib.sha256(requirements).hexdigest()
    return replace(environment, requirements_digest=digest)


def register(state: RegistryState, request: Registration) -> Change:
    """Return the change that registers the next version.

    Raises:
        AlreadyExists: the requested version number is taken.
        InvalidRequest: the name, a tag or the description is malformed, or a document would be too
            large.
    """
    model = check_new_name(state, request.model)
    check_tags(request.tags)
    if request.description is not None:
        check_text("description", request.description)
    last = max(request.above, *state.numbers(model), 0)
    version = last + 1 if request.number is None else _check_number(model, request.number, last)
    artifact = request.artifact
    document = ModelVersion(
        model,
        version,
        request.created_at,
        request.created_by,
        artifact,
        request.metrics,
        request.params,
        request.lineage,
        _with_digest(request.environment, request.requirements),
        signature=request.signature,
    )
    files = {
        "manifest.yaml": manifest.write_manifest(document),
        f"{artifact.path}.dvc": manifest.write_dvc_pointer(artifact),
        layout.REQUIREMENTS: request.requirements,
        "annotations.yaml": manifest.write_annotations(
            Annotations(request.description, tags=request.tags)
        ),
    }
    edits = [
        Edit(layout.version_path(model, version, name), content)
        for name, content in files.items()
        if content is not None
    ]
    edits += [
        Edit(
            layout.evaluation_path(model, version, one.name),
            write_evaluation(replace(one, sha256=artifact.sha256)),
        )
        for one in request.evaluations
    ]
    left_out = request.left_out or Tombstone(request.created_at, request.created_by)
    edits += [
        Edit(layout.tombstone_path(model, number), manifest.write_tombstone(left_out))
        for number in range(last + 1, version)
    ]
    edits += dvc_yaml_edit(state, model, layout.version_path(model, version, artifact.path))
    return Change(
        f"register {format_version(model, version)}",
        tuple(edits),
        evidence=tuple(f"{name} {value:g}" for name, value in list(request.metrics.items())[:20]),
        trailers=(
            ("Gitreg-Action", "register"),
            ("Gitreg-Model", model),
            ("Gitreg-Version", str(version)),
        ),
        warnings=(*request.warnings, *_kept(state, model)),
    )


def _kept(state: RegistryState, model: str) -> list[str]:
    """Return a warning where ``dvc.yaml`` has an artifact of this name that is the user's."""
    before = state.snapshot.read(layout.DVC_YAML)
    if before is None or not is_taggable(model) or not is_others(before, model):
        return []
    where = layout.versions_path(model)
    return [
        (
            f"artifacts.{model} in {layout.DVC_YAML} is yours and stays as it is, so that dvc "
            f"artifacts get gives what it names; gitreg keeps it up to date once its path is below "
            f"{where}/"
        )
    ]


def _check_number(model: str, number: int, last: int) -> int:
    """Return the requested version number, if it is free and not too far ahead."""
    if number <= last:
        raise AlreadyExists(
            f"{format_version(model, number)}: {last} is the highest number given so far, and "
            "numbers are never reused"
        )
    if number - last > GAP_LIMIT:
        raise InvalidRequest(
            f"{format_version(model, number)} would skip more than {GAP_LIMIT:,} numbers"
        )
    return number


def dvc_yaml_edit(state: RegistryState, model: str, path: str | None) -> list[Edit]:
    """Return the edit of ``dvc.yaml`` that names a model's newest artifact, if one is needed.

    Names that DVC does not accept for an artifact are left out. An entry of the user's own, whose
    path is not the registry's, stays as it is.
    """
    before = state.snapshot.read(layout.DVC_YAML)
    if not is_taggable(model) or (before is None and path is None):
        return []
    if is_others(before or b"", model):
        return []
    after = set_artifact(before or b"", model, path)
    return [Edit(layout.DVC_YAML, after)] if after != before else []
