"""Commands that write: init, register, promote, roll back, annotate and delete."""

from __future__ import annotations

import shlex
import socket
from pathlib import Path

import pytest

from gitreg import Registry
from tests.conftest import dvc_project, git, write_model
from tests.support.commands import error, everything, gitreg


def tip(folder: Path) -> str:
    return git(folder, "log", "-1", "--format=%B")


def test_init_twice_and_in_a_clone(work: Path) -> None:
    head = git(work, "rev-parse", "HEAD")
    said = "nothing to do: there is a registry already, in "
    assert gitreg("init").out.startswith(said)
    assert gitreg("init", "--json").json["unchanged"] is True
    assert git(work, "rev-parse", "HEAD") == head


def test_init_makes_folder_and_repository(tmp_path: Path) -> None:
    ran = gitreg("init", str(tmp_path / "new"))
    assert ran.out.endswith("] start a model registry\n")
    assert git(tmp_path / "new", "status", "--porcelain") == ""


def next_commands(text: str) -> tuple[str, list[str]]:
    """Return the words before the commands that ``init`` suggests, and the commands."""
    words, _, commands = text.partition("next")
    assert not words
    said, *lines = commands.splitlines()
    return said, [line.removeprefix("    ") for line in lines]


def test_init_names_the_next_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = tmp_path / "churn"
    (project / "out dir").mkdir(parents=True)
    (project / "env" / "share").mkdir(parents=True)
    (project / "env" / "pyvenv.cfg").touch()
    (project / "env" / "share" / "newer.pkl").touch()
    monkeypatch.chdir(project)
    assert next_commands(gitreg("init").err) == (
        ", with your model's path:",
        [
            "gitreg register churn models/model.pkl",
            'gitreg promote churn@1 --to production -m "the first one"',
            "gitreg show churn/production",
        ],
    )
    (project / "out dir" / "loan.joblib").write_text("weights")
    monkeypatch.chdir(project / "out dir")
    said, commands = next_commands(gitreg("init").err)
    assert (said, commands[0]) == (":", "gitreg register churn loan.joblib")
    monkeypatch.chdir(tmp_path)
    said, commands = next_commands(gitreg("init", str(project)).err)
    assert (said, commands[0]) == (f" in {project}:", "gitreg register churn 'out dir/loan.joblib'")
    assert gitreg("init", str(project), "--json").err == ""
    monkeypatch.chdir(project)
    for command in commands:  # they are what they say
        gitreg(*shlex.split(command)[1:])
    assert gitreg("init").err == ""


def test_init_names_what_dvc_tracks_and_no_name_that_a_model_cannot_have(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = folder.parent / "a:b\x1b[2J"
    folder.rename(project)
    write_model(project)
    dvc_project(project)
    pointer = f"outs:\n- md5: {'0' * 32}.dir\n  path: churn\n"
    (project / "models" / "churn.dvc").write_text(pointer)
    monkeypatch.chdir(project)
    git(project, "rm", "-r", "--quiet", "registry")
    git(project, "commit", "--quiet", "-m", "none")
    assert next_commands(gitreg("init").err)[1][0] == "gitreg register my-model models/churn"
    (project / "\x1b[31m.pt").touch()
    assert "\x1b" not in gitreg("init").err


def test_register_promote_compare_and_roll_back(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
    assert ran.err == (
        "warning: train.csv is tracked neither by DVC nor by Git: its hash is recorded, but "
        "nothing keeps its bytes; dvc add train.csv\n"
    )
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
        "1",  # how many, not which
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
def test_dry_run_writes_nothing_and_reports_the_same(work: Path, line: str) -> None:
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


def test_a_deleted_version_is_reported_and_its_number_stays_taken(work: Path) -> None:
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


def test_registry_opens_what_the_commands_wrote(work: Path) -> None:
    gitreg("alias", "set", "churn@3", "challenger", "--repo", str(work / "registry"))
    with Registry(work) as registry:
        assert registry.resolve("churn@challenger").version == 3
