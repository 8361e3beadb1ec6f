"""Many writers, one registry: real processes that publish at once, and what is left of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from gitreg import Registry
from tests.conftest import git, write_model
from tests.support import invariants
from tests.support.extent import extent
from tests.support.invariants import check_registry

GITREG = [sys.executable, "-m", "gitreg"]
PATIENCE = extent(120, 1200)
"""How long a writer may take altogether, in seconds; only a hang ever takes so long."""
TURNS = extent(4, 50)

# Each line that it reads is an operation: method and keywords. It starts with the others, and
# prints the id of an operation once it is done. One that lost to somebody else is run again, as a
# person would who looked at the winner and still wants it.
WRITER = """
import json, sys
from gitreg import Registry
from gitreg.errors import LostRace

folder, *lines = sys.argv[1:]
with Registry(folder) as registry:
    print("ready", flush=True)
    sys.stdin.readline()
    for line in lines:
        method, positional, keywords = json.loads(line)
        lost = 0
        while True:
            try:
                done = getattr(registry, method)(*positional, **keywords)
            except LostRace as error:
                lost += 1
                if lost == 50 or "which this would change, was moved" not in str(error):
                    raise
                registry.fetch()  # as the hint says: under an id, only that tells who asks again
            else:
                break
        outcome = done[0] if isinstance(done, tuple) else done
        print(json.dumps([keywords["op_id"], outcome.commit, lost]), flush=True)
"""


def environment(name: str) -> dict[str, str]:
    """Return the environment of a colleague."""
    return {**os.environ, "GIT_AUTHOR_NAME": name, "GIT_COMMITTER_NAME": name}


@dataclass(frozen=True)
class Operation:
    """One call of the API, or one command line, with its id."""

    id: str
    method: str
    positional: tuple[str, ...]
    keywords: Mapping[str, object]

    @property
    def line(self) -> str:
        return json.dumps([self.method, self.positional, {**self.keywords, "op_id": self.id}])


def clones(shared: Path, count: int) -> list[Path]:
    """Return clones of as many people, each with models of their own to register."""
    folders = []
    for number in range(count):
        folder = shared / f"clone-{number}"
        git(shared, "clone", "--quiet", "origin.git", folder.name)
        write_model(folder, f"weights of {number}", f"models/m{number}")
        folders.append(folder)
    return folders


def at_once(jobs: Sequence[tuple[Path, Sequence[Operation]]]) -> dict[str, str]:
    """Let writers run at once, a process each; return the commits of what they acknowledged."""
    running = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder), *(operation.line for operation in todo)],
            env=environment(f"Writer {number}"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number, (folder, todo) in enumerate(jobs)
    ]
    for process in running:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    acknowledged: dict[str, str] = {}
    for process in running:  # a line each: they start together
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in running:
        out, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, err
        for line in out.splitlines():
            name, commit, _ = json.loads(line)
            acknowledged[name] = commit
    assert set(acknowledged) == {operation.id for _, todo in jobs for operation in todo}
    return acknowledged


def written(acknowledged: Mapping[str, str | None]) -> list[str]:
    """Return the ids that must be in history: an operation that found all so writes no commit."""
    return [name for name, commit in acknowledged.items() if commit is not None]


def test_writers_in_clones_of_their_own(shared: Path) -> None:
    """Each registers a version of the same model and of its own, and moves shared pointers."""
    folders = clones(shared, 3)
    pushed = {"push": True}
    jobs = [
        (
            folder,
            [
                Operation(f"same-{n}", "register", ("churn", str(folder / f"models/m{n}")), pushed),
                Operation(f"own-{n}", "register", (f"m{n}", str(folder / f"models/m{n}")), pushed),
                Operation(
                    f"promote-{n}",
                    "promote",
                    (f"churn@{n + 1}",),
                    {"stage": "production", "alias": "champion", "reason": "better", **pushed},
                ),
                Operation(f"stage-{n}", "promote", (f"m{n}@1",), {"stage": "staging", **pushed}),
            ],
        )
        for n, folder in enumerate(folders)
    ]
    acknowledged = at_once(jobs)
    check_registry(shared / "origin.git", written(acknowledged))
    log = git(shared / "origin.git", "log", "--format=%H", "main").split()
    assert {commit for commit in acknowledged.values() if commit} <= set(log)
    for folder in folders:
        assert git(folder, "status", "--porcelain") == ""
        with Registry(folder) as registry:
            registry.fetch()
            assert registry.model("churn").latest == 6
        assert git(folder, "rev-parse", "HEAD") == log[0]


def test_command_lines_at_once(shared: Path) -> None:
    """As three people would type them; whoever loses decides again and runs it again."""
    folders = clones(shared, 3)

    def start(number: int, version: int) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [
                *GITREG,
                "promote",
                f"churn@{version}",
                "--to",
                "production",
                "--push",
                "--op-id",
                f"typed-{number}",
            ],
            cwd=folders[number],
            env=environment(f"Writer {number}"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    wanted = {0: 3, 1: 1, 2: 3}
    acknowledged: list[str] = []
    left = dict(wanted)
    for _ in range(5):
        running = {number: start(number, version) for number, version in left.items()}
        for number, process in running.items():
            out, err = process.communicate(timeout=PATIENCE)
            if process.returncode == 0:
                left.pop(number)
                if "already up to date" not in out:
                    acknowledged.append(f"typed-{number}")
                continue
            assert process.returncode == 3, err
            assert "churn/production, which this would change, was moved by Writer" in err
            assert "nothing was published" in err
            assert "gitreg log churn/production" in err
        if not left:
            break
    assert not left
    assert acknowledged
    check_registry(shared / "origin.git", acknowledged)


def test_processes_in_one_clone(shared: Path) -> None:
    """The lock lets one after the other; with --push and without, side by side."""
    work = shared / "work"
    jobs = [
        (
            work,
            [
                Operation(f"push-{n}", "set_alias", (f"churn@{n % 3 + 1}", "busy"), {"push": True})
                for n in range(TURNS)
            ],
        ),
        (
            work,
            [
                Operation(f"here-{n}", "set_alias", ("tokenizer@1", f"t{n}"), {})
                for n in range(TURNS)
            ],
        ),
    ]
    acknowledged = at_once(jobs)
    with Registry(work) as registry:
        report = registry.push()
        assert (report.left, report.own) == ((), ())
    assert git(work, "status", "--porcelain") == ""
    assert git(work, "rev-parse", "HEAD") == git(work, "rev-parse", "origin/main")
    check_registry(shared / "origin.git", written(acknowledged))


def test_a_colleague_who_commits_by_hand(shared: Path) -> None:
    """Plain git commit, pull --rebase and push of other files, beside gitreg's writers."""
    folders = clones(shared, 2)
    by_hand = folders.pop()
    (by_hand / "code").mkdir()
    script = (
        "set -e\nread -r _ \n"
        "for n in 1 2 3 4 5 6; do\n"
        '  echo $n > code/$n.py; git add code/$n.py; git commit --quiet -m "code $n"\n'
        "  until git push --quiet; do git pull --quiet --rebase; done\n"
        "done\n"
    )
    process = subprocess.Popen(
        ["sh", "-c", script],
        cwd=by_hand,
        env=environment("Grace Hopper"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()
    acknowledged = at_once(
        [
            (
                folder,
                [
                    Operation(
                        f"mine-{i}", "set_alias", (f"churn@{i % 3 + 1}", "busy"), {"push": True}
                    )
                    for i in range(5)
                ],
            )
            for n, folder in enumerate(folders)
        ]
    )
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    check_registry(shared / "origin.git", written(acknowledged))
    subjects = git(shared / "origin.git", "log", "--format=%s", "main").split("\n")
    assert [s for s in reversed(subjects) if s.startswith("code ")] == [
        f"code {n}" for n in range(1, 7)
    ]
    assert git(by_hand, "status", "--porcelain") == ""


# The judge itself: one that finds nothing wrong with anything proves nothing.


def test_the_judge_is_content_with_a_good_registry(shared: Path) -> None:
    assert list(invariants.problems(shared / "origin.git", [])) == []


def _commit(shared: Path, files: Mapping[str, str | None], message: str = "by hand") -> None:
    folder = shared / "saboteur"
    git(shared, "clone", "--quiet", "origin.git", "saboteur")
    for path, text in files.items():
        file = folder / path
        if text is None:
            file.unlink()
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
    git(folder, "add", "--all", "--force")
    git(folder, "commit", "--quiet", "--allow-empty", "-m", message)
    git(folder, "push", "--quiet")


def _lose_an_object(shared: Path) -> None:
    shutil.rmtree(next((shared / "dvc-remote" / "files" / "md5").iterdir()))


def _damage_an_object(shared: Path) -> None:
    place = next(p for p in (shared / "dvc-remote").rglob("*") if p.is_file())
    place.chmod(0o644)
    place.write_text("damaged")


def _merge(shared: Path) -> None:
    folder = shared / "saboteur"
    git(shared, "clone", "--quiet", "origin.git", "saboteur")
    git(folder, "switch", "--quiet", "-c", "side")
    git(folder, "commit", "--quiet", "--allow-empty", "-m", "side")
    git(folder, "switch", "--quiet", "main")
    git(folder, "merge", "--quiet", "--no-ff", "side", "-m", "merge")
    git(folder, "push", "--quiet")


PRODUCTION = "registry/churn/stages/production.yaml"
VERSION = "registry/churn/versions"

SABOTAGE = [
    (lambda s: _commit(s, {PRODUCTION: "versions:\n- 9\n"}), "name 9, not there"),
    (lambda s: _commit(s, {PRODUCTION: "versions:\n- 1\n- 2\n"}), "into 2 stages"),
    (lambda s: _commit(s, {f"{VERSION}/2/requirements.txt": "x\n"}), "changes registry/churn"),
    (lambda s: _commit(s, {f"{VERSION}/2/manifest.yaml": None}), "changes registry/churn"),
    (lambda s: _commit(s, {f"{VERSION}/7/manifest.yaml": "x: 1\n"}), "registers churn@7"),
    (lambda s: _commit(s, {}, "x\n\nGitreg-Op: twice\nGitreg-Op: twice"), "is there 2 times"),
    (
        lambda s: _commit(
            s,
            {"registry/churn/aliases/champion.yaml": "version: 3\n"},
            "set\n\nGitreg-Action: alias\nGitreg-Model: churn\nGitreg-Version: 3\n"
            "Gitreg-Alias: champion\nGitreg-Replaces: 1",
        ),
        r"says it replaces \[1\]",
    ),
    (_lose_an_object, "not on the DVC remote"),
    (_damage_an_object, "damaged"),
    (_merge, "has 2 parents"),
    (lambda s: git(s / "origin.git", "tag", "-d", "churn@v1.0.0"), "made: churn@v1.0.0"),
    (lambda s: git(s / "origin.git", "tag", "churn#production#99", "main"), "foreign"),
]


@pytest.mark.parametrize(("spoil", "told"), SABOTAGE, ids=[told for _, told in SABOTAGE])
def test_the_judge_finds_what_is_wrong(shared: Path, spoil: object, told: str) -> None:
    assert callable(spoil)
    spoil(shared)
    with pytest.raises(AssertionError, match=told):
        check_registry(shared / "origin.git", [])


def test_the_judge_misses_an_operation(shared: Path) -> None:
    with pytest.raises(AssertionError, match="never-done was acknowledged and is lost"):
        check_registry(shared / "origin.git", ["never-done"])
