"""Runs one command on several versions and the same data, and records what it measured.

The command gets paths, not contents: ``{model}`` is the pulled version, ``{data}`` the data,
``{metrics}`` the file that it has to write, ``{predictions}`` one that it may write. No shell reads
it, so that no name in a registry can become a command.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

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

_PLACE = re.compile(r"\{(model|data|metrics|predictions)\}")
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
    command = [_filled(word, places) for word in words]
    say(f"{version.reference}: {shlex.join(command)}")
    _run(version, command, what.folder or Path.cwd())
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


def _filled(word: str, places: Mapping[str, Path]) -> str:
    """Return a word with paths in its places; a path that looks like a place stays a path."""
    return _PLACE.sub(lambda match: str(places[match[1]]), word)


def _run(version: ModelVersion, command: Sequence[str], folder: Path) -> None:
    environment = {
        **os.environ,
        "GITREG_MODEL": version.model,
        "GITREG_VERSION": str(version.version),
        "GITREG_SHA256": version.artifact.sha256,
    }
    try:
        # What it prints is for people, and stdout is the answer's: it goes to stderr.
        done = subprocess.run(command, cwd=folder, env=environment, stdout=2, check=False)
    except OSError as error:
        raise InvalidRequest(f"{command[0]}: cannot be run: {error.strerror}") from None
    if done.returncode != 0:
        how = f"signal {-done.returncode}" if done.returncode < 0 else f"exit {done.returncode}"
        raise Refused(f"{version.reference}: the command failed ({how}); nothing was recorded")


def _read(version: ModelVersion, path: Path) -> Measurements:
    if not path.exists():
        raise InvalidRequest(
            f"{version.reference}: the command wrote no file {{metrics}}; nothing was recorded",
            hint="write JSON there: a mapping from metrics to numbers",
        )
    return read_measurements(path)
