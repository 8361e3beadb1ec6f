"""Whoever may push may not loosen the policy first, where the policy says who may change it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitreg.core.model import layout
from tests.check.attacks.moves import TO_1, TO_3
from tests.conftest import git
from tests.support.client import Client
from tests.support.clones import check
from tests.support.commands import error, gitreg

POLICY = "registry/policy.yaml"
SIGNED = "policy: {signed: {by: [managers]}}\n"
APPROVED = "policy: {approvals: {count: 1, by: [managers]}}\n"

GUARDED: dict[str, dict[str, str | None]] = {
    "the policy": {POLICY: "format: 1\nstages: {production: {holds: 1}, archived: {}}\n"},
    "no policy at all": {POLICY: None},
    "registry/.dvc/config": {"registry/.dvc/config": "[core]\n    remote = mine\n"},
    ".dvc/config": {".dvc/config": "[core]\n    remote = mine\n"},
    "CODEOWNERS": {"CODEOWNERS": "* @mallory\n"},
    "a workflow": {".github/workflows/check.yml": "on: never\n"},
    "GitLab's pipeline": {".gitlab-ci.yml": "check: {script: ['true']}\n"},
}


def guard(client: Client, text: str) -> None:
    """Publish a policy that says who may change it; nobody has said so before."""
    client.commit({POLICY: client.read(POLICY) + text})
    assert client.push()[0] == 0


def refused(client: Client, code: str) -> None:
    status, said = client.push()
    assert status != 0
    assert f"error: {code}: " in said, said


@pytest.mark.parametrize("name", GUARDED)
def test_a_change_of_what_is_guarded_is_signed(client: Client, name: str) -> None:
    guard(client, SIGNED)
    client.commit(GUARDED[name])
    refused(client, "policy-signed")
    client.git("reset", "--quiet", "--hard", "HEAD~1")
    client.commit_signed("mallory", GUARDED[name])
    refused(client, "policy-signed")
    client.git("reset", "--quiet", "--hard", "HEAD~1")
    client.commit_signed("ada", GUARDED[name])
    assert client.push()[0] == 0


def test_what_is_not_guarded_is_free(client: Client) -> None:
    guard(client, SIGNED)
    client.commit({**TO_3, "README.md": "as before\n"})
    assert client.push()[0] == 0


def test_the_guard_of_the_base_judges(client: Client) -> None:
    """Neither taking the guard away first nor putting oneself into the role helps."""
    guard(client, SIGNED)
    text = client.read(POLICY)
    client.commit({POLICY: text.replace(SIGNED, "")})
    client.commit(GUARDED["CODEOWNERS"])
    refused(client, "policy-signed")
    client.git("reset", "--quiet", "--hard", "HEAD~2")
    roles = "managers: [ada@example.com, grace@example.com"
    client.commit_signed("mallory", {POLICY: text.replace(roles, f"{roles}, mallory@example.com")})
    refused(client, "policy-signed")
    assert [one.code for one in check(client.folder, "origin/main").findings] == ["policy-signed"]


def test_a_merge_brings_what_was_signed_and_no_more(client: Client) -> None:
    guard(client, SIGNED)
    client.git("switch", "--quiet", "-c", "side")
    client.commit_signed("ada", GUARDED["CODEOWNERS"])
    client.git("switch", "--quiet", "main")
    client.commit({"README.md": "code goes on\n"})
    client.git("merge", "--quiet", "--no-commit", "side")
    client.commit(GUARDED["a workflow"], "Merge branch 'side'")
    refused(client, "policy-signed")
    client.git("reset", "--quiet", "--hard", "HEAD~1")
    client.git("merge", "--quiet", "--no-edit", "side")
    assert client.push()[0] == 0


def test_a_stale_branch_does_not_bring_the_old_policy_back(client: Client) -> None:
    guard(client, SIGNED)
    client.git("switch", "--quiet", "-c", "side")
    client.commit({"README.md": "a side\n"})
    client.git("switch", "--quiet", "main")
    stricter = client.read(POLICY).replace("at_least: 0.75", "at_least: 0.85")
    client.commit_signed("ada", {POLICY: stricter})
    assert client.push()[0] == 0
    client.git("merge", "--quiet", "--no-commit", "side")
    client.git("checkout", "side", "--", POLICY)
    client.commit(None, "Merge branch 'side'")
    refused(client, "policy-signed")
    client.git("reset", "--quiet", "--hard", "HEAD~1")
    client.git("merge", "--quiet", "--no-edit", "side")
    assert client.push()[0] == 0
    client.commit(TO_1)
    refused(client, "policy-metric")


def test_a_criss_cross_does_not_bring_a_loosened_policy_back(client: Client) -> None:
    """One of two merge bases is from before the policy was loosened, for a while."""
    guard(client, SIGNED)
    strict = client.read(POLICY)
    client.git("switch", "--quiet", "-c", "side")
    client.commit({"side.md": "a side\n"})
    client.git("switch", "--quiet", "main")
    loosened = strict.replace("at_least: 0.75", "at_least: 0.05")
    client.commit_signed("ada", {POLICY: loosened})
    client.git("branch", "loosened")
    client.git("merge", "--quiet", "--no-edit", "side")
    client.commit_signed("ada", {POLICY: strict})
    assert client.push()[0] == 0
    client.git("switch", "--quiet", "side")
    client.git("merge", "--quiet", "--no-edit", "loosened")
    client.git("switch", "--quiet", "main")
    assert len(client.git("merge-base", "--all", "main", "side").split()) == 2
    client.git("merge", "--quiet", "--no-commit", "--strategy=ours", "side")
    client.git("checkout", "side", "--", POLICY)
    client.commit(None, "Merge branch 'side'")
    refused(client, "policy-signed")
    client.git("reset", "--quiet", "--hard", "HEAD~1")
    client.git("switch", "--quiet", "side")
    client.commit({"side.md": "goes on\n"})
    client.git("switch", "--quiet", "main")
    client.git("merge", "--quiet", "--no-edit", "side")
    assert client.read(POLICY) == strict
    assert client.push()[0] == 0


def test_a_change_that_was_squashed_and_taken_back_is_not_merged_again(client: Client) -> None:
    """The signed commit of the request is still there, and the policy is again as before it."""
    guard(client, SIGNED)
    strict = client.read(POLICY)
    loosened: dict[str, str | None] = {POLICY: strict.replace("at_least: 0.75", "at_least: 0.05")}
    client.git("switch", "--quiet", "-c", "side")
    client.commit_signed("ada", loosened)
    client.git("switch", "--quiet", "main")
    client.commit({"README.md": "another change\n"})
    client.commit_signed("ada", loosened)
    client.commit_signed("ada", {POLICY: strict})
    assert client.push()[0] == 0
    client.git("merge", "--quiet", "--no-edit", "side")
    assert client.read(POLICY) != strict
    refused(client, "policy-signed")
    client.git("reset", "--quiet", "--hard", "HEAD~1")
    client.git("switch", "--quiet", "-c", "again")
    client.commit_signed("ada", loosened)
    client.git("switch", "--quiet", "main")
    client.commit({"README.md": "code goes on\n"})
    client.git("merge", "--quiet", "--no-edit", "again")
    assert client.push()[0] == 0


# Approvals


def approve(client: Client, who: str) -> dict[str, str | None]:
    """Return the approval of what the last commit changes, as a file of it."""
    text = gitreg("policy", "statement", "--repo", str(client.folder)).out
    return {layout.change_approval_path(f"{who}@example.com"): client.sign(who, text.encode())}


def test_a_change_of_what_is_guarded_is_approved(client: Client) -> None:
    guard(client, APPROVED)
    client.commit(GUARDED["a workflow"])
    refused(client, "policy-approvals")
    client.commit(approve(client, "grace"), "by hand", "--amend")
    assert client.push()[0] == 0


@pytest.mark.parametrize("who", ["mallory", "ada"])
def test_an_approval_that_does_not_count(client: Client, who: str) -> None:
    """Mallory is no manager; Ada, who is, made the change."""
    guard(client, APPROVED)
    client.commit(GUARDED["a workflow"], "by hand", "--author=Ada <ada@example.com>")
    client.commit(approve(client, who), "by hand", "--amend")
    refused(client, "policy-approvals")


def test_an_approval_is_for_one_change(client: Client) -> None:
    """Neither for another content, nor for the same one once more."""
    guard(client, APPROVED)
    client.commit(GUARDED["a workflow"])
    approval = approve(client, "grace")
    client.commit({**GUARDED["CODEOWNERS"], **approval}, "by hand", "--amend")
    refused(client, "policy-approvals")
    client.git("reset", "--quiet", "--hard", "HEAD~1")
    client.commit({**GUARDED["a workflow"], **approval})
    assert client.push()[0] == 0
    client.commit({".github/workflows/check.yml": "on: push\n"})
    client.commit(approve(client, "grace"), "by hand", "--amend")
    assert client.push()[0] == 0
    client.commit({**GUARDED["a workflow"], **approval})
    refused(client, "policy-approvals")


def test_an_approval_is_no_stray(client: Client, base: Path) -> None:
    guard(client, APPROVED)
    client.commit(GUARDED["a workflow"])
    client.commit(approve(client, "grace"), "by hand", "--amend")
    status, said = client.push()
    assert (status, "stray-file" in said) == (0, False)
    client.commit({"registry/.approvals/policy.nobody.sig": "x\n", "registry/.approvals/x": "x\n"})
    assert client.push()[1].count("stray-file") == 1
    assert git(base / "origin.git", "rev-parse", "main") == client.git("rev-parse", "HEAD")


def test_a_statement_is_of_what_is_guarded(client: Client) -> None:
    folder = str(client.folder)
    assert "the policy does not say who may change it" in error(
        "policy", "statement", "--repo", folder, code=2
    )
    guard(client, APPROVED)
    client.commit(TO_3)
    assert "changes nothing that the policy guards" in error(
        "policy", "statement", "HEAD", "--repo", folder, code=2
    )


def test_what_dvc_reads_in_the_registry_is_ours(client: Client) -> None:
    """A cache that somebody forced into Git is only in the wrong place."""
    client.commit({"registry/.dvc/cache/files/md5/00/11": "x\n"})
    status, said = client.push()
    assert (status, said.count("warning: stray-file")) == (0, 1)
    for path in (
        "registry/.dvc/config.local",
        "registry/churn/.dvc/config",
        "registry/.DVC/config",
        "registry/evil.dvc",
        "registry/churn/dvc.yaml",
    ):
        client.commit({path: "outs: []\n"})
        assert f"error: stray-file: {path}" in client.push()[1]
        client.git("reset", "--quiet", "--hard", "HEAD~1")
