"""Versions, models, pointers and policies: what attackers push, and its honest twins."""

from __future__ import annotations

import hashlib

from gitreg import Registry
from gitreg.core.model.manifest import Tombstone
from gitreg.core.operations import rename as renaming
from gitreg.core.state.state import RegistryState
from gitreg.git.repository import GitRepository
from tests.check.attacks.moves import signed_and_approved
from tests.support.client import LIVE, MANIFEST, PRODUCTION, STAGING, Client
from tests.support.fakes import ADA, CREATED

GONE = "deleted_at: '2026-11-22T20:25:06Z'\ndeleted_by: Ada <ada@example.com>\nreason: leaked\n"


def delete_version(client: Client, number: int = 3) -> None:
    folder = f"registry/churn/versions/{number}"
    client.git("rm", "-r", "--quiet", folder)
    entry = client._entry("churn", "  churn:\n    path: registry/churn/versions/2/model\n")
    client.commit({f"{folder}/deleted.yaml": GONE, "dvc.yaml": entry})


def go_live(client: Client) -> None:
    signed_and_approved(client)
    assert client.push()[0] == 0


def without_tokenizer(client: Client) -> dict[str, str | None]:
    client.git("rm", "-r", "--quiet", "registry/tokenizer/versions/1")
    entry = client._entry("tokenizer", "").removesuffix("    type: model\n")
    return {
        LIVE: None,
        "registry/tokenizer/versions/1/deleted.yaml": GONE,
        "dvc.yaml": entry,
    }


def delete_what_is_live(client: Client) -> None:
    """Take a version out of a stage whose moves are signed, by deleting it, unsigned."""
    go_live(client)
    client.commit(without_tokenizer(client))


def delete_what_is_live_signed(client: Client) -> None:
    go_live(client)
    client.commit_signed("ada", without_tokenizer(client))


def drop_a_stage(client: Client) -> None:
    """Have a stage, with a version in it, that the policy has no more."""
    policy = client.read("registry/policy.yaml")
    shadowed = policy.replace(
        "  archived: {holds: any}\n", "  archived: {holds: any}\n  shadow: {}\n"
    )
    client.commit({"registry/policy.yaml": shadowed})
    assert client.push()[0] == 0
    client.commit(client.register("tokenizer", 2))
    client.commit({"registry/tokenizer/stages/shadow.yaml": "versions:\n- 2\n"})
    assert client.push()[0] == 0
    client.commit({"registry/policy.yaml": policy})
    assert client.push()[0] == 0
    go_live(client)


HIDDEN: dict[str, str | None] = {
    LIVE: None,
    "registry/tokenizer/stages/shadow.yaml": "versions:\n- 1\n- 2\n",
}


def hide_in_a_dropped_stage(client: Client) -> None:
    drop_a_stage(client)
    client.commit(HIDDEN)


def archive_signed(client: Client) -> None:
    drop_a_stage(client)
    archived = "registry/tokenizer/stages/archived.yaml"
    client.commit_signed(
        "ada",
        {
            LIVE: None,
            archived: "versions:\n- 1\n- 2\n",
            "registry/tokenizer/stages/shadow.yaml": None,
        },
    )


def reuse_a_number(client: Client) -> None:
    files = client.register("churn", 3)
    saved = {
        path: client.read(path) for path in files if path.startswith("registry/churn/versions/3/")
    }
    delete_version(client)
    entry = client._entry("churn", "  churn:\n    path: registry/churn/versions/3/model\n")
    client.git("rm", "--quiet", "registry/churn/versions/3/deleted.yaml")
    client.commit({**saved, "dvc.yaml": entry})


def delete_and_take_the_next(client: Client) -> None:
    files = client.register("churn", 4)
    delete_version(client)
    files["dvc.yaml"] = client._entry(
        "churn", "  churn:\n    path: registry/churn/versions/4/model\n"
    )
    client.commit(files)


def skip_a_number(client: Client) -> None:
    client.commit(
        client.register("churn", 4)
        and {
            path.replace("/4/", "/5/"): None
            if text is None
            else text.replace("version: 4", "version: 5").replace("versions/4/", "versions/5/")
            for path, text in client.register("churn", 4).items()
        }
    )


def remove_a_version(client: Client) -> None:
    entry = client._entry("churn", "  churn:\n    path: registry/churn/versions/2/model\n")
    client.commit({"registry/churn/versions/3": None, "dvc.yaml": entry})


def edit_a_manifest(client: Client) -> None:
    path = MANIFEST.format(2)
    client.commit({path: client.read(path).replace("auc: 0.8", "auc: 0.99")})


def annotate(client: Client) -> None:
    client.commit({"registry/churn/versions/2/annotations.yaml": "description: looked at\n"})


def repoint_bytes(client: Client) -> None:
    other = client.read("registry/churn/versions/1/model.dvc")
    client.commit({"registry/churn/versions/2/model.dvc": other})


def repoint_dvc_yaml(client: Client) -> None:
    entry = client._entry("churn", "  churn:\n    path: registry/churn/versions/1/model\n")
    client.commit({"dvc.yaml": entry})


def another_artifact(client: Client) -> None:
    client.commit({"dvc.yaml": client.read("dvc.yaml") + "  report:\n    path: report.html\n"})


def add_to_a_version(client: Client) -> None:
    client.commit({"registry/churn/versions/2/requirements.txt": "evil==1\n"})


def commit_the_bytes(client: Client) -> None:
    client.commit({"registry/churn/versions/2/model/model.pkl": "weights"})


def two_stages(client: Client) -> None:
    client.commit({STAGING: "versions:\n- 2\n"})


def two_in_production(client: Client) -> None:
    client.commit({PRODUCTION: "versions:\n- 2\n- 3\n"})


def unknown_stage(client: Client) -> None:
    client.commit({"registry/churn/stages/shadow.yaml": "versions:\n- 3\n"})


def alias_to_nowhere(client: Client) -> None:
    client.commit({"registry/churn/aliases/next.yaml": "version: 9\n"})


def alias_to_a_version(client: Client) -> None:
    client.commit({"registry/churn/aliases/next.yaml": "version: 3\n"})


def alias_like_another(client: Client) -> None:
    client.commit({"registry/churn/aliases/Champion.yaml": "version: 3\n"})


def model_like_another(client: Client) -> None:
    client.commit(client.register("Churn", 1))


CHAMPION = "registry/churn/aliases/champion.yaml"


def delete_a_protected_alias(client: Client) -> None:
    policy = client.read("registry/policy.yaml")
    protecting = policy.replace("protected: false", "protected: true")
    client.commit({"registry/policy.yaml": protecting})
    assert client.push()[0] == 0
    client.commit({CHAMPION: None})


def delete_a_free_alias(client: Client) -> None:
    client.commit({CHAMPION: None})


def look_alike(client: Client, path: str) -> None:
    client.plumb({path: ("100644", client.blob("versions:\n- 1\n"))})


def policy_as_a_folder(client: Client) -> None:
    client.git("rm", "--quiet", "registry/policy.yaml")
    client.commit({"registry/policy.yaml/model.yaml": "description: a model\n"})


def describe_a_model(client: Client) -> None:
    client.commit({"registry/churn/model.yaml": "description: who leaves\n"})


def another_model(client: Client) -> None:
    client.commit(client.register("churn-b", 1))


def garbage_in_a_pointer(client: Client) -> None:
    client.commit({PRODUCTION: "versions: ['2']\n"})


def garbage_in_the_policy(client: Client) -> None:
    client.commit({"registry/policy.yaml": "format: 1\nstages: {production: {hold: 1}}\n"})


def rename_model(client: Client) -> None:
    with Registry(client.folder) as registry:
        registry.rename_model("churn", "leavers")


def rename_what_is_live(client: Client) -> None:
    """Take the signed production of a model away, unsigned, by another name."""
    go_live(client)
    repository = GitRepository(client.folder)
    state = RegistryState(repository.snapshot(str(repository.commit_of("HEAD"))))
    note = Tombstone(CREATED, ADA, None, renamed_to="words")
    edits = renaming.rename_model(state, "tokenizer", note, None).edits
    repository.close()
    client.commit({e.path: None if e.content is None else e.content.decode() for e in edits})


def rename_and_change(client: Client) -> None:
    rename_model(client)
    path = MANIFEST.format(2).replace("/churn/", "/leavers/")
    client.commit({path: client.read(path).replace("auc: 0.8", "auc: 0.99")}, "by hand", "--amend")


def rename_and_promote(client: Client) -> None:
    rename_model(client)
    client.commit(
        {PRODUCTION.replace("/churn/", "/leavers/"): "versions:\n- 1\n"}, "by hand", "--amend"
    )


def delete_model(client: Client) -> None:
    with Registry(client.folder) as registry:
        registry.delete_model("churn", force=True)


def remove_a_model(client: Client) -> None:
    delete_model(client)
    client.commit({"registry/churn/deleted.yaml": None}, "by hand", "--amend")


def begin_anew(client: Client, auc: str = "0.9") -> None:
    files = client.register("churn", 2)
    manifest = files.pop("registry/churn/versions/2/manifest.yaml")
    made = {path.replace("/2/", "/1/"): text for path, text in files.items() if path != "dvc.yaml"}
    text = str(manifest).replace("version: 2", "version: 1").replace("auc: 0.7", f"auc: {auc}")
    delete_model(client)
    with Registry(client.folder) as registry:
        registry.create_model("churn")
    entry = client._entry("churn", "  churn:\n    path: registry/churn/versions/1/model\n")
    client.commit({**made, "registry/churn/versions/1/manifest.yaml": text, "dvc.yaml": entry})


def borrow_an_earlier_life(client: Client) -> None:
    start = client.git("rev-parse", "HEAD")
    begin_anew(client, "0.1")
    client.commit(
        {PRODUCTION: "versions:\n- 1\n"}, message=f'Revert "x"\n\nThis reverts commit {start}.\n'
    )


def forget_a_deletion(client: Client) -> None:
    delete_model(client)
    client.commit({"registry/churn/deleted.yaml": None})


def revert_a_deletion(client: Client) -> None:
    delete_model(client)
    client.git("revert", "--no-edit", "HEAD")


def say_it_is_deleted(client: Client) -> None:
    client.commit({"registry/churn/deleted.yaml": GONE})


DVC_FILE = "registry/churn/versions/4/model.dvc"


def changed_pointer(client: Client, old: str, new: str) -> None:
    files = client.register("churn", 4)
    text = str(files[DVC_FILE])
    assert old in text
    client.commit({**files, DVC_FILE: text.replace(old, new)})


def command_in_a_dvc_file(client: Client) -> None:
    """Let `dvc repro` run something."""
    changed_pointer(client, "outs:", "cmd: touch /tmp/evil\nouts:")


def remote_in_a_dvc_file(client: Client) -> None:
    """Let `dvc pull` ask another remote for the bytes."""
    changed_pointer(client, "  hash: md5", "  hash: md5\n  remote: mine")


def known_digest_of_other_bytes(client: Client) -> None:
    """Give the manifest the digest of version 3, and DVC the bytes of version 1."""
    md5s = [
        str(client.read(f"registry/churn/versions/{n}/model.dvc").split("md5: ")[1].split("\n")[0])
        for n in (3, 1)
    ]
    changed_pointer(client, *md5s)


def known_bytes(client: Client) -> None:
    """Register the bytes of version 3 again."""
    client.commit(client.register("churn", 4))


def requirements_of(client: Client, text: str, digest_of: str) -> None:
    digest = hashlib.sha256(digest_of.encode()).hexdigest()
    files = client.register("churn", 4)
    manifest = MANIFEST.format(4)
    lines = [
        f"  requirements_digest: {digest}" if "requirements_digest" in entry else entry
        for entry in str(files[manifest]).splitlines()
    ]
    assert any(digest in entry for entry in lines)
    files[manifest] = "\n".join([*lines, ""])
    client.commit({**files, "registry/churn/versions/4/requirements.txt": text})


def other_requirements(client: Client) -> None:
    requirements_of(client, "evil==1.0\n", "good==1.0\n")


def right_requirements(client: Client) -> None:
    requirements_of(client, "good==1.0\n", "good==1.0\n")


def second_dvc_file(client: Client) -> None:
    """Put another .dvc file beside a version's, which plain DVC would pull as well."""
    files = client.register("churn", 4)
    text = str(files[DVC_FILE]).replace("path: model", "path: model.pkl")
    client.commit({**files, "registry/churn/versions/4/model.pkl.dvc": text})


def pipeline_in_the_registry(client: Client) -> None:
    client.commit({"registry/dvc.yaml": "stages: {evil: {cmd: touch /tmp/evil}}\n"})


def pipeline_of_ones_own(client: Client) -> None:
    client.commit({"pipelines/dvc.yaml": "stages: {train: {cmd: python train.py}}\n"})
