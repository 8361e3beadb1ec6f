"""Mistakes: each one gets an error of one or two lines, which says what was meant."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tests.conftest import git
from tests.support.commands import error, gitreg


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("promot churn@1", "did you mean 'promote'?"),
        ("alias sett churn@1 x", "did you mean 'set'?"),
        ("tags snyc", "did you mean 'sync'?"),
        ("history churn/production", "  gitreg log churn/production\n"),
        ("rm churn@1 -m 'too old'", "  gitreg delete churn@1 -m 'too old'\n"),
        ("versions churn", "  gitreg list churn\n"),
        ("checkout churn@1 -o x", "  gitreg pull churn@1 -o x\n"),
        ("revert churn", "  gitreg rollback churn\n"),
        ("status churn", "  gitreg show churn\n"),
        ("tag churn@1", "  gitreg annotate churn@1 --tag, or gitreg alias set churn@1\n"),
        ("tag churn@1 a=b", "  gitreg annotate churn@1 --tag a=b\n"),
        ("tag churn@1 best", "  gitreg alias set churn@1 best\n"),
        ("tag", "gitreg annotate sets tags"),
        ("branch -a", "that is Git's: git branch -a"),
        ("sync", "gitreg fetch, then gitreg push"),
        ("alias rm churn@champion", "  gitreg alias delete churn@champion\n"),
        ("log --auther x", "did you mean --author?"),
        ("list --sort auc", "name it"),
        ("promote churn@3 --to churn@3", "gitreg promote churn@3 --to production"),
        ("promote churn@3 --to staging --if-better acu", "did you mean 'auc'?"),
        ("promote churn@3 --to staging --if-better acu --else-archive", "did you mean 'auc'?"),
        ("rollback churn --to champion", "  --to 2\n"),
        ("rollback churn --to tokenizer@1", "--to 1 is a version of churn"),
        ("rollback churn --to tokenizer@6", "gitreg rollback churn --list"),
        ("rollback chrun --to x", "did you mean 'churn'?"),
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
        ("resolve churn@production", "production is a stage: churn/production"),
        ("resolve churn/champion", "churn@champion"),
        ("resolve churn/staging", "no version in stage 'staging'"),
        ("resolve churn", "which version of it?"),
        ("promote churn --to staging", "which version of it?"),
        ("list churn@2", "gitreg show churn@2"),
        ("rollback churn@1", "gitreg rollback churn --to 1"),
        ("alias delete churn", "which alias?"),
        ("alias set churn@3 v7", "it looks like a version"),
        ("alias set churn@3 latest", "always means the highest"),
        ("alias set churn@3 Champion", "only by case"),
        ("promote churn@3 --to 7", "no stage '7'"),
        ("promote churn@3 churn@1 --to production", "holds at most 1 version of churn"),
        ("promote churn@3 churn@3 --to staging", "named twice"),
        ("promote churn@3 --to staging --else-archive", "needs --if-better or --if-lower"),
        ("annotate churn@1", "nothing to annotate: give"),
        ("annotate churn@1 --owner x", "a version has no owner"),
        ("annotate churn@1 --untag nope", "no tag 'nope'"),
        ("annotate churn@1 --tag nope", "expected key=value"),
        ("resolve churn@0", "is not a version"),
        ("resolve churn@-1", "is not a reference"),
        ("resolve --rev nope churn@1", "no commit 'nope'"),
        ("resolve --rev=--output=x churn@1", "is not a revision"),
        ("resolve --at gestern churn@1", "is not a date or time"),
        ("resolve --at 1999-12-31 churn@1", "no commit is as old"),
        ("resolve --rev HEAD --at now churn@1", "not both"),
        ("resolve --repo ext::sh churn@1", "neither a folder nor a repository's URL"),
        ("resolve --repo no-such-folder churn@1", "neither a folder nor a repository's URL"),
        ("register Churn metrics.json", "differs from the model 'churn'"),
        ("register a@b .gitignore", "reserved for references"),
        ("register churn .gitignor", "did you mean '.gitignore'"),
        ("register churn registry/polcy.yaml", "did you mean 'registry/policy.yaml'?"),
        ("register dvc.yaml churn", "gitreg register churn dvc.yaml"),
        ("register registry/policy.yaml churn", "gitreg register churn registry/policy.yaml"),
        ("promote churn@3 --stage production", "--to production"),
        ("promote churn@3 --to production --reason x", "--message x"),
        ("history", "gitreg log"),
        ("diff churn@1 churn@2", "gitreg compare"),
        ("rm churn@1", "gitreg delete"),
        ("register churn .gitignore --metrics dvc.yml", "did you mean 'dvc.yaml'?"),
        ("register churn .gitignore --metrics .gitignore", "cannot read metrics"),
        ("register churn .gitignore --metrics registry", "cannot read metrics"),
        ("register churn .gitignore --metrics dvc.yaml", "expected a number"),
        ("register churn .gitignore --params nope.yaml", "no such params file"),
        ("register churn .gitignore --data nope", "no such file or folder"),
        ("register churn .gitignore --requirements nope", "no such requirements file"),
        ("register churn .gitignore --metric auc=high", "expected a number"),
        ("register churn .gitignore --metric auc=.nan", "not a finite number"),
        ("register churn .gitignore --param =1", "the key is empty"),
        ("register churn .gitignore --tag a", "expected key=value"),
        ("register churn .gitignore --run-id ''", "cannot be a run's id"),
    ],
)
def test_a_mistake_gets_an_error_and_changes_nothing(reading: Path, line: str, said: str) -> None:
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
        ("rollback churn --to 3", "was never in production: this is not a rollback"),
        ("rollback tokenizer", "no version was in production before"),
    ],
)
def test_a_refusal_exits_1_and_changes_nothing(reading: Path, line: str, said: str) -> None:
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
    "search",
    "list --where name='x'",
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


def test_an_alias_that_looks_like_another_is_said_to_be_new(reading: Path) -> None:
    said = "warning: @champoin is a new alias: did you mean 'champion'?\n"
    for line in ("alias set churn@3 champoin", "promote churn@3 --to staging --alias champoin"):
        assert gitreg(*line.split(), "--dry-run").err.startswith(said)
        near = line.replace("champoin", "champion")
        assert "new alias" not in gitreg(*near.split(), "--dry-run").err
