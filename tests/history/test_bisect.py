"""`gitreg bisect` on real versions, with real commands: what it tests, finds, skips and resumes."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gitreg import Registry
from gitreg.core.state.bisection import Verdict
from gitreg.errors import NotFound
from gitreg.history.bisect import bisect, plan_bisect
from gitreg.history.bisect_command import CommandTest
from tests.conftest import git, isolate
from tests.support.commands import Ran, error, gitreg

CHECK = """\
import json, os, signal, sys, time
from pathlib import Path
model, here = Path(sys.argv[1]), Path(__file__).parent
number = int(model.read_text())
names = ("PATH", "MODEL", "VERSION", "REFERENCE")
assert [os.environ[f"GITREG_{name}"] for name in names] == [
    str(model), "churn", str(number), f"churn@{number}"
]
with open(here / "runs", "a") as runs:
    runs.write(f"{number} ")
print("the check speaks")
rules = json.loads((here / "rules.json").read_text())
rule = rules.get(str(number))
if rule in ("SIGKILL", "SIGINT"):
    del rules[str(number)]
    (here / "rules.json").write_text(json.dumps(rules))
    os.kill(os.getppid(), getattr(signal, rule))
    time.sleep(1)
sys.exit(rule if rule is not None else number >= rules["bad"])
"""
COUNT = 8


@pytest.fixture(scope="module")
def eight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Versions 1 to 8; into production came 1, 2, 4, 6, 2 (a rollback), 7 and 8."""
    folder = tmp_path_factory.mktemp("bisect") / "work"
    with pytest.MonkeyPatch.context() as patch:
        isolate(patch, tmp_path_factory.mktemp("bisect-home"))
        Registry.init(folder)
        (folder / ".gitignore").write_text("/models/\n")
        (folder / "models").mkdir()
        with Registry(folder) as registry:
            for number in range(1, COUNT + 1):
                (folder / "models" / "churn").write_text(str(number))
                registry.register("churn", folder / "models" / "churn")
            for number in (1, 2, 4, 6):
                registry.promote(f"churn@{number}", stage="production")
            registry.rollback("churn", to=2)
            for number in (7, 8):
                registry.promote(f"churn@{number}", stage="production")
    return folder


@pytest.fixture
def work(eight: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = Path(shutil.copytree(eight, tmp_path / "a b" / "work", symlinks=True))
    monkeypatch.chdir(folder)
    (folder.parent / "check.py").write_text(CHECK)
    return folder


def rules(work: Path, bad: int, statuses: Mapping[int, int | str] | None = None) -> tuple[str, ...]:
    """Say which versions are bad; return the command that tests one."""
    known = {str(version): status for version, status in (statuses or {}).items()}
    (work.parent / "rules.json").write_text(json.dumps({"bad": bad, **known}))
    return ("--", sys.executable, str(work.parent / "check.py"), "{model}")


def runs(work: Path) -> list[int]:
    """Return the versions that were tested since the last call, in that order."""
    file = work.parent / "runs"
    found = [int(number) for number in file.read_text().split()] if file.exists() else []
    file.unlink(missing_ok=True)
    return found


def left(work: Path) -> list[str]:
    """Return what a search left behind in the clone, but for its lock."""
    folder = work / ".git" / "gitreg" / "bisect"
    return [path.name for path in folder.iterdir() if path.suffix != ".running"]


def found(*args: str, code: int = 0) -> dict[str, Any]:
    return dict(gitreg("bisect", "churn", "--json", *args, code=code).json)


def remove(work: Path, version: int) -> None:
    """Take a version's bytes away from everywhere."""
    with Registry(work) as registry:
        md5 = registry.show(f"churn@{version}").artifact.md5
    (object_,) = (work / "registry" / ".dvc" / "cache").rglob(str(md5)[2:])
    object_.unlink()


@pytest.mark.parametrize("bad", [2, 5, COUNT])
def test_it_finds_the_first_bad_version(work: Path, bad: int) -> None:
    answer = found(*rules(work, bad))
    assert (answer["found"], answer["first_bad"], answer["last_good"]) == (True, bad, bad - 1)
    assert len(runs(work)) == len(set(answer["verdicts"])) <= 2 + 3
    assert answer["comparison"]["b"]["version"] == bad
    assert left(work) == []


def test_what_it_prints_and_where(work: Path, capfd: pytest.CaptureFixture[str]) -> None:
    ran = gitreg("bisect", "churn", *rules(work, 5))
    assert ran.out.startswith("churn@5 is the first bad version\nlast good: churn@4; churn@5 was ")
    assert "gitreg compare churn@4 churn@5 --code --data --environment" in ran.out
    assert ran.err.splitlines() == [
        "bisect churn@1 (good) to churn@8 (bad): 8 versions",
        "at most 5 runs, each after a pull: 5 B, of which 0 B to download",
        *(
            line
            for version, verdict in ((1, "good"), (8, "bad"), (4, "good"), (6, "bad"), (5, "bad"))
            for line in (
                f"churn@{version}: pull 1 B, run the command",
                f"churn@{version}: {verdict}",
            )
        ),
    ]
    # The command's own output is neither lost nor mixed with the answer.
    assert capfd.readouterr().err.count("the check speaks") == 5


def test_over_what_was_in_production_by_first_entry(work: Path) -> None:
    answer = found("--production", *rules(work, 6))
    assert (answer["first_bad"], answer["last_good"]) == (6, 4)
    assert set(runs(work)) <= {1, 2, 4, 6, 7, 8}
    # Between them 5 was never in production.
    assert answer["hidden"] == []
    capital = found("--stage", "Production", *rules(work, 7))
    assert (capital["last_good"], capital["stage"]) == (6, "production")
    assert found("--production", "--stage", "Production", *rules(work, 7)) == capital
    assert "none was ever" not in error("bisect", "churn", "--stage", "staging", "--", "true")
    assert "churn@3 was never in production" in error(
        "bisect", "churn", "--production", "--good", "3", "--", "true"
    )
    assert "two stages" in error(
        "bisect", "churn", "--production", "--stage", "staging", "--", "true"
    )


def test_a_folder_without_a_registry_is_named(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    with Registry(tmp_path) as registry, pytest.raises(NotFound, match="no registry"):
        plan_bisect(registry, "churn")


def test_production_is_followed_through_a_new_name(work: Path) -> None:
    with Registry(work) as registry:
        registry.rename_model("churn", "leavers")
        plan = plan_bisect(registry, "leavers", stage="production")
        assert [one.number for one in plan.candidates] == [1, 2, 4, 6, 7, 8]
        assert all(one.since for one in plan.candidates)
        before = plan_bisect(registry, "churn", stage="production", rev="HEAD~1")
        assert [one.since for one in before.candidates] == [one.since for one in plan.candidates]


@pytest.mark.parametrize(
    ("ends", "tested"),
    [
        (("--good", "3", "--bad", "churn@6"), {3, 4, 5, 6}),
        (("--good", "v3", "--bad", "churn/production"), {3, 4, 5, 6, 7, 8}),
        (("--bad", "7", "--rev", "HEAD~1"), {1, 2, 3, 4, 5, 6, 7}),
    ],
)
def test_ends_that_are_named(work: Path, ends: tuple[str, ...], tested: set[int]) -> None:
    assert found(*ends, *rules(work, 5))["first_bad"] == 5
    assert set(runs(work)) <= tested


@pytest.mark.parametrize(
    ("bad", "ends", "said"),
    [
        (1, (), "churn@1, the good end, is bad already"),
        (9, (), "churn@8, the bad end, is good"),
        (3, ("--good", "4"), "churn@4, the good end, is bad already"),
    ],
)
def test_ends_are_verified(work: Path, bad: int, ends: tuple[str, ...], said: str) -> None:
    assert said in gitreg("bisect", "churn", *ends, *rules(work, bad), code=1).err
    assert left(work) == []  # the next search asks again


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--good", "6", "--bad", "3"), "the good one, came after churn@3"),
        (("--good", "3", "--bad", "3"), "churn@3 is both"),
        (("--good", "other@1"), "other@1 is not a version of churn"),
        (("--good", "9"), "churn@9"),
    ],
)
def test_ends_that_make_no_sense(work: Path, options: tuple[str, ...], said: str) -> None:
    assert said in error("bisect", "churn", *options, "--", "true")
    assert "is not a command that can be run" in error("bisect", "churn", "--", "./nowhere.sh")
    assert "no command that tests" in error("bisect", "churn")
    assert "churn@3 is one version" in error("bisect", "churn@3", "--", "true")
    assert runs(work) == []


def test_a_model_with_too_few_versions(work: Path) -> None:
    with Registry(work) as registry:
        registry.create_model("empty")
        registry.register("single", work / "models" / "churn")
    assert "empty has no versions yet" in error("bisect", "empty", "--", "true")
    only = "single@1 is the only version: there is nothing to search"
    assert only in error("bisect", "single", "--", "true")
    assert "nowhere" in error("bisect", "nowhere", "--", "true")


def test_deleted_versions_lost_bytes_and_tests_that_cannot_tell(work: Path) -> None:
    with Registry(work) as registry:
        registry.delete("churn@3")
    remove(work, 5)
    answer = found(*rules(work, 5, {4: 125}), code=1)
    assert (answer["found"], answer["first_bad"], answer["last_good"]) == (False, 6, 2)
    assert answer["hidden"] == [3, 4, 5]
    assert [(one["version"], one["reason"]) for one in answer["skipped"]] == [
        (3, "deleted"),
        (4, "the test cannot tell"),
        (5, "its bytes are neither in the DVC cache nor on the remote"),
    ]
    ran = gitreg("bisect", "churn", *rules(work, 5, {4: 125}), code=1)
    assert ran.out.startswith("the first bad version is one of churn@3, churn@4, churn@5, churn@6")
    assert "not tested: churn@3 (deleted)" in ran.err
    # What is skipped beside the answer hides nothing.
    answer = found(*rules(work, 8, {4: 125}))
    assert (answer["first_bad"], answer["last_good"]) == (8, 7)


def test_a_manifest_that_does_not_parse_is_skipped(work: Path) -> None:
    manifest = work / "registry" / "churn" / "versions" / "4" / "manifest.yaml"
    manifest.write_text("format: 1\n")
    git(work, "commit", "--quiet", "-am", "by hand")
    plan = found("--dry-run")
    assert "manifest.yaml" in plan["candidates"][3]["left_out"]
    assert found(*rules(work, 7))["first_bad"] == 7


def test_an_end_that_cannot_be_tested(work: Path) -> None:
    remove(work, 8)
    assert found(*rules(work, 3, {1: 125}))["first_bad"] == 3  # the next ones are the ends
    assert (
        "churn@8 cannot be tested"
        in gitreg("bisect", "churn", "--bad", "8", *rules(work, 3), code=1).err
    )
    runs(work)
    said = gitreg("bisect", "churn", "--good", "2", "--skip", "2", *rules(work, 3), code=1).err
    assert "churn@2 cannot be tested: left out by --skip" in said
    assert runs(work) == []
    every = rules(work, 3, dict.fromkeys(range(1, COUNT), 125))
    assert (
        "no version of churn between the ends can be tested"
        in gitreg("bisect", "churn", *every, code=1).err
    )
    alone = rules(work, 3, dict.fromkeys(range(2, COUNT), 125))
    assert "only churn@1 can be tested" in gitreg("bisect", "churn", *alone, code=1).err


def test_damaged_bytes_end_it_and_may_be_left_out(work: Path) -> None:
    with Registry(work) as registry:
        md5 = str(registry.show("churn@4").artifact.md5)
    (object_,) = (work / "registry" / ".dvc" / "cache").rglob(md5[2:])
    object_.chmod(0o644)
    object_.write_text("5")
    object_.chmod(0o444)
    said = gitreg("bisect", "churn", *rules(work, 5), code=3).err
    assert "churn@4: " in said
    assert "or leave it out: --skip 4" in said
    assert runs(work) == [1, 8]
    assert found("--skip", "4", *rules(work, 7))["first_bad"] == 7
    assert set(runs(work)).isdisjoint({1, 4, 8})  # and what was known counts


def test_a_remote_that_cannot_be_reached_ends_it(work: Path, tmp_path: Path) -> None:
    config = "[core]\n    remote = store\n['remote \"store\"']\n    url = ../../../store\n"
    (work / "registry" / ".dvc" / "config").write_text(config)
    git(work, "commit", "--quiet", "-am", "a remote beside the clone")
    git(tmp_path, "clone", "--quiet", "--bare", str(work), "bare.git")
    ran = gitreg("bisect", "churn", "--repo", str(tmp_path / "bare.git"), *rules(work, 5), code=3)
    assert "churn@1: the DVC remote 'store' is the folder" in ran.err
    assert "leave it out" not in ran.err  # the others are not there either
    assert runs(work) == []


@pytest.mark.parametrize("status", [128, 200])
def test_a_status_that_says_nothing_ends_it(work: Path, status: int) -> None:
    command = rules(work, 5, {4: status})
    said = gitreg("bisect", "churn", *command, code=3).err
    assert f"churn@4: the command ended with status {status}" in said
    assert runs(work) == [1, 8, 4]
    rules(work, 5)
    assert "going on with 2 verdicts" in gitreg("bisect", "churn", *command).err
    assert runs(work) == [4, 6, 5]


RUN = """\
import signal
from gitreg.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)
main()
"""
"""Runs gitreg; a shell in the background starts its children with Ctrl-C ignored."""


def play(work: Path, command: tuple[str, ...], *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", RUN, "bisect", "churn", "--json", *options, *command],
        cwd=work,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_killed_or_interrupted_it_goes_on_without_a_run_twice(work: Path) -> None:
    command = rules(work, 5, {4: "SIGKILL", 6: "SIGINT"})
    assert play(work, command).returncode == -signal.SIGKILL
    assert runs(work) == [1, 8, 4]
    assert any(name.startswith(".gitreg-") for name in left(work))  # nobody could remove it
    with Registry(work) as registry:
        assert "unfinished" in {finding.code for finding in registry.doctor()}
    interrupted = play(work, command)
    assert (interrupted.returncode, interrupted.stdout) == (130, "")
    assert "interrupted" in interrupted.stderr
    assert runs(work) == [4, 6]
    assert [name for name in left(work) if name.startswith(".gitreg-")] == []
    plan = found("--dry-run", *command)
    assert {one["version"]: one["verdict"] for one in plan["candidates"] if one["verdict"]} == {
        1: "good",
        4: "good",
        8: "bad",
    }
    assert plan["runs"] == 2
    last = play(work, command)
    assert json.loads(last.stdout)["first_bad"] == 5
    assert runs(work) == [6, 5]
    assert left(work) == []


def test_a_changed_command_or_registry_starts_anew_and_so_does_reset(work: Path) -> None:
    command = rules(work, 5, {4: 200})
    for change in ("command", "reset", "registry"):
        gitreg("bisect", "churn", *command, code=3)
        assert runs(work)[-1] == 4
        if change == "command":
            said = gitreg("bisect", "churn", *command, "more", code=3).err
        elif change == "reset":
            assert "forgotten" in gitreg("bisect", "churn", "--reset").err
            assert left(work) == []
            gitreg("bisect", "churn", *command, code=3)
            assert runs(work) == [1, 8, 4]
            said = gitreg("bisect", "churn", "--reset", *command, code=3).err
        else:
            (work / "models" / "churn").write_text("9")
            with Registry(work) as registry:
                registry.register("churn", work / "models" / "churn")
            said = gitreg("bisect", "churn", *command, code=3).err
        assert ("begins anew" in said) == (change != "reset")
        assert runs(work)[0] == 1
        gitreg("bisect", "churn", "--reset")


def test_two_at_once_and_a_damaged_memory(work: Path) -> None:
    command = rules(work, 5, {4: 200})
    gitreg("bisect", "churn", *command, code=3)
    (memory,) = (work / ".git" / "gitreg" / "bisect").glob("*.json")
    memory.write_text('{"identity": [], "verdicts": {"x": 1}')
    runs(work)
    inner = ("--", sys.executable, "-m", "gitreg", "bisect", "churn", "--", "true")
    said = gitreg("bisect", "churn", *inner, code=1)  # to it, the status 3 is bad
    assert "churn@1, the good end, is bad already" in said.err
    assert found(*rules(work, 5))["first_bad"] == 5


def test_the_plan_counts_pulls_and_bytes(work: Path, tmp_path: Path) -> None:
    git(work, "config", "user.name", "Ada")
    (tmp_path / "store").mkdir()
    (work / "registry" / ".dvc" / "config").write_text(
        f"[core]\n    remote = store\n['remote \"store\"']\n    url = {tmp_path}/store\n"
    )
    git(work, "commit", "--quiet", "-am", "share the bytes")
    with Registry(work) as registry:
        state = registry.state()
        registry.artifacts.send(state, [("churn", number) for number in range(1, COUNT + 1)])
    for version in (1, 4, 6, 7):
        remove(work, version)
    plan = found("--dry-run")
    assert (plan["runs"], plan["size"], plan["download"]) == (5, 5, 4)
    assert [one["version"] for one in plan["candidates"] if one["is_cached"]] == [2, 3, 5, 8]
    assert (plan["good"], plan["bad"], plan["stage"]) == (1, 8, None)
    text = gitreg("bisect", "churn", "--dry-run", "--production").out
    assert "6 versions, as they came into production" in text
    assert "churn@6  " in text
    assert not (work / ".git" / "gitreg" / "bisect").exists()
    assert found(*rules(work, 7))["first_bad"] == 7  # and the missing ones are downloaded
    assert found("--dry-run")["download"] < 4


def test_the_words_of_the_command_are_its_own(work: Path) -> None:
    check = ("--", "sh", "-c", 'test "$(cat "$1")" -lt 5 && [ "$2" = -- ] && [ "$3" = "{x}" ]')
    assert found(*check, "sh", "{model}", "--", "{x}")["first_bad"] == 5
    # An option of the command is not one of ours: no JSON after an error.
    ran: Ran = gitreg("bisect", "churn", "--", "false", "--json", code=1)
    assert ran.out == ""


def test_from_python(work: Path) -> None:
    seen: list[Path] = []

    def test(path: Path, version: object) -> Verdict:
        seen.append(path)
        return "good" if int(path.read_text()) < 3 else "bad"

    with Registry(work) as registry:
        plan = plan_bisect(registry, "churn", bad="6")
        answer = bisect(registry, plan, test)
        assert (answer.first_bad.version, answer.last_good.version) == (3, 2)
        assert answer.verdicts == {1: "good", 2: "good", 3: "bad", 6: "bad"}
        assert not any(path.exists() for path in seen)
        silent = CommandTest([sys.executable, "-c", "print('x')"], subprocess.DEVNULL)
        assert silent(work, answer.first_bad) == "good"
    assert left(work) == []


def test_a_shallow_clone_has_versions_but_no_past(work: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{work}", "shallow")
    with Registry(tmp_path / "shallow") as registry:
        assert len(plan_bisect(registry, "churn").candidates) == COUNT
    said = error(
        *("bisect", "churn", "--production", "--repo", str(tmp_path / "shallow"), "--", "true"),
        code=3,
    )
    assert "git fetch --unshallow" in said
