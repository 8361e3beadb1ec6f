"""What an insider commits, and what an honest person commits instead, for `test_insider`."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from gitreg import Registry
from gitreg.core.model.manifest import Tombstone
from gitreg.core.operations.judging import GateRefused
from gitreg.core.operations.rename import rename_model
from tests.check.test_contract import GRACE, PRODUCTION, force
from tests.conftest import write_model
from tests.support.contract import Place
from tests.support.fakes import ADA, CREATED
from tests.support.signers import use_ssh

Files = Mapping[str, "str | None"]

STAGING, ARCHIVED = (f"registry/churn/stages/{name}.yaml" for name in ("staging", "archived"))
TO_1: Files = {PRODUCTION: "versions:\n- 1\n", ARCHIVED: "versions:\n- 2\n"}
TO_3: Files = {PRODUCTION: "versions:\n- 3\n", ARCHIVED: "versions:\n- 1\n- 2\n"}
LIVE = "registry/tokenizer/stages/production.yaml"


def publish(place: Place) -> None:
    assert place.hook()[0]
    place.push()


def branch_off(place: Place, name: str = "side") -> None:
    place.git("switch", "--quiet", "--create", name)


def merge(place: Place, name: str = "side", files: Files | None = None) -> None:
    """Merge a branch, as a host's button does; conflicts are resolved to ``files``."""
    place.git("switch", "--quiet", "main")
    if files is None:
        place.git("merge", "--quiet", "--no-ff", "-m", f"Merge pull request from {name}", name)
        return
    place.git("merge", "--quiet", "--no-commit", "--no-ff", "--strategy-option=ours", name)
    place.commit(files, "--message", f"Merge pull request from {name}", "--allow-empty")


def approve(place: Place, reference: str) -> None:
    """Let Grace approve; the next commits are not signed."""
    use_ssh(place.work, str(place.keys[GRACE].file))
    with Registry(place.work) as registry:
        registry.approve(registry.preview_approval(reference, stage="production"))


# Lives of a name


def delete(place: Place) -> str:
    with Registry(place.work) as registry:
        registry.delete_model("churn", force=True)
    publish(place)
    return place.git("rev-parse", "HEAD")


def restore(place: Place, ended_in: str, files: Files | None = None) -> None:
    """Bring churn back as it was before a commit, but for some files, in Git's words."""
    place.git("rm", "-r", "--quiet", "registry/churn")
    place.git("checkout", "--quiet", f"{ended_in}~1", "--", "registry/churn", "dvc.yaml")
    message = f'Revert "delete churn"\n\nThis reverts commit {ended_in}.'
    place.commit(files or {}, "--message", message, "--allow-empty")


def revert_of_the_end_with_another_version(place: Place) -> None:
    """Version 1 was in production once, in the life that ended."""
    restore(place, delete(place), {PRODUCTION: "versions:\n- 1\n", ARCHIVED: "versions:\n- 2\n"})


def revert_of_the_end(place: Place) -> None:
    restore(place, delete(place))


def delete_twice(place: Place) -> tuple[str, str]:
    first = delete(place)
    restore(place, first)
    with Registry(place.work) as registry:
        registry.register("churn", write_model(place.work, "four"), metrics={"auc": 0.95})
    publish(place)
    return first, delete(place)


def revert_of_the_first_end(place: Place) -> None:
    """Version 4 would vanish without a tombstone, and version 2 be live with its past."""
    restore(place, delete_twice(place)[0])


def revert_of_the_latest_end(place: Place) -> None:
    restore(place, delete_twice(place)[1])


def begin_anew(place: Place, *, again: bool) -> None:
    """Register the same bytes under the same number in another life, with the old approval."""
    approve(place, "churn@3")
    folder = "registry/churn/versions/3"
    mine = [f"{folder}/{path.name}" for path in (place.work / folder).iterdir() if path.is_file()]
    files = {path: (place.work / path).read_text() for path in mine}
    signed = f"{folder}/approvals/production.{GRACE}.sig"
    files[signed] = (place.work / signed).read_text()
    delete(place)
    manifest = files[f"{folder}/manifest.yaml"]
    files = {path.replace("/3/", "/1/"): text for path, text in files.items()}
    files["registry/churn/versions/1/manifest.yaml"] = manifest.replace("version: 3", "version: 1")
    entry = "  churn:\n    path: registry/churn/versions/1/model\n    type: model\n"
    files["dvc.yaml"] = (place.work / "dvc.yaml").read_text() + entry
    place.commit({"registry/churn/deleted.yaml": None, **files})
    if again:
        approve(place, "churn@1")
    place.commit({PRODUCTION: "versions:\n- 1\n"})


# Renames


def renamed(place: Place, old: str, new: str, *, by_force: bool = False) -> None:
    """Rename a model, by gitreg or as somebody who does not ask it."""
    with Registry(place.work) as registry:
        if not by_force:
            registry.rename_model(old, new)
            return
        with pytest.raises(GateRefused):
            registry.rename_model(old, new)
        note = Tombstone(CREATED, ADA, None, renamed_to=new)
        change = rename_model(registry.state(), old, note, None)
    for edit in change.edits:
        if edit.content is not None:
            (place.work / edit.path).parent.mkdir(parents=True, exist_ok=True)
    force(place, change)
    place.git("add", "--all", "registry", "dvc.yaml")
    place.git("commit", "--quiet", "--amend", "--no-edit")


def tokenizer_is_live(place: Place) -> None:
    place.commit({LIVE: "versions:\n- 1\n"})


def swap(place: Place) -> None:
    """Serve the tokenizer's bytes as churn's production."""
    renamed(place, "churn", "tmp")
    publish(place)
    renamed(place, "tokenizer", "churn", by_force=True)


def rename_to_a_name_that_was_taken_back(place: Place) -> None:
    """No tombstone is left of the name, but people have followed its production."""
    renamed(place, "churn", "leavers")
    place.git("revert", "--no-edit", "HEAD")
    publish(place)
    renamed(place, "tokenizer", "leavers", by_force=True)


def renamed_and_archived(place: Place) -> str:
    """Version 2 is found bad under the new name; return the commit of the rename."""
    renamed(place, "churn", "leavers")
    ended_in = place.git("rev-parse", "HEAD")
    with Registry(place.work) as registry:
        registry.archive("leavers@2")
    publish(place)
    return ended_in


def rename_taken_back_with_what_was_archived(place: Place) -> None:
    ended_in = renamed_and_archived(place)
    place.git("rm", "-r", "--quiet", "registry/leavers", "registry/churn")
    place.git("checkout", "--quiet", f"{ended_in}~1", "--", "registry/churn", "dvc.yaml")
    place.commit({}, "--message", f'Revert "rename"\n\nThis reverts commit {ended_in}.')


def back_beside_its_new_name(place: Place) -> None:
    """The model lives on as leavers, and is there once more as it was."""
    ended_in = renamed_and_archived(place)
    place.git("rm", "-r", "--quiet", "registry/churn")
    place.git("checkout", "--quiet", f"{ended_in}~1", "--", "registry/churn")
    entry = "  churn:\n    path: registry/churn/versions/3/model\n    type: model\n"
    text = (place.work / "dvc.yaml").read_text() + entry
    message = f'Revert "rename"\n\nThis reverts commit {ended_in}.'
    place.commit({"dvc.yaml": text}, "--message", message)


def rename_to_a_new_name(place: Place) -> None:
    renamed(place, "churn", "leavers")
    renamed(place, "tokenizer", "words")


def rename_and_take_it_back(place: Place) -> None:
    renamed(place, "churn", "leavers")
    publish(place)
    place.git("revert", "--no-edit", "HEAD")


# Merges


def pull_request(place: Place) -> None:
    """Ada's promotion on a branch, which Grace has approved."""
    approve(place, "churn@3")
    place.push()
    branch_off(place)
    place.commit(TO_3)
    place.git("switch", "--quiet", "main")


def merged_by_its_approver(place: Place) -> None:
    pull_request(place)
    merge(place)
    place.git("commit", "--quiet", "--amend", "--no-edit", f"--author=Grace <{GRACE}>")


def merged_after_a_withdrawal(place: Place) -> None:
    pull_request(place)
    with Registry(place.work) as registry:
        registry.withdraw_approval("churn@3", stage="production")
    publish(place)
    merge(place)


def approved_after_it_was_opened(place: Place) -> None:
    """The approval reaches main while the request is open."""
    branch_off(place)
    place.commit(TO_3)
    place.git("switch", "--quiet", "main")
    approve(place, "churn@3")
    publish(place)
    merge(place)


def merged_over_a_newer_incumbent(place: Place) -> None:
    """On the branch's side, version 1 was to be beaten."""
    place.commit(TO_1)
    place.push()
    branch_off(place)
    place.commit({PRODUCTION: "versions:\n- 2\n", ARCHIVED: "versions:\n- 1\n"})
    place.git("switch", "--quiet", "main")
    place.commit(TO_3)
    publish(place)
    merge(place, files={PRODUCTION: "versions:\n- 2\n", ARCHIVED: "versions:\n- 1\n- 3\n"})


def merged_over_the_same_incumbent(place: Place) -> None:
    place.commit(TO_1)
    place.push()
    branch_off(place)
    place.commit({PRODUCTION: "versions:\n- 2\n", ARCHIVED: "versions:\n- 1\n"})
    merge(place)


def staged_on_main(place: Place) -> None:
    place.commit({STAGING: "versions:\n- 3\n"})
    place.push()
    branch_off(place)
    place.commit({STAGING: None, **TO_3})
    place.git("switch", "--quiet", "main")


def merged_after_it_left_staging(place: Place) -> None:
    staged_on_main(place)
    place.commit({STAGING: None, ARCHIVED: "versions:\n- 1\n- 3\n"})
    publish(place)
    merge(place, files=TO_3)


def merged_while_it_is_staged(place: Place) -> None:
    staged_on_main(place)
    merge(place)


def another_life_on_a_branch(place: Place) -> None:
    """No pointer moves by the merge: production names version 1 before and after."""
    place.commit(TO_1)
    place.push()
    branch_off(place)
    with Registry(place.work) as registry:
        registry.delete_model("churn", force=True)
        registry.create_model("churn")
        registry.register("churn", write_model(place.work, "evil"), metrics={"auc": 0.1})
    place.commit({PRODUCTION: "versions:\n- 1\n"})
    merge(place)


def signed_branch(place: Place) -> None:
    use_ssh(place.work, str(place.keys[GRACE].file), commits=True)
    branch_off(place)
    place.commit(TO_3)
    place.git("switch", "--quiet", "main")
    place.git("config", "commit.gpgsign", "false")


def signed_merged(place: Place) -> None:
    signed_branch(place)
    merge(place)


def signed_merged_late(place: Place) -> None:
    """Production held something else since, and holds the same again."""
    signed_branch(place)
    place.git("config", "commit.gpgsign", "true")
    place.commit(TO_1)
    with Registry(place.work) as registry:
        registry.rollback("churn")
    publish(place)
    place.git("config", "commit.gpgsign", "false")
    merge(place, files=TO_3)


# Returns


def revert_of_a_rollback(place: Place) -> None:
    place.commit(TO_3)
    place.push()
    with Registry(place.work) as registry:
        registry.rollback("churn")
    publish(place)
    place.git("revert", "--no-edit", "HEAD")


def said_to_be_a_rollback(place: Place) -> None:
    place.commit(TO_3, "--message", "roll back production to churn@3")


def merge_of_a_revert_of_a_rollback(place: Place) -> None:
    place.commit(TO_3)
    place.push()
    with Registry(place.work) as registry:
        registry.rollback("churn")
    publish(place)
    branch_off(place)
    place.git("revert", "--no-edit", "HEAD")
    merge(place)


def rollback(place: Place) -> None:
    place.commit(TO_3)
    place.push()
    with Registry(place.work) as registry:
        registry.rollback("churn")


def merged_rollback(place: Place) -> None:
    place.commit(TO_3)
    place.push()
    branch_off(place)
    with Registry(place.work) as registry:
        registry.rollback("churn")
    merge(place)


# Approvals


def promoted_and_reverted(place: Place) -> None:
    """Git's own revert leaves the approval where it is."""
    approve(place, "churn@3")
    place.commit(TO_3)
    place.git("revert", "--no-edit", "HEAD")
    publish(place)


def used_twice(place: Place) -> None:
    promoted_and_reverted(place)
    place.commit(TO_3)


def approved_twice(place: Place) -> None:
    promoted_and_reverted(place)
    approve(place, "churn@3")
    place.commit(TO_3)


def overtaken(place: Place) -> None:
    """Another version goes in and out again: production holds what it held."""
    approve(place, "churn@1")
    approve(place, "churn@3")
    place.commit(TO_3)
    with Registry(place.work) as registry:
        registry.rollback("churn")
    publish(place)


def used_when_overtaken(place: Place) -> None:
    overtaken(place)
    place.commit({PRODUCTION: "versions:\n- 1\n", ARCHIVED: "versions:\n- 2\n- 3\n"})


def approved_when_overtaken(place: Place) -> None:
    overtaken(place)
    approve(place, "churn@1")
    place.commit({PRODUCTION: "versions:\n- 1\n", ARCHIVED: "versions:\n- 2\n- 3\n"})
