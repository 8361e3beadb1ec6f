"""The data that versions were trained on, where DVC has it: on the project's DVC remote.

A manifest names the data by its hash alone. Whoever retrains a version, or audits it, needs the
bytes; they are DVC's if the project's cache has them.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from gitreg.core.model.model import DataDependency, ModelVersion
from gitreg.dvc import DvcProject
from gitreg.dvc.digest import Progress
from gitreg.errors import DvcError


def unshared_data(top: Path, versions: Iterable[ModelVersion]) -> dict[str, DataDependency]:
    """Return the data that the cache has and the DVC remote lacks, hash to one of its uses.

    Args:
        top: the root of the work tree, whose DVC project tracks the data.
        versions: whose data.

    Raises:
        DvcError: the remote cannot be reached.
    """
    used = {
        item.md5: item
        for version in versions
        for item in version.lineage.data
        if item.md5 is not None
    }
    if not used or not (top / ".dvc").is_dir():
        return {}
    project = DvcProject(top)
    cached = {md5: item for md5, item in used.items() if _is_cached(project, md5)}
    if not cached or project.remote_name() is None:
        return {}
    missing = project.missing_by_artifact(cached)
    return {md5: cached[md5] for md5, objects in missing.items() if objects}


def send_data(top: Path, versions: Iterable[ModelVersion], progress: Progress | None) -> None:
    """Put the data of versions on the project's DVC remote; see `unshared_data`.

    Raises:
        DvcError: the remote does not have it afterwards.
    """
    missing = unshared_data(top, versions)
    if missing:
        DvcProject(top).push(sorted(missing), progress)


def _is_cached(project: DvcProject, md5: str) -> bool:
    try:
        return not project.missing(md5)
    except DvcError:
        return False  # no name of an object, or a damaged listing, which `dvc` reports
