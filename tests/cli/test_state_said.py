"""Where things stand, for somebody who comes to it: status, a model's page, a stage on call."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.conftest import git
from tests.git.test_remote import colleague
from tests.support.commands import error, gitreg

if TYPE_CHECKING:
    import pytest

TIME = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\dZ"


def steady(text: str) -> str:
    text = re.sub(TIME, "TIME", re.sub(r"\b[0-9a-f]{9}\b", "HASH", text))
    return re.sub(r" +", " ", text)


# The templates are made once a process, and copies keep their times.
AGE = r"(?:less than a minute|\d+ \w+) ago"


def test_where_a_clone_stands(shared: Path, work: Path) -> None:
    gitreg("promote", "churn@3", "--to", "staging", "-m", "try it")
    git(work, "update-ref", "refs/remotes/origin/gitreg/promote-churn-3-production", "HEAD")
    gitreg("alias", "set", "churn@1", "old", "--push", "--repo", str(colleague(shared)))
    lines = steady(gitreg("status").out).splitlines()
    assert lines[0] == "on main at HASH"
    assert re.fullmatch(f"origin/main: HASH, read {AGE}", lines[1])
    assert lines[2:6] == [
        "not published: 1 commit: gitreg push",
        " HASH promote churn@3 to staging",
        "waiting for review:",
        " gitreg/promote-churn-3-production",
    ]
    assert lines[7:] == [
        "VERSION STAGE SINCE BY WHY",
        "churn@2 production TIME Ada Lovelace -",
        "churn@3 staging TIME Ada Lovelace try it",
    ]
    found = gitreg("status", "--json").json
    assert (found["behind"], found["reviews"]) == (0, ["gitreg/promote-churn-3-production"])
    git(work, "fetch", "--quiet")
    assert "published and not here: 1 commit: gitreg fetch" in gitreg("status").out
    assert "the last fetch brought 1 commit:\n" in gitreg("status").out
    gitreg("push")
    found = gitreg("status", "--json").json
    assert (found["unpublished"], found["behind"]) == ([], 0)
    assert [one["subject"] for one in found["brought"]] == ["set churn@old to churn@1"]
    assert found["commit"] == found["known"] == git(work, "rev-parse", "HEAD")


def test_a_registry_without_a_remote_shares_nothing(folder: Path, templates: Path) -> None:
    assert "no remote: nothing here is shared" in gitreg("status", "--repo", str(folder)).out
    url = (templates / "origin.git").as_uri()
    assert "used by URL" in error("status", "--repo", url)


def test_a_model_has_a_page(work: Path) -> None:
    gitreg("annotate", "churn", "--owner", "growth", "--description", "Who leaves us")
    page = steady(gitreg("show", "churn").out)
    for part in (
        "model churn\ndescription Who leaves us\nowner growth\nproduction churn@2\n",
        "@champion churn@2\narchived 1 version\n",
        "\nlast moves\nWHEN ",
        "\nlatest versions\nVERSION STAGE ",
        "\nchurn@3 - - auc 0.9 ",
    ):
        assert part in page
    found = gitreg("show", "churn", "--json").json
    assert [version["version"] for version in found["versions"]] == [3, 2, 1]
    assert all(move["pointer"] for move in found["moves"])
    assert "did you mean 'churn'?" in error("show", "chrun")


def test_a_stage_begins_with_what_somebody_on_call_needs(work: Path) -> None:
    gitreg("promote", "churn@3", "--to", "production", "-m", "better recall")
    head = steady(gitreg("show", "churn/production").out).split("\n\n")[0]
    assert head.splitlines() == [
        "churn@3 in production since TIME, by Ada Lovelace in HASH, because: better recall",
        "before it: churn@2, from TIME until TIME",
        "to go back: gitreg rollback churn -m REASON --push",
    ]
    assert gitreg("show", "churn/production", "--json").json["held"]["reason"] == "better recall"
    assert "held" not in gitreg("show", "churn@3", "--json").json
    gitreg("promote", "churn@1", "--to", "staging")
    assert "before it" not in gitreg("show", "churn/staging").out


def test_an_answer_says_how_old_it_is(work: Path) -> None:
    commit = git(work, "rev-parse", "--short=9", "HEAD")
    row = gitreg("show", "churn@1").out.splitlines()[-1]
    assert re.fullmatch(rf"read from\s+{commit}, fetched {AGE}", row)
    row = gitreg("show", "churn@1", "--rev", "HEAD").out.splitlines()[-1]
    assert re.fullmatch(rf"read from\s+{commit}", row)


READS = (
    *("list", "list churn", "log", "show churn", "resolve churn@1", "compare churn@1 churn@2"),
    *("pull churn@1", "verify churn@1"),
    *("policy show churn", "policy test churn@3 --to staging"),
)


def test_every_read_says_that_the_remote_may_know_more(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = git(work, "rev-parse", "--short=9", "HEAD")
    for line in READS:
        assert "fetched" not in gitreg(*line.split()).err  # a moment ago
    now = time.time()
    monkeypatch.setattr("time.time", lambda: now + 3 * 3600 + 5)
    for line in READS:
        ran = gitreg(*line.split())
        assert ran.err.startswith(f"read from {commit}, fetched 3 hours ago\n"), line
        assert "fetched" not in ran.out
        assert "fetched" not in gitreg(*line.split(), "--rev", "HEAD").err
        assert "fetched" not in gitreg(*line.split(), "--json").err
    url = (work.parent / "origin.git").as_uri()
    assert gitreg("resolve", "churn@1", "--repo", url).err == ""
    git(work, "remote", "remove", "origin")
    assert gitreg("list").err == ""
