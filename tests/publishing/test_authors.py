"""Somebody else as author of what is written: the commit, and who the rules and manifests name."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.errors import InvalidRequest, Refused
from gitreg.git.repository import GitRepository
from tests.conftest import git, write_model
from tests.support.signers import make_key, use_ssh, write_policy

GRACE = "Grace Hopper <grace@example.com>"
PEOPLE = "--format=%an <%ae>|%cn <%ce>"


def test_the_author_is_who_asked_and_the_committer_who_wrote(stocked: Path) -> None:
    with Registry(stocked) as registry:
        with registry.authored_by("Grace Hopper", "grace@example.com"):
            registry.promote("churn@3", stage="production")
            registry.register("churn", write_model(stocked, "weights 4"))
            registry.delete("churn@1", reason="no more")
        assert registry.show("churn@4").created_by == GRACE
        assert registry.log("churn")[0].author == GRACE
        registry.promote("churn@4", stage="staging")
    people = git(stocked, "log", "-4", PEOPLE).splitlines()
    ada = "Ada Lovelace <ada@example.com>"
    assert people == [f"{ada}|{ada}", *[f"{GRACE}|{ada}"] * 3]
    deleted = (stocked / "registry/churn/versions/1/deleted.yaml").read_text()
    assert f"deleted_by: {GRACE}" in deleted
    assert git(stocked, "for-each-ref", "--format=%(taggername)", "refs/tags/churn@v4.0.0") == (
        "Ada Lovelace"
    )
    git(stocked, "fsck", "--strict")


def test_what_is_published_and_what_is_proposed_has_the_author_too(stocked: Path) -> None:
    with Registry(stocked) as registry, registry.authored_by("Grace Hopper", "grace@example.com"):
        registry.promote("churn@3", stage="production", push=True)
        proposed = registry.promote("churn@1", stage="staging", pr=True)
    assert git(stocked, "log", "-1", "--format=%ae %ce", "origin/main") == (
        "grace@example.com ada@example.com"
    )
    assert git(stocked, "log", "-1", "--format=%ae", str(proposed.commit)) == "grace@example.com"


def test_the_date_of_the_author_stays_that_of_the_environment(
    stocked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_AUTHOR_DATE", "1700000000 +0100")
    with Registry(stocked) as registry, registry.authored_by("Grace Hopper", "grace@example.com"):
        registry.promote("churn@3", stage="production")
    assert git(stocked, "log", "-1", "--format=%an %ad", "--date=raw") == (
        "Grace Hopper 1700000000 +0100"
    )


def test_nobody_approves_what_they_ask_a_server_to_move(stocked: Path, tmp_path: Path) -> None:
    key = make_key(tmp_path / "keys", "grace")
    write_policy(stocked, {"grace@example.com": [key.line]}, count=1)
    use_ssh(stocked, str(key.file))
    with Registry(stocked) as registry:
        registry.approve(registry.preview_approval("churn@3", stage="production"))
        with (
            registry.authored_by("Grace Hopper", "grace@example.com"),
            pytest.raises(Refused, match="0 of 1 approvals"),
        ):
            registry.promote("churn@3", stage="production")
        registry.promote("churn@3", stage="production")


def test_who_overrides_is_who_asked(stocked: Path) -> None:
    policy = stocked / "registry/policy.yaml"
    policy.write_text(
        "format: 1\nstages:\n  staging: {}\n  production:\n"
        "    gates: [{metric: auc, at_least: 2}]\n"
        "    override: {by: [grace@example.com]}\n  archived: {}\n"
    )
    git(stocked, "commit", "--quiet", "-am", "policy")
    with Registry(stocked) as registry:
        with pytest.raises(Refused, match=r"not ada@example\.com"):
            registry.promote("churn@3", stage="production", override="it is night")
        with registry.authored_by("Grace Hopper", "grace@example.com"):
            registry.promote("churn@3", stage="production", override="it is night")
    assert git(stocked, "log", "-1", "--format=%ae") == "grace@example.com"


@pytest.mark.parametrize(
    ("name", "email"),
    [
        ("", "grace@example.com"),
        (" ", "grace@example.com"),
        (".;'", "grace@example.com"),
        (" Grace", "grace@example.com"),
        ("Grace\ncommitter Ada", "grace@example.com"),
        ("Grace\0", "grace@example.com"),
        ("Grace \ud800", "grace@example.com"),
        ("Grace <ada@example.com>", "grace@example.com"),
        ("Grace", ""),
        ("Grace", "grace@example.com> 0 +0000\n"),
        ("Grace", "grace hopper@example.com"),
        ("Grace", ".grace@example.com"),
    ],
)
def test_no_author_of_git_s_is_refused(folder: Path, name: str, email: str) -> None:
    repository = GitRepository(folder)
    with (
        pytest.raises(InvalidRequest, match="Git cannot store the author"),
        repository.authored_by(name, email),
    ):
        raise AssertionError
    assert repository.signature("AUTHOR").person == "Ada Lovelace <ada@example.com>"


def test_after_an_error_the_author_is_who_it_was(folder: Path) -> None:
    repository = GitRepository(folder)
    with repository.authored_by("Grace", "grace@example.com"):
        with pytest.raises(ZeroDivisionError), repository.authored_by("Alan", "alan@example.com"):
            raise ZeroDivisionError
        assert repository.signature("AUTHOR").person == "Grace <grace@example.com>"
        assert repository.signature("COMMITTER").person == "Ada Lovelace <ada@example.com>"
    assert repository.signature("AUTHOR").person == "Ada Lovelace <ada@example.com>"
    repository.close()
