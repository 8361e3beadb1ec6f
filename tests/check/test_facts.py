"""What the rules are answered by a real clone: signatures, approvals, listings, branches."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.check.clone_facts import CloneFacts
from gitreg.core.model.model import Artifact
from tests.conftest import git
from tests.support.commands import error, gitreg
from tests.support.signers import Key, make_key, use_ssh

ADA, GRACE = "ada@example.com", "grace@example.com"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Key]:
    folder = tmp_path_factory.mktemp("keys")
    return {name: make_key(folder, name) for name in ("ada", "grace", "eve")}


@pytest.fixture
def team(stocked: Path, keys: dict[str, Key], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The stocked clone, whose versions Ada registered; production is signed and approved."""
    monkeypatch.chdir(stocked)
    (stocked / "registry" / "policy.yaml").write_text(
        "format: 1\n"
        "stages:\n"
        "  production:\n"
        "    holds: 1\n"
        "    replaced: archived\n"
        "    approvals: {count: 1, by: [team]}\n"
        "    signed: {by: [team]}\n"
        "    override: {by: [team]}\n"
        "  archived: {}\n"
        f"signers: {{{ADA}: [{keys['ada'].line}], {GRACE}: [{keys['grace'].line}]}}\n"
        f"roles: {{team: [{ADA}, {GRACE}]}}\n"
    )
    git(stocked, "commit", "--quiet", "-am", "a policy")
    return stocked


PROMOTE = ("promote", "churn@3", "--to", "production")


def test_a_move_is_approved_by_another_and_signed(team: Path, keys: dict[str, Key]) -> None:
    said = error(*PROMOTE, code=1)
    assert "0 of 1 approvals by team" in said
    assert "not signed by a known key" in said
    use_ssh(team, str(keys["grace"].file))
    gitreg("approve", "churn@3", "--to", "production")
    use_ssh(team, str(keys["ada"].file), commits=True)
    gitreg(*PROMOTE)
    message = git(team, "log", "-1", "--format=%B")
    assert f"  approvals: 1 of 1 approvals by team: {GRACE}\n" in message
    assert f"  signed: signed by {ADA}\n" in message
    gitreg("rollback", "churn")
    git(team, "config", "commit.gpgsign", "false")
    assert "not signed" in error("archive", "churn@2", code=1)


def test_who_signs_does_not_approve(team: Path, keys: dict[str, Key]) -> None:
    use_ssh(team, str(keys["grace"].file), commits=True)
    gitreg("approve", "churn@3", "--to", "production")
    assert f"(one's own does not count: {GRACE})" in error(*PROMOTE, code=1)


@pytest.mark.parametrize("trouble", ["a stranger's key", "no such file", "OpenPGP", "not asked to"])
def test_who_is_known_to_sign(team: Path, keys: dict[str, Key], trouble: str) -> None:
    use_ssh(team, str(keys["ada"].file), commits=trouble != "not asked to")
    if trouble == "a stranger's key":
        git(team, "config", "user.signingkey", str(keys["eve"].file))
    elif trouble == "no such file":
        git(team, "config", "user.signingkey", str(team / "nowhere.pub"))
    elif trouble == "OpenPGP":
        git(team, "config", "gpg.format", "openpgp")
        git(team, "config", "user.signingkey", "ADA")
    # Not even an override is theirs: the e-mail of an author is free text.
    said = error(*PROMOTE, "--override", "let me", code=1)
    assert "not signed by a known key" in said
    assert "not who has not signed" in said


def facts(registry: Registry) -> CloneFacts:
    found = registry._mover(registry.state()).facts
    assert isinstance(found, CloneFacts)
    return found


def test_files_are_listed_from_cache_or_remote(stocked: Path) -> None:
    with Registry(stocked) as registry:
        artifact = registry.show("churn@3").artifact
        assert sorted(facts(registry).files(artifact) or ()) == ["features.json", "model.pkl"]
        assert facts(registry).is_on_remote(artifact) is True
    shutil.rmtree(stocked / "registry" / ".dvc" / "cache")
    with Registry(stocked) as registry:
        assert sorted(facts(registry).files(artifact) or ()) == ["features.json", "model.pkl"]
    shutil.rmtree(stocked.parent / "dvc-remote")
    with Registry(stocked) as registry:
        assert facts(registry).files(artifact) is None
        assert not facts(registry).is_on_remote(artifact)
        alone = Artifact("model.pkl", 1, 1, "", "d4" * 16)
        assert facts(registry).files(alone) == ("model.pkl",)
        bare = Artifact("model", 1, 1, "")
        assert (facts(registry).files(bare), facts(registry).is_on_remote(bare)) == (None, None)


def test_branches_here_and_of_remotes(stocked: Path) -> None:
    first, head = (git(stocked, "rev-parse", name) for name in ("HEAD~1", "HEAD"))
    git(stocked, "push", "--quiet", "origin", "HEAD~1:refs/heads/release")
    git(stocked, "fetch", "--quiet", "origin", "release:refs/remotes/origin/release")
    with Registry(stocked) as registry:
        asked = facts(registry)
        assert asked.is_reachable(first, "release") is True
        assert asked.is_reachable(head, "release") is False
        assert asked.is_reachable(head, "main") is True
        assert asked.is_reachable(head, "nowhere") is None
        assert asked.is_reachable(head, "a\nb") is None
        assert asked.is_reachable("4b" * 20, "main") is None


def test_when_a_version_entered(stocked: Path) -> None:
    with Registry(stocked) as registry:
        event = next(e for e in registry.log("churn/production") if e.after == (2,))
        asked = facts(registry)
        entered = asked.entered("churn", 2, "production")
        assert entered == int(git(stocked, "log", "-1", "--format=%ct", event.commit))
        assert asked.entered("churn", 3, "production") is None
