"""Commands about the state of a clone: doctor and tags."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import git
from tests.support.commands import gitreg


def test_doctor_names_the_remedy(work: Path) -> None:
    assert gitreg("doctor").out == "nothing is wrong\n"
    git(work, "tag", "--delete", "churn@v1.0.0")
    assert "gitreg tags sync" in gitreg("doctor").out
    assert gitreg("doctor", "--json").json[0]["code"] == "missing-tag"
    git(work, "tag", "churn@v1.0.0")
    assert gitreg("doctor", "--json", code=1).json[0]["severity"] == "error"


def test_tags_sync(work: Path) -> None:
    git(work, "tag", "--delete", "churn@v1.0.0")
    git(work, "tag", "--force", "churn@v2.0.0")
    assert "would make churn@v1.0.0\n" in gitreg("tags", "sync", "--dry-run", code=1).out
    assert git(work, "tag", "--list", "churn@v1.0.0") == ""
    ran = gitreg("tags", "sync", code=1)
    assert ran.out.startswith("made churn@v1.0.0\nwrong: churn@v2.0.0")
    assert "--force" in ran.err
    forced = gitreg("tags", "sync", "--force", "--json").json
    assert forced["replaced"] == ["churn@v2.0.0"]
    assert gitreg("tags", "sync", "--push").out.startswith("0 made")
    assert "foreign" not in gitreg("doctor").out
