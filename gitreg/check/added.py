"""Checks of what is added to versions: evaluations, and statements on reproductions."""

from __future__ import annotations

from collections.abc import Iterator

from gitreg.check.finding import CheckFinding, line_in_error
from gitreg.check.step import Step
from gitreg.check.versions import without_path
from gitreg.core.model import layout
from gitreg.core.model.evaluation import read_evaluation_of
from gitreg.core.model.layout import Place
from gitreg.core.model.statement import read_statement_of
from gitreg.errors import GitregError, NotFound

_FOLDERS = ("evaluations", "reproductions")


def additions(step: Step) -> Iterator[CheckFinding]:
    """Find added files that do not parse, are not of their version's bytes, or are too many."""
    for change in step.registry_changes:
        place = layout.locate(change.path) if change.mode else None
        if place is None or place.kind not in layout.ADDED or place.version is None:
            continue
        data = step.after.snapshot.read(change.path) or b""
        try:
            sha256 = step.after.manifest(place.model, place.version).artifact.sha256
            _read(place, data, change.path, sha256)
        except NotFound:
            continue  # the checks of manifests and numbers report it
        except GitregError as error:
            yield step.found(
                f"bad-{'evaluation' if place.kind == 'evaluation' else 'reproduction'}",
                change.path,
                without_path(error, change.path),
                line=line_in_error(data, str(error)),
            )
    for model, number in step.versions:
        for folder in (layout.version_path(model, number, name) for name in _FOLDERS):
            before, after = (len(s.snapshot.list(folder)) for s in (step.before, step.after))
            if after > max(before, layout.ADDED_LIMIT):
                most = f"{after} files, {layout.ADDED_LIMIT} is the most"
                yield step.found("too-many-files", folder, most)


def _read(place: Place, data: bytes, path: str, sha256: str) -> None:
    if place.kind == "evaluation":
        read_evaluation_of(data, path, str(place.name), sha256)
    elif place.kind == "reproduction":
        read_statement_of(data, path, sha256)
    else:
        from gitreg.approvals.signatures import parse_signature  # where there is one to read

        parse_signature(data)
