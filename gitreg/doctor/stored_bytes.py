"""Finds versions whose bytes are missing from DVC's cache, from its remote, or from both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import chain
from shlex import quote

from gitreg.artifacts.training_data import unshared_data
from gitreg.core.model import layout
from gitreg.core.model.names import ARCHIVE, format_version
from gitreg.doctor.clone import RemoteState
from gitreg.doctor.inspection import Inspection
from gitreg.dvc import DvcProject
from gitreg.dvc.remote import REPAIR
from gitreg.errors import DvcError, GitregError
from gitreg.findings import Finding

_Pair = tuple[str, int]


def examine(inspection: Inspection, remote_state: RemoteState) -> Iterator[Finding]:
    """Yield the versions whose bytes are missing here or on the DVC remote.

    All versions are looked up at once. Only the existence of an object is checked, not its
    content: ``gitreg verify`` and ``gitreg verify --remote`` read the bytes.
    """
    state = inspection.state
    if state.snapshot.read(layout.DVC_CONFIG) is None:
        yield Finding(
            "former-layout",
            "warning",
            layout.ROOT,
            "its versions are in your own DVC project: a plain `dvc pull` brings all of them, and "
            "`dvc status` is never clean",
            "gitreg init",
        )
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
                # Only this version is affected; the others are still examined.
                yield Finding("dvc", "error", format_version(*pair), str(error), error.hint)
        if remote is None:
            yield from _without_remote(project, absent)
        else:
            yield from _with_remote(inspection, remote_state, project, objects, absent)
            yield from _data(inspection)
    except DvcError as error:
        yield Finding("dvc", "error", layout.DVC_CONFIG, str(error), error.hint)


def _data(inspection: Inspection) -> Iterator[Finding]:
    """Yield the data that this clone's cache has and the DVC remote does not.

    Of all versions in use: reading every manifest of a long history would take minutes.
    """
    top = inspection.repository.top_level
    if top is None:
        return
    state = inspection.state
    used = []
    for name in inspection.models:
        model = state.readable_model(name, [])
        held = [held for stage, held in model.stages.items() if stage != ARCHIVE]
        numbers = {model.latest, *model.aliases.values(), *chain.from_iterable(held)}
        for number in sorted(filter(None, numbers)):
            with suppress(GitregError):  # what does not parse is reported as such
                used.append(state.manifest(name, number))
    for item in unshared_data(top, used).values():
        yield Finding(
            "data-not-shared",
            "warning",
            item.path,
            "versions were trained on this data, and it is not on the DVC remote",
            f"dvc push {quote(item.path)}",
        )


def _without_remote(project: DvcProject, absent: Mapping[_Pair, set[str]]) -> Iterator[Finding]:
    yield Finding(
        "no-dvc-remote",
        "note",
        layout.DVC_CONFIG,
        "only this machine's DVC cache has the bytes",
        f"{project.add_remote}, then gitreg push",
    )
    for pair, missing in absent.items():
        if missing:
            yield Finding(
                "artifact-missing",
                "error",
                format_version(*pair),
                "its bytes are not in the cache, and there is no DVC remote to get them from",
                f"on a machine that has them: {project.add_remote}, then gitreg push",
            )


def _with_remote(
    inspection: Inspection,
    remote_state: RemoteState,
    project: DvcProject,
    objects: Mapping[_Pair, str],
    absent: Mapping[_Pair, set[str]],
) -> Iterator[Finding]:
    missing = project.missing_by_artifact({objects[pair] for pair in absent}) if absent else {}
    around = project.only_around(oid for oids in missing.values() for oid in oids)
    folder = project.missing_folder()
    known = remote_state.upstream is not None
    inspection.history.advance(str(inspection.state.commit))
    unpublished = set(inspection.history.versions_since(remote_state.fork)) if known else set()
    for pair, not_here in absent.items():
        not_there = set(missing[objects[pair]])
        # Without a local directory listing, only the remote knows the files of a folder.
        nowhere = not_there & not_here
        nowhere |= {oid for oid in not_there if not project.cache_path(oid).is_file()}
        name = format_version(*pair)
        if not_there and not_there <= around:
            yield Finding(
                "not-moved",
                "warning",
                name,
                "its bytes are only on the remote of the project around the registry, where "
                "`dvc gc --cloud` removes them",
                f"gitreg verify --remote --repair {quote(name)}",
            )
        elif nowhere - around:
            yield Finding(
                "artifact-missing",
                "error",
                name,
                "its bytes are neither here nor on the remote"
                + (f": there is no folder {folder}" if folder else ""),
                ("is it mounted? if so, " if folder else "") + f"{REPAIR} {quote(name)}",
            )
        elif not_there and pair in unpublished:
            yield Finding(
                "not-shared",
                "note",
                name,
                "its bytes are not on the DVC remote yet; publishing the version uploads them",
                "gitreg push",
            )
        elif not_there:
            yield Finding(
                "not-shared",
                "warning",
                name,
                "its bytes are not on the DVC remote, so nobody else can pull it",
                f"gitreg verify --remote --repair {quote(name)}",
            )
