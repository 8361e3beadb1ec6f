"""Makes an evaluation of what was measured: the data by its hash, the code that measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gitreg.artifacts.dvc_files import relative_path
from gitreg.artifacts.measurements import Measurements, measurements_of
from gitreg.artifacts.metrics_and_params import read_values
from gitreg.artifacts.store import ArtifactStore
from gitreg.artifacts.untracked_code import code_at
from gitreg.core.documents.fields import Fields
from gitreg.core.model.model import DataDependency, Evaluation, Predictions
from gitreg.core.model.names import Reference, check_evaluation_name
from gitreg.core.operations.evaluate import Evaluated
from gitreg.core.state.state import RegistryState
from gitreg.dvc.digest import hash_tree
from gitreg.errors import InvalidRequest, NotFound
from gitreg.git.repository import GitRepository


@dataclass(frozen=True)
class Measured:
    """What was measured of a version.

    Attributes:
        reference: the version.
        name: of the evaluation.
        data: what it was measured on, by its hash.
        numbers: what came out.
        split: which part of the data.
        predictions: a CSV file of labels and scores; DVC keeps it.
        command: the command line that measured.
        code: a folder in the work tree of the code that measured; ``None`` to record none.
    """

    reference: Reference
    name: str
    data: DataDependency
    numbers: Measurements
    split: str | None = None
    predictions: Path | None = None
    command: str | None = None
    code: Path | None = None


def data_now(path: Path, root: Path | None) -> DataDependency:
    """Return data by the hash of the bytes that are there now, whatever DVC has recorded.

    Args:
        path: a file or folder.
        root: the folder that the path is stored relative to; a path outside of it stays absolute.

    Raises:
        NotFound: there is no such file or folder.
        WorldError: it cannot be read.
    """
    place = path.absolute()
    if not place.exists():
        raise NotFound(f"{path}: no such file or folder", hint="dvc pull brings what DVC tracks")
    found = hash_tree(place, as_source=True)
    stored = relative_path(place, root.absolute()) if root is not None else place.as_posix()
    return DataDependency(stored, found.md5, found.size)


def read_evaluation_file(path: Path, root: Path | None) -> Evaluation:
    """Return an evaluation that a person or a pipeline wrote, for a version that is registered now.

    It has ``name``, ``data`` (a path; or ``path``, ``md5``, ``size`` and ``split``), ``metrics``,
    and perhaps ``slices``, ``intervals``, ``threshold`` and ``command``. Data that is there is
    hashed. Bytes, time and person are filled in by the registration.

    Args:
        path: a JSON, YAML or TOML file.
        root: see `data_now`.

    Raises:
        NotFound: there is no such file.
        InvalidRequest: its extension is another one.
        InvalidDocument: a value is not what it has to be.
        WorldError: it, or the data, cannot be read.
    """
    values, where = read_values(path, "an evaluation"), str(path)
    fields = Fields(values, where).only(
        ("name", "data", "metrics", "slices", "intervals", "threshold", "command")
    )
    name = fields.text("name")
    check_evaluation_name(name)
    numbers = dict(fields.mapping("metrics"))
    numbers |= {key: values[key] for key in ("slices", "intervals", "threshold") if key in values}
    found = measurements_of(numbers, where)
    data, split = _named_data(fields, root)
    return Evaluation(
        name,
        "0" * 64,
        "",
        "",
        data,
        found.metrics,
        split,
        found.intervals,
        found.threshold,
        found.slices,
        command=fields.optional_text("command"),
    )


def _named_data(fields: Fields, root: Path | None) -> tuple[DataDependency, str | None]:
    split = said = None
    if fields.is_of("data", str):
        path = fields.text("data")
    else:
        inner = fields.fields_of("data").only(("path", "md5", "size", "split"))
        path, split = inner.text("path"), inner.optional_text("split")
        said = DataDependency(path, inner.optional_text("md5"), inner.optional_integer("size"))
    place = Path(path) if root is None else root / path
    if said is not None and said.md5 is not None:
        return said, split
    return (data_now(place, root) if place.exists() else said or DataDependency(path)), split


def evaluated(
    repository: GitRepository,
    artifacts: ArtifactStore,
    state: RegistryState,
    measured: Sequence[Measured],
    *,
    dry_run: bool = False,
) -> list[Evaluated]:
    """Return the evaluations to add; the predictions are then in DVC's cache.

    Raises:
        InvalidRequest: a name is malformed.
        NotFound: a version is not there.
        DvcError: the cache cannot be written.
    """
    who = repository.signature("AUTHOR")
    found = []
    for one in measured:
        check_evaluation_name(one.name)
        number = state.resolve(one.reference)
        artifact = state.manifest(one.reference.model, number).artifact
        code = code_at(one.code, one.code)[0] if one.code is not None else None
        evaluation = Evaluation(
            one.name,
            artifact.sha256,
            who.utc,
            who.person,
            one.data,
            one.numbers.metrics,
            one.split,
            one.numbers.intervals,
            one.numbers.threshold,
            one.numbers.slices,
            command=one.command,
            code=code,
        )
        if one.predictions is not None and not dry_run:
            predictions = _stored(artifacts, state, one.predictions)
            evaluation = replace(evaluation, predictions=predictions)
        found.append(Evaluated(Reference(one.reference.model, version=number), evaluation))
    return found


def _stored(artifacts: ArtifactStore, state: RegistryState, path: Path) -> Predictions:
    from gitreg.artifacts.predictions import SIZE_LIMIT

    if not path.is_file() or path.stat().st_size > SIZE_LIMIT:
        raise InvalidRequest(f"{path}: expected a CSV file of at most {SIZE_LIMIT} bytes")
    staged = artifacts.project(state.snapshot).stage(path)
    return Predictions(staged.md5, staged.size)
