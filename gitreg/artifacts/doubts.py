"""What a person who registers a version should know: it is right, and may not be what they meant.

Each doubt is one line, and none stops the registration.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from gitreg.artifacts.dvc_files import absolute_path, find_record
from gitreg.artifacts.source import Source
from gitreg.core.model.model import Artifact
from gitreg.core.model.names import format_version
from gitreg.core.state.state import RegistryState
from gitreg.errors import GitregError
from gitreg.git.process import run
from gitreg.git.repository import GitRepository

_SHOWN = 3
_COMPARED = 200
"""With how many earlier versions the bytes are compared."""


def uncommitted(folder: Path) -> Iterator[str]:
    """Yield a doubt if tracked files of the code's work tree differ from its commit."""
    listed = run(folder, "diff", "--name-only", "--no-relative", "-z", "HEAD", check=False)
    files = [name for name in listed.text.split("\0") if name] if not listed.returncode else []
    if files:
        more = f" and {len(files) - _SHOWN} more" if files[_SHOWN:] else ""
        yield (
            f"uncommitted changes in {', '.join(files[:_SHOWN])}{more}: the recorded commit is not "
            "the code that trained this"
        )


def untracked(repository: GitRepository, data: Sequence[Path]) -> Iterator[str]:
    """Yield a doubt about data that neither DVC nor Git tracks: only its hash is recorded."""
    for path in data:
        if find_record(absolute_path(path)) is not None:
            continue
        known = repository.run("ls-files", "--", str(path.absolute()), check=False)
        if known.returncode or not known.stdout:
            yield (
                f"{path} is tracked neither by DVC nor by Git: its hash is recorded, but nothing "
                f"keeps its bytes; dvc add {path}"
            )


def metrics_doubt(source: Source, given: Path | None, *, has_metrics: bool) -> Iterator[str]:
    """Yield a doubt about missing metrics, or a metrics file that is older than the model.

    Args:
        source: what is registered.
        given: the file of metrics that the person named, if any.
        has_metrics: whether there are any.
    """
    if not has_metrics:
        origin = source.tracked.origin if source.tracked else None
        looked = f"looked at {origin}" if origin else "DVC does not track the source"
        yield f"no metrics ({looked}): give --metrics FILE or --metric NAME=NUMBER"
    elif given is not None and _newest(given) < _newest(source.path):
        yield f"{given} was written before the model was: are these its metrics?"


def _newest(path: Path) -> float:
    """Return when a file, or the newest file of a folder, was written; 0 for none."""
    found = [path] if path.is_file() else path.rglob("*")
    try:
        return max((one.stat().st_mtime for one in found if one.is_file()), default=0)
    except OSError:
        return 0


def same_bytes(state: RegistryState, model: str, artifact: Artifact) -> Iterator[str]:
    """Yield a doubt if an earlier version has the same bytes."""
    for number in state.versions(model)[: -_COMPARED - 1 : -1]:
        try:
            known = state.manifest(model, number).artifact.sha256
        except GitregError:
            continue  # it does not parse, which the check reports
        if known == artifact.sha256:
            yield f"the same bytes as {format_version(model, number)}"
            return
