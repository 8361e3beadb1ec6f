"""Attacks on rendered files: what is deployed without its pointer, and pointers without theirs."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from gitreg import Registry, hooks
from gitreg.git.repository import GitRepository
from tests.conftest import git
from tests.registry.test_renders import ENV, POLICY
from tests.support.clones import check, commit

FILE, POINTER = ENV.format("churn"), "registry/churn/stages/production.yaml"
Attack = Callable[[Path], None]


@pytest.fixture
def work(stocked: Path) -> Path:
    commit(stocked, {"registry/policy.yaml": POLICY}, "render")
    with Registry(stocked) as registry:
        registry.render(push=True)
    return stocked


RULE = "    - {to: 'deploy/{model}/{stage}/model.env', as: env}\n"


def now(work: Path) -> str:
    return (work / FILE).read_text()


def moved(work: Path) -> None:
    """Move the pointer by hand, as a promotion does."""
    archived = "registry/churn/stages/archived.yaml"
    commit(work, {POINTER: "versions:\n- 3\n", archived: "versions:\n- 1\n- 2\n"})


def plumbed(work: Path, mode: str, path: str, text: str) -> None:
    (work / "blob").write_text(text)
    oid = git(work, "hash-object", "-w", "blob")
    (work / "blob").unlink()
    if path != FILE:
        git(work, "rm", "-r", "--quiet", "--cached", path)
    git(work, "update-index", "--add", "--cacheinfo", f"{mode},{oid},{path}")
    git(work, "commit", "--quiet", "-m", "by hand")


def edited_alone(work: Path) -> None:
    commit(work, {FILE: now(work).replace("VERSION=2", "VERSION=3")})


def line_added(work: Path) -> None:
    commit(work, {FILE: now(work) + "LD_PRELOAD=/tmp/x.so\n"})


def other_commit(work: Path) -> None:
    said = next(line for line in now(work).splitlines() if "COMMIT" in line)
    head = git(work, "rev-parse", "HEAD")
    commit(work, {FILE: now(work).replace(said, f"GITREG_COMMIT={head}")})


def other_digest(work: Path) -> None:
    said = next(line for line in now(work).splitlines() if "SHA256" in line)
    commit(work, {FILE: now(work).replace(said, f"GITREG_SHA256={'0' * 64}")})


def other_models(work: Path) -> None:
    commit(work, {FILE: now(work).replace("churn", "tokenizer")})


def removed(work: Path) -> None:
    commit(work, {FILE: None})


def left_behind(work: Path) -> None:
    moved(work)


def left_when_emptied(work: Path) -> None:
    commit(work, {POINTER: None})


def ahead_of_the_pointer(work: Path) -> None:
    with Registry(work) as registry:
        registry.promote("churn@3", stage="production")
    git(work, "checkout", "--quiet", "HEAD~1", "--", "registry", "dvc.yaml")
    git(work, "commit", "--quiet", "--amend", "-m", "only the files")


def symlink(work: Path) -> None:
    plumbed(work, "120000", FILE, now(work))


def symlinked_folder(work: Path) -> None:
    plumbed(work, "120000", "deploy", "/tmp")


def submodule(work: Path) -> None:
    git(work, "rm", "-r", "--quiet", "--cached", "deploy/churn")
    head = git(work, "rev-parse", "HEAD")
    git(work, "update-index", "--add", "--cacheinfo", f"160000,{head},deploy/churn")
    git(work, "commit", "--quiet", "-m", "by hand")


def executable(work: Path) -> None:
    plumbed(work, "100755", FILE, now(work))


def twin_by_case(work: Path) -> None:
    commit(work, {FILE.replace("deploy", "Deploy"): now(work)})


def large(work: Path) -> None:
    commit(work, {FILE: now(work) + "#" * 100_000})


def merged(work: Path) -> None:
    git(work, "checkout", "--quiet", "-b", "side")
    edited_alone(work)
    git(work, "checkout", "--quiet", "main")
    commit(work, {"code.py": "pass\n"})
    git(work, "merge", "--quiet", "--no-ff", "-m", "merge", "side")


def edited_and_reverted(work: Path) -> None:
    edited_alone(work)
    git(work, "revert", "--no-edit", "HEAD")


def edited_while_no_rule_names_it(work: Path) -> None:
    commit(work, {"registry/policy.yaml": POLICY.replace(RULE, "")})
    commit(work, {FILE: now(work).replace("VERSION=", "VERSION=9")})
    commit(work, {"registry/policy.yaml": POLICY})


ATTACKS: list[Attack] = [
    edited_alone,
    line_added,
    other_commit,
    other_digest,
    other_models,
    removed,
    left_behind,
    left_when_emptied,
    ahead_of_the_pointer,
    symlink,
    symlinked_folder,
    submodule,
    executable,
    twin_by_case,
    large,
    merged,
    edited_and_reverted,
    edited_while_no_rule_names_it,
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_is_refused(work: Path, attack: Attack) -> None:
    base = git(work, "rev-parse", "HEAD")
    attack(work)
    report = check(work, f"{base}..HEAD")
    assert "wrong-render" in {one.code for one in report.findings if one.is_error}


def test_the_hook_refuses_too(work: Path, shared: Path) -> None:
    hooks.install(GitRepository(shared / "origin.git"), "pre-receive")
    edited_alone(work)
    done = subprocess.run(
        ["git", "push", "origin", "main"], cwd=work, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "wrong-render" in done.stderr
    git(work, "reset", "--quiet", "--hard", "origin/main")
    with Registry(work) as registry:
        registry.promote("churn@3", stage="production", push=True)
    assert git(shared / "origin.git", "rev-parse", "main") == git(work, "rev-parse", "HEAD")


def test_a_clones_own_hook_refuses_it_before_the_commit(work: Path) -> None:
    hooks.install(GitRepository(work), "pre-commit")
    (work / FILE).write_text(now(work).replace("VERSION=2", "VERSION=3"))
    command = ["git", "commit", "--quiet", "-am", "by hand"]
    done = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "wrong-render" in done.stderr
    git(work, "checkout", "--quiet", "HEAD", "--", FILE)
    commit(work, {"code.py": "pass\n"})


def promoted(work: Path) -> None:
    with Registry(work) as registry:
        registry.promote("churn@3", stage="production")


def reverted(work: Path) -> None:
    promoted(work)
    git(work, "revert", "--no-edit", "HEAD")


def moved_and_rendered(work: Path) -> None:
    """Move the pointer by hand, let gitreg render, and make one commit of both."""
    moved(work)
    with Registry(work) as registry:
        registry.render()
    git(work, "reset", "--quiet", "--soft", "HEAD~2")
    git(work, "commit", "--quiet", "-m", "by hand")


def no_longer_rendered(work: Path) -> None:
    commit(work, {"registry/policy.yaml": POLICY.replace(RULE, ""), FILE: None})


def rendered_after_its_rule(work: Path) -> None:
    no_longer_rendered(work)
    commit(work, {"registry/policy.yaml": POLICY})
    with Registry(work) as registry:
        registry.render()


def merged_honestly(work: Path) -> None:
    git(work, "checkout", "--quiet", "-b", "side")
    promoted(work)
    git(work, "checkout", "--quiet", "main")
    commit(work, {"code.py": "pass\n"})
    git(work, "merge", "--quiet", "--no-ff", "-m", "merge", "side")


@pytest.mark.parametrize(
    "honest",
    [
        *(promoted, reverted, moved_and_rendered, merged_honestly),
        *(no_longer_rendered, rendered_after_its_rule),
    ],
)
def test_its_honest_twin_passes(work: Path, honest: Attack) -> None:
    base = git(work, "rev-parse", "HEAD")
    honest(work)
    report = check(
        work,
        f"{base}..HEAD",
        only_registry=honest not in (no_longer_rendered, rendered_after_its_rule),
    )
    assert [one for one in report.findings if one.code in ("wrong-render", "smuggled")] == []
