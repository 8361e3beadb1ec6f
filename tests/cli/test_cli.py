"""Every command as a user meets it: right, wrong and mistyped."""

from __future__ import annotations

import io
import shlex
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from gitreg import Registry, __version__
from gitreg.cli import app, main
from tests.conftest import git, write_model
from tests.support.commands import error, everything, gitreg


@pytest.fixture
def work(stocked: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A registry of its own to write to, and the folder that the user is in."""
    monkeypatch.chdir(stocked)
    return stocked


@pytest.fixture
def reading(templates: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The registry that all tests share, for commands that write nothing."""
    monkeypatch.chdir(templates / "work")
    return templates / "work"


def tip(folder: Path) -> str:
    return git(folder, "log", "-1", "--format=%B")


# What the program says of itself


def _commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, (*path, name))
        else:
            yield (*path, name), command


COMMANDS = dict(_commands(typer.main.get_command(app)))


def test_the_commands_are_those_that_are_promised() -> None:
    assert {" ".join(path) for path in COMMANDS} == {
        "init",
        "register",
        "promote",
        "archive",
        "alias set",
        "alias delete",
        "rollback",
        "list",
        "show",
        "log",
        "resolve",
        "compare",
        "pull",
        "verify",
        "annotate",
        "delete",
        "tags sync",
        "create",
        "rename",
        "ui",
        "import mlflow",
        "export mlflow",
        "doctor",
        "fetch",
        "push",
        "approve",
        "policy show",
        "policy test",
        "ci github",
        "ci gitlab",
        "codeowners",
        "check",
        "hook install",
        "hook run",
    }


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_has_an_example_that_the_command_takes(path: tuple[str, ...]) -> None:
    text = " ".join(gitreg(*path, "--help").out.split())
    example = text.partition("Example: ")[2]
    words = shlex.split(example.partition(" Arguments:")[0].partition(" Options:")[0])
    assert words[: len(path) + 1] == ["gitreg", *path]
    # An option that is not there, or an argument too many or too few, raises.
    COMMANDS[path].make_context(path[-1], words[len(path) + 1 :])


@pytest.mark.parametrize("group", ["", *sorted({path[0] for path in COMMANDS if path[1:]})])
def test_lists_of_commands_have_whole_lines(group: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    listed = gitreg(*filter(None, [group]), "--help").out.partition("Commands:")[2]
    assert listed
    assert "..." not in listed


READS = ("list", "show", "log", "resolve", "compare", "pull", "verify")
WRITES = (
    "register",
    "promote",
    "archive",
    "alias set",
    "alias delete",
    "rollback",
    "annotate",
    "delete",
    "create",
    "rename",
)


@pytest.mark.parametrize(
    ("commands", "options"),
    [
        (READS, ("--json", "--repo", "--rev", "--at")),
        (WRITES, ("--message", "-m", "--dry-run", "--push", "--json", "--repo")),
    ],
)
def test_options_that_all_reads_and_all_writes_have(
    commands: tuple[str, ...], options: tuple[str, ...]
) -> None:
    for name in commands:
        known = {opt for param in COMMANDS[tuple(name.split())].params for opt in param.opts}
        assert set(options) <= known, name


def test_version_and_help() -> None:
    assert gitreg("--version").out == f"gitreg {__version__}\n"
    assert "Commands:" in gitreg("--help").out
    for words in ((), ("alias",), ("tags",)):
        ran = gitreg(*words, code=2)
        assert ran.out == ""
        assert "Commands:" in ran.err


# Mistakes: each is told in a line or two on stderr, with what was meant; nothing is written


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("promot churn@1", "Did you mean 'promote'?"),
        ("alias sett churn@1 x", "Did you mean 'set'?"),
        ("tags snyc", "Did you mean 'sync'?"),
        ("--versoin", "--version"),
        ("resolve --jsno churn@1", "--json"),
        ("promote churn@3 --to production --if-beter auc", "--if-better"),
        ("resolve", "Missing argument 'REF'"),
        ("resolve a b", "unexpected extra argument"),
        ("promote churn@3", "Missing option '--to'"),
        ("log --limit x", "--limit"),
        ("log --limit 0", "--limit"),
        ("rollback churn --to x", "--to"),
        ("resolve chrun@1", "did you mean 'churn'?"),
        ("show tokeniser@1", "did you mean 'tokenizer'?"),
        ("compare churn@1 chur@2", "did you mean 'churn'?"),
        ("log chrun", "did you mean 'churn'?"),
        ("list chrun", "did you mean 'churn'?"),
        ("verify chrun", "did you mean 'churn'?"),
        ("pull chrun@1", "did you mean 'churn'?"),
        ("annotate chrun --owner x", "did you mean 'churn'?"),
        ("rollback chrun", "did you mean 'churn'?"),
        ("resolve churn@9", "no churn@9: churn has versions 1 to 3"),
        ("rollback churn --to 9", "no churn@9: churn has versions 1 to 3"),
        ("resolve churn@champio", "did you mean 'champion'?"),
        ("resolve churn@Champion", "did you mean 'champion'?"),
        ("alias delete churn@champoin", "did you mean 'champion'?"),
        ("log churn@champio", "did you mean 'champion'?"),
        ("resolve tokenizer@champion", "it has none"),
        ("promote churn@3 --to prodction", "did you mean 'production'?"),
        ("resolve churn/prodction", "did you mean 'production'?"),
        ("log churn/prodction", "did you mean 'production'?"),
        ("rollback churn --stage prodction", "did you mean 'production'?"),
        ("resolve churn@production", "write churn/production"),
        ("resolve churn/champion", "churn@champion"),
        ("resolve churn/staging", "no version in stage 'staging'"),
        ("resolve churn", "which version of it?"),
        ("promote churn --to staging", "which version of it?"),
        ("list churn@2", "gitreg show churn@2"),
        ("rollback churn@1", "gitreg rollback churn --to 1"),
        ("alias delete churn", "which alias?"),
        ("alias set churn@3 production", "it looks like a stage"),
        ("alias set churn@3 v7", "it looks like a version"),
        ("alias set churn@3 latest", "always is the highest"),
        ("alias set churn@3 Champion", "only by case"),
        ("promote churn@3 --to 7", "no stage '7'"),
        ("promote churn@3 churn@1 --to production", "holds 1"),
        ("promote churn@3 churn@3 --to staging", "named twice"),
        ("promote churn@3 --to staging --else-archive", "needs --if-better or --if-lower"),
        ("annotate churn@1", "annotate what?"),
        ("annotate churn@1 --owner x", "a version has no owner"),
        ("annotate churn@1 --untag nope", "no tag 'nope'"),
        ("annotate churn@1 --tag nope", "expected key=value"),
        ("resolve churn@0", "is not a version"),
        ("resolve churn@-1", "is not a reference"),
        ("resolve --rev nope churn@1", "no commit 'nope'"),
        ("resolve --rev=--output=x churn@1", "is not a revision"),
        ("resolve --at gestern churn@1", "is not a moment"),
        ("resolve --at 1999-12-31 churn@1", "no commit is as old"),
        ("resolve --rev HEAD --at now churn@1", "not both"),
        ("resolve --repo ext::sh churn@1", "neither a folder nor a repository's URL"),
        ("resolve --repo no-such-folder churn@1", "neither a folder nor a repository's URL"),
        ("register Churn metrics.json", "differs from the model 'churn'"),
        ("register a@b .gitignore", "kept for references"),
        ("register churn .gitignor", "did you mean '.gitignore'"),
        ("register churn .gitignore --metrics dvc.yml", "did you mean 'dvc.yaml'?"),
        ("register churn .gitignore --metrics .gitignore", "cannot read metrics"),
        ("register churn .gitignore --metrics registry", "cannot read metrics"),
        ("register churn .gitignore --metrics dvc.yaml", "expected a number"),
        ("register churn .gitignore --params nope.yaml", "no such params file"),
        ("register churn .gitignore --data nope", "no such file or folder"),
        ("register churn .gitignore --requirements nope", "no such requirements.txt file"),
        ("register churn .gitignore --metric auc=high", "expected a number"),
        ("register churn .gitignore --metric auc=.nan", "not a finite number"),
        ("register churn .gitignore --param =1", "the key is empty"),
        ("register churn .gitignore --tag a", "expected key=value"),
        ("register churn .gitignore --run-id ''", "cannot be a run's id"),
    ],
)
def test_a_mistake_is_told_and_changes_nothing(reading: Path, line: str, said: str) -> None:
    before = git(reading, "for-each-ref"), git(reading, "status", "--porcelain")
    assert said in error(*shlex.split(line))
    assert (git(reading, "for-each-ref"), git(reading, "status", "--porcelain")) == before


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("promote churn@1 --to production --if-better auc", "auc 0.7 is not > 0.8 (churn@2)"),
        ("promote churn@3 --to production --if-lower auc", "auc 0.9 is not < 0.8 (churn@2)"),
        ("promote churn@3 --to production --if-better f1", "f1 is missing from churn@3"),
        ("delete churn@2", "is in production"),
        ("rollback churn --to 3", "never was in production"),
        ("rollback tokenizer", "no version was in production before"),
    ],
)
def test_a_no_exits_1_and_changes_nothing(reading: Path, line: str, said: str) -> None:
    before = git(reading, "for-each-ref"), git(reading, "status", "--porcelain")
    assert said in error(*shlex.split(line), code=1)
    assert (git(reading, "for-each-ref"), git(reading, "status", "--porcelain")) == before


EVERY_READ = (
    "list",
    "list --json",
    "list churn",
    "show churn@1",
    "log",
    "log churn",
    "resolve churn@1",
    "compare churn@1 churn@2",
    "pull churn@1",
    "verify",
    "verify churn",
)
EVERY_WRITE = (
    "register churn .",
    "promote churn@1 --to staging",
    "archive churn@1",
    "alias set churn@1 best",
    "alias delete churn@best",
    "rollback churn",
    "annotate churn --owner x",
    "delete churn@1",
    "tags sync",
)


@pytest.mark.parametrize("commits", [0, 1])
def test_a_repository_without_a_registry_says_init(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, commits: int
) -> None:
    git(tmp_path, "init", "--quiet")
    if commits:
        git(tmp_path, "commit", "--quiet", "--allow-empty", "-m", "start")
    monkeypatch.chdir(tmp_path)
    for line in (*EVERY_READ, *EVERY_WRITE):
        assert "gitreg init" in error(*line.split()), line
    assert "gitreg init" in gitreg("doctor", code=1).out


def test_a_folder_without_a_repository_says_init(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for line in ("list", "resolve churn@1", "promote churn@1 --to staging", "doctor", "tags sync"):
        assert "gitreg init" in error(*line.split()), line


def test_an_empty_registry_is_no_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    for line, said in {
        "list": "no models yet",
        "log": "no events",
        "verify": "no versions to verify",
    }.items():
        ran = gitreg(line)
        assert ran.out == ""
        assert said in ran.err
    for line in ("list --json", "log --json", "verify --json"):
        assert gitreg(*line.split()).json == []
    assert "the registry is empty" in error("resolve", "churn@1")


def test_init_twice_and_in_a_clone(work: Path) -> None:
    head = git(work, "rev-parse", "HEAD")
    assert gitreg("init").out == "nothing to do: there is a registry already\n"
    assert gitreg("init", "--json").json["unchanged"] is True
    assert git(work, "rev-parse", "HEAD") == head


def test_init_makes_folder_and_repository(tmp_path: Path) -> None:
    ran = gitreg("init", str(tmp_path / "new"))
    assert ran.out.endswith("] start a model registry\n")
    assert git(tmp_path / "new", "status", "--porcelain") == ""


# Reads


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


@pytest.mark.parametrize("given", ["--rev", "--at"])
def test_pull_and_verify_of_the_past(
    work: Path, given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(work, "commit", "--quiet", "--allow-empty", "-m", "later")
    past = {"--rev": "HEAD^^", "--at": "now"}[given]
    wanted = {"--rev": "churn@1", "--at": "churn@2"}[given]
    ran = gitreg("pull", "churn/production", given, past, "-o", str(tmp_path / "out"))
    assert ran.err.startswith(f"{wanted}, read from ")
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


def test_what_the_world_lacks_exits_3(work: Path) -> None:
    (work.parent / "dvc-remote").rename(work.parent / "gone")
    (work / ".dvc" / "cache").rename(work.parent / "cache-gone")
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


def test_a_shallow_clone_says_that_its_log_is_cut_off(
    templates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin = (templates / "origin.git").as_uri()
    git(tmp_path, "clone", "--quiet", "--depth=1", origin, "shallow")
    monkeypatch.chdir(tmp_path / "shallow")
    for words in ((), ("--json",)):  # nothing would look like nothing ever happened
        assert "git fetch --unshallow" in error("log", *words, code=3)
    assert gitreg("resolve", "churn@champion").out == "churn@2\n"
    assert gitreg("show", "churn@1", "--json").json["commit"] is None
    assert "git fetch --unshallow" in error("archive", "churn@3", code=3)


def test_a_clone_with_some_history_warns(
    templates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin = (templates / "origin.git").as_uri()
    git(tmp_path, "clone", "--quiet", "--depth=2", origin, "shallow")
    monkeypatch.chdir(tmp_path / "shallow")
    ran = gitreg("log")
    assert "history cut off" in ran.err
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


def test_doctor_says_what_mends(work: Path) -> None:
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


# Writes


def test_the_story(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    write_model(folder, "one")
    (folder / "metrics.json").write_text('{"roc_auc": 0.9, "latency_ms": 12}')
    (folder / "params.yaml").write_text("train: {lr: 0.1}\n")
    (folder / "train.csv").write_text("age\n")
    register = ["register", "churn", "models/churn", "--metrics", "metrics.json"]
    ran = gitreg(
        *register,
        "--params",
        "params.yaml",
        "--tag",
        "feature_set=v2",
        "--data",
        "train.csv",
        "--param",
        "seed=7",
        "--description",
        "the first",
        "--run-id",
        "0a1b",
        "-m",
        "trained",
    )
    assert ran.out.endswith("] register churn@1\n")
    assert ran.err == "not shared yet: publish with --push, or gitreg push\n"
    write_model(folder, "two")
    done = gitreg(*register, "--metric", "roc_auc=0.95", "--json").json
    assert (done["model"], done["version"], done["tags"]) == ("churn", 2, ["churn@v2.0.0"])
    assert done["commit"] == git(folder, "rev-parse", "HEAD")

    shown = gitreg("show", "churn@1").out
    for words in (
        "the first",
        "2 files",
        "metric roc_auc  0.9",
        "param train.lr  0.1",
        "param seed  7",
        "tag feature_set  v2",
        "source  models/churn",
        "data train.csv",
        "run  0a1b",
        "python 3.",
    ):
        assert " ".join(words.split()) in " ".join(shown.split())

    gitreg("promote", "churn@1", "--to", "Production", "--alias", "champion", "-m", "go")
    assert gitreg("promote", "churn@1", "--to", "production").out.startswith("nothing to do")
    difference = gitreg("compare", "churn/production", "churn@2").out
    assert "roc_auc     0.9      0.95     +0.05" in difference
    gated = ["churn@2", "--to", "production", "--if-better", "roc_auc"]
    gitreg("promote", *gated, "--alias", "champion", "--if-lower", "latency_ms", code=1)
    gitreg("promote", *gated, "--alias", "champion")
    assert gitreg("resolve", "churn@champion").out == "churn@2\n"

    ran = gitreg("rollback", "churn", "-m", "predictions drifted")
    first, second, third = ran.out.splitlines()
    assert first == "withdrawn churn@2  roc_auc 0.95  latency_ms 12"
    assert second == "restored churn@1  roc_auc 0.9  latency_ms 12"
    assert third.endswith('] Revert "promote churn@2 to production"')
    assert "predictions drifted" in tip(folder)
    assert gitreg("resolve", "churn@champion").out == "churn@1\n"
    assert gitreg("resolve", "churn/archived").out == "churn@2\n"
    assert gitreg("list").out.splitlines()[1].split() == [
        "churn",
        "2",
        "production:",
        "1",
        "archived:",
        "2",
        "@champion:",
        "1",
        "-",
    ]
    assert gitreg("list", "churn").out.splitlines()[1].startswith("churn@2  archived")


WRITING = (
    "register churn models/churn --metric auc=1",
    "promote churn@3 tokenizer@1 --to production --alias best",
    "archive churn@3",
    "alias set churn@3 challenger",
    "alias delete churn@champion",
    "rollback churn",
    "annotate churn@3 --tag a=b --description d",
    "annotate churn --owner ada",
    "delete churn@1",
)


@pytest.mark.parametrize("line", WRITING)
def test_dry_run_writes_nothing_and_tells_the_same(work: Path, line: str) -> None:
    write_model(work, "new bytes")
    before = everything(work)
    told = gitreg(*shlex.split(line), "-m", "because", "--dry-run")
    told_json = gitreg(*shlex.split(line), "-m", "because", "--dry-run", "--json").json
    assert everything(work) == before
    assert "would commit:\n" in told.out
    assert "    because\n" in told.out
    assert told_json["commit"] is None

    done = gitreg(*shlex.split(line), "-m", "because", "--json").json
    assert done["commit"] == git(work, "rev-parse", "HEAD")
    for key in ("subject", "files", "tags"):
        assert done[key] == told_json[key], key
    changed = git(work, "show", "--name-only", "--no-renames", "--format=").splitlines()
    assert sorted(changed) == sorted(done["files"])
    assert tip(work).startswith(f"{done['subject']}\n\nbecause\n")
    assert git(work, "status", "--porcelain") == ""


@pytest.mark.parametrize("line", WRITING)
def test_push_shares_bytes_branch_and_tags(work: Path, line: str) -> None:
    write_model(work, "new bytes")
    done = gitreg(*shlex.split(line), "--push", "--json").json
    assert done["pushed"] is True
    origin = work.parent / "origin.git"
    assert git(origin, "rev-parse", "main") == done["commit"]
    tags = git(origin, "tag", "--list").splitlines()
    assert set(done["tags"]) <= set(tags)
    assert "not-shared" not in gitreg("doctor", "--json").out


def test_a_refused_candidate_is_archived_on_request(work: Path) -> None:
    words = ["promote", "churn@3", "--to", "production", "--if-better", "f1"]
    head = git(work, "rev-parse", "HEAD")
    error(*words, "--else-archive", "--dry-run", code=1)
    assert git(work, "rev-parse", "HEAD") == head
    said = error(*words, "--else-archive", "-m", "no f1", code=1)
    assert f"archived instead, in {git(work, 'rev-parse', 'HEAD')[:9]}" in said
    assert gitreg("show", "churn@3", "--json").json["stage"] == "archived"
    assert "no f1" in tip(work)
    assert "f1 is missing" in tip(work)
    assert "nothing was archived" in error(*words, "--else-archive", code=1)


def test_a_dirty_pointer_does_not_archive_the_candidate(work: Path) -> None:
    (work / "registry/churn/stages/production.yaml").write_text("versions:\n- 1\n")
    said = error(
        "promote", "churn@3", "--to", "production", "--if-better", "auc", "--else-archive", code=1
    )
    assert "uncommitted changes" in said
    assert gitreg("show", "churn@3", "--json").json["stage"] is None


def test_keep_existing_and_no_stage(work: Path) -> None:
    gitreg("promote", "churn@3", "--to", "production", "--keep-existing")
    assert gitreg("list", "--json").json[0]["stages"] == {"production": [2, 3], "archived": [1]}
    gitreg("promote", "churn@2", "--to", "None")
    assert gitreg("show", "churn@2", "--json").json["stage"] is None


def test_rollback_to_a_version_and_back_where_it_was(work: Path) -> None:
    gitreg("promote", "churn@3", "--to", "staging")
    gitreg("promote", "churn@3", "--to", "production")
    assert gitreg("rollback", "churn", "--to", "2", "--restage").out.count("\n") == 3
    assert gitreg("resolve", "churn/staging").out == "churn@3\n"
    done = gitreg("rollback", "churn", "--json").json
    assert [version["version"] for version in done["withdrawn"]] == [2]
    assert [version["version"] for version in done["restored"]] == [1]
    assert gitreg("rollback", "churn", "--to", "1").out.startswith("nothing to do")


def test_alias_names_with_and_without_the_sign(work: Path) -> None:
    gitreg("alias", "set", "churn@3", "@challenger")
    gitreg("promote", "churn@3", "--to", "staging", "--alias", "@best")
    assert gitreg("resolve", "churn@best").out == "churn@3\n"
    assert gitreg("resolve", "churn@challenger").out == "churn@3\n"
    gitreg("alias", "delete", "churn", "challenger")
    assert "no alias 'challenger'" in error("alias", "delete", "churn@challenger")


def test_annotate_and_take_back(work: Path) -> None:
    gitreg("annotate", "churn@1", "--tag", "a=b=c", "--description", "first\nsecond")
    shown = gitreg("show", "churn@1", "--json").json
    assert (shown["tags"], shown["description"]) == ({"a": "b=c"}, "first\nsecond")
    gitreg("annotate", "churn@1", "--untag", "a", "--description", "")
    shown = gitreg("show", "churn@1", "--json").json
    assert (shown["tags"], shown["description"]) == ({}, None)
    gitreg("annotate", "churn", "--description", "predicts\nchurn", "--owner", "ada")
    assert gitreg("list").out.splitlines()[1].endswith("predicts")


def test_a_deleted_version_is_told_of_and_never_reused(work: Path) -> None:
    gitreg("delete", "churn@3", "-m", "leaked\nlabels")
    said = error("show", "churn@3")
    assert "churn@3 was deleted by Ada Lovelace" in said
    assert "leaked\\nlabels" in said
    assert gitreg("log", "churn@3", "--json").json[0]["action"] == "delete"
    listed = gitreg("list", "churn", "--json").json
    assert [version["version"] for version in listed] == [2, 1]
    assert gitreg("resolve", "churn@latest").out == "churn@2\n"
    gitreg("verify", "churn")
    write_model(work, "again")
    assert gitreg("register", "churn", "models/churn", "--json").json["version"] == 4


def test_all_versions_deleted(work: Path) -> None:
    gitreg("delete", "tokenizer@1")
    ran = gitreg("list", "tokenizer")
    assert ran.out == ""
    assert "no versions of tokenizer are left" in ran.err
    assert gitreg("list", "--json").json[1]["latest"] is None
    assert "all were deleted" in error("resolve", "tokenizer@latest")


@pytest.mark.parametrize(
    ("name", "artifact"),
    [("model.pkl", "model.pkl"), ("weights", "model"), ("a.tar.gz", "model.tar.gz")],
)
def test_register_a_file(work: Path, name: str, artifact: str) -> None:
    (work / "models").mkdir(exist_ok=True)
    (work / "models" / name).write_bytes(b"\0\1")
    gitreg("register", "files", f"models/{name}")
    shown = gitreg("show", "files@1", "--json").json["artifact"]
    assert (shown["path"], shown["size"], shown["files"]) == (artifact, 2, 1)
    assert Path(gitreg("pull", "files@1").out.strip()).read_bytes() == b"\0\1"


def test_sources_that_are_nothing_to_register(
    work: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    before = everything(work)
    empty = tmp_path_factory.mktemp("empty")
    assert "contains no files" in error("register", "churn", str(empty))
    short = tmp_path_factory.mktemp("u") / "s"  # a socket's path may have some 100 bytes
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(short))
        assert "neither a file nor a folder" in error("register", "churn", str(short))
    assert "empty" in error("register", "churn", "")
    assert ".git" in error("register", "churn", ".git")
    assert everything(work) == before


def test_parameters_that_are_too_many(work: Path) -> None:
    (work / "models").mkdir(exist_ok=True)
    (work / "models" / "big.json").write_text('{"a": "' + "x" * 1_000_000 + '"}')
    said = error("register", "churn", "dvc.yaml", "--params", "models/big.json")
    assert "larger than 64 KiB" in said


# Text that somebody else wrote

HOSTILE = "\x1b[31mred\u202e\u2028\u200b"


def test_hostile_text_is_shown_as_escapes(work: Path) -> None:
    path = work / "registry/churn/versions/1/annotations.yaml"
    path.write_text(f'description: "{HOSTILE!a}"\n'.replace("'", "").replace("\\x1b", "\\e"))
    git(work, "-c", "user.name=x", "add", ".")
    git(work, "commit", "--quiet", "--no-verify", "-m", f"by hand {HOSTILE}")
    shown = gitreg("show", "churn@1")
    assert "\\x1b[31mred\\u202e\\u2028\\u200b" in shown.out
    for line in ("show churn@1", "log", "list churn", "show churn@1 --json", "log --json"):
        out = gitreg(*line.split()).out
        assert not set(HOSTILE) - set("[31mred") & set(out), line
    assert gitreg("show", "churn@1", "--json").json["description"] == HOSTILE


def test_a_hostile_argument_is_shown_as_escapes(reading: Path) -> None:
    for words in (("resolve", HOSTILE), (HOSTILE,), ("list", "--rev", HOSTILE), ("log", HOSTILE)):
        said = error(*words)
        assert not set(HOSTILE) - set("[31mred") & set(said), words


def test_a_reason_is_not_believed(work: Path) -> None:
    head = git(work, "rev-parse", "HEAD")
    reason = f"why\n\nThis reverts commit {head}.\n\nGitreg-Action: rollback\nGitreg-Model: x"
    gitreg("promote", "churn@3", "--to", "production", "-m", reason)
    newest = gitreg("log", "churn/production", "--json").json[0]
    assert (newest["action"], newest["after"]) == ("promote", [3])
    assert newest["reason"].startswith("why")
    gitreg("rollback", "churn")  # goes back one step: the reason was no rollback
    assert gitreg("resolve", "churn/production").out == "churn@2\n"
    assert "invisible" in error("archive", "churn@3", "-m", HOSTILE)


def test_names_with_spaces_and_unicode(work: Path) -> None:
    name = "Größe modèle 模型"
    write_model(work, "größe")
    gitreg("register", name, "models/churn", "--push")
    gitreg("promote", f"{name}@1", "--to", "production", "--alias", "チャンピオン")
    for text in (f"{name}@チャンピオン", f"{name}/production", f"models:/{name}/1"):
        assert gitreg("resolve", text).out == f"{name}@1\n"
    assert gitreg("list", name, "--json").json[0]["model"] == name
    assert name in gitreg("list").out
    assert f"did you mean '{name}'?" in error("resolve", "Große modele 模型@1")
    gitreg("verify", f"{name}@1")


# Tables


def test_a_pipe_gets_whole_lines(work: Path) -> None:
    long = "x" * 900
    gitreg("annotate", "churn", "--description", long)
    assert gitreg("list").out.splitlines()[1].endswith(long)


@pytest.mark.parametrize("columns", ["1", "20", "40", "80", "none"])
def test_a_narrow_terminal_gets_everything(
    work: Path, columns: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gitreg("annotate", "churn", "--description", "word " * 30)
    monkeypatch.setenv("COLUMNS", columns)
    for line in ("list", "list churn", "show churn@1", "log", "compare churn@1 churn@2"):
        out = gitreg(*line.split()).out
        assert max(map(len, out.splitlines())) <= max(40, int(columns.replace("none", "80")))
    assert gitreg("list").out.count("word") == 30


def test_no_colour_even_where_one_is_forced(reading: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("FORCE_COLOR", "1")
    for line in ("list", "log", "show churn@1", "--help"):
        assert "\x1b" not in gitreg(*line.split()).out


# What is not a mistake of the user's


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (KeyboardInterrupt(), 130, "interrupted: nothing is half done, run it again"),
        (OSError(28, "No space left on device"), 3, "No space left on device"),
        (OSError(13, "Permission denied", "/x"), 3, "/x: Permission denied"),
        (MemoryError(), 3, "MemoryError: "),
    ],
)
def test_the_world_fails(
    reading: Path, raised: BaseException, code: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object, **_more: object) -> None:
        raise raised

    monkeypatch.setattr(Registry, "resolve", fail)
    assert error("resolve", "churn@1", code=code) == f"gitreg: {said}\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("line", ["pull churn@1", "register churn models/churn"])
def test_a_terminal_sees_progress(
    work: Path, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_model(work, "much")
    shutil.rmtree(work / ".dvc" / "cache")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(sys, "argv", ["gitreg", *line.split()])
    with pytest.raises(SystemExit, match="0"):
        main()
    assert line.partition(" ")[0] in terminal.getvalue()
    assert capsys.readouterr().out.count("\n") == 1


def test_an_output_that_is_closed_or_narrow(reading: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["gitreg", "list", "größe"])
    for stream in (None, io.TextIOWrapper(io.BytesIO(), "iso8859-5")):
        monkeypatch.setattr(sys, "stderr", stream)
        with pytest.raises(SystemExit, match="2"):
            main()
    assert isinstance(stream, io.TextIOWrapper)
    stream.seek(0)
    assert "no model 'gr\\xf6\\xdfe'" in stream.read()


# Completion


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("gitreg prom", ["promote"]),
        ("gitreg alias s", ["set"]),
        (
            "gitreg show chu",
            [
                "churn",
                "churn@latest",
                "churn@champion",
                "churn/production",
                "churn/archived",
            ],
        ),
        ("gitreg rollback ", ["churn", "tokenizer"]),
        ("gitreg list t", ["tokenizer"]),
        ("gitreg promote churn@3 --to pro", ["production"]),
        ("gitreg promote churn@3 --to x", []),
    ],
)
def test_shell_completion(
    reading: Path, line: str, found: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_GITREG_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
    assert gitreg().out.split() == found


def test_shell_completion_elsewhere(
    reading: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("_GITREG_COMPLETE", "complete_bash")
    for line, found in {
        f"gitreg rollback --repo {reading} ": ["churn", "tokenizer"],
        "gitreg rollback ": [],
        "gitreg promote m@1 --to ": [],
    }.items():
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
        assert gitreg().out.split() == found


def test_the_completion_script() -> None:
    assert "_GITREG_COMPLETE=complete_bash" in gitreg("--show-completion", "bash").out


def test_registry_opens_what_the_commands_wrote(work: Path) -> None:
    gitreg("alias", "set", "churn@3", "challenger", "--repo", str(work / "registry"))
    with Registry(work) as registry:
        assert registry.resolve("churn@challenger").version == 3
