"""The bytes of versions: which are not in DVC's cache, not on its remote, or in neither."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from shlex import quote

from gitreg.core.model.names import format_version
from gitreg.doctor.clone import RemoteState
from gitreg.doctor.inspection import Inspection
from gitreg.dvc import DvcProject
from gitreg.dvc.remote import REPAIR
from gitreg.errors import DvcError
from gitreg.findings import Finding

_Pair = tuple[str, int]


def examine(inspection: Inspection, remote_state: RemoteState) -> Iterator[Finding]:
    """Say which versions' bytes are missing here, and which are not shared.

    All versions are asked for at once. That an object is there is looked at, not what is in it:
    ``gitreg verify`` and ``gitreg verify --remote`` read the bytes.
    """
    state = inspection.state
    try:
        project = inspection.artifacts.project(state.snapshot)
        remote = project.remote_name()
        objects = {
            (version.model, version.version): str(version.artifact.md5)
            for version in inspection.versions
        }
        absent: dict[_Pair, set[str]] = {}
        for pair, md5 in objects.items():
            try:
                absent[pair] = set(project.missing(md5))
            except DvcError as error:
                # On one version alone: the others can still be told of.
                yield Finding("dvc", "error", format_version(*pair), str(error), error.hint)
        if remote is None:
            yield from _without_remote(absent)
        else:
            yield from _with_remote(inspection, remote_state, project, objects, absent)
    except DvcError as error:
        yield Finding("dvc", "error", ".dvc/config", str(error), error.hint)


def _without_remote(absent: Mapping[_Pair, set[str]]) -> Iterator[Finding]:
    yield Finding(
        "no-dvc-remote",
        "note",
        ".dvc/config",
        "the bytes are in this machine's DVC cache alone",
        "dvc remote add -d NAME URL, commit .dvc/config, then gitreg verify --remote --repair",
    )
    for pair, lacking in absent.items():
        if lacking:
            yield Finding(
                "artifact-missing",
                "error",
                format_version(*pair),
                "its bytes are not in the cache, and there is no DVC remote to get them from",
                "register the same bytes again from where they were trained, or delete the "
                f"version: gitreg delete {quote(format_version(*pair))}",
            )


def _with_remote(
    inspection: Inspection,
    remote_state: RemoteState,
    project: DvcProject,
    objects: Mapping[_Pair, str],
    absent: Mapping[_Pair, set[str]],
) -> Iterator[Finding]:
    there = project.lacking({objects[pair] for pair in absent}) if absent else {}
    known = remote_state.upstream is not None
    inspection.history.advance(str(inspection.state.commit))
    unpublished = set(inspection.history.versions_since(remote_state.fork)) if known else set()
    for pair, not_here in absent.items():
        lacking = set(there[objects[pair]])
        # Where the listing is not here, only the remote has said what its files are.
        nowhere = lacking & not_here
        nowhere |= {oid for oid in lacking if not project.cache_path(oid).is_file()}
        name = format_version(*pair)
        if nowhere:
            yield Finding(
                "artifact-missing",
                "error",
                name,
                "its bytes are neither here nor on the remote",
                f"{REPAIR} {quote(name)}",
            )
        elif lacking and pair in unpublished:
            yield Finding(
                "not-shared",
                "note",
                name,
                "its bytes are not on the DVC remote yet; they go there when it is published",
                "gitreg push",
            )
        elif lacking:
            yield Finding(
                "not-shared",
                "warning",
                name,
                "its bytes are not on the DVC remote, so that nobody else can pull it",
                f"gitreg verify --remote --repair {quote(name)}",
            )
