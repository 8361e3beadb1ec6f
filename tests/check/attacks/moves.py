"""Moves, approvals, signatures, merges and dates: what attackers push, and its honest twins."""

from __future__ import annotations

import time

from tests.support.client import ARCHIVED, LIVE, MANIFEST, PRODUCTION, STAGING, Client

TO_3: dict[str, str | None] = {
    PRODUCTION: "versions:\n- 3\n",
    ARCHIVED: "versions:\n- 1\n- 2\n",
}


BACK: dict[str, str | None] = {PRODUCTION: "versions:\n- 2\n", ARCHIVED: "versions:\n- 1\n"}


TO_1: dict[str, str | None] = {PRODUCTION: "versions:\n- 1\n", ARCHIVED: "versions:\n- 2\n"}


def promote(client: Client) -> None:
    client.commit(TO_3)


def promote_below_the_gate(client: Client) -> None:
    client.commit(TO_1)


def change_and_revert(client: Client) -> None:
    client.commit(TO_1)
    client.git("revert", "--no-edit", "HEAD")


def promote_and_revert(client: Client) -> None:
    client.commit(TO_3)
    client.git("revert", "--no-edit", "HEAD")


def side_branch(client: Client, files: dict[str, str | None]) -> None:
    """Let another branch and main go on, each by a commit."""
    client.git("switch", "--quiet", "-c", "side")
    client.commit(files)
    client.git("switch", "--quiet", "main")
    client.commit({"README.md": "code goes on\n"})


def evil_merge(client: Client) -> None:
    side_branch(client, {"notes.md": "harmless\n"})
    client.git("merge", "--quiet", "--no-commit", "side")
    client.commit(TO_1, "Merge branch 'side'")


def honest_merge(client: Client) -> None:
    side_branch(client, TO_3)
    client.git("merge", "--quiet", "--no-edit", "side")


def merge_that_undoes(client: Client) -> None:
    """Take the side's tree for the result, and with it main's registration back."""
    client.git("switch", "--quiet", "-c", "side")
    client.commit({"notes.md": "harmless\n"})
    client.git("switch", "--quiet", "main")
    client.commit(client.register("churn", 4))
    client.git("merge", "--quiet", "--no-commit", "side")
    client.git("read-tree", "-u", "--reset", "side")
    client.commit(None, "Merge branch 'side'")


def merge_of_a_registration(client: Client) -> None:
    client.git("switch", "--quiet", "-c", "side")
    client.commit({"notes.md": "harmless\n"})
    client.git("switch", "--quiet", "main")
    client.commit(client.register("churn", 4))
    client.git("merge", "--quiet", "--no-edit", "side")


def merge_of_what_does_not_go_together(client: Client) -> None:
    side_branch(client, {STAGING: "versions:\n- 3\n"})
    client.commit({ARCHIVED: "versions:\n- 1\n- 3\n"})
    client.git("merge", "--quiet", "--no-edit", "side")


def merge_the_wrong_way_round(client: Client) -> None:
    client.git("switch", "--quiet", "-c", "side", "HEAD~1")
    client.commit({"notes.md": "harmless\n"})
    client.git("merge", "--quiet", "--no-edit", "main")


def rename_a_version(client: Client) -> None:
    client.git("mv", "registry/churn/versions/3", "registry/churn/versions/4")
    client.commit()


def register_the_next(client: Client) -> None:
    client.commit(client.register("churn", 4))


def turn_into_a_symlink(client: Client) -> None:
    client.plumb({PRODUCTION: ("120000", client.blob("../../other"))})


def register_with_a_symlink(client: Client) -> None:
    client.write(client.register("churn", 4))
    client.plumb({MANIFEST.format(4): ("120000", client.blob("../3/manifest.yaml"))})


def submodule(client: Client) -> None:
    client.plumb({"registry/other": ("160000", client.git("rev-parse", "HEAD"))})


def submodule_elsewhere(client: Client) -> None:
    client.plumb({"vendor/lib": ("160000", client.git("rev-parse", "HEAD"))})


LOOSE = "format: 1\nstages:\n  staging: {}\n  production: {holds: 1}\n  archived: {}\n"


def loosen_and_use(client: Client) -> None:
    client.commit({"registry/policy.yaml": LOOSE})
    client.commit(TO_1)


def loosen_then_use(client: Client) -> None:
    client.commit({"registry/policy.yaml": LOOSE})
    assert client.push()[0] == 0
    client.commit(TO_1)


def loosen_and_use_in_one(client: Client) -> None:
    client.commit({"registry/policy.yaml": LOOSE, **TO_1})


def squash_below_the_gate(client: Client) -> None:
    client.git("switch", "--quiet", "-c", "side")
    client.commit({STAGING: "versions:\n- 1\n", ARCHIVED: None})
    client.commit({STAGING: None, **TO_1})
    client.git("switch", "--quiet", "main")
    client.git("merge", "--quiet", "--squash", "side")
    client.commit(None, "Squashed")


def squash_honest(client: Client) -> None:
    client.git("switch", "--quiet", "-c", "side")
    client.commit(client.register("churn", 4))
    client.commit({PRODUCTION: "versions:\n- 4\n", ARCHIVED: "versions:\n- 1\n- 2\n"})
    client.git("switch", "--quiet", "main")
    client.git("merge", "--quiet", "--squash", "side")
    client.commit(None, "Squashed")


GO_LIVE: dict[str, str | None] = {LIVE: "versions:\n- 1\n"}


def compared(client: Client) -> None:
    """Demand, in a push of its own, that a version is better than the incumbent."""
    policy = "registry/policy.yaml"
    better = "    - {metric: auc, better_than: production}\n"
    client.commit(
        {policy: client.read(policy).replace("    - {metric: auc, at_least: 0.75}\n", better)}
    )
    assert client.push()[0] == 0


def take_the_incumbent_out_first(client: Client) -> None:
    """Archive version 2, which needs nothing; then version 1 only has to beat an empty stage."""
    compared(client)
    client.commit({PRODUCTION: None, ARCHIVED: "versions:\n- 1\n- 2\n"})
    client.commit(TO_1)


def better_than_what_was_taken_out(client: Client) -> None:
    compared(client)
    client.commit({PRODUCTION: None, ARCHIVED: "versions:\n- 1\n- 2\n"})
    assert client.push()[0] == 0
    promote(client)


def forged_author(client: Client) -> None:
    """Mallory writes Ada into the commit, and signs with a key of her own."""
    client.commit(client.approve("grace", 1))
    client.commit_signed("mallory", GO_LIVE, "--author=Ada Lovelace <ada@example.com>")


def signed_and_approved(client: Client) -> None:
    client.commit(client.approve("grace", 1))
    client.commit_signed("ada", GO_LIVE, "--author=Alan <alan@example.com>")


def unsigned(client: Client) -> None:
    client.commit({**client.approve("grace", 1), **GO_LIVE})


def forged_rollback(client: Client) -> None:
    """Say of a version that was never there that it comes back."""
    client.commit(
        client.register("churn", 4, auc="  auc: 0.1") | {MANIFEST.format(4): weak(client)}
    )
    client.commit(
        {PRODUCTION: "versions:\n- 4\n", ARCHIVED: "versions:\n- 1\n- 2\n"},
        "roll back churn\n\nGitreg-Action: rollback\nGitreg-Model: churn\n",
    )


def weak(client: Client) -> str:
    text = str(client.register("churn", 4)[MANIFEST.format(4)])
    return text.replace("auc: 0.9", "auc: 0.1")


def rollback(client: Client) -> None:
    """Bring back what was in production before, below today's gate as it is."""
    client.commit(TO_1, "roll back churn\n\nGitreg-Action: rollback\nGitreg-Model: churn\n")


def stricter(client: Client) -> None:
    """Raise the gate above version 2, which is in production, in a push of its own."""
    policy = "registry/policy.yaml"
    client.commit({policy: client.read(policy).replace("at_least: 0.75", "at_least: 0.85")})
    assert client.push()[0] == 0


BY_NAME = "roll back production to churn@2\n\nGitreg-Action: rollback\nGitreg-Model: churn\n"


def revert_of_a_rollback(client: Client) -> None:
    """Bring back what a rollback withdrew."""
    stricter(client)
    rollback(client)
    client.git("revert", "--no-edit", "HEAD")


def rollback_of_a_published_rollback(client: Client) -> None:
    """Bring it back in a later push, by hand and in gitreg's own words."""
    stricter(client)
    rollback(client)
    assert client.push()[0] == 0
    client.commit(BACK, BY_NAME)


def rollback_of_a_merged_rollback(client: Client) -> None:
    """Bring it back where the message of the withdrawal says nothing: it came by a merge."""
    stricter(client)
    client.git("switch", "--quiet", "-c", "side")
    rollback(client)
    client.git("switch", "--quiet", "main")
    client.git("merge", "--quiet", "--no-ff", "-m", "Merge pull request 7", "side")
    assert client.push()[0] == 0
    client.git("revert", "--no-edit", "-m", "1", "HEAD")


def revert_of_a_promotion(client: Client) -> None:
    """Bring back, below today's gate as it is, what was there just before."""
    stricter(client)
    promote(client)
    client.git("revert", "--no-edit", "HEAD")


def merged_rollback(client: Client) -> None:
    """Merge a rollback, and of a later promotion another one."""
    stricter(client)
    client.git("switch", "--quiet", "-c", "side")
    rollback(client)
    client.git("switch", "--quiet", "main")
    client.git("merge", "--quiet", "--no-ff", "-m", "Merge pull request 7", "side")
    assert client.push()[0] == 0
    client.commit(TO_3)
    client.git("revert", "--no-edit", "HEAD")


def freeze(client: Client) -> None:
    """Freeze all stages, in a push of its own."""
    policy = "registry/policy.yaml"
    window = "{from: '2020-01-01T00:00:00Z', until: '2090-01-01T00:00:00Z'}"
    client.commit({policy: f"{client.read(policy)}freeze: [{window}]\n"})
    assert client.push()[0] == 0


def archived_as_a_rollback(client: Client) -> None:
    """Say of a version that is taken out of service in a freeze that this is a rollback."""
    freeze(client)
    client.commit({PRODUCTION: None, ARCHIVED: "versions:\n- 1\n- 2\n"}, BY_NAME)


def rollback_in_a_freeze(client: Client) -> None:
    freeze(client)
    rollback(client)


def archived_and_back(client: Client, *, later: bool) -> None:
    """Take version 2 out, and back: as the next move, or when production held another one."""
    stricter(client)
    client.commit({PRODUCTION: None, ARCHIVED: "versions:\n- 1\n- 2\n"})
    assert client.push()[0] == 0
    if later:
        client.commit({PRODUCTION: "versions:\n- 3\n"})
        assert client.push()[0] == 0
        client.commit({PRODUCTION: "versions:\n- 2\n", ARCHIVED: "versions:\n- 1\n- 3\n"}, BY_NAME)
    else:
        client.commit({PRODUCTION: "versions:\n- 2\n", ARCHIVED: "versions:\n- 1\n"}, BY_NAME)


def archived_and_back_later(client: Client) -> None:
    archived_and_back(client, later=True)


def archived_and_back_at_once(client: Client) -> None:
    archived_and_back(client, later=False)


def forged_override(client: Client) -> None:
    client.commit(TO_1, "promote\n\nGitreg-Override: I may\n")


def branch_of_a_promotion(client: Client) -> None:
    """Publish Grace's approval, and promote by it on a branch, signed by Ada."""
    client.commit(client.approve("grace", 1))
    assert client.push()[0] == 0
    client.git("switch", "--quiet", "-c", "side")
    client.commit_signed("ada", GO_LIVE, "--author=Alan <alan@example.com>")
    client.git("switch", "--quiet", "main")


def merge_of_a_promotion(client: Client) -> None:
    """Merge it as a host does, with an unsigned commit of whoever presses the button."""
    branch_of_a_promotion(client)
    client.git("merge", "--quiet", "--no-ff", "-m", "Merge pull request 7", "side")


def merge_after_a_withdrawal(client: Client) -> None:
    branch_of_a_promotion(client)
    approval = client.approval_path("grace", 1)
    client.commit({approval: None, f"{approval[:-4]}.off": "withdrawn: 1\n"})
    assert client.push()[0] == 0
    client.git("merge", "--quiet", "--no-ff", "-m", "Merge pull request 7", "side")


def own_approval(client: Client) -> None:
    client.commit(client.approve("ada", 1))
    client.commit_signed("ada", GO_LIVE)


def replayed_approval(client: Client) -> None:
    """Use an approval of version 1 against nothing again when version 2 is there."""
    client.commit(client.approve("grace", 1))
    client.commit_signed("ada", GO_LIVE, "--author=Alan <alan@example.com>")
    client.commit(client.register("tokenizer", 2))
    client.commit(client.approve("grace", 2))
    client.commit_signed(
        "ada",
        {LIVE: "versions:\n- 2\n", "registry/tokenizer/stages/archived.yaml": "versions:\n- 1\n"},
        "--author=Alan <alan@example.com>",
    )
    assert client.push()[0] == 0
    client.commit_signed(
        "ada",
        {LIVE: "versions:\n- 1\n", "registry/tokenizer/stages/archived.yaml": "versions:\n- 2\n"},
        "--author=Alan <alan@example.com>",
    )


def approved_again(client: Client) -> None:
    client.commit(client.approve("grace", 1))
    client.commit_signed("ada", GO_LIVE, "--author=Alan <alan@example.com>")
    client.commit(client.register("tokenizer", 2))
    client.commit(client.approve("grace", 2))
    client.commit_signed(
        "ada",
        {LIVE: "versions:\n- 2\n", "registry/tokenizer/stages/archived.yaml": "versions:\n- 1\n"},
        "--author=Alan <alan@example.com>",
    )
    client.commit(client.approve("grace", 1))
    client.commit_signed(
        "ada",
        {LIVE: "versions:\n- 1\n", "registry/tokenizer/stages/archived.yaml": "versions:\n- 2\n"},
        "--author=Alan <alan@example.com>",
    )


def approval_for_another_version(client: Client) -> None:
    client.commit(client.register("tokenizer", 2))
    approval = client.approve("grace", 1)
    client.commit({client.approval_path("grace", 2): next(iter(approval.values()))})
    client.commit_signed("ada", {LIVE: "versions:\n- 2\n"}, "--author=Alan <alan@example.com>")


def approval_of_this_version(client: Client) -> None:
    client.commit(client.register("tokenizer", 2))
    client.commit(client.approve("grace", 2))
    client.commit_signed("ada", {LIVE: "versions:\n- 2\n"}, "--author=Alan <alan@example.com>")


def merge_a_stranger(client: Client, *, is_approved_here: bool) -> None:
    """Merge a repository that began apart, in which words@1 was approved and went live."""
    policy = client.read("registry/policy.yaml")
    section = policy[policy.index("  tokenizer:\n") : policy.index("  gated:\n")]
    strict = policy.replace("  gated:\n", section.replace("tokenizer", "words") + "  gated:\n", 1)
    client.commit({"registry/policy.yaml": strict})
    assert client.push()[0] == 0
    files = client.register("words", 1)
    artifacts = str(files["dvc.yaml"])
    own = artifacts[artifacts.index("  words:") :]
    client.git("switch", "--quiet", "--orphan", "stranger")
    client.commit({"registry/policy.yaml": strict})
    client.commit({**files, "dvc.yaml": f"artifacts:\n{own}"})
    live: dict[str, str | None] = {"registry/words/stages/production.yaml": "versions:\n- 1\n"}
    if not is_approved_here:
        client.commit(client.approve("grace", 1, "words"))
        client.commit_signed("ada", live, "--author=Alan <alan@example.com>")
    client.git("switch", "--quiet", "main")
    options = ("--quiet", "--no-commit", "--allow-unrelated-histories", "--strategy-option=ours")
    client.git("merge", *options, "stranger")
    client.commit({"dvc.yaml": artifacts}, "Merge the stranger")
    if is_approved_here:
        client.commit(client.approve("grace", 1, "words"))
        client.commit_signed("ada", live, "--author=Alan <alan@example.com>")


def approved_in_another_repository(client: Client) -> None:
    merge_a_stranger(client, is_approved_here=False)


def merged_and_approved_here(client: Client) -> None:
    merge_a_stranger(client, is_approved_here=True)


def backdated(client: Client) -> None:
    client.env = {"GIT_COMMITTER_DATE": "2020-01-01T00:00:00Z"}
    client.commit({STAGING: "versions:\n- 3\n"})


GATED_STAGING: dict[str, str | None] = {"registry/gated/stages/staging.yaml": "versions:\n- 1\n"}


GATED_LIVE: dict[str, str | None] = {
    "registry/gated/stages/staging.yaml": None,
    "registry/gated/stages/production.yaml": "versions:\n- 1\n",
}


def stage_long_ago(client: Client) -> None:
    """Say of a version that it has been in staging for 50 minutes; clocks may differ so much."""
    client.commit(client.register("gated", 1))
    client.env = {"GIT_COMMITTER_DATE": f"{int(time.time()) - 3000} +0000"}
    client.commit(GATED_STAGING)
    client.env = {}


def soaked_by_a_forged_date(client: Client) -> None:
    stage_long_ago(client)
    client.commit(GATED_LIVE)


def soaked_on_the_server(client: Client) -> None:
    """Wait until the server has had it for long enough: here its log says so."""
    stage_long_ago(client)
    assert client.push()[0] == 0
    log = client.folder.parent / "origin.git" / "gitreg" / "arrivals"
    entries = [entry.split() for entry in log.read_text().splitlines()]
    log.write_text("".join(f"{oid} {int(at) - 3600} {newest}\n" for oid, at, newest in entries))
    client.commit(GATED_LIVE)


def from_the_future(client: Client) -> None:
    client.env = {"GIT_COMMITTER_DATE": "2099-01-01T00:00:00Z"}
    client.commit({STAGING: "versions:\n- 3\n"})


def stage_now(client: Client) -> None:
    client.commit({STAGING: "versions:\n- 3\n"})
