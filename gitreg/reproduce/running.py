"""Makes a version again, step by step, and compares what came out with what is recorded."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

from gitreg.artifacts.commands import ending, run_command
from gitreg.artifacts.source import Source
from gitreg.dvc.digest import hash_tree
from gitreg.errors import GitregError, WorldError
from gitreg.git import scratch
from gitreg.reproduce.environment import make_environment, seen, version_of
from gitreg.reproduce.plan import FROZEN, Plan
from gitreg.reproduce.verdict import Outcome, Verdict, inconclusive, judge
from gitreg.reproduce.worktree import Missing, bring_data, check_out, made_files, stage_of

if TYPE_CHECKING:
    from gitreg.registry import Registry

Say = Callable[[str], None]


@dataclass(frozen=True)
class Reproduction:
    """A reproduction that was tried.

    Attributes:
        plan: what was to be run.
        verdict: what came out.
        log: the file with what the steps printed; ``None`` if none ran.
        python: the version of the interpreter that ran the command.
    """

    plan: Plan
    verdict: Verdict
    log: Path | None = None
    python: str | None = None


@dataclass(frozen=True)
class _Folders:
    """Where a reproduction works, and what it writes to; all but the log is removed afterwards."""

    root: Path
    log: IO[bytes] = field(repr=False)

    @property
    def home(self) -> Path:
        return self.root / "home"


def reproduce(
    registry: Registry,
    planned: Plan,
    *,
    tolerances: Mapping[str, int | float] | None = None,
    passed: Mapping[str, str] | None = None,
    say: Say = lambda _: None,
) -> Reproduction:
    """Make a version again in a folder of its own, and compare; nothing of the user's changes.

    The recorded command runs with the recorded code, data and environment, and without the
    variables of the caller's environment. Show the plan to a person before: it runs recorded code.

    Args:
        registry: where the version is.
        planned: from `gitreg.reproduce.plan`.
        tolerances: see `gitreg.reproduce.verdict.judge`.
        passed: environment variables for the command.
        say: told each step.

    Raises:
        WorldError: a temporary folder or the log cannot be written.
    """
    if planned.missing:
        return Reproduction(planned, inconclusive(*planned.missing))
    logs = registry.private_dir / "reproductions"
    name = planned.version.reference.replace("/", "-")
    try:
        logs.mkdir(parents=True, exist_ok=True)
        with scratch.temporary("reproduce") as root, (logs / f"{name}.log").open("w+b") as log:
            folders = _Folders(root, log)
            try:
                recorded = _recorded(registry, planned, root)
                found = _run(planned, folders, passed or {}, say)
                verdict = judge(recorded, found, tolerances or {})
            except Missing as missing:
                verdict = inconclusive(*str(missing).splitlines())
    except OSError as error:
        raise WorldError(f"{error.filename or logs}: {error.strerror}") from None
    return Reproduction(planned, verdict, logs / f"{name}.log", version_of(planned.python))


def _run(planned: Plan, folders: _Folders, passed: Mapping[str, str], say: Say) -> Outcome:
    say(f"code: {planned.commit[:9]} into {folders.root}")
    tree = check_out(planned.top, planned.commit, folders.root)
    stage = stage_of(tree, planned.source)
    say(f"data: {len(planned.data)} files and folders by their hashes")
    bring_data(planned.top, tree, planned.data)
    assert planned.python is not None
    programs = planned.python.parent
    if planned.environment == FROZEN:
        say(f"environment: {len(planned.requirements)} requirements for {planned.python}")
        programs = make_environment(planned.python, planned.requirements, folders.root, folders.log)
    if stage is None:
        folder, command = tree, ["sh", "-c", planned.command]
        say(f"run: {planned.command}")
    else:
        folder = Path(stage.rpartition(":")[0]).parent
        name = stage.rpartition(":")[2]
        command = [sys.executable, "-m", "dvc", "repro", "--force", "--single-item", "--no-commit"]
        command.append(name)
        _own_cache(tree, folders.root)
        say(f"run: dvc repro --force --single-item {name}: {planned.command}")
    variables = seen(programs, folders.home, passed)
    status = run_command(command, {}, folder=folder, environment=variables, output=folders.log)
    if status != 0:
        raise Missing(f"command: it {ending(status)}: {planned.command}")
    return Outcome(made_files(tree, planned.source), _metrics(tree / planned.source))


def _own_cache(tree: Path, root: Path) -> None:
    """Let DVC keep what it makes here beside the checkout, not in the user's cache."""
    for folder in tree.rglob(".dvc"):
        if folder.is_dir():
            text = f"[core]\n    analytics = false\n[cache]\n    dir = {root / 'cache'}\n"
            (folder / "config.local").write_text(text, "utf-8")


def _metrics(source: Path) -> Mapping[str, int | float]:
    """Return the metrics that DVC has of what was made, as a registration would read them."""
    try:
        tracked = Source.of(source, with_metrics=True).tracked
    except GitregError as error:
        raise Missing(f"metrics: they cannot be read: {error}") from None
    return {} if tracked is None else tracked.metrics


def _recorded(registry: Registry, planned: Plan, root: Path) -> Outcome:
    version = planned.version
    try:
        pulled = registry.pull(version.reference, root / "recorded")
    except GitregError as error:
        raise Missing(f"the recorded bytes cannot be pulled: {error}") from None
    files = {member.path: member.sha256 for member in hash_tree(pulled).members}
    return Outcome(files, version.metrics)
