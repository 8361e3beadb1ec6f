"""Doctor: what is wrong with a registry and this clone of it, and which command mends it."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from gitreg import layout
from gitreg.artifacts import Artifacts
from gitreg.errors import DvcError, GitError, GitregError, InvalidDocument
from gitreg.findings import Finding
from gitreg.git.repository import GitRepository
from gitreg.ledger import History
from gitreg.names import fold, format_version
from gitreg.state import RegistryState
from gitreg.tagsync import compare_tags

_LOCKED = ("HEAD", "config", "index", "packed-refs")
_MODES = (b"100644", b"100755")
_KINDS = {b"120000": "a symbolic link", b"160000": "a submodule"}


def examine(
    repository: GitRepository, state: RegistryState, history: History, artifacts: Artifacts
) -> list[Finding]:
    """Return everything that is found, errors first."""
    findings = [*_clone(repository), *_registry(state)]
    if state.commit is not None and state.exists():
        findings += _not_files(repository, state.commit)
        findings += _tags(repository, state, history)
        findings += _bytes(state, artifacts)
    order = {"error": 0, "warning": 1, "note": 2}
    return sorted(findings, key=lambda finding: order[finding.severity])


def _clone(repository: GitRepository) -> Iterator[Finding]:
    try:
        repository.signature("COMMITTER")
    except GitError as error:
        yield Finding("no-identity", "warning", "git", str(error), error.hint)
    try:
        repository.tip()
    except GitError as error:
        yield Finding("detached-head", "warning", "HEAD", str(error), error.hint)
    if repository.is_shallow:
        yield Finding(
            "shallow-clone", "warning", "git", "history is cut off: no rollback, no writes",
            "git fetch --unshallow",
        )  # fmt: skip
    for lock in _locks(repository):
        code = "index-lock" if lock.name == "index.lock" else "reference-lock"
        yield Finding(
            code, "warning", str(lock),
            "a Git process is running, or was killed and left this behind",
            f"if none is running: rm {shlex.quote(str(lock))}",
        )  # fmt: skip


def _locks(repository: GitRepository) -> Iterator[Path]:
    """Yield the locks of Git, each of which stops writers for as long as it is there."""
    for folder in sorted({repository.git_dir, repository.common_dir}):
        yield from filter(Path.exists, (folder / f"{name}.lock" for name in _LOCKED))
        yield from sorted((folder / "refs").rglob("*.lock"))


def _not_files(repository: GitRepository, commit: str) -> Iterator[Finding]:
    """Say what is in the place of a file and is none: Git answers with a link's target for one."""
    listing = repository.run_at_root(
        "ls-tree", "-r", "-z", "--full-tree", commit, "--", f"{layout.ROOT}/"
    )
    folders: set[str] = set()
    for entry in filter(None, listing.stdout.split(b"\0")):
        told, _, name = entry.partition(b"\t")
        path, mode = os.fsdecode(name), told.split()[0]
        if mode not in _MODES:
            what = _KINDS.get(mode, f"an entry of mode {mode.decode('ascii')}")
            yield Finding("not-a-file", "error", path, f"it is {what}", f"git log -- {path}")
        folders.update(map(str, PurePosixPath(path).parents))
    for path in sorted(filter(_is_document, folders)):
        yield Finding("not-a-file", "error", path, "it is a folder", f"git log -- {path}")


def _is_document(path: str) -> bool:
    """Tell whether gitreg reads a path as a file."""
    place = layout.locate(path)
    return path == layout.POLICY or (place is not None and place.kind != "other")


def _registry(state: RegistryState) -> Iterator[Finding]:
    if state.commit is None or not state.exists():
        yield Finding("no-registry", "error", "registry/", "no registry here", "gitreg init")
        return
    try:
        stages = set(state.policy.stages)
    except GitregError as error:
        message = str(error).removeprefix(f"{layout.POLICY}: ")  # the subject says it
        yield Finding("bad-policy", "error", layout.POLICY, message, error.hint)
        stages = None
    names = state.model_names()
    for twin in (name for name, count in Counter(map(fold, names)).items() if count > 1):
        same = ", ".join(name for name in names if fold(name) == twin)
        yield Finding(
            "name-collision", "error", same, "these names differ only by case or Unicode form"
        )
    for name in names:
        yield from _model(state, name, stages)


def _model(state: RegistryState, model: str, stages: set[str] | None) -> Iterator[Finding]:
    for number in state.versions(model):
        try:
            _artifact_md5(state, model, number)
            state.annotations(model, number)
        except GitregError as error:
            yield Finding("bad-version", "error", format_version(model, number), str(error))
    try:
        pointers = state.pointers(model)
    except InvalidDocument as error:
        yield Finding("bad-pointer", "error", model, str(error), "git log -- " + layout.ROOT)
        return
    held = Counter(version for versions in pointers.stages.values() for version in versions)
    for version, count in held.items():
        if count > 1:
            name = format_version(model, version)
            yield Finding(
                "two-stages", "error", name, f"{count} stages hold it",
                f"gitreg promote {name} --to STAGE",
            )  # fmt: skip
    for stage, versions in pointers.stages.items():
        if stages is not None and stage not in stages:
            yield Finding(
                "unknown-stage", "error", f"{model}/{stage}", "the policy has no such stage"
            )
        for version in versions:
            if not state.has_version(model, version):
                yield _dangling(f"{model}/{stage}", model, version)
    for alias, version in pointers.aliases.items():
        if not state.has_version(model, version):
            yield _dangling(f"{model}@{alias}", model, version)


def _artifact_md5(state: RegistryState, model: str, number: int) -> str:
    """Return the object of a version, whatever is wrong with the model's pointers."""
    return state.artifact_md5(model, number, state.manifest(model, number).artifact.path)


def _dangling(subject: str, model: str, version: int) -> Finding:
    return Finding(
        "dangling-pointer", "error", subject,
        f"it names {format_version(model, version)}, which is not there",
        f"git log -- {layout.model_path(model)}",
    )  # fmt: skip


def _tags(repository: GitRepository, state: RegistryState, history: History) -> Iterator[Finding]:
    if repository.is_shallow:
        return
    history.advance(str(state.commit))
    report = compare_tags(repository, history.tags())
    if report.made:
        yield Finding(
            "missing-tag", "warning", report.made[0],
            f"{len(report.made)} tag(s) that history implies are not here", "gitreg tags sync",
        )  # fmt: skip
    for name in report.wrong:
        yield Finding(
            "wrong-tag", "error", name, "it is not the tag that history implies",
            "gitreg tags sync --force",
        )  # fmt: skip
    if report.abandoned:
        yield Finding(
            "abandoned-tag", "warning", report.abandoned[0],
            f"{len(report.abandoned)} tag(s) stand for commits that are on no branch any more",
            "gitreg tags sync",
        )  # fmt: skip
    for name in report.foreign:
        yield Finding(
            "foreign-tag", "warning", name, "no event of history stands behind it",
            f"git tag -d '{name}'",
        )  # fmt: skip


def _bytes(state: RegistryState, artifacts: Artifacts) -> Iterator[Finding]:
    """Say which versions' bytes are missing here, and what is not shared yet."""
    versions = {}
    for model in state.model_names():
        for number in state.versions(model):
            try:
                md5 = _artifact_md5(state, model, number)
            except GitregError:
                continue  # reported as a bad version
            versions[format_version(model, number)] = md5
    try:
        project = artifacts.project(state.snapshot)
        if project.remote_name() is None:
            yield Finding(
                "no-dvc-remote", "note", ".dvc/config",
                "the bytes are in this machine's DVC cache alone",
                "dvc remote add -d NAME URL, then dvc push",
            )  # fmt: skip
            for name, md5 in versions.items():
                if project.missing(md5):
                    yield Finding(
                        "artifact-missing", "error", name, "its bytes are not in the cache"
                    )
            return
        for name, md5 in versions.items():
            lacking = project.not_on_remote([md5])
            if lacking and project.missing(md5):
                yield Finding(
                    "artifact-missing",
                    "error",
                    name,
                    "its bytes are neither here nor on the remote",
                )
            elif lacking:
                yield Finding(
                    "not-shared", "warning", name, "its bytes are not on the DVC remote yet",
                    "dvc push",
                )  # fmt: skip
    except DvcError as error:
        yield Finding("dvc", "error", ".dvc/config", str(error), error.hint)
