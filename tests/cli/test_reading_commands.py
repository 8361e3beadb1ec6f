"""Commands that read: list, show, log, resolve, compare, pull and verify."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.conftest import git
from tests.support.commands import error, gitreg


def test_the_spellings_of_a_reference(reading: Path) -> None:
    for text in (
        "churn@2",
        "churn:2",
        "churn/2",
        "churn@v2",
        "churn@champion",
        "churn/production",
        "churn#production",
        "churn/Production",
        "models:/churn/Production",
        "models:/churn/2",
        "models:/churn@champion",
    ):
        assert gitreg("resolve", text).out == "churn@2\n", text
    assert gitreg("resolve", "churn@latest").out == "churn@3\n"
    assert gitreg("resolve", "churn/none").out == "churn@3\n"


def test_reads_of_another_commit_time_and_place(
    templates: Path, reading: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = "HEAD^"  # churn@1 was in production then
    for place in (reading, templates / "origin.git", (templates / "origin.git").as_uri()):
        repo = ("--repo", str(place))
        assert gitreg("resolve", "churn/production", *repo).out == "churn@2\n"
        assert gitreg("resolve", "churn/production", *repo, "--rev", before).out == "churn@1\n"
        assert gitreg("list", *repo, "--rev", before, "--json").json[0]["aliases"] == {}
        assert len(gitreg("list", "churn", *repo, "--rev", before, "--json").json) == 3
        shown = gitreg("show", "churn@1", *repo, "--rev", before, "--json").json
        assert shown["stage"] == "production"
        newest = gitreg("log", "churn", *repo, "--rev", before, "--json").json[0]
        assert (newest["version"], newest["pointer"]) == (1, "stages/production")
        compared = gitreg("compare", "churn/production", "churn@3", *repo, "--rev", before)
        assert compared.out.startswith("METRIC  churn@1  churn@3")
        assert gitreg("resolve", "churn@latest", *repo, "--at", "now").out == "churn@3\n"
        assert "no commit is as old" in error("list", *repo, "--at", "2001-01-01")


def test_a_time_copied_from_the_log_names_the_same_moment_anywhere(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "America/New_York")
        time.tzset()
        for hour, version in (("12", "churn@3"), ("14", "churn@1")):
            patch.setenv("GIT_COMMITTER_DATE", f"2037-03-01T{hour}:30:00Z")
            gitreg("promote", version, "--to", "production")
        head = git(work, "rev-parse", "--short=9", "HEAD~1")
        assert "2037-03-01 12:30:00Z" in gitreg("log", "churn@3").out
        assert gitreg("log", "-n", "1", "--json").json[0]["time"] == "2037-03-01T14:30:00Z"
        for at, moment in (
            ("2037-03-01 12:30:00Z", "2037-03-01T12:30:00Z"),
            ("2037-03-01 12:30:00", "2037-03-01T12:30:00Z"),
            ("2037-03-01 08:00 local", "2037-03-01T13:00:00Z"),
            ("2037-03-01 08:00-05:00", "2037-03-01T13:00:00Z"),
        ):
            for command in ("resolve", "show"):
                ran = gitreg(command, "churn/production", "--at", at, "--json")
                assert ran.json["version"] == 3, at
                used = f"as of {moment}: {head}, committed 2037-03-01T12:30:00Z\n"
                assert ran.err == used
    time.tzset()


@pytest.mark.parametrize("given", ["--rev", "--at"])
def test_pull_and_verify_of_the_past(
    work: Path, given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(work, "commit", "--quiet", "--allow-empty", "-m", "later")
    past = {"--rev": "HEAD^^", "--at": "now"}[given]
    wanted = {"--rev": "churn@1", "--at": "churn@2"}[given]
    ran = gitreg("pull", "churn/production", given, past, "-o", str(tmp_path / "out"))
    assert ran.err.splitlines()[-1].startswith(f"{wanted}, read from ")
    assert Path(ran.out.strip()) == tmp_path / "out" / "model"
    assert (tmp_path / "out/model/model.pkl").read_text() == f"weights {wanted[-1]}"
    assert gitreg("verify", "churn/production", given, past).out == f"{wanted}: ok\n"


def test_pull_refuses_to_replace_what_is_not_its_own(work: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "model").mkdir(parents=True)
    (out / "model" / "thesis.tex").write_text("years")
    assert "model" in error("pull", "churn@1", "-o", str(out))
    assert (out / "model" / "thesis.tex").read_text() == "years"
    gitreg("pull", "churn@1", "-o", str(out), "--force")
    assert not (out / "model" / "thesis.tex").exists()
    assert (out / "model" / "model.pkl").read_text() == "weights 1"


def test_verify_counts_versions_not_findings(work: Path) -> None:
    place = Path(gitreg("pull", "churn@1").out.strip())
    for path in place.iterdir():
        path.write_text("tampered")
    ran = gitreg("verify", code=1)
    assert "churn@2: ok\n" in ran.out
    assert ran.out.count("error: churn@1: ") == 2
    assert "1 of 4 versions" in ran.err
    found = gitreg("verify", "--json", "churn@1", code=1).json
    assert {finding["subject"] for finding in found} == {"churn@1"}
    gitreg("pull", "churn@1")
    assert gitreg("verify", "churn@1").out == "churn@1: ok\n"


def test_a_missing_remote_or_cache_exits_3(work: Path) -> None:
    (work.parent / "dvc-remote").rename(work.parent / "gone")
    (work / "registry" / ".dvc" / "cache").rename(work.parent / "cache-gone")
    error("pull", "churn@1", code=3)
    assert "nothing was changed" in error("rollback", "churn", code=3)
    git(work, "remote", "remove", "origin")
    said = error("alias", "set", "churn@1", "best", "--push", code=3)
    assert "no Git remote" in said


def test_log_of_a_model_a_pointer_and_a_version(reading: Path) -> None:
    assert gitreg("log", "churn/production", "--json").json[0]["after"] == [2]
    assert gitreg("log", "churn@champion", "--json").json[0]["after"] == 2
    about = gitreg("log", "churn@3", "--json").json
    assert [event["action"] for event in about] == ["register"]
    assert len(gitreg("log", "-n", "1", "--json").json) == 1
    assert "@champion" in gitreg("log", "churn").out


def test_log_of_a_shallow_clone_says_how_to_unshallow(
    templates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin = (templates / "origin.git").as_uri()
    git(tmp_path, "clone", "--quiet", "--depth=1", origin, "shallow")
    monkeypatch.chdir(tmp_path / "shallow")
    for words in ((), ("--json",)):  # nothing would look like nothing ever happened
        assert "git fetch --unshallow" in error("log", *words, code=3)
    assert gitreg("resolve", "churn@champion").out == "churn@2\n"
    assert gitreg("show", "churn@1", "--json").json["commit"] is None
    assert "git fetch --unshallow" in gitreg("show", "churn/production").err


def test_a_clone_with_some_history_warns(
    templates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin = (templates / "origin.git").as_uri()
    git(tmp_path, "clone", "--quiet", "--depth=2", origin, "shallow")
    monkeypatch.chdir(tmp_path / "shallow")
    ran = gitreg("log")
    assert "this clone is shallow and has no older history" in ran.err
    assert "churn@2" in ran.out


def test_a_file_is_no_folder(work: Path) -> None:
    (work / "mine").write_text("mine")
    for place in ("mine", "mine/deeper"):
        assert "mine is not a folder" in error("init", place)
        assert "mine is not a folder" in error("pull", "churn@1", "-o", place).replace(
            "mine/model", "model"
        )
    assert (work / "mine").read_text() == "mine"


def test_what_stands_in_the_way_of_a_pull_may_be_replaced(work: Path) -> None:
    (work / "out").mkdir()
    (work / "out" / "model").write_text("mine")
    assert "--force" in error("pull", "churn@1", "-o", "out")
    gitreg("pull", "churn@1", "-o", "out", "--force")
