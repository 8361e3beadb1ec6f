"""A server with the pre-receive hook, and plain Git clients that try every way around it.

Each attack is refused with the code of its finding, nothing of it arrives, and an honest twin of it
(the same wish, by the rules) is let through.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from tests.check.attacks.moves import (
    approval_for_another_version,
    approval_of_this_version,
    approved_again,
    approved_in_another_repository,
    archived_and_back_at_once,
    archived_and_back_later,
    archived_as_a_rollback,
    backdated,
    better_than_what_was_taken_out,
    change_and_revert,
    evil_merge,
    forged_author,
    forged_override,
    forged_rollback,
    from_the_future,
    honest_merge,
    loosen_and_use,
    loosen_and_use_in_one,
    loosen_then_use,
    merge_after_a_withdrawal,
    merge_of_a_promotion,
    merge_of_a_registration,
    merge_of_what_does_not_go_together,
    merge_that_undoes,
    merge_the_wrong_way_round,
    merged_and_approved_here,
    merged_rollback,
    own_approval,
    promote,
    promote_and_revert,
    promote_below_the_gate,
    register_the_next,
    register_with_a_symlink,
    rename_a_version,
    replayed_approval,
    revert_of_a_promotion,
    revert_of_a_rollback,
    rollback,
    rollback_in_a_freeze,
    rollback_of_a_merged_rollback,
    rollback_of_a_published_rollback,
    signed_and_approved,
    soaked_by_a_forged_date,
    soaked_on_the_server,
    squash_below_the_gate,
    squash_honest,
    stage_now,
    submodule,
    submodule_elsewhere,
    take_the_incumbent_out_first,
    turn_into_a_symlink,
    unsigned,
)
from tests.check.attacks.trees import (
    delete_a_tag,
    delete_another_branch,
    delete_the_branch,
    dot_dot_entry,
    doubled_entry,
    encoded_name,
    force_push,
    git_entry,
    gitignore,
    hidden_entry,
    invent_a_tag,
    move_a_tag,
    newline_in_a_name,
    note_on_an_object,
    quote_in_a_name,
    replace_an_object,
    second_dvc_yaml,
    tag_of_another_artifact,
    tag_of_ones_own,
    tag_sync,
    tag_that_only_gto_reads,
)
from tests.check.attacks.versions import (
    add_to_a_version,
    alias_like_another,
    alias_to_a_version,
    alias_to_nowhere,
    annotate,
    another_artifact,
    another_model,
    archive_signed,
    begin_anew,
    borrow_an_earlier_life,
    command_in_a_dvc_file,
    commit_the_bytes,
    delete_a_free_alias,
    delete_a_protected_alias,
    delete_and_take_the_next,
    delete_model,
    delete_version,
    delete_what_is_live,
    delete_what_is_live_signed,
    describe_a_model,
    edit_a_manifest,
    forget_a_deletion,
    garbage_in_a_pointer,
    garbage_in_the_policy,
    hide_in_a_dropped_stage,
    known_bytes,
    known_digest_of_other_bytes,
    look_alike,
    model_like_another,
    other_requirements,
    pipeline_in_the_registry,
    pipeline_of_ones_own,
    policy_as_a_folder,
    remote_in_a_dvc_file,
    remove_a_model,
    remove_a_version,
    rename_and_change,
    rename_and_promote,
    rename_model,
    rename_what_is_live,
    repoint_bytes,
    repoint_dvc_yaml,
    reuse_a_number,
    revert_a_deletion,
    right_requirements,
    say_it_is_deleted,
    second_dvc_file,
    skip_a_number,
    two_in_production,
    two_stages,
    unknown_stage,
)
from tests.conftest import git
from tests.support.client import Act, Client

ATTACKS: dict[str, tuple[str, Act, Act]] = {
    "a promotion below the gate": ("policy-metric", promote_below_the_gate, promote),
    "change and revert": ("policy-metric", change_and_revert, promote_and_revert),
    "evil merge": ("policy-metric", evil_merge, honest_merge),
    "merge that undoes": ("removed", merge_that_undoes, merge_of_a_registration),
    "merge of two stages": ("two-stages", merge_of_what_does_not_go_together, honest_merge),
    "merge the wrong way round": ("first-parent", merge_the_wrong_way_round, honest_merge),
    "rename of a version": ("removed", rename_a_version, register_the_next),
    "pointer turned symlink": ("symlink", turn_into_a_symlink, promote),
    "manifest as a symlink": ("symlink", register_with_a_symlink, register_the_next),
    "gitlink": ("gitlink", submodule, submodule_elsewhere),
    "policy loosened and used": ("policy-metric", loosen_and_use, loosen_then_use),
    "policy loosened by the move": ("policy-metric", loosen_and_use_in_one, loosen_then_use),
    "squash": ("policy-metric", squash_below_the_gate, squash_honest),
    "the incumbent is taken out first": (
        "policy-metric",
        take_the_incumbent_out_first,
        better_than_what_was_taken_out,
    ),
    "forged author": ("policy-signed", forged_author, signed_and_approved),
    "unsigned": ("policy-signed", unsigned, signed_and_approved),
    "forged trailer: rollback": ("policy-metric", forged_rollback, rollback),
    "revert of a rollback": ("policy-metric", revert_of_a_rollback, revert_of_a_promotion),
    "rollback of a rollback": ("policy-metric", rollback_of_a_published_rollback, rollback),
    "a merged rollback": ("policy-metric", rollback_of_a_merged_rollback, merged_rollback),
    "a rollback to what was archived": (
        "policy-metric",
        archived_and_back_later,
        archived_and_back_at_once,
    ),
    "archived in a freeze as a rollback": (
        "policy-freeze",
        archived_as_a_rollback,
        rollback_in_a_freeze,
    ),
    "forged trailer: override": ("policy-metric", forged_override, promote),
    "one's own approval": ("policy-approvals", own_approval, signed_and_approved),
    "a branch from before a withdrawal": (
        "policy-approvals",
        merge_after_a_withdrawal,
        merge_of_a_promotion,
    ),
    "replayed approval": ("policy-approvals", replayed_approval, approved_again),
    "approval for another version": (
        "policy-approvals",
        approval_for_another_version,
        approval_of_this_version,
    ),
    "approval of another repository": (
        "policy-approvals",
        approved_in_another_repository,
        merged_and_approved_here,
    ),
    "backdated": ("wrong-date", backdated, stage_now),
    "from the future": ("wrong-date", from_the_future, stage_now),
    "soaked by a forged date": ("policy-soak", soaked_by_a_forged_date, soaked_on_the_server),
    "force push": ("force-push", force_push, promote),
    "branch deleted": ("branch-deleted", delete_the_branch, delete_another_branch),
    "moved tag": ("tag-moved", move_a_tag, tag_of_ones_own),
    "deleted tag": ("tag-deleted", delete_a_tag, tag_of_ones_own),
    "invented tag": ("tag-not-implied", invent_a_tag, tag_sync),
    **{
        f"tag {name}, of GTO's grammar": (
            "tag-not-implied",
            partial(tag_that_only_gto_reads, name=name),
            tag_of_another_artifact,
        )
        for name in (
            "churn@v2.0.0!",
            "churn@deprecated",
            "churn#production!",
            "churn#production",
            "churn@v9.1.0-rc1",
            "churn#production#01",
            "Churn@v2.0.0",
            "unborn@v1.0.0",
            "unborn#production#1",
        )
    },
    "tag in the way of a model's": (
        "tag-not-implied",
        partial(tag_that_only_gto_reads, name="churn@v9.0.0/x"),
        tag_of_another_artifact,
    ),
    "refs/replace": ("replace-ref", replace_an_object, note_on_an_object),
    "newline in a name": ("bad-name", newline_in_a_name, encoded_name),
    "quote in a name": ("stray-file", quote_in_a_name, encoded_name),
    ".git entry": ("bad-name", git_entry, gitignore),
    ".. entry": ("bad-name", dot_dot_entry, gitignore),
    "doubled entry": ("bad-tree", doubled_entry, promote),
    "second dvc.yaml": ("bad-tree", second_dvc_yaml, gitignore),
    "hidden entry": ("bad-tree", hidden_entry, annotate),
    "number reused": ("number-reused", reuse_a_number, delete_and_take_the_next),
    "number skipped": ("number-skipped", skip_a_number, register_the_next),
    "live version deleted": (
        "policy-signed",
        delete_what_is_live,
        delete_what_is_live_signed,
    ),
    "live version hidden": ("policy-signed", hide_in_a_dropped_stage, archive_signed),
    "version removed": ("removed", remove_a_version, delete_version),
    "manifest edited": ("immutable", edit_a_manifest, annotate),
    ".dvc repointed": ("immutable", repoint_bytes, register_the_next),
    ".dvc file with a command": ("bad-dvc-file", command_in_a_dvc_file, register_the_next),
    ".dvc file with a remote": ("bad-dvc-file", remote_in_a_dvc_file, register_the_next),
    "known digest of other bytes": ("digest-mismatch", known_digest_of_other_bytes, known_bytes),
    "other requirements": ("requirements-mismatch", other_requirements, right_requirements),
    "second .dvc file": ("stray-file", second_dvc_file, register_the_next),
    "pipeline in the registry": ("stray-file", pipeline_in_the_registry, pipeline_of_ones_own),
    "dvc.yaml repointed": ("dvc-yaml", repoint_dvc_yaml, another_artifact),
    "file added to a version": ("immutable", add_to_a_version, annotate),
    "bytes in Git": ("artifact-in-git", commit_the_bytes, annotate),
    "two stages": ("two-stages", two_stages, stage_now),
    "more than it holds": ("too-many", two_in_production, promote),
    "unknown stage": ("unknown-stage", unknown_stage, stage_now),
    "alias to nowhere": ("dangling-pointer", alias_to_nowhere, alias_to_a_version),
    "protected alias deleted": ("policy-alias", delete_a_protected_alias, delete_a_free_alias),
    "alias like another": ("name-collision", alias_like_another, alias_to_a_version),
    "model like another": ("name-collision", model_like_another, another_model),
    **{
        f"{path}, told apart by case": (
            "name-collision",
            partial(look_alike, path=path),
            describe_a_model,
        )
        for path in (
            "Registry/policy.yaml",
            "DVC.yaml",
            "registry/Policy.yaml",
            "registry/churn/STAGES/production.yaml",
            "registry/churn/Model.yaml",
        )
    },
    "policy as a folder": ("stray-file", policy_as_a_folder, describe_a_model),
    "pointer that does not parse": ("bad-pointer", garbage_in_a_pointer, promote),
    "model removed": ("removed", remove_a_model, delete_model),
    "model renamed and changed": ("bad-rename", rename_and_change, rename_model),
    "what is live renamed": ("policy-signed", rename_what_is_live, rename_model),
    "model renamed and promoted": ("policy-metric", rename_and_promote, rename_model),
    "an earlier life": ("policy-metric", borrow_an_earlier_life, begin_anew),
    "a deletion forgotten": ("immutable", forget_a_deletion, revert_a_deletion),
    "deleted and there": ("half-deleted", say_it_is_deleted, delete_model),
    "policy that does not parse": ("bad-policy", garbage_in_the_policy, loosen_then_use),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_refused(client: Client, base: Path, name: str) -> None:
    code, attack, _ = ATTACKS[name]
    where = attack(client)
    before = git(base / "origin.git", "for-each-ref")
    status, said = client.push(*(where or ()))
    assert status != 0, said
    assert f"error: {code}: " in said, said
    assert "Traceback" not in said
    assert git(base / "origin.git", "for-each-ref") == before


HONEST = {honest.__name__: honest for _, _, honest in ATTACKS.values()}


"""The twins, of which some are those of several attacks."""


@pytest.mark.parametrize("name", HONEST)
def test_its_honest_twin_passes(client: Client, name: str) -> None:
    where = HONEST[name](client)
    status, said = client.push(*(where or ()))
    assert status == 0, said
    assert "error:" not in said
