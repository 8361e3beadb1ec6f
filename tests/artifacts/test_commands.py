"""A user's command on a version: what it gets, and that an interrupt ends all that it started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gitreg import InvalidRequest
from gitreg.artifacts.commands import filled, run_command, variables_of
from gitreg.core.model.model import Artifact, ModelVersion
from tests.support.processes import is_alive, wait_for

STUBBORN = """\
import os, signal, subprocess, sys, time
from gitreg.artifacts import commands
commands._GRACE = 0.1
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
child = "trap '' TERM INT; echo $$ > child; sleep 600"
parent = f'sh -c "{child}" & echo $$ > parent; wait'
commands.run_command(["sh", "-c", parent], {})
"""


def test_one_convention_tells_every_command_its_version(tmp_path: Path) -> None:
    version = ModelVersion("churn model", 5, "", "", Artifact("model", 1, 1, "9f"))
    variables = variables_of(version, tmp_path)
    script = "env | grep ^GITREG_ | sort; echo wrong >&2; exit 7"
    with (tmp_path / "out").open("wb") as out:
        words = ["sh", "-c", script]
        status = run_command(words, variables, environment={"PATH": os.environ["PATH"]}, output=out)
    assert status == 7
    assert (tmp_path / "out").read_text().splitlines() == [
        "GITREG_MODEL=churn model",
        f"GITREG_PATH={tmp_path}",
        "GITREG_REFERENCE=churn model@5",
        "GITREG_SHA256=9f",
        "GITREG_VERSION=5",
        "wrong",
    ]


def test_the_callers_own_command_sees_the_callers_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TOKEN", "mine")
    check = ["sh", "-c", 'test "$TOKEN" = mine']
    assert run_command(check, {}) == 0
    assert run_command(check, {}, environment={"PATH": os.environ["PATH"]}) == 1


def test_no_name_becomes_a_command(tmp_path: Path) -> None:
    hostile = tmp_path / "$(touch owned); {data}"
    assert filled(["x{model}y", "{other}"], {"model": hostile, "data": tmp_path}) == [
        f"x{hostile}y",
        "{other}",
    ]
    with pytest.raises(InvalidRequest, match="no-such-program: cannot be run"):
        run_command(["no-such-program"], {})


def test_an_interrupt_ends_the_command_and_its_children(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", STUBBORN], cwd=tmp_path, stderr=subprocess.DEVNULL
    )
    files = [tmp_path / name for name in ("parent", "child")]
    wait_for(lambda: all(file.exists() and file.read_text().strip() for file in files))
    pids = [int(file.read_text()) for file in files]
    assert all(map(is_alive, pids))
    process.send_signal(signal.SIGINT)
    assert process.wait(60) != 0
    wait_for(lambda: not any(map(is_alive, pids)))
