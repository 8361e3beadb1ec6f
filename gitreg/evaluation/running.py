"""Runs one command on several versions and the same data, and records what it measured.

The command gets paths, not contents: ``{model}`` is the pulled version, ``{data}`` the data,
``{metrics}`` the file that it has to write, ``{predictions}`` one that it may write.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gitreg.artifacts.commands import ending, filled, run_command, variables_of
from gitreg.artifacts.evaluations import Measured, data_now
from gitreg.artifacts.measurements import Measurements, read_measurements
from gitreg.core.model.model import DataDependency, ModelVersion
from gitreg.core.model.names import Reference, check_evaluation_name
from gitreg.errors import InvalidRequest, Refused
from gitreg.git import scratch

if TYPE_CHECKING:
    from typing_extensions import Unpack  # in typing itself since Python 3.11

    from gitreg.publishing.outcome import Outcome
    from gitreg.registry import ReferenceLike, Registry, WriteOptions

_NEEDED = ("model", "metrics")

Say = Callable[[str], None]


@dataclass(frozen=True)
class Evaluating:
    """What is run on each version.

    Attributes:
        name: of the evaluation, ``holdout-2026q4``.
        data: a file or folder.
        run: the command line, with ``{model}``, ``{data}`` and ``{metrics}`` in it, and
            ``{predictions}`` where it writes labels and scores.
        split: which part of the data it measures.
        folder: where it runs; the current folder by default.
    """

    name: str
    data: Path
    run: str
    split: str | None = None
    folder: Path | None = None

    def words(self) -> list[str]:
        """Return the words of the command line, with its places.

        Raises:
            InvalidRequest: a quote is open, or a place is missing.
        """
        try:
            words = shlex.split(self.run)
        except ValueError as error:
            raise InvalidRequest(f"the command does not parse: {error}: {self.run[:100]}") from None
        for place in _NEEDED:
            if not any(f"{{{place}}}" in word for word in words):
                raise InvalidRequest(
                    f"the command does not say where {{{place}}} goes: {self.run[:100]!r}",
                    hint="for example: --run 'python evaluate.py {model} {data} {metrics}'",
                )
        return words


def evaluate(
    registry: Registry,
    references: Sequence[ReferenceLike],
    what: Evaluating,
    say: Say = lambda _: None,
    **options: Unpack[WriteOptions],
) -> Outcome:
    """Measure versions by one command on the same data, and commit the numbers together.

    A version that has this evaluation on these bytes already is not measured again.

    Args:
        registry: where the versions are.
        references: which versions: the candidate, and the incumbent that it is compared with.
        what: what is run.
        say: told each command before it runs.
        **options: see `WriteOptions`.

    Raises:
        InvalidRequest: the command or the name is malformed, or the command wrote no numbers.
        NotFound: a version, or the data, is not there.
        Refused: the command failed, or changed the data; or a version has other numbers of this
            name. Nothing was committed.
    """
    check_evaluation_name(what.name)
    words = what.words()
    if not references:
        raise InvalidRequest("name a version to evaluate, or several")
    versions = list({one.reference: one for one in map(registry.show, references)}.values())
    root = registry.top_level
    data = data_now(what.data, root)
    todo = [version for version in versions if not _is_done(version, what, data, say)]
    with scratch.temporary("evaluate") as folder:
        measured = []
        for number, version in enumerate(todo):
            place = folder / str(number)
            place.mkdir()
            measured.append(_measure(registry, version, what, data, words, place, say))
        if todo and data_now(what.data, root) != data:
            raise Refused(
                f"{what.data} changed while it was measured on: nothing was recorded",
                hint="the command may only read the data",
            )
        return registry.add_evaluations(measured, **options)


def _is_done(version: ModelVersion, what: Evaluating, data: DataDependency, say: Say) -> bool:
    """Tell whether a version has the evaluation of these bytes.

    Raises:
        Refused: it has one of the name, of other data.
    """
    there = version.evaluations.get(what.name)
    if there is None:
        return False
    if there.measured_on != (data.state, what.split):
        raise Refused(
            f"{version.reference} has an evaluation {what.name} on other data: it never changes",
            hint="give this one another name with --name",
        )
    say(f"{version.reference} has the evaluation {what.name} on these bytes already")
    return True


def _measure(
    registry: Registry,
    version: ModelVersion,
    what: Evaluating,
    data: DataDependency,
    words: Sequence[str],
    place: Path,
    say: Say,
) -> Measured:
    model = registry.pull(version.reference, place / "pulled")
    places = {
        "model": model,
        "data": what.data.absolute(),
        "metrics": place / "metrics.json",
        "predictions": place / "predictions.csv",
    }
    command = filled(words, places)
    say(f"{version.reference}: {shlex.join(command)}")
    status = run_command(command, variables_of(version, model), folder=what.folder)
    if status != 0:
        raise Refused(f"{version.reference}: the command {ending(status)}; nothing was recorded")
    predictions = places["predictions"]
    return Measured(
        Reference(version.model, version=version.version),
        what.name,
        data,
        _read(version, places["metrics"]),
        what.split,
        predictions if predictions.exists() else None,
        what.run,
        what.folder or Path.cwd(),
    )


def _read(version: ModelVersion, path: Path) -> Measurements:
    if not path.exists():
        raise InvalidRequest(
            f"{version.reference}: the command wrote no file {{metrics}}; nothing was recorded",
            hint="write JSON there: a mapping from metrics to numbers",
        )
    return read_measurements(path)
