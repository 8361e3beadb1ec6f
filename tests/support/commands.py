"""Runs gitreg's command line inside this process, as a user in a folder would."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from gitreg.cli import app
from tests.conftest import git

VERDICT = re.compile(r"(?:\S+@\d+  )?(?:passed|failed|unknown)  [a-z-]+: ")


@dataclass(frozen=True)
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def gitreg(*args: str, code: int | None = 0) -> Ran:
    """Run a command; a traceback fails the test, and so does another exit code than ``code``."""
    done = CliRunner().invoke(app, args, prog_name="gitreg")
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    ran = Ran(done.exit_code, done.stdout, done.stderr)
    assert code is None or ran.code == code, ran
    return ran


def error(*args: str, code: int = 2) -> str:
    """Run a command that fails; return its error, which is one or two lines on stderr alone.

    With ``--json``, stdout has the error too.
    The verdicts of a policy that refuses come before it, a line each.
    """
    ran = gitreg(*args, code=code)
    if "--json" in args:
        assert set(ran.json) == {"error", "hint", "exit_code"}
    else:
        assert ran.out == ""
    verdicts, found, said = ran.err.rpartition("gitreg: ")
    assert found
    assert all(VERDICT.match(line) for line in verdicts.splitlines())
    assert code == 1 or not verdicts
    assert 1 <= said.count("\n") <= 2
    return found + said


def everything(folder: Path) -> dict[str, object]:
    """Return all that a write could change: refs, index, work tree, the caches of DVC."""
    files = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".git" not in path.relative_to(folder).parts[:1]
    }
    return {
        "head": git(folder, "rev-parse", "HEAD"),
        "refs": git(folder, "for-each-ref"),
        "status": git(folder, "status", "--porcelain", "--ignored"),
        "files": files,
        "objects": git(folder, "count-objects"),
    }
