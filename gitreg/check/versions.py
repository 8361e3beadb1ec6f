"""Checks of versions: immutable, numbered without gaps, complete and consistent."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from gitreg.check.finding import CheckFinding, line_in_error, line_of
from gitreg.check.lives import Lives
from gitreg.check.step import Step
from gitreg.core.documents import yaml
from gitreg.core.model import layout, manifest
from gitreg.core.model.model import ModelVersion
from gitreg.core.model.names import format_version
from gitreg.errors import GitregError, InvalidDocument
from gitreg.git.steps import Difference

_MANIFEST, _TOMBSTONE, _ANNOTATIONS = "manifest.yaml", "deleted.yaml", "annotations.yaml"
_KIND = 0o170000

_MAY_CHANGE = (_ANNOTATIONS, "approvals/")
"""What people say about a version may change: it is not part of the version."""


def immutable(step: Step) -> Iterator[CheckFinding]:
    """Find registered versions whose files changed, came or went, and deletions undone.

    Versions of deleted and renamed models are left to `gitreg.check.lives`.
    """
    honest = Lives(step).honest
    for (model, number), files in step.versions.items():
        if model in honest:
            continue
        folder = layout.version_path(model, number)
        before, after = (state.snapshot.list(folder) for state in (step.before, step.after))
        if _TOMBSTONE in before:
            yield from _deleted_before(step, model, number, files)
        elif _MANIFEST in before:
            is_deleted = _TOMBSTONE in after and _MANIFEST not in after
            yield from _registered_before(step, model, number, files, is_deleted=is_deleted)


def _deleted_before(
    step: Step, model: str, number: int, files: list[tuple[str, Difference]]
) -> Iterator[CheckFinding]:
    name = format_version(model, number)
    for file, change in files:
        if file == _TOMBSTONE:
            yield step.found("immutable", change.path, f"the tombstone of {name} changed")
        elif file == _MANIFEST and change.mode:
            yield step.found(
                "number-reused", change.path, f"{name} was deleted: its number stays taken"
            )


def _registered_before(
    step: Step,
    model: str,
    number: int,
    files: list[tuple[str, Difference]],
    *,
    is_deleted: bool,
) -> Iterator[CheckFinding]:
    name = format_version(model, number)
    kept = [
        (file, change)
        for file, change in files
        if (not file.startswith(_MAY_CHANGE) and not _is_added(change))
        or (not is_deleted and change.mode_before and _is_forgotten(step, change))
    ]
    if not is_deleted and any(file == _MANIFEST and not change.mode for file, change in kept):
        yield step.found(
            "removed",
            layout.manifest_path(model, number),
            f"{name} is gone, and no deleted.yaml says who deleted it and why",
            remedy=f"gitreg delete {name} -m REASON",
        )
        return
    for file, change in kept:
        if is_deleted and (change.mode == 0 or file == _TOMBSTONE):
            continue
        yield step.found(
            "immutable",
            change.path,
            f"{name} is registered: its files never change; {_how(change)}",
            remedy="register a new version instead",
        )


def _is_added(change: Difference) -> bool:
    """Tell whether a change adds an evaluation or reproduction, which then stays as it is."""
    place = layout.locate(change.path)
    return place is not None and place.kind in layout.ADDED and not change.mode_before


def _is_forgotten(step: Step, change: Difference) -> bool:
    """Tell whether a change takes the memory of a withdrawn approval back."""
    place = layout.locate(change.path)
    if place is None or place.kind != "withdrawal":
        return False
    before, after = (state.snapshot.read(change.path) for state in (step.before, step.after))
    try:
        was = manifest.read_withdrawals(before or b"", change.path)
    except InvalidDocument:
        return False  # repaired
    try:
        return after is None or manifest.read_withdrawals(after, change.path) < was
    except InvalidDocument:
        return False  # the check of documents reports it, and no approval counts


def withdrawals(step: Step) -> Iterator[CheckFinding]:
    """Find approvals that are gone, without the file that remembers it: they could come back."""
    honest = Lives(step).honest
    for (model, number), files in step.versions.items():
        listing = step.after.snapshot.list(layout.version_path(model, number))
        if model in honest or _MANIFEST not in listing:
            continue
        for _, change in files:
            place = layout.locate(change.path)
            if change.mode or place is None or place.kind != "approval":
                continue
            path = layout.withdrawal_path(change.path)
            is_counted = any(entry.path == path for entry in step.registry_changes)
            if step.after.snapshot.read(path) is None or not (is_counted or step.is_merge):
                yield step.found(
                    "immutable",
                    change.path,
                    f"the approval is gone, and no {path.rpartition('/')[2]} remembers it",
                    remedy=f"gitreg approve {format_version(model, number)} --to {place.name} "
                    "--withdraw",
                )


def _how(change: Difference) -> str:
    if change.mode == 0:
        return "this file is gone"
    if change.mode_before == 0:
        return "this file was added"
    if change.mode & _KIND != change.mode_before & _KIND:
        return "this file has another type"
    if change.blob == change.blob_before:
        return "this file has another mode"
    return "this file has other content"


def new_versions(step: Step) -> Iterator[tuple[str, list[int]]]:
    """Yield each model that gets new versions in a step, with their numbers, ascending."""
    found: dict[str, list[int]] = {}
    for model, number in step.versions:
        folder = layout.version_path(model, number)
        before, after = (state.snapshot.list(folder) for state in (step.before, step.after))
        taken = (_MANIFEST, _TOMBSTONE)
        if any(name in after for name in taken) and not any(name in before for name in taken):
            found.setdefault(model, []).append(number)
    for model, numbers in found.items():
        yield model, sorted(numbers)


def numbers(step: Step) -> Iterator[CheckFinding]:
    """Find numbers that are reused or skipped.

    A renamed model keeps its gaps.
    """
    moved = {one.new for one in Lives(step).renames if not one.wrong}
    for model, given in new_versions(step):
        last = max(step.highest(model), *step.before.numbers(model), 0)
        for number in given:
            path, name = layout.manifest_path(model, number), format_version(model, number)
            if number <= last:
                yield step.found(
                    "number-reused",
                    path,
                    f"{name}: numbers are never reused, and the highest so far is {last}",
                    remedy=f"register it as {model}@{last + 1}",
                )
            elif number > last + 1 and model not in moved:
                yield step.found(
                    "number-skipped",
                    path,
                    f"{name}: the next number is {last + 1}",
                    remedy=f"register it as {model}@{last + 1}",
                )
            last = max(last, number)


def manifests(step: Step) -> Iterator[CheckFinding]:
    """Find new manifests that do not parse, describe another version or miss a file."""
    for (model, number), files in step.versions.items():
        folder = layout.version_path(model, number)
        after = step.after.snapshot.list(folder)
        changed = {file: change for file, change in files if change.mode}
        if _MANIFEST not in after:
            if _TOMBSTONE not in after and changed:
                yield step.found(
                    "missing-file",
                    layout.manifest_path(model, number),
                    "this version's folder has no manifest",
                    severity="error",
                )
        elif _MANIFEST in changed or any(file.endswith(".dvc") for file in changed):
            yield from _manifest(step, model, number, after)


def _manifest(
    step: Step, model: str, number: int, listing: Sequence[str]
) -> Iterator[CheckFinding]:
    path = layout.manifest_path(model, number)
    data = step.after.snapshot.read(path)
    try:
        version = manifest.read_manifest(data or b"", path)
    except GitregError as error:
        yield step.found(
            "bad-manifest", path, without_path(error, path), line=line_in_error(data, str(error))
        )
        return
    if (version.model, version.version) != (model, number):
        field = "model:" if version.model != model else "version:"
        yield step.found(
            "manifest-mismatch",
            path,
            f"it describes {version.reference}, but is in the folder of "
            f"{format_version(model, number)}",
            line=line_of(data, field),
        )
    wanted = [f"{version.artifact.path}.dvc"]
    digest = version.environment.requirements_digest
    if version.environment.requirements or digest is not None:
        wanted.append(layout.REQUIREMENTS)
    for file in wanted:
        if file not in listing:
            yield step.found(
                "missing-file",
                layout.version_path(model, number, file),
                f"{format_version(model, number)} has a manifest, but not this file",
            )
    for file in listing:
        if file.endswith(".dvc") and file != wanted[0]:
            yield step.found(
                "stray-file",
                layout.version_path(model, number, file),
                f"a version has one .dvc file, and this one's is {wanted[0]}",
            )
    if digest is not None and layout.REQUIREMENTS in listing:
        frozen = layout.version_path(model, number, layout.REQUIREMENTS)
        found = hashlib.sha256(step.after.snapshot.read(frozen) or b"").hexdigest()
        if found != digest:
            yield step.found(
                "requirements-mismatch", frozen, f"its SHA-256 is {found}, not that of the manifest"
            )
    if wanted[0] in listing:
        yield from _dvc_file(step, version, layout.version_path(model, number, wanted[0]))


def _dvc_file(step: Step, version: ModelVersion, path: str) -> Iterator[CheckFinding]:
    data = step.after.snapshot.read(path) or b""
    try:
        md5 = manifest.read_dvc_pointer(data, path)
        out = yaml.parse(data, path)["outs"]
    except GitregError as error:
        yield step.found(
            "bad-dvc-file", path, without_path(error, path), line=line_in_error(data, str(error))
        )
        return
    assert isinstance(out, list)
    said = out[0]
    assert isinstance(said, dict)
    artifact = version.artifact
    facts = {
        "path": (said["path"], artifact.path),
        "size": (said.get("size"), artifact.size),
    }
    if md5.endswith(".dir"):
        facts["nfiles"] = (said.get("nfiles"), artifact.files)
    else:
        facts["nfiles"] = (said.get("nfiles"), None)
        facts["files"] = (1, artifact.files)
    for key, (here, there) in facts.items():
        if here != there:
            yield step.found(
                "dvc-mismatch",
                path,
                f"{key} is {here} here, but {there} in the manifest",
                line=line_of(data, f"{key}:") or line_of(data, f"- {key}:"),
            )


def without_path(error: GitregError, path: str) -> str:
    """Return a reader's message without the path: the finding has that."""
    return str(error).removeprefix(f"{path}:").strip()
