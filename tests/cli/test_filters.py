"""Reading at scale: what list and log leave out, and the pager."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.conftest import write_model
from tests.support.commands import error, gitreg

if TYPE_CHECKING:
    import pytest


def names(*words: str) -> list[str]:
    return [line.split()[0] for line in gitreg("list", *words).out.splitlines()[1:]]


def test_lists_are_filtered_and_sorted(work: Path) -> None:
    gitreg("promote", "churn@3", "--to", "staging")
    gitreg("promote", "churn@1", "--to", "production")
    assert names("*") == ["churn", "tokenizer"]
    assert names("ch*n") == names("--stage", "Production") == ["churn"]
    assert gitreg("list", "x-*").err == "nothing matches\n"
    assert names("churn", "--stage", "archived") == ["churn@2"]
    assert names("tokenizer", "--stage", "none") == ["tokenizer@1"]
    gitreg("register", "churn", str(write_model(work, "best")), "--metric", "auc=0.8512345678")
    gitreg("register", "churn", str(write_model(work, "none")))
    shown = gitreg("list", "churn", "--metric", "auc", "--sort", "auc").out.splitlines()
    assert shown[0].split() == ["VERSION", "STAGE", "ALIASES", "AUC", "CREATED", "BY"]
    assert [line.split()[0] for line in shown[1:]] == [f"churn@{n}" for n in (3, 4, 2, 1, 5)]
    assert [line.split()[3] for line in shown[1:]] == ["0.9", "0.851235", "0.8", "0.7", "-"]
    found = gitreg("list", "churn", "--sort", "auc", "--json").json
    assert found[1]["metrics"]["auc"] == 0.8512345678
    assert "did you mean 'auc'" in error("list", "churn", "--metric", "uac")
    assert "did you mean 'production'" in error("list", "--stage", "prodction")
    assert "about versions" in error("list", "--sort", "auc")


def test_the_log_is_filtered(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2037-03-01T12:30:00Z")
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Grace Hopper")
    gitreg("promote", "churn@3", "--to", "production", "-m", "one")
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2037-03-02T12:30:00Z")
    gitreg("alias", "set", "churn@1", "old")
    rows = gitreg("log", "--since", "2037-03-01").out.splitlines()[1:]
    assert ["@old" in rows[0], len(rows)] == [True, 2]
    assert " ".join(rows[1].split()[2:]).startswith("Grace Hopper promote churn@3 production 2 → 3")
    assert len(gitreg("log", "--since", "2037-03-01", "--json").json) == 3
    assert len(gitreg("log", "--since", "2037-03-01", "--until", "2037-03-01", "--json").json) == 2
    assert {one["author"] for one in gitreg("log", "--author", "hopper", "--json").json} == {
        "Grace Hopper <ada@example.com>"
    }
    assert len(gitreg("log", "-n", "2").out.splitlines()) == 3
    assert "is not a date" in error("log", "--since", "soon")


def test_a_long_answer_goes_through_a_pager(reading: Path, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    pager = tmp_path / "pager.sh"
    pager.write_text(f"#!/bin/sh\ncat > {seen}\n")
    pager.chmod(0o755)
    main, child = pty.openpty()
    run = [sys.executable, "-m", "gitreg", "log"]
    for lines, paged in (("5", True), ("100", False)):
        env = {**os.environ, "GIT_PAGER": str(pager), "LINES": lines, "COLUMNS": "100"}
        seen.unlink(missing_ok=True)
        subprocess.run(run, cwd=reading, env=env, stdout=child, check=True, timeout=60)
        assert seen.exists() is paged
    assert "promote" in os.read(main, 65536).decode()
    os.close(main)
    os.close(child)
