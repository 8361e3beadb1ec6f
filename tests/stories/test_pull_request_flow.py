"""The whole way of a pull request, with the host's merge done by plain Git in each way it has.

What GitHub does on *squash*: one commit, by the author of the request, its message that of the
only commit. On *rebase*: the commit again, with another committer. On *merge*: a merge commit, by
whoever pressed the button, whose message says nothing of why.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.errors import LostRace, Refused
from tests.conftest import git, write_model
from tests.publishing.by_hand import commit_by_hand
from tests.review.test_review import reviewed
from tests.stories.test_gto_and_dvc import version_by_gto
from tests.support.signers import make_key, use_ssh, write_policy

GRACE = "Grace Hopper <grace@example.com>"


@pytest.fixture
def host(shared: Path) -> Path:
    """The clone in which the host merges, as whoever presses the button."""
    git(shared, "clone", "--quiet", "origin.git", "host")
    git(shared, "clone", "--quiet", "origin.git", "ada")
    return shared / "host"


def press(host: Path, *command: str, check: bool = True) -> int:
    """Run Git as the host does for the person who presses the button."""
    done = subprocess.run(
        ["git", *command],
        cwd=host,
        env={
            **os.environ,
            "GIT_AUTHOR_NAME": "Grace Hopper",
            "GIT_AUTHOR_EMAIL": "grace@example.com",
            "GIT_COMMITTER_NAME": "GitHub",
            "GIT_COMMITTER_EMAIL": "noreply@github.com",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert not check or done.returncode == 0, done.stderr
    return done.returncode


def prepare(host: Path, branch: str) -> str:
    git(host, "fetch", "--quiet")
    git(host, "switch", "--quiet", "main")
    git(host, "reset", "--quiet", "--hard", "origin/main")
    return f"origin/{branch}"


def merge_commit(host: Path, branch: str) -> int:
    head = prepare(host, branch)
    words = f"Merge pull request #7 from team/{branch}\n\nPromote it"
    return press(host, "merge", "--quiet", "--no-ff", "-m", words, head, check=False)


def squash(host: Path, branch: str) -> int:
    head = prepare(host, branch)
    if code := press(host, "merge", "--quiet", "--squash", head, check=False):
        return code
    author = git(host, "log", "-1", "--format=%an <%ae>", head)
    subject, _, rest = git(host, "log", "-1", "--format=%B", head).partition("\n")
    return press(host, "commit", "--quiet", "--author", author, "-m", f"{subject} (#7)\n{rest}")


def rebase(host: Path, branch: str) -> int:
    head = prepare(host, branch)
    return press(host, "cherry-pick", head, check=False)


Button = Callable[[Path, str], int]
BUTTONS = [merge_commit, squash, rebase]


def land(host: Path, button: Button, branch: str) -> None:
    assert button(host, branch) == 0
    git(host, "push", "--quiet", "origin", "main")


def follow(folder: Path) -> None:
    """Do what a person, or the workflow after a merge, does."""
    with Registry(folder) as registry:
        registry.fetch()
        registry.sync_tags(push=True)


def ask(folder: Path, reference: str = "churn@3", stage: str = "production") -> str:
    with Registry(folder) as registry:
        outcome = registry.promote(
            reference, stage=stage, alias="champion", reason="better recall", pr=True
        )
    return reviewed(outcome).branch


@pytest.mark.parametrize("button", BUTTONS)
@pytest.mark.parametrize("moved", [False, True], ids=["still", "moved"])
def test_the_registry_says_the_same_however_it_is_merged(
    shared: Path, host: Path, button: Button, moved: bool
) -> None:
    ada = shared / "ada"
    branch = ask(ada)
    if moved:  # meanwhile, in another place: no conflict
        with Registry(shared / "work") as others:
            others.promote("tokenizer@1", stage="staging", push=True)
            others.annotate("churn", owner="ada", push=True)
    land(host, button, branch)
    follow(ada)
    with Registry(ada) as registry:
        assert registry.resolve("churn/production").version == 3
        assert registry.resolve("churn@champion").version == 3
        tip = git(ada, "rev-parse", "HEAD")
        events = [event for event in registry.log("churn") if event.commit == tip]
        assert [(e.action, e.pointer, e.version) for e in events] == [
            ("promote", "stages/production", 3),
            ("promote", "stages/archived", 2),
            ("promote", "aliases/champion", 3),
        ]
        for event in events:
            assert event.author == "Ada Lovelace <ada@example.com>"
            assert event.reason == "better recall"
            assert event.subject.startswith("promote churn@3 to production")
        assert len(registry.log("churn/production")) == 3
        assert [f for f in registry.doctor() if f.severity == "error"] == []
        rolled, plan = registry.rollback("churn", push=True)
        assert [version.version for version in plan.restored] == [2]
        assert rolled.change.reverts == tip
        assert registry.resolve("churn@champion").version == 2
    # And a clone that knows only the remote finds the tags that are implied, no others.
    git(shared, "clone", "--quiet", "origin.git", "fresh")
    with Registry(shared / "fresh") as registry:
        report = registry.sync_tags()
        assert (report.made, report.wrong, report.foreign) == ((), (), ())


@pytest.mark.parametrize("button", BUTTONS)
def test_gto_reads_what_was_merged(shared: Path, host: Path, button: Button) -> None:
    land(host, button, ask(shared / "ada"))
    follow(shared / "ada")
    assert version_by_gto(shared / "ada", "churn", "production") == 3


@pytest.mark.parametrize("button", BUTTONS)
def test_the_same_pointer_moved_meanwhile_conflicts(
    shared: Path, host: Path, button: Button
) -> None:
    branch = ask(shared / "ada")
    with Registry(shared / "work") as others:
        others.promote("churn@1", stage="production", reason="instead", push=True)
    main = git(shared / "origin.git", "rev-parse", "main")
    assert button(host, branch) != 0
    git(host, "reset", "--quiet", "--hard")
    with pytest.raises(LostRace, match="was moved in the meantime"):
        ask(shared / "ada")
    assert ask(shared / "ada") == branch  # they were told, and ask again
    assert git(shared / "origin.git", "rev-parse", f"{branch}^") == main
    land(host, button, branch)
    follow(shared / "ada")
    with Registry(shared / "ada") as registry:
        assert registry.resolve("churn/production").version == 3
        assert registry.log("churn/production")[0].before == (1,)


def test_asking_again_after_main_moved_brings_the_branch_along(shared: Path, host: Path) -> None:
    branch = ask(shared / "ada")
    before = git(shared / "origin.git", "rev-parse", branch)
    commit_by_hand(host, "code.py", "pass\n")
    git(host, "push", "--quiet")
    assert ask(shared / "ada") == branch
    after = git(shared / "origin.git", "rev-parse", branch)
    assert after != before
    assert git(shared / "origin.git", "rev-parse", f"{branch}^", "main").split() == 2 * [
        git(host, "rev-parse", "HEAD")
    ]


@pytest.mark.parametrize("button", BUTTONS)
def test_a_number_that_somebody_else_took(shared: Path, host: Path, button: Button) -> None:
    ada = shared / "ada"
    with Registry(ada) as registry:
        first = registry.register("churn", write_model(ada, "by ada"), pr=True)
        branch = reviewed(first).branch
    with Registry(shared / "work") as others:
        others.register("churn", write_model(shared / "work", "by grace"), push=True)
    assert button(host, branch) != 0
    git(host, "reset", "--quiet", "--hard")
    with Registry(ada) as registry:
        again = registry.register("churn", write_model(ada, "by ada"), pr=True)
        assert reviewed(again).branch == branch
        assert (first.versions[0].version, again.versions[0].version) == (4, 5)
    land(host, button, branch)
    follow(ada)
    with Registry(ada) as registry:
        assert registry.model("churn").latest == 5
        assert (registry.pull("churn@5") / "model.pkl").read_text() == "by ada"
        event = registry.log("churn@5")[0]
        assert (event.action, event.author) == ("register", "Ada Lovelace <ada@example.com>")


def test_a_merge_that_was_changed_by_hand_speaks_for_itself(shared: Path, host: Path) -> None:
    branch = ask(shared / "ada")
    head = prepare(host, branch)
    press(host, "merge", "--quiet", "--no-ff", "--no-commit", head)
    (host / "registry/churn/aliases/champion.yaml").write_text("version: 1\n")
    press(host, "commit", "--quiet", "-a", "-m", "Merge pull request #7\n\nAs agreed")
    git(host, "push", "--quiet")
    follow(shared / "ada")
    with Registry(shared / "ada") as registry:
        event = registry.log("churn@champion")[0]
        assert (event.author, event.reason, event.after) == (GRACE, "As agreed", (1,))


def test_a_merge_of_two_operations_speaks_for_itself(shared: Path, host: Path) -> None:
    """One event of the branch has one author: neither is the other's."""
    ada = shared / "ada"
    git(ada, "switch", "--quiet", "-c", "both")
    with Registry(ada) as registry:
        registry.promote("churn@3", stage="staging", reason="one")
        registry.set_alias("churn@3", "challenger", reason="two")
    git(ada, "push", "--quiet", "origin", "both")
    git(ada, "switch", "--quiet", "main")
    land(host, merge_commit, "both")
    follow(ada)
    with Registry(ada) as registry:
        assert {event.author for event in registry.log("churn", limit=2)} == {GRACE}


def test_the_branch_was_brought_up_to_date_by_the_hosts_button(shared: Path, host: Path) -> None:
    branch = ask(shared / "ada")
    commit_by_hand(host, "code.py", "pass\n")
    git(host, "push", "--quiet")
    git(host, "fetch", "--quiet")
    git(host, "switch", "--quiet", "-c", "update", f"origin/{branch}")
    press(host, "merge", "--quiet", "-m", "Merge branch 'main'", "origin/main")
    git(host, "push", "--quiet", "origin", f"update:{branch}")
    land(host, merge_commit, branch)
    follow(shared / "ada")
    with Registry(shared / "ada") as registry:
        event = registry.log("churn/production")[0]
        assert (event.author, event.reason) == ("Ada Lovelace <ada@example.com>", "better recall")


# Under a policy: the request waits for approvals, and CI's check tells


def passes(folder: Path, base: str, head: str) -> tuple[bool, set[str]]:
    with Registry(folder) as registry:
        report = registry.check(f"{base}..{head}")
    return report.passed, {finding.code for finding in report.findings}


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs ssh-keygen")
@pytest.mark.parametrize("button", BUTTONS)
def test_approvals_are_awaited_and_come_by_request_too(
    shared: Path, host: Path, tmp_path: Path, button: Button
) -> None:
    ada, grace = shared / "ada", shared / "grace"
    keys = {who: make_key(tmp_path / "keys", who) for who in ("ada", "grace")}
    write_policy(
        ada,
        {f"{who}@example.com": [key.line] for who, key in keys.items()},
        count=1,
    )
    git(ada, "push", "--quiet")
    git(shared, "clone", "--quiet", "origin.git", "grace")
    use_ssh(grace, str(keys["grace"].file))
    branch = ask(ada)
    git(host, "fetch", "--quiet")
    with Registry(ada) as registry:
        outcome = registry.promote("churn@3", stage="production", reason="better recall", pr=True)
        assert any(
            line.startswith("awaited: approvals: 0 of 1") for line in outcome.change.evidence
        )
        assert "| failed | <code>approvals</code> |" in reviewed(outcome).body
        with pytest.raises(Refused, match="0 of 1 approvals"):
            registry.promote("churn@3", stage="production", push=True)
    branch = reviewed(outcome).branch
    git(host, "fetch", "--quiet")
    assert passes(host, "origin/main", f"origin/{branch}") == (False, {"policy-approvals"})

    with Registry(grace) as registry:
        approval = registry.approve(
            registry.preview_approval("churn@3", stage="production"), pr=True
        )
    land(host, button, reviewed(approval).branch)
    with Registry(ada) as registry:
        again = registry.promote("churn@3", stage="production", reason="better recall", pr=True)
    assert reviewed(again).branch == branch
    assert any(line.startswith("approvals: 1 of 1") for line in again.change.evidence)
    git(host, "fetch", "--quiet")
    assert passes(host, "origin/main", f"origin/{branch}") == (True, set())
    before = git(host, "rev-parse", "origin/main")
    land(host, button, branch)
    assert passes(host, before, "HEAD") == (True, set())
    follow(ada)
    with Registry(ada) as registry:
        assert registry.resolve("churn/production").version == 3
