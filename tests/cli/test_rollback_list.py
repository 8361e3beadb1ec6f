"""gitreg rollback --list: what a stage held, when, and how to go back to it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.commands import error, gitreg

if TYPE_CHECKING:
    import pytest


def test_what_a_rollback_may_go_back_to(work: Path) -> None:
    assert "no other version was in production" in gitreg("rollback", "tokenizer", "--list").err
    gitreg("promote", "churn@3", "--to", "production")
    first, second = gitreg("rollback", "churn", "--list", "--json").json
    assert (first["version"], first["is_previous"], first["metrics"]) == (2, True, {"auc": 0.8})
    assert (second["version"], second["is_previous"], second["stands"]) == (1, False, True)
    assert first["began"].endswith("Z")
    assert first["ended"].endswith("Z")
    gitreg("rollback", "churn")
    gitreg("rollback", "churn")
    said = error("rollback", "churn", code=1)
    assert "churn@2 was, and was withdrawn in " in said
    assert "--to 2 brings it back" in said
    begins = gitreg("show", "churn/production").out
    assert "before it: churn@2, from " in begins
    assert ", withdrawn in " in begins
    assert "nothing to go back to; what was there: gitreg rollback churn --list" in begins
    gitreg("delete", "churn@3")
    lines = [
        " ".join(line.split()) for line in gitreg("rollback", "churn", "--list").out.split("\n")
    ]
    assert lines[0] == "VERSION IN PRODUCTION METRICS GO BACK"
    assert lines[1].endswith("auc 0.8 --to 2, judged as a promotion: it was withdrawn")
    assert lines[2].endswith("- deleted")
    gitreg("rollback", "churn", "--to", "churn@2")
    assert gitreg("resolve", "churn/production").out == "churn@2\n"
    assert gitreg("rollback", "churn", "--list", "--json").json[0]["version"] == 1


def test_the_version_to_go_back_to_is_a_number_or_a_reference(work: Path) -> None:
    for to in ("1", "v1", "churn@1", "churn@v1"):
        assert gitreg("rollback", "churn", "--to", to, "--dry-run", "--json").json["restored"]
    assert "not a version of churn" in error("rollback", "churn", "--to", "tokenizer@1")
    for to in ("champion", "churn@champion", "0"):
        assert "is not a version" in error("rollback", "churn", f"--to={to}"), to


def test_what_stood_beside_a_version_was_not_before_it(work: Path) -> None:
    gitreg("promote", "churn@2", "--to", "staging", "--force")
    gitreg("promote", "churn@3", "--to", "staging", "--keep-existing")
    gitreg("rollback", "churn", "--stage", "staging")
    assert "before it" not in gitreg("show", "churn/staging").out


def test_the_way_back_is_a_command_for_the_repository_that_was_asked(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gitreg("promote", "churn@3", "--to", "production")
    monkeypatch.chdir(work.parent)
    command = f"gitreg rollback churn --repo {work.name}"
    there = ("--repo", work.name)
    listed = gitreg("rollback", "churn", "--list", *there).out
    assert [row.split()[-2:] for row in listed.splitlines()[1:]] == [["--to", "2"], ["--to", "1"]]
    shown = gitreg("show", "churn/production", *there).out
    assert f"to go back: {command} -m REASON --push" in " ".join(shown.split())
