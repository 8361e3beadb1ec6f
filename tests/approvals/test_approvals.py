"""Approvals: what they are for, whose they are, what they cannot be used for."""

from __future__ import annotations

import hashlib
import shutil
from contextlib import closing
from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.approvals.stored import approvers, entries_of
from gitreg.core.model import layout
from gitreg.core.model.keys import parse_key
from gitreg.core.operations.approve import Approval, Entry, approval_of
from gitreg.core.state.state import RegistryState
from gitreg.errors import GitError, InvalidRequest, NotFound, Refused
from gitreg.git.history_index import HistoryIndex
from gitreg.git.repository import GitRepository
from gitreg.publishing.outcome import Outcome
from tests.conftest import git, write_model
from tests.support.clones import check
from tests.support.commands import error, gitreg
from tests.support.signers import Key, make_key, use_ssh, write_policy

ADA, GRACE, ALAN = "ada@example.com", "grace@example.com", "alan@example.com"
WHERE = "registry/churn/versions/3/approvals"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Key]:
    folder = tmp_path_factory.mktemp("keys")
    return {name: make_key(folder, name) for name in ("ada", "grace", "alan", "eve")}


@pytest.fixture
def team(stocked: Path, keys: dict[str, Key]) -> Path:
    """The stocked clone, whose versions ada registered; grace sits at it. churn@2 is served."""
    listed = {f"{name}@example.com": [keys[name].line] for name in ("ada", "grace", "alan")}
    write_policy(stocked, listed, count=1)
    use_ssh(stocked, str(keys["grace"].file))
    return stocked


def approve(folder: Path, reference: str = "churn@3", **options: object) -> Outcome:
    with Registry(folder) as registry:
        preview = registry.preview_approval(reference, stage="production")
        return registry.approve(preview, **options)  # type: ignore[arg-type]


def who_approves(
    folder: Path,
    version: int = 3,
    stage: str = "production",
    replaces: tuple[int, ...] = (2,),
    root: str | None = None,
) -> tuple[str, ...]:
    with Registry(folder) as registry:
        state = registry.state()
        found = state.version("churn", version)
        root = root or git(folder, "rev-list", "--max-parents=0", "HEAD")
        entry = entry_of(folder, stage)
        asked = Approval.over(state.snapshot, root, found, stage, replaces, entry)
        return approvers(state.snapshot, state.policy, asked, lambda: False).given


def entry_of(folder: Path, stage: str = "production") -> Entry:
    with closing(HistoryIndex(GitRepository(folder))) as history:
        history.advance(git(folder, "rev-parse", "HEAD"))
        return entries_of(history)("churn", stage)


def wanted(folder: Path, version: int = 3, stage: str = "production") -> Approval:
    with Registry(folder) as registry:
        root = git(folder, "rev-list", "--max-parents=0", "HEAD")
        return approval_of(registry.state(), root, "churn", version, stage, entry_of(folder, stage))


def keep(folder: Path, name: str, signature: bytes, version: int = 3) -> None:
    """Commit a file as an approval, by hand."""
    path = folder / f"registry/churn/versions/{version}/approvals/{name}.sig"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(signature)
    git(folder, "add", "-f", str(path))
    git(folder, "commit", "--quiet", "-m", "by hand")


def test_an_approval_is_a_file_and_a_commit(team: Path, keys: dict[str, Key]) -> None:
    outcome = approve(team, reason="recall holds")
    path = f"{WHERE}/production.grace@example.com.sig"
    assert git(team, "show", "--name-only", "--format=%s", "HEAD").split("\n") == [
        "approve churn@3 for production",
        "",
        path,
    ]
    assert outcome.tags == outcome.warnings == ()
    assert (team / path).read_bytes().startswith(b"-----BEGIN SSH SIGNATURE-----\n")
    assert "auc 0.9, was 0.8 (churn@2)" in git(team, "log", "-1", "--format=%B")
    assert who_approves(team) == (GRACE,)
    place = layout.locate(path)
    assert place == layout.Place("churn", "approval", "production", 3, GRACE)
    # The text is what the contract says, so that anybody can verify it without gitreg.
    root = git(team, "rev-list", "--max-parents=0", "HEAD")
    manifest = git(team, "show", "HEAD:registry/churn/versions/3/manifest.yaml") + "\n"
    dvc = (team / "registry/churn/versions/3/model.dvc").read_bytes()
    production = "registry/churn/stages/production.yaml"
    moved = git(team, "log", "-1", "--format=%H", "--", production)
    assert wanted(team).text.decode() == (
        f"gitreg-approval 2\nrepository: {root}\nmodel: churn\nlife: first\nversion: 3\n"
        f"manifest: {hashlib.sha256(manifest.encode()).hexdigest()}\n"
        f"dvc: {hashlib.sha256(dvc).hexdigest()}\n"
        f"stage: production\nreplaces: 2\nmoved: {moved}\n"
    )
    again = approve(team)
    assert again.is_unchanged
    with Registry(team) as registry:
        assert not [f for f in registry.doctor() if f.severity == "error"]
        (event,) = registry.log(limit=1)
    assert (event.action, event.version, event.stage, event.pointer, event.reason) == (
        "approve",
        3,
        "production",
        None,
        "recall holds",
    )


def test_it_counts_for_that_move_alone(team: Path) -> None:
    approve(team)
    assert who_approves(team) == (GRACE,)
    assert who_approves(team, stage="staging") == ()
    assert who_approves(team, replaces=()) == ()
    assert who_approves(team, replaces=(1,)) == ()
    assert who_approves(team, replaces=(1, 2)) == ()
    assert who_approves(team, root="0" * 40) == ()
    signature = (team / WHERE / "production.grace@example.com.sig").read_bytes()
    keep(team, "production.grace@example.com", signature, version=1)
    assert who_approves(team, version=1) == ()
    keep(team, "staging.grace@example.com", signature)
    assert who_approves(team, stage="staging") == ()
    manifest = team / "registry/churn/versions/3/manifest.yaml"
    manifest.write_text(manifest.read_text().replace("0.9", "0.99"))
    git(team, "commit", "--quiet", "-am", "nicer numbers")
    assert who_approves(team) == ()


def test_a_rollback_takes_back_what_was_approved(team: Path) -> None:
    approve(team)
    other = team / WHERE / "staging.grace@example.com"
    keep(team, other.name, b"of another stage")
    with Registry(team) as registry:
        registry.promote("churn@3", stage="production")
        # production holds what it held when she looked, and she has not looked since
        registry.rollback("churn", reason="it drifts")
        assert who_approves(team) == ()
        with pytest.raises(Refused, match="0 of 1 approvals"):
            registry.promote("churn@3", stage="production")
        assert registry.check("HEAD^..HEAD").findings == ()
        with pytest.raises(Refused, match="0 of 1 approvals"):
            registry.rollback("churn", to=3)  # what was withdrawn is promoted, and judged so
    assert other.with_name(f"{other.name}.sig").exists()
    assert git(team, "status", "--porcelain") == ""


def test_one_person_counts_once(team: Path, keys: dict[str, Key]) -> None:
    text = wanted(team).text
    second = make_key(team.parent / "more", "second")
    listed = {
        ADA: [keys["ada"].line],
        GRACE: [keys["grace"].line, second.line],
        ALAN: [keys["alan"].line],
    }
    write_policy(team, listed)
    keep(team, "production.grace@example.com", keys["grace"].sign(text))
    keep(team, "production.grace2@example.com", second.sign(text))
    keep(team, "production.alan@example.com", second.sign(text))  # claims to be alan
    assert who_approves(team) == (GRACE,)
    keep(team, "production.alan@example.com", keys["alan"].sign(text))
    assert who_approves(team) == (ALAN, GRACE)
    listed |= {"Grace@Example.com": [keys["eve"].line]}
    write_policy(team, listed)
    keep(team, "production.Grace@Example.com", keys["eve"].sign(text))
    assert len(who_approves(team)) == 2  # whatever the case of her letters


def test_what_is_no_approval(team: Path, keys: dict[str, Key]) -> None:
    text = wanted(team).text
    good = keys["grace"].sign(text)
    for data in (
        b"",
        good[:100],
        good + good,
        b"\0" * 1_000_000,
        good + b"\n" * 1_000_000,
        keys["eve"].sign(text),
        keys["alan"].sign(text),
        keys["grace"].sign(text, "git"),
        keys["grace"].sign(text + b"\n"),
        keys["grace"].sign(text.replace(b"\n", b"\r\n")),
    ):
        keep(team, "production.grace@example.com", data)
        assert who_approves(team) == ()
        with Registry(team) as registry:
            (stored,) = registry.approvals("churn@3")
        assert (stored.verified, stored.principal) == (False, GRACE)
        assert stored.reason
    keep(team, "production.grace@example.com", good.replace(b"\n", b"\r\n"))
    assert who_approves(team) == (GRACE,)
    fingerprint = parse_key(keys["grace"].line).fingerprint
    write_policy(team, {GRACE: [keys["grace"].line]}, (fingerprint,))
    assert who_approves(team) == ()
    write_policy(team, {ALAN: [keys["alan"].line]})
    assert who_approves(team) == ()


def test_a_link_or_a_folder_is_no_approval(team: Path, keys: dict[str, Key]) -> None:
    path = team / WHERE / "production.grace@example.com.sig"
    path.parent.mkdir()
    elsewhere = team / "signature"
    elsewhere.write_bytes(keys["grace"].sign(wanted(team).text))
    path.symlink_to("../../../../../signature")
    git(team, "add", "-f", "signature", str(path))
    git(team, "commit", "--quiet", "-m", "link")
    assert who_approves(team) == ()
    with Registry(team) as registry:
        assert "not-a-file" in {finding.code for finding in registry.doctor()}
    path.unlink()
    path.mkdir()
    (path / "x").write_text("")
    git(team, "add", "-f", "-A", str(path))
    git(team, "commit", "--quiet", "-m", "folder")
    assert who_approves(team) == ()


def test_who_may_not(team: Path, keys: dict[str, Key], tmp_path: Path) -> None:
    before = git(team, "rev-parse", "HEAD")
    for key, words in (
        (keys["eve"].file, "belongs to no signer of the policy"),
        (keys["eve"].private, "belongs to no signer of the policy"),
        (keys["ada"].file, f"{ADA} registered churn@3"),
    ):
        with pytest.raises(Refused, match=words):
            approve(team, key=str(key))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(keys["eve"].file.parent)
        with pytest.raises(Refused, match="belongs to no signer of the policy"):
            approve(team, key=keys["eve"].file.name)  # counted from where one is
    alone = tmp_path / "alone"
    shutil.copy(keys["eve"].private, alone)  # a private key without its public half
    with pytest.raises(Refused, match="belongs to no signer of the policy") as unknown:
        approve(team, key=str(alone))
    assert "gitreg fetch" in str(unknown.value.hint)  # the published policy may list it
    for nowhere in (str(tmp_path / "nope"), str(tmp_path), "", "/"):
        with pytest.raises(NotFound, match="no key"):
            approve(team, key=nowhere)
    git(team, "config", "user.signingkey", "0xDEADBEEF")
    git(team, "config", "gpg.format", "openpgp")
    with pytest.raises(GitError, match="no SSH key") as caught:
        approve(team)
    assert "gpg.format ssh" in str(caught.value.hint)
    use_ssh(team, str(keys["grace"].file))
    with pytest.raises(NotFound, match="no stage 'prod'"), Registry(team) as registry:
        registry.preview_approval("churn@3", stage="prod")
    with pytest.raises(InvalidRequest), Registry(team) as registry:
        registry.preview_approval("churn@3", stage="none")
    with pytest.raises(Refused, match="is in production already"):
        approve(team, "churn@2")
    assert git(team, "rev-parse", "HEAD") == before
    fingerprint = parse_key(keys["grace"].line).fingerprint
    write_policy(team, {GRACE: [keys["grace"].line]}, (fingerprint,))
    with pytest.raises(Refused, match="revoked"):
        approve(team)


def test_what_was_seen_is_what_is_signed(team: Path) -> None:
    with Registry(team) as registry:
        preview = registry.preview_approval("churn@3", stage="production")
        registry.rollback("churn")  # churn@1 is served now
        with pytest.raises(Refused, match="production holds churn@1 now"):
            registry.approve(preview)
        registry.approve(registry.preview_approval("churn@3", stage="production"))
    assert who_approves(team, replaces=(1,)) == (GRACE,)
    assert who_approves(team) == ()


def test_a_stage_that_moved_and_holds_the_same_is_looked_at_again(team: Path) -> None:
    with Registry(team) as registry:
        preview = registry.preview_approval("churn@3", stage="production")
        registry.rollback("churn")
        git(team, "revert", "--no-edit", "HEAD")
        with pytest.raises(Refused, match="production has moved, and holds churn@2 again"):
            registry.approve(preview)


def test_an_approval_that_does_not_hold_any_more_is_made_anew(team: Path) -> None:
    approve(team)
    with Registry(team) as registry:
        registry.rollback("churn")
        (stored,) = registry.approvals("churn@3")
        assert not stored.verified
    outcome = approve(team)
    assert outcome.commit
    assert who_approves(team, replaces=(1,)) == (GRACE,)


def test_withdrawing(team: Path, keys: dict[str, Key]) -> None:
    approve(team)
    with Registry(team) as registry:
        with pytest.raises(NotFound, match="has not approved churn@3"):
            registry.withdraw_approval("churn@3", stage="production", key=str(keys["alan"].file))
        registry.withdraw_approval("churn@3", stage="production", reason="drift")
        assert registry.approvals("churn@3") == []
        assert [event.action for event in registry.log("churn@3", limit=2)] == [
            "withdraw",
            "approve",
        ]
    assert who_approves(team) == ()
    assert [path.name for path in (team / WHERE).iterdir()] == ["production.grace@example.com.off"]


SIG = f"{WHERE}/production.grace@example.com.sig"
OFF = f"{WHERE}/production.grace@example.com.off"


def test_a_withdrawn_approval_does_not_count_again(team: Path) -> None:
    approve(team)
    old = (team / SIG).read_bytes()
    with Registry(team) as registry:
        registry.withdraw_approval("churn@3", stage="production")
    assert (team / OFF).read_text() == "withdrawn: 1\n"
    git(team, "checkout", "--quiet", "HEAD~1", "--", SIG)
    git(team, "commit", "--quiet", "-m", "back out of history")
    assert who_approves(team) == ()
    with Registry(team) as registry:
        (stored,) = registry.approvals("churn@3")
        assert not stored.verified
    approve(team)
    assert who_approves(team) == (GRACE,)
    assert (team / SIG).read_bytes() != old
    assert check(team, "HEAD~3..HEAD").findings == ()


@pytest.mark.parametrize("after", [None, b"withdrawn: 0\n", b"withdrawn: x\n"])
def test_a_withdrawal_is_not_forgotten(team: Path, after: bytes | None) -> None:
    approve(team)
    with Registry(team) as registry:
        registry.withdraw_approval("churn@3", stage="production")
    git(team, "checkout", "--quiet", "HEAD~1", "--", SIG)
    if after is None:
        git(team, "rm", "--quiet", OFF)
    else:
        (team / OFF).write_bytes(after)
    git(team, "commit", "--quiet", "-am", "forget it")
    (found,) = check(team, "HEAD~1..HEAD").findings
    assert found.code == ("immutable" if after is None else "bad-approval")
    assert found.is_error
    assert (after is None) == bool(who_approves(team))


@pytest.mark.parametrize("way", ["archive", "archive and back", "rollback of two"])
def test_an_approval_is_spent_when_its_version_is_taken_out(team: Path, way: str) -> None:
    approve(team)
    with Registry(team) as registry:
        registry.promote("churn@3", stage="production")
        if way == "rollback of two":
            registry.register("churn", write_model(team, "weights 4"))
            approve(team, "churn@4")
            registry.promote("churn@4", stage="production")
            registry.rollback("churn", to=2)
        else:
            registry.archive("churn@3", reason="it is bad")
            if way == "archive and back":
                registry.rollback("churn", to=2)
        assert registry.approvals("churn@3") == []
    assert (team / OFF).read_text() == "withdrawn: 1\n"
    git(
        team,
        "checkout",
        "--quiet",
        git(team, "log", "-1", "--format=%H", "--diff-filter=A", "--", SIG),
        "--",
        SIG,
    )
    git(team, "commit", "--quiet", "-m", "back out of history")
    assert who_approves(team) == ()


def test_approvals_go_with_their_version(team: Path) -> None:
    approve(team)
    with Registry(team) as registry:
        registry.delete("churn@3")
        assert not [f for f in registry.doctor() if f.severity == "error"]
        assert [event.action for event in registry.log(limit=1)] == ["delete"]
    assert git(team, "status", "--porcelain") == ""
    listing = git(team, "ls-files", "registry/churn/versions/3")
    assert listing == "registry/churn/versions/3/deleted.yaml"


def test_what_show_and_log_say(team: Path) -> None:
    ran = gitreg("approve", "churn@3", "--to", "production", "--repo", str(team))
    assert ran.err.splitlines()[0] == "approving churn@3 for production, which holds churn@2"
    assert "    auc 0.9, was 0.8 (churn@2)" in ran.err.splitlines()
    assert "] approve churn@3 for production" in ran.out
    shown = gitreg("show", "churn@3", "--repo", str(team)).out
    assert "grace@example.com, verified" in shown
    with Registry(team) as registry:
        registry.promote("churn@3", stage="production")
    # What it replaced then is known from history.
    found = gitreg("show", "churn@3", "--json", "--repo", str(team)).json
    assert found["approvals"] == [
        {
            "stage": "production",
            "principal": GRACE,
            "verified": True,
            "reason": None,
            "key": found["approval_events"][0]["key"],
        }
    ]
    assert found["approvals"][0]["key"].startswith("SHA256:")
    with Registry(team) as registry:
        registry.rollback("churn")
    found = gitreg("show", "churn@3", "--json", "--repo", str(team)).json
    assert found["approvals"] == []
    row = next(
        text for text in gitreg("log", "--repo", str(team)).out.splitlines() if " approve " in text
    )
    assert row.split()[2:-1] == [
        f"{GRACE},",
        *("committed", "by", "Ada", "Lovelace"),
        *("approve", "churn@3", "production", "-", "-"),
    ]
    assert error("approve", "churn@2", "--to", "production", "--repo", str(team), code=1)


def test_a_dry_run_writes_nothing(team: Path) -> None:
    before = git(team, "rev-parse", "HEAD"), git(team, "status", "--porcelain")
    ran = gitreg("approve", "churn@3", "--to", "production", "--dry-run", "--repo", str(team))
    assert "write registry/churn/versions/3/approvals/production.grace@example.com.sig" in ran.out
    assert (git(team, "rev-parse", "HEAD"), git(team, "status", "--porcelain")) == before


def test_an_approval_nobody_asks_for_is_told_of(team: Path, keys: dict[str, Key]) -> None:
    with Registry(team) as registry:
        outcome = registry.approve(registry.preview_approval("churn@3", stage="staging"))
    assert outcome.warnings == ("the policy asks for no approvals of churn for staging",)


def test_once_under_one_id(team: Path) -> None:
    first = approve(team, op_id="nightly-1")
    again = approve(team, op_id="nightly-1")
    assert (again.commit, again.repeated) == (first.commit, True)


def test_published_in_one_go(team: Path, shared: Path) -> None:
    git(team, "push", "--quiet")
    outcome = approve(team, push=True)
    assert outcome.pushed
    assert git(shared / "origin.git", "rev-parse", "main") == outcome.commit


def test_an_unpublished_approval_is_made_again_while_it_holds(shared: Path, team: Path) -> None:
    git(team, "push", "--quiet")
    git(shared, "clone", "--quiet", "origin.git", "other")
    approve(team)
    with Registry(shared / "other") as registry:
        registry.annotate("churn@3", description="meanwhile", push=True)
    with Registry(team) as registry:
        report = registry.push()
        assert [sent.subject for sent in report.sent] == ["approve churn@3 for production"]
    assert who_approves(team) == (GRACE,)


def test_an_unpublished_approval_that_holds_no_more_is_left(shared: Path, team: Path) -> None:
    git(team, "push", "--quiet")
    git(shared, "clone", "--quiet", "origin.git", "other")
    approve(team)
    with Registry(shared / "other") as registry:
        registry.rollback("churn", push=True)
    with Registry(team) as registry:
        report = registry.push()
    (left,) = report.left
    assert left.reason.startswith("the approval of churn@3 for production no longer holds")


def test_an_unpublished_promotion_goes_with_its_approval(shared: Path, team: Path) -> None:
    git(team, "push", "--quiet")
    git(shared, "clone", "--quiet", "origin.git", "other")
    approve(team)
    with Registry(shared / "other") as registry:
        registry.annotate("churn@3", description="meanwhile", push=True)
    with Registry(team) as registry:
        registry.promote("churn@3", stage="production")
        report = registry.push()
        assert [sent.subject for sent in report.sent] == [
            "approve churn@3 for production",
            "promote churn@3 to production",
        ]
        assert registry.check("HEAD~2..HEAD").findings == ()
    message = git(team, "log", "-1", "--format=%B").splitlines()
    (line,) = (line for line in message if "approvals: 1 of 1 approvals by" in line)
    assert line.endswith(f": {GRACE}")


@pytest.mark.parametrize("change", ["revoked", "two are needed"])
def test_an_unpublished_promotion_is_left_with_its_approval(
    shared: Path, team: Path, keys: dict[str, Key], change: str
) -> None:
    """Judged by the policy of what is published by now, and not of when it was made."""
    git(team, "push", "--quiet")
    git(shared, "clone", "--quiet", "origin.git", "other")
    approve(team)
    with Registry(team) as registry:
        registry.promote("churn@3", stage="production")
    listed = {f"{name}@example.com": [keys[name].line] for name in ("ada", "grace", "alan")}
    if change == "revoked":
        key = parse_key(keys["grace"].line)
        write_policy(shared / "other", listed, revoked=(key.fingerprint,), count=1)
    else:
        write_policy(shared / "other", listed, count=2)
    git(shared / "other", "push", "--quiet")
    with Registry(team) as registry:
        report = registry.push()
    *approvals, promotion = report.left
    assert [left.subject for left in approvals] == (
        ["approve churn@3 for production"] if change == "revoked" else []
    )
    assert promotion.subject == "promote churn@3 to production"
    wanted = "0 of 1 approvals" if change == "revoked" else "1 of 2 approvals"
    assert promotion.reason.startswith(f"churn@3 is not promoted to production: {wanted} by ")
    production = git(shared / "origin.git", "show", "main:registry/churn/stages/production.yaml")
    assert production == "versions:\n- 2"


def test_withdrawn_unpublished_while_somebody_else_publishes(shared: Path, team: Path) -> None:
    approve(team)
    git(team, "push", "--quiet")
    git(shared, "clone", "--quiet", "origin.git", "other")
    with Registry(team) as registry:
        registry.withdraw_approval("churn@3", stage="production")
    with Registry(shared / "other") as registry:
        registry.annotate("churn@3", description="meanwhile", push=True)
    with Registry(team) as registry:
        assert len(registry.push().sent) == 1
        assert registry.approvals("churn@3") == []


def test_squash_and_rebase_keep_it(team: Path) -> None:
    git(team, "switch", "--quiet", "-c", "review")
    approve(team)
    with Registry(team) as registry:
        registry.promote("churn@3", stage="production")
    git(team, "switch", "--quiet", "main")
    git(team, "merge", "--quiet", "--squash", "review")
    git(team, "commit", "--quiet", "-m", "squashed")
    assert check(team, "HEAD~1..HEAD").findings == ()
    with Registry(team) as registry:
        (stored,) = registry.approvals("churn@3")
    assert (stored.verified, stored.principal) == (True, GRACE)
    assert who_approves(team) == ()  # for another entry it does not count


def test_a_shallow_clone_asks_for_the_history_or_cannot_tell(team: Path, shared: Path) -> None:
    approve(team)
    git(team, "push", "--quiet")
    origin = f"file://{shared / 'origin.git'}"
    git(shared, "clone", "--quiet", "--depth=1", origin, "whole")
    git(shared, "clone", "--quiet", "--depth=1", origin, "cut")
    with Registry(shared / "whole") as registry:
        shown = registry.preview_approval("churn@3", stage="production")
        assert shown.approval.version == 3
    git(shared / "cut", "remote", "set-url", "origin", f"file://{shared / 'gone.git'}")
    with Registry(shared / "cut") as registry:
        with pytest.raises(GitError, match="shallow"):
            registry.preview_approval("churn@3", stage="production")
        (stored,) = registry.approvals("churn@3")
        assert not stored.verified
        assert "shallow" in str(stored.reason)
        assert registry.approvals("churn@2") == []


def test_the_state_before_is_asked(team: Path) -> None:
    """`approval_of` names what there is, and says when there is nothing."""
    with Registry(team) as registry:
        state: RegistryState = registry.state()
        with pytest.raises(NotFound):
            approval_of(state, "0" * 40, "churn", 9, "production", Entry())
        asked = approval_of(state, "0" * 40, "churn", 2, "production", Entry())
        assert asked.replaces == ()
    write_model(team, "weights 4")
