"""One trial: a command is crashed, run again in the ordinary way, and everything is looked at."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from tests.conftest import git
from tests.support.crash import aftermath, checks
from tests.support.crash.commands import Command
from tests.support.crash.server import Ran, Server
from tests.support.crash.shim import NEVER, Mode, controlled
from tests.support.crash.stage import Stage, build, work_of_the_users

OPERATION = "0123456789abcdef"
_SERVED = "127.0.0.1"
_NOTHING = ("nothing was published", "nothing was written", "nothing was changed")


class Result(Enum):
    """How a trial ended."""

    MISSED = "not reached"
    RECOVERED = "recovered"
    UNLOCKED = "recovered after a lock of Git's was removed that gitreg named"
    NAMED = "damage that gitreg named, with its remedy"
    FAILED = "failed"


class Then(Enum):
    """What happens between the crash and the same command."""

    NOTHING = "at once"
    PLAIN_GIT = "after a commit and a push of the user's"
    COLLEAGUE = "after a publication of a colleague's"
    POWER_CUT = "after what was written last is empty"

    @property
    def word(self) -> str:
        """As it is typed, ``plain-git``."""
        return self.name.lower().replace("_", "-")


@dataclass(frozen=True)
class Verdict:
    """What became of one trial.

    Attributes:
        command: its name.
        then: what happened after the crash.
        mode: how it was crashed, a word.
        moment: at which call.
        call: what that was.
        result: how it ended.
        problems: what is wrong.
    """

    command: str
    mode: str
    moment: int
    call: str
    result: Result
    problems: tuple[str, ...] = ()
    then: Then = Then.NOTHING

    def __str__(self) -> str:
        when = f"{self.command} {self.mode} {self.moment}, at {self.call}, {self.then.value}"
        lines = [f"{when}: {self.result.value}"]
        return "\n    ".join([*lines, *self.problems])


class Bench:
    """Tries commands in a folder of its own.

    Args:
        folder: an empty one; the experiments are below it.
        shim: the library to preload.
    """

    def __init__(self, folder: Path, shim: Path) -> None:
        self._folder = folder.resolve()
        self._server = Server(shim, os.environ)
        self._templates: dict[str, Stage] = {}
        self._stack = contextlib.ExitStack()
        self._stack.callback(self._server.close)
        self._port = 0
        self._trials = 0
        help_text = self._run_anywhere("promote", "--help").out
        self.knows_operations = "--op-id" in help_text

    def close(self) -> None:
        """End the processes that it started."""
        self._stack.close()

    def _run_anywhere(self, *argv: str) -> Ran:
        return self._server.run(list(argv), self._folder, self._folder)

    def knows(self, command: Command) -> bool:
        """Whether this gitreg has the command at all."""
        return self._run_anywhere(command.argv[0], "--help").code == 0

    def _template(self, command: Command) -> Stage:
        if "" not in self._templates:
            self._templates[""] = build(self._folder / "template", self._server)
        if command.name not in self._templates:
            place = self._folder / f"template-{command.name}"
            stage = self._templates[""].copy(place)
            command.prepare(stage)
            self._templates[command.name] = stage
        return self._templates[command.name]

    @contextlib.contextmanager
    def stage(self, command: Command) -> Iterator[Stage]:
        """Give a fresh stage where the command may be typed."""
        self._trials += 1
        stage = self._template(command).copy(self._folder / f"trial-{self._trials}")
        if command.served:
            place = f"{stage.root.name}/origin.git"
            url = f"git://{_SERVED}:{self._serve()}/{place}"
            git(stage.work, "remote", "set-url", "origin", url)
        try:
            yield stage
        finally:
            shutil.rmtree(stage.root)

    def _serve(self) -> int:
        """Start Git's daemon over the folder, once; return its port."""
        if self._port:
            return self._port
        with socket.socket() as free:
            free.bind((_SERVED, 0))
            self._port = free.getsockname()[1]
        daemon = subprocess.Popen(
            [
                "git",
                "daemon",
                "--export-all",
                "--enable=receive-pack",
                "--reuseaddr",
                f"--listen={_SERVED}",
                f"--port={self._port}",
                f"--base-path={self._folder}",
                str(self._folder),
            ],
            stderr=subprocess.DEVNULL,
        )
        self._stack.callback(daemon.wait)
        self._stack.callback(daemon.terminate)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection((_SERVED, self._port)):
                break
            time.sleep(0.02)
        return self._port

    def _argv(self, command: Command) -> tuple[str, ...]:
        """Return what is typed: every write with an id, so that it can be typed again."""
        named = self.knows_operations and command.is_write
        return (*command.argv, "--op-id", OPERATION) if named else command.argv

    @property
    def _control(self) -> Path:
        return self._folder / "control"  # beside the trials, so that it is not counted

    def points(self, command: Command, mode: Mode) -> list[str]:
        """Return the calls at which a command can be crashed, by one run that is not."""
        with (
            self.stage(command) as stage,
            controlled(self._control, stage.root, mode, NEVER) as control,
        ):
            ran = stage.gitreg(*self._argv(command), control=self._control)
            assert ran.code == 0, (command.name, ran)
            return [control.call(number) for number in range(1, control.count + 1)]

    def crash(
        self, command: Command, mode: Mode, moment: int, then: Then = Then.NOTHING
    ) -> Verdict:
        """Crash a command at its Nth call, let something happen, and run it again."""
        with self.stage(command) as stage:
            scene = _Scene(self, stage, command, self._argv(command))
            with controlled(self._control, stage.root, mode, moment) as control:
                crashed = stage.gitreg(*scene.argv, control=self._control)
                hit, call = control.is_hit, control.call(moment)
                calls = [control.call(number) for number in range(1, moment)]
            if not hit:
                return Verdict(command.name, mode.word, moment, call, Result.MISSED)
            problems = list(scene.after_the_crash(crashed, mode))
            scene.let(then, calls)
            result, more = scene.recover()
            problems += more
            if problems:
                result = Result.FAILED
                problems.append(f"crashed, it said ({crashed.code}): {crashed.err.strip()}")
        return Verdict(command.name, mode.word, moment, call, result, tuple(problems), then)

    def lose_acknowledgement(self, command: Command, state: str, signal: str) -> Verdict:
        """Let the remote die once, before or after its branch has moved, without a word.

        Args:
            command: one that publishes.
            state: of the remote's reference transaction, ``prepared`` or ``committed``.
            signal: what its receive-pack gets; TERM lets it remove its locks.
        """
        with self.stage(command) as stage:
            scene = _Scene(self, stage, command, self._argv(command))
            hook = stage.origin / "hooks" / "reference-transaction"
            hook.parent.mkdir(exist_ok=True)
            hook.write_text(
                f'#!/bin/sh\n[ "$1" = {state} ] && [ ! -e lost ] && touch lost'
                f" && kill -{signal} $PPID\nexit 0\n"
            )
            hook.chmod(0o755)
            ran = stage.gitreg(*scene.argv)
            problems = list(scene.after_the_crash(ran, None))
            if not (stage.origin / "lost").exists():
                problems.append("the acknowledgement was not lost")
            if ran.code != 0:
                problems.append(f"it gave up: {ran.err.strip()}")
            result, more = scene.recover()
            problems += more
        return Verdict(
            command.name,
            f"lost-{state}",
            1,
            f"kill -{signal}",
            Result.FAILED if problems else result,
            tuple(problems),
        )


class _Scene:
    """One stage, from before the crash to the end."""

    def __init__(self, bench: Bench, stage: Stage, command: Command, argv: tuple[str, ...]) -> None:
        self._bench = bench
        self._stage = stage
        self._command = command
        self.argv = argv
        self._here, self._there = self._tips()
        self._users = work_of_the_users(stage.work) if command.has_registry else ""
        self._then = Then.NOTHING

    def _tips(self) -> tuple[str, str]:
        here, there = (
            git(folder, "rev-parse", "--quiet", "--verify", "main", check=False)
            for folder in (self._stage.work, self._stage.origin)
        )
        return here, there

    def after_the_crash(self, crashed: Ran, mode: Mode | None) -> Iterator[str]:
        """Yield what is wrong right after the crash: lies, half deliveries, lost work."""
        if "Traceback" in crashed.err:
            yield "a traceback"
        if mode is not None and not mode.kills and crashed.code not in (0, 3):
            yield f"exit {crashed.code}, not 3: the world was wrong"
        here, there = self._tips()
        moved = there != self._there if self._command.pushes else here != self._here
        if any(words in crashed.err for words in _NOTHING) and moved:
            yield "it says that nothing was done, and it was"
        if crashed.code == 0 and self._command.commits and not moved:
            yield "it says that it was done, and it was not"
        if self._command.pushes and here not in (self._here, there):
            yield "the clone has moved before the remote"
        if self._command.argv[0] == "pull":
            yield from checks.delivered(self._stage, may_be_absent=True)

    def let(self, then: Then, calls: Sequence[str]) -> None:
        """Let something happen between the crash and the same command."""
        self._then = then
        aftermath.let(then.word, self._stage, calls)

    def recover(self) -> tuple[Result, list[str]]:
        """Run the command again; return how that ended, and what is wrong."""
        result = Result.RECOVERED
        ran = self._stage.gitreg(*self.argv)
        if self._then is Then.POWER_CUT:
            try:
                damaged = aftermath.mend(self._stage, ran)
            except (AssertionError, subprocess.CalledProcessError) as error:
                why = getattr(error, "stderr", b"").decode("utf-8", "replace")
                return Result.FAILED, [f"a remedy does not help: {error} {why}"]
            if damaged:
                result = Result.NAMED
                ran = self._stage.gitreg(*self.argv)
        if (ran.code != 0 or self._locks()) and self._unlock(ran.err):
            result = Result.UNLOCKED
            ran = self._stage.gitreg(*self.argv)
        problems = []
        if ran.code != 0 or "Traceback" in ran.err:
            problems.append(f"run again ({ran.code}): {ran.err.strip()}")
        try:
            problems += self._wrong()
        except AssertionError as error:  # Git itself cannot answer
            problems.append(f"it cannot be looked at: {error}")
        return (Result.FAILED if problems else result), problems

    def _locks(self) -> list[Path]:
        """Return the locks of Git that may stop a writer."""
        places = (self._stage.work / ".git", self._stage.origin)
        return [
            lock
            for place in places
            for lock in place.rglob("*.lock")
            if "objects" not in lock.relative_to(place).parts
        ]

    def _unlock(self, said: str) -> bool:
        """Do what a person would: remove the locks that the error and doctor name."""
        named = re.search(r": rm (\S+\.lock)$", said.strip())
        removed = named is not None
        if named is not None:
            (self._stage.work / named[1]).unlink(missing_ok=True)
        ran = self._stage.gitreg("doctor", "--json")
        for finding in ran.json if ran.out.startswith("[") else ():
            if finding["code"].endswith("-lock"):
                (self._stage.work / finding["subject"]).unlink()
                removed = True
        return removed

    def _wrong(self) -> Iterator[str]:
        stage, command = self._stage, self._command
        if command.has_registry:
            users = work_of_the_users(stage.work)
            if self._then is not Then.PLAIN_GIT and users != self._users:
                yield f"the user's work: {users!r} was {self._users!r}"
            here, there = self._tips()
            # The remote rejected the user's commit: their clone waits for a git pull --rebase.
            parted = self._then is Then.PLAIN_GIT and command.pushes and here != there
            stage = replace(stage, judged="origin.git") if parted else stage
            yield from self._wrong_commits()
            by_hand = self._then is Then.PLAIN_GIT and not command.pushes
            yield from checks.registry(stage, pushes=command.pushes, parted=parted, by_hand=by_hand)
            if self._then in (Then.PLAIN_GIT, Then.COLLEAGUE):
                yield from checks.nothing_taken_back(stage)
        else:
            if git(stage.work, "rev-list", "--count", "main") != "1":
                yield "not one commit"
            yield from checks.fsck(stage.work)
        yield from command.check(stage)

    def _wrong_commits(self) -> Iterator[str]:
        stage, command = self._stage, self._command
        place, base = (stage.origin, self._there) if command.pushes else (stage.work, self._here)
        if git(place, "rev-list", f"main..{base}"):
            yield "commits were lost"
        made = git(place, "rev-list", f"{base}..main").split()
        if self._then in (Then.PLAIN_GIT, Then.COLLEAGUE):
            yield from self._wrong_operation(place)
            return
        if command.argv[0] != "fetch" and len(made) != command.commits:
            yield f"{len(made)} commits were made, not {command.commits}"
        if git(place, "rev-list", "--merges", f"{base}..main"):
            yield "history is not linear"
        yield from self._wrong_operation(place)
        if command.pushes:
            yield from checks.in_step(stage)
        elif self._tips()[1] != self._there:
            yield "the remote has moved"

    def _wrong_operation(self, place: Path) -> Iterator[str]:
        """Check that the operation is there once; the user may have committed it as their own."""
        command = self._command
        if self._bench.knows_operations and command.is_write and command.has_registry:
            ids = git(place, "log", "--format=%(trailers:key=Gitreg-Op,valueonly)", "main")
            count = ids.split().count(OPERATION)
            absorbed = self._stage.work / ".git/gitreg/absorbed.json"
            is_theirs = absorbed.exists() and OPERATION in absorbed.read_text()
            if count != 1 and not (count == 0 and is_theirs):
                yield f"{count} commits have the operation's id"
