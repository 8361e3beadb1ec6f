"""What one push may cost: above a limit it is refused, and nothing more of it is read."""

from __future__ import annotations

import signal
from hashlib import sha256
from pathlib import Path

import pytest

from gitreg.check.limits import Limits, at_most
from gitreg.errors import GitError, GitregError, InvalidRequest
from gitreg.git import process, steps
from gitreg.git.objects import ObjectReader
from tests.check.attacks.moves import TO_3
from tests.conftest import git
from tests.support.client import Client
from tests.support.clones import check

LARGE = "x" * (steps.MOST_BYTES + 1)


def octopus(client: Client, sides: int, path: str = "sides/{}.txt") -> str:
    """Merge so many branches at once, each with a file of its own."""
    base = client.git("rev-parse", "HEAD")
    heads = []
    for number in range(sides):
        client.git("reset", "--quiet", "--hard", base)
        heads.append(client.commit({path.format(number): "description: a side\n"}))
    client.git("reset", "--quiet", "--hard", base)
    for head in heads:
        client.git("read-tree", "-m", base, "HEAD", head)
        client.git("commit", "--quiet", "--allow-empty", "-m", "gathered")
    tree = client.git("rev-parse", "HEAD^{tree}")
    parents = [word for head in (base, *heads) for word in ("-p", head)]
    merge = client.git("commit-tree", tree, *parents, "-m", "Merge all of them")
    client.git("reset", "--quiet", "--hard", merge)
    return base


@pytest.fixture
def merge_bases(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Count the processes that look for a merge base."""
    asked: list[str] = []
    run = process.run

    def counting(cwd: Path, *args: str, **options: object) -> process.Completed:
        asked.extend(args[:1] if args[0] == "merge-base" and "--all" in args else ())
        return run(cwd, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(process, "run", counting)
    return asked


def test_a_merge_of_many_parents(client: Client, merge_bases: list[str]) -> None:
    base = octopus(client, 30, "registry/side-{}/model.yaml")
    [found] = [one for one in check(client.folder, base).findings if one.is_error]
    assert (found.code, found.subject) == ("over-limit", client.git("rev-parse", "HEAD")[:9])
    assert "a merge of 31 parents that changes the registry: 16 are the most" in found.message
    assert merge_bases == []
    status, said = client.push()
    assert status != 0
    assert "error: over-limit" in said


def test_a_merge_of_many_parents_of_code(client: Client, merge_bases: list[str]) -> None:
    base = octopus(client, 30)
    assert check(client.folder, base).findings == ()
    assert merge_bases == []
    assert client.push()[0] == 0


def test_a_merge_asks_for_the_sides_that_matter(client: Client, merge_bases: list[str]) -> None:
    """One side did something, the others nothing: each of these is compared with that one."""
    base = client.git("rev-parse", "HEAD")
    heads = []
    for number in range(9):
        client.git("reset", "--quiet", "--hard", base)
        files = TO_3 if number == 0 else {}
        heads.append(client.commit(files, f"side {number}"))
    tree = client.git("rev-parse", f"{heads[0]}^{{tree}}")
    parents = [word for head in (base, *heads) for word in ("-p", head)]
    merge = client.git("commit-tree", tree, *parents, "-m", "Merge all of them")
    client.git("reset", "--quiet", "--hard", merge)
    assert check(client.folder, base).findings == ()
    assert len(merge_bases) == 9
    assert client.push()[0] == 0


@pytest.mark.parametrize("most", [2, 3])
def test_the_commits_of_a_push(client: Client, base: Path, most: int) -> None:
    git(base / "origin.git", "config", "gitreg.mostCommits", str(most))
    for number in range(3):
        client.commit({"README.md": f"{number}\n"})
    status, said = client.push()
    assert (status == 0) is (most == 3)
    assert ("gitreg: more than 2 commits up to" in said) is (most == 2)
    assert ("git config gitreg.mostCommits" in said) is (most == 2)


@pytest.mark.parametrize("most", [1000, 1000_000])
def test_the_bytes_of_a_push(client: Client, base: Path, most: int) -> None:
    git(base / "origin.git", "config", "gitreg.mostBytes", str(most))
    noise = "".join(sha256(bytes([n])).hexdigest() for n in range(100))
    client.commit({"noise.txt": noise})
    status, said = client.push()
    assert (status == 0) is (most == 1000_000), said
    assert ("error: over-limit: the push: it sends " in said) is (most == 1000)


@pytest.mark.parametrize("setting", ["0", "many", "-1", ""])
def test_a_limit_is_a_number(setting: str) -> None:
    assert Limits.of({}) == Limits()
    with pytest.raises(InvalidRequest, match=r"gitreg\.mostseconds: expected a number above 0"):
        Limits.of({"gitreg.mostseconds": setting})


def test_the_time_of_a_push() -> None:
    """A check that takes errors for findings does not swallow it."""

    def judge() -> None:
        try:
            signal.raise_signal(signal.SIGALRM)
        except (GitregError, Exception):  # noqa: BLE001  as broad as a check may be
            pytest.fail("it was taken for a finding")

    with pytest.raises(GitError, match="this push takes longer than 60 s"), at_most(60):
        judge()
    with at_most(60):
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


@pytest.mark.parametrize("path", ["registry/churn/model.yaml", "registry/policy.yaml", "dvc.yaml"])
def test_a_file_that_is_too_large_is_not_read(
    client: Client, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    large = client.commit({path: f"description: {LARGE}\n"})
    head = client.commit({"README.md": "goes on\n"})
    asked: list[str] = []
    get_many = ObjectReader.get_many

    def counting(self: ObjectReader, specs: list[str]) -> object:
        asked.extend(specs)
        return get_many(self, specs)

    monkeypatch.setattr(ObjectReader, "get_many", counting)
    report = check(client.folder, "HEAD~2")
    assert [(one.code, one.subject) for one in report.findings] == [("over-limit", path)]
    assert report.commits == 1
    assert large in asked
    assert not {f"{large}:{path}", f"{head}:{path}"} & set(asked)
    assert f"error: over-limit: {path}: this file is larger than" in client.push()[1]


def test_a_large_file_of_ones_own(client: Client) -> None:
    client.commit({"data/notes.txt": LARGE})
    assert client.push()[0] == 0


def test_a_large_message(client: Client) -> None:
    client.commit({"README.md": "a\n"}, "a message", "--no-edit")
    tree = client.git("rev-parse", "HEAD^{tree}")
    commit = client.git("commit-tree", tree, "-p", "HEAD~1", stdin=LARGE.encode())
    client.git("reset", "--quiet", "--hard", commit)
    assert f"commit {commit[:9]} is larger than" in client.push()[1]


def test_a_large_tag(client: Client) -> None:
    client.git("tag", "--annotate", "churn#production#77", "-F", "-", stdin=LARGE.encode())
    assert "error: tag-not-implied" in client.push("origin", "churn#production#77")[1]
    client.git("tag", "--annotate", "release", "-F", "-", stdin=LARGE.encode())
    assert client.push("origin", "refs/tags/release")[0] == 0
