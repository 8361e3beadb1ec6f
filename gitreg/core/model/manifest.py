"""The registry's documents: frozen values to YAML and back.

>>> from gitreg.core.model.model import Annotations
>>> print(write_annotations(Annotations("the first", tags={"team": "growth"})).decode(), end="")
description: the first
tags:
  team: growth
>>> read_annotations(b"description: the first\\n", "annotations.yaml").description
'the first'
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

from gitreg.core.documents import yaml
from gitreg.core.documents.fields import Fields
from gitreg.core.documents.yaml import Value
from gitreg.core.model.model import (
    Annotations,
    Artifact,
    CodeCommit,
    DataDependency,
    Environment,
    Lineage,
    ModelSignature,
    ModelVersion,
    Run,
)
from gitreg.errors import InvalidDocument, InvalidRequest

FORMAT = 1
"""The manifest format that this release reads and writes."""

SIGNATURE_LIMIT = 16 * 1024
"""The most characters of a model's signature, its three texts together."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_MD5 = re.compile(r"[0-9a-f]{32}(?:\.dir)?")
_ARTIFACT = re.compile(r"model(?:\.[A-Za-z0-9_-]{1,20}){0,2}")
_RUN = ("id", "tracking_uri", "link")
_SIGNATURE = ("inputs", "outputs", "params")


@dataclass(frozen=True)
class Tombstone:
    """The record that remains of a deleted version or model.

    Attributes:
        deleted_at: the time in UTC, ``2026-11-22T20:25:06Z``.
        deleted_by: the person, ``Name <email>``.
        reason: the reason that was given.
        renamed_to: the new name of a renamed model.
    """

    deleted_at: str
    deleted_by: str
    reason: str | None = None
    renamed_to: str | None = None


def _present(**values: Value) -> dict[str, Value]:
    """Return the values that are not empty, in the order given: absence is not written."""
    return {key: value for key, value in values.items() if value not in (None, {}, [])}


def _dump(document: dict[str, Value], read: Callable[[bytes, str], object], name: str) -> bytes:
    """Return a document that its own reader accepts; nothing else may be committed.

    Raises:
        InvalidRequest: the reader refuses it, or it would be too large.
    """
    return _checked(yaml.dump(document), read, name)


def _checked(data: bytes, read: Callable[[bytes, str], object], name: str) -> bytes:
    try:
        read(data, name)
    except InvalidDocument as error:
        raise InvalidRequest(f"this cannot be written: {error}") from None
    return data


def write_manifest(version: ModelVersion) -> bytes:
    """Return ``manifest.yaml``: the part of a version that never changes."""
    code, run, environment = version.lineage.code, version.lineage.run, version.environment
    lineage = _present(
        source=version.lineage.source,
        code=_present(
            commit=code.commit,
            repository=code.repository,
            dirty=code.dirty,
            untracked=code.untracked or None,
            changed=list(code.changed),
        )
        if code
        else None,
        data=[
            _present(path=item.path, md5=item.md5, size=item.size, digest=item.digest)
            for item in version.lineage.data
        ],
        command=version.lineage.command,
        run=_present(id=run.id, tracking_uri=run.tracking_uri, link=run.link) if run else None,
        logged_model=version.lineage.logged_model,
        tag=version.lineage.tag,
    )
    signature = version.signature or ModelSignature()
    return _dump(
        {
            "format": FORMAT,
            "model": version.model,
            "version": version.version,
            "created_at": version.created_at,
            "created_by": version.created_by,
            "artifact": {
                "path": version.artifact.path,
                "size": version.artifact.size,
                "files": version.artifact.files,
                "sha256": version.artifact.sha256,
            },
            **_present(
                metrics=dict(version.metrics),
                params=dict(version.params),
                lineage=lineage,
                environment=_present(
                    python=environment.python,
                    platform=environment.platform,
                    requirements=environment.requirements,
                    requirements_digest=environment.requirements_digest,
                ),
                signature=_present(
                    inputs=signature.inputs, outputs=signature.outputs, params=signature.params
                ),
            ),
        },
        read_manifest,
        "manifest.yaml",
    )


@lru_cache(maxsize=4096)
def read_manifest(data: bytes, where: str) -> ModelVersion:
    """Return the version that a manifest describes, without pointers and annotations.

    Each content is parsed once, since a manifest never changes.

    Raises:
        InvalidDocument: the document breaks a rule; the message names file and field.
    """
    fields = Fields(yaml.parse(data, where), where)
    if fields.integer("format") != FORMAT:
        found = fields.integer("format")
        raise InvalidDocument(
            f"{where}: format: {found} is not supported: this gitreg reads {FORMAT}",
            hint="upgrade gitreg: pip install -U gitreg",
        )
    fields.only(
        (
            *("format", "model", "version", "created_at", "created_by"),
            *("artifact", "metrics", "params", "lineage", "environment", "signature"),
        )
    )
    artifact = fields.fields("artifact").only(("path", "size", "files", "sha256"))
    return ModelVersion(
        model=fields.text("model"),
        version=fields.integer("version", minimum=1),
        created_at=fields.text("created_at"),
        created_by=fields.text("created_by"),
        artifact=Artifact(
            path=check_artifact_path(artifact, "path"),
            size=artifact.integer("size"),
            files=artifact.integer("files", minimum=1),
            sha256=_matching(artifact, "sha256", _SHA256, "64 lower-case hex digits"),
        ),
        metrics=fields.numbers("metrics"),
        params=dict(fields.mapping("params")),
        lineage=_read_lineage(
            fields.fields("lineage").only(
                ("source", "code", "data", "command", "run", "logged_model", "tag")
            )
        ),
        environment=_read_environment(
            fields.fields("environment").only(
                ("python", "platform", "requirements", "requirements_digest")
            )
        ),
        signature=_read_signature(fields) if fields.has("signature") else None,
    )


def rename_in_manifest(data: bytes, where: str, model: str) -> bytes:
    """Return a manifest with another name of its model.

    Only one line changes, so that checks can tell a rename from any other change.

    Raises:
        InvalidDocument: it does not parse, or gitreg did not write the line with the name.
    """
    line = yaml.dump({"model": model}).rstrip(b"\n")
    renamed = re.sub(rb"^model:[^\r\n]*", lambda _: line, data, count=1, flags=re.MULTILINE)
    if read_manifest(renamed, where) != replace(read_manifest(data, where), model=model):
        raise InvalidDocument(
            f"{where}: gitreg did not write the line with the model's name, and cannot change it"
        )
    return renamed


def _matching(fields: Fields, name: str, pattern: re.Pattern[str], rule: str) -> str:
    value = fields.text(name)
    if not pattern.fullmatch(value):
        fields.fail(name, f"expected {rule}")
    return value


def is_artifact_name(name: str) -> bool:
    """Tell whether an artifact may have this name: ``model``, with or without an extension."""
    return _ARTIFACT.fullmatch(name) is not None


def check_artifact_path(fields: Fields, name: str) -> str:
    """Return an artifact's path: a bare name, so that it cannot leave the version's folder."""
    return _matching(fields, name, _ARTIFACT, "'model', or 'model' with an extension")


def _read_lineage(fields: Fields) -> Lineage:
    code = run = None
    if fields.has("code"):
        inner = fields.fields("code").only(
            ("commit", "repository", "dirty", "untracked", "changed")
        )
        code = CodeCommit(
            inner.text("commit"),
            inner.optional_text("repository"),
            inner.boolean("dirty"),
            inner.boolean("untracked") if inner.has("untracked") else False,
            inner.text_list("changed"),
        )
    if fields.has("run"):
        inner = fields.fields("run").only(_RUN)
        run = Run(*(inner.optional_text(name) for name in _RUN))
        if run == Run():
            fields.fail("run", f"expected one of {', '.join(_RUN)}")
    data = []
    for number, item in enumerate(fields.items("data")):
        if not isinstance(item, dict):
            fields.fail(f"data[{number}]", f"expected a mapping, found {yaml.kind(item)}")
        inner = Fields(item, fields.where, f"lineage.data[{number}].")
        inner.only(("path", "md5", "size", "digest"))
        data.append(
            DataDependency(
                inner.text("path"),
                inner.optional_text("md5"),
                inner.optional_integer("size"),
                inner.optional_text("digest"),
            )
        )
    return Lineage(
        fields.optional_text("source"),
        code,
        tuple(data),
        fields.optional_text("command"),
        run,
        fields.optional_text("logged_model"),
        fields.optional_text("tag"),
    )


def _read_signature(fields: Fields) -> ModelSignature:
    inner = fields.fields("signature").only(_SIGNATURE)
    texts = [inner.optional_text(name) for name in _SIGNATURE]
    if not any(texts):
        fields.fail("signature", f"expected one of {', '.join(_SIGNATURE)}")
    if sum(len(text or "") for text in texts) > SIGNATURE_LIMIT:
        fields.fail("signature", f"more than {SIGNATURE_LIMIT} characters")
    return ModelSignature(*texts)


def _read_environment(fields: Fields) -> Environment:
    requirements = fields.optional_text("requirements")
    if requirements not in (None, "requirements.txt"):
        fields.fail("requirements", "expected 'requirements.txt'")
    digest = None
    if fields.has("requirements_digest"):
        digest = _matching(fields, "requirements_digest", _SHA256, "64 lower-case hex digits")
    return Environment(
        fields.optional_text("python"), fields.optional_text("platform"), requirements, digest
    )


def write_dvc_pointer(artifact: Artifact) -> bytes:
    """Return the ``.dvc`` file of an artifact, as DVC 3 writes it."""
    assert artifact.md5 is not None
    out: dict[str, Value] = {"md5": artifact.md5, "size": artifact.size}
    if artifact.is_folder:
        out["nfiles"] = artifact.files
    document: dict[str, Value] = {"outs": [{**out, "hash": "md5", "path": artifact.path}]}
    return _dump(document, read_dvc_pointer, "model.dvc")


@lru_cache(maxsize=4096)
def read_dvc_pointer(data: bytes, where: str) -> str:
    """Return the MD5 object name that a version's ``.dvc`` file holds.

    Raises:
        InvalidDocument: it is not the pointer of exactly one output hashed by DVC 3, or says more
            than where the bytes are: DVC would run a command or ask another remote.
    """
    fields = Fields(yaml.parse(data, where), where)
    outs = fields.items("outs")
    if len(outs) != 1 or not isinstance(outs[0], dict):
        fields.fail("outs", "expected exactly one output")
    out = Fields(outs[0], where, "outs[0].")
    check_artifact_path(out, "path")
    if out.text("hash") != "md5":
        out.fail("hash", "expected 'md5'")
    md5 = _matching(out, "md5", _MD5, "an MD5, with .dir for a folder")
    fields.only(("outs",))
    out.only(("md5", "size", "nfiles", "hash", "path"))
    return md5


def write_versions(versions: tuple[int, ...]) -> bytes | None:
    """Return a stage's pointer file, ``None`` for no versions."""
    if not versions:
        return None
    return _dump({"versions": [*sorted(versions)]}, read_versions, "the stage")


@lru_cache(maxsize=4096)
def read_versions(data: bytes | None, where: str) -> tuple[int, ...]:
    """Return the versions in a stage's pointer file; an absent file holds none."""
    if data is None:
        return ()
    return Fields(yaml.parse(data, where), where).only(("versions",)).version_list("versions")


def write_alias(version: int) -> bytes:
    """Return an alias's pointer file."""
    return _dump({"version": version}, read_alias, "the alias")


def read_alias(data: bytes, where: str) -> int:
    """Return the version that an alias's pointer file names."""
    return Fields(yaml.parse(data, where), where).only(("version",)).integer("version", 1)


def write_withdrawals(times: int) -> bytes:
    """Return the file that counts how often an approval was withdrawn."""
    return _dump({"withdrawn": times}, read_withdrawals, "the withdrawals")


def read_withdrawals(data: bytes, where: str) -> int:
    """Return how often an approval was withdrawn, according to its file."""
    return Fields(yaml.parse(data, where), where).only(("withdrawn",)).integer("withdrawn", 1)


def write_annotations(annotations: Annotations) -> bytes | None:
    """Return ``annotations.yaml`` or ``model.yaml``, ``None`` when there is nothing to write.

    Raises:
        InvalidRequest: a text is not valid Unicode, or the file would be too large.
    """
    document = {
        "created_at": annotations.created_at,
        "description": annotations.description,
        "owner": annotations.owner,
        "tags": {key: annotations.tags[key] for key in sorted(annotations.tags)},
    }
    said = {key: value for key, value in document.items() if value not in (None, {})}
    return _checked(yaml.dump_texts(said), read_model_document, "annotations") if said else None


def read_annotations(data: bytes | None, where: str) -> Annotations:
    """Return the annotations of a version; an absent file has none."""
    fields = _texts(data, where).only(("description", "owner", "tags"))
    return Annotations(
        fields.optional_text("description"), fields.optional_text("owner"), fields.texts("tags")
    )


def read_model_document(data: bytes | None, where: str) -> Annotations:
    """Return the annotations of a model, whose tags may have no value."""
    fields = _texts(data, where).only(("created_at", "description", "owner", "tags"))
    return Annotations(
        fields.optional_text("description"),
        fields.optional_text("owner"),
        fields.optional_texts("tags"),
        fields.optional_text("created_at"),
    )


def _texts(data: bytes | None, where: str) -> Fields:
    return Fields({} if data is None else yaml.parse(data, where, yaml.TEXTS_LIMIT), where)


def write_tombstone(tombstone: Tombstone) -> bytes:
    """Return ``deleted.yaml``."""
    document = _present(
        deleted_at=tombstone.deleted_at,
        deleted_by=tombstone.deleted_by,
        reason=tombstone.reason,
        renamed_to=tombstone.renamed_to,
    )
    return _dump(document, read_tombstone, "deleted.yaml")


def read_tombstone(data: bytes, where: str) -> Tombstone:
    """Return who deleted a version or a model, when and why."""
    fields = Fields(yaml.parse(data, where), where)
    fields.only(("deleted_at", "deleted_by", "reason", "renamed_to"))
    return Tombstone(
        fields.text("deleted_at"),
        fields.text("deleted_by"),
        fields.optional_text("reason"),
        fields.optional_text("renamed_to"),
    )
