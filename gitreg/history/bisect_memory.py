"""What an interrupted search has learned: verdicts in a file of the clone, which can be deleted."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast, get_args

from gitreg.core.state.bisection import Verdict
from gitreg.errors import WorldError
from gitreg.git.publish import open_lock, take_lock
from gitreg.git.sharing import share
from gitreg.history.bisect import BisectPlan
from gitreg.registry import Registry


class Memory:
    """The verdicts of one search; see `remembering`.

    Attributes:
        file: where they are.
        verdicts: what is known, by version.
        is_anew: whether verdicts of another search were there, which do not count.
    """

    def __init__(self, file: Path, identity: str) -> None:
        self.file = file
        self._identity = identity
        found = _read(file)
        is_same = found.get("identity") == identity
        self.is_anew = bool(found) and not is_same
        self.verdicts = _verdicts(found.get("verdicts")) if is_same else {}

    def keep(self, version: int, verdict: Verdict) -> None:
        """Write down a verdict.

        Raises:
            OSError: the file cannot be written.
        """
        self.verdicts = {**self.verdicts, version: verdict}
        document = {"identity": self._identity, "verdicts": self.verdicts}
        temporary = self.file.with_suffix(".new")
        temporary.write_text(json.dumps(document), "utf-8")
        share(self.file.parents[2], temporary)
        temporary.replace(self.file)

    def forget(self) -> None:
        """Remove all verdicts."""
        self.verdicts = {}
        self.file.unlink(missing_ok=True)


def recall(registry: Registry, plan: BisectPlan, command: Sequence[str]) -> Memory:
    """Return what is known of a search; nothing is written.

    A search is the same one if command, working folder, versions and their bytes are the same.
    """
    # A model's name can be too long for a file.
    name = hashlib.sha256(plan.model.encode()).hexdigest()[:16]
    return Memory(registry.private_dir / "bisect" / f"{name}.json", _identity(plan, command))


@contextmanager
def remembering(registry: Registry, plan: BisectPlan, command: Sequence[str]) -> Iterator[Memory]:
    """Yield what is known of a search, and keep others of the same model away meanwhile.

    Raises:
        WorldError: another search of the model is running, or the clone cannot be written.
    """
    file = recall(registry, plan, command).file
    lock = file.with_suffix(".running")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle = open_lock(lock)
    except OSError as error:
        raise WorldError(f"{lock}: {error.strerror}: this clone cannot be written") from None
    share(file.parents[2], file.parent, lock)
    try:
        if not take_lock(handle, 0, "the search"):
            raise WorldError(f"another bisect of {plan.model} is running in this clone")
        yield Memory(file, _identity(plan, command))
    finally:
        os.close(handle)


def _identity(plan: BisectPlan, command: Sequence[str]) -> str:
    versions = [
        (one.number, None if one.version is None else one.version.artifact.sha256)
        for one in plan.candidates
    ]
    parts = [plan.model, plan.stage, versions, list(command), str(Path.cwd())]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _read(file: Path) -> dict[str, object]:
    """Return what a file holds; nothing if it is absent or damaged."""
    try:
        found = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _verdicts(found: object) -> dict[int, Verdict]:
    if not isinstance(found, dict):
        return {}
    return {
        int(version): cast("Verdict", verdict)
        for version, verdict in found.items()
        if str(version).isdecimal() and verdict in get_args(Verdict)
    }
