"""Verify: whether the bytes of registered versions still match their manifests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gitreg.artifacts.store import ArtifactStore
from gitreg.core.model import layout
from gitreg.core.model.model import ModelVersion
from gitreg.core.model.names import Reference
from gitreg.core.state.state import RegistryState
from gitreg.dvc import Audit, Fault
from gitreg.dvc.digest import Progress
from gitreg.dvc.member_paths import shown
from gitreg.errors import DvcError
from gitreg.findings import Finding


def verify(
    state: RegistryState, artifacts: ArtifactStore, references: Sequence[Reference]
) -> Iterator[tuple[ModelVersion, list[Finding]]]:
    """Yield each version with the faults of its bytes; an empty list if they match.

    Args:
        state: the registry at the commit that is verified.
        artifacts: where the bytes are.
        references: versions, or whole models; the whole registry when empty.
    """
    for model, number in list(_wanted(state, references)):
        version = state.version(model, number)
        yield version, _check(state, artifacts, version)


def verify_remote(
    state: RegistryState,
    artifacts: ArtifactStore,
    references: Sequence[Reference],
    *,
    repair: bool = False,
    progress: Progress | None = None,
) -> Iterator[tuple[ModelVersion, list[Finding]]]:
    """Yield each version with the faults of its bytes on the DVC remote; every byte is read.

    Shared objects are read once. Everything is read before the first version is yielded.

    Args:
        state: the registry at the commit that is verified.
        artifacts: where the bytes are.
        references: versions, or whole models; the whole registry when empty.
        repair: upload faulty objects again if the cache has them; their MD5 is checked. Each
            repaired object is a finding of the severity ``note``.
        progress: called with the bytes read and uploaded.

    Raises:
        DvcError: no remote is configured, or it cannot be reached, read or written.
    """
    versions = [state.version(model, number) for model, number in _wanted(state, references)]
    before = artifacts.audit(state.snapshot, versions, progress)
    after = artifacts.repair(state.snapshot, before, progress) if repair else before
    remote = f"DVC remote {artifacts.project(state.snapshot).remote_name()}"
    for version in versions:
        md5 = str(version.artifact.md5)
        yield (
            version,
            [
                *_repaired(version, remote, before[md5], after[md5]),
                *_on_remote(version, remote, after[md5]),
            ],
        )


def _wanted(state: RegistryState, references: Sequence[Reference]) -> Iterator[tuple[str, int]]:
    for reference in references or [Reference(name) for name in state.model_names()]:
        if reference.is_model:
            state.check_model(reference.model)
            yield from ((reference.model, number) for number in state.versions(reference.model))
        else:
            yield reference.model, state.resolve(reference)


def _check(state: RegistryState, artifacts: ArtifactStore, version: ModelVersion) -> list[Finding]:
    try:
        return [
            Finding(
                "artifact-differs",
                "error",
                version.reference,
                difference,
                f"gitreg pull {version.reference}",
            )
            for difference in artifacts.differences(state.snapshot, version)
        ]
    except DvcError as error:
        return [Finding("artifact-missing", "error", version.reference, str(error), error.hint)]


def _repaired(version: ModelVersion, remote: str, before: Audit, after: Audit) -> Iterator[Finding]:
    left = {fault.oid for fault in after.faults}
    for fault in before.faults:
        if fault.oid not in left:
            yield Finding(
                "remote-repaired",
                "note",
                version.reference,
                f"{_told(version, remote, fault)}; repaired from the cache",
            )


def _on_remote(version: ModelVersion, remote: str, audit: Audit) -> Iterator[Finding]:
    mend = f"gitreg verify --remote --repair {version.reference}"
    if not all(fault.in_cache for fault in audit.faults):
        mend = f"in a clone that has the bytes: {mend}"
    for fault in audit.faults:
        code = "remote-missing" if fault.is_missing else "remote-differs"
        yield Finding(code, "error", version.reference, _told(version, remote, fault), mend)
    wrong = audit.problem
    if audit.tree is not None and not _is_as_said(version, audit):
        wrong = "has the bytes that its .dvc file names, but not those of its manifest"
    if wrong is not None:
        # No upload repairs this: two files of the version, which never change, disagree.
        yield Finding(
            "remote-differs",
            "error",
            version.reference,
            f"{remote}: {wrong}",
            f"git log -- {layout.version_path(version.model, version.version)}",
        )


def _is_as_said(version: ModelVersion, audit: Audit) -> bool:
    tree, artifact = audit.tree, version.artifact
    assert tree is not None
    return (tree.sha256, tree.size, tree.files) == (artifact.sha256, artifact.size, artifact.files)


def _told(version: ModelVersion, remote: str, fault: Fault) -> str:
    if fault.path is None:
        name = "the list of its files"
    else:
        name = shown(fault.path or version.artifact.path)
    return f"{remote}: {name}: {'missing' if fault.is_missing else 'differs'}"
