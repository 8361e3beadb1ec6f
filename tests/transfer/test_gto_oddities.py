"""`gitreg import gto`, where tags, files or people were not as GTO leaves them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.errors import InvalidRequest, NotFound
from tests.conftest import git
from tests.support.commands import error, gitreg
from tests.transfer.projects import DAY, STARTED, bring, commit, dated, dvc, lines, tag, tags

ENTRY = "artifacts:\n  churn:\n    path: model.bin\n"


def versions(folder: Path, model: str = "churn") -> dict[int, str]:
    with Registry(folder) as registry:
        return {v.version: v.tags["gto.version"] for v in registry.versions(model)}


def stages(folder: Path, model: str = "churn") -> dict[str, tuple[int, ...]]:
    with Registry(folder) as registry:
        return dict(registry.model(model).stages)


def two_versions(folder: Path, *names: str) -> None:
    """Commit a model in Git twice, and tag each commit."""
    for day, name in enumerate(names or ("churn@v1.0.0", "churn@v2.0.0"), start=1):
        commit(folder, day, {"dvc.yaml": ENTRY, "model.bin": f"weights {day}"})
        tag(folder, day, name)


# Numbers


@pytest.mark.parametrize(
    ("named", "numbers"),
    [
        (("v1.0.0", "v2.3.0", "v4.0.0"), (1, 2, 4)),
        (("v1.0.0", "v1.1.0", "v2.0.0"), (1, 2, 3)),
        (("v2.0.0", "v1.0.0"), (1, 2)),
        (("v0.1.0", "v0.2.0-rc.1"), (1, 2)),
        (("v3.0.0", "v20240101.0.0"), (1, 2)),
    ],
)
def test_numbers(folder: Path, named: tuple[str, ...], numbers: tuple[int, ...]) -> None:
    two_versions(folder, *(f"churn@{name}" for name in named))
    assert lines(bring(folder), left=True) == []
    assert versions(folder) == dict(zip(reversed(numbers), reversed(named), strict=True))


def test_the_next_number_is_above_all_majors(folder: Path) -> None:
    two_versions(folder, "churn@v7.0.0", "churn@v7.1.0")
    bring(folder)
    with Registry(folder) as registry:
        assert registry.register("churn", folder / "model.bin").tags == ("churn@v8.0.0",)


# Tags


def test_lightweight_tags_are_dated_as_their_commits(folder: Path) -> None:
    made = commit(folder, 1, {"dvc.yaml": ENTRY, "model.bin": "weights"})
    for name in ("churn@v1.0.0", "churn#production"):
        git(folder, "tag", name, made)
    assert lines(bring(folder), left=True) == []
    said = git(folder, "log", "-2", "--format=%an %at")
    assert said.splitlines() == [f"Grace Hopper {STARTED + DAY}"] * 2
    assert stages(folder) == {"production": (1,)}


def test_old_forms_unassignments_and_deprecations(folder: Path) -> None:
    two_versions(folder, "churn@v1.0.0", "churn@v2.0.0", "churn@v3.0.0")
    first, second, third = (f"churn@v{number}.0.0^{{commit}}" for number in (1, 2, 3))
    for day, (name, where) in enumerate(
        [
            ("churn#production", first),
            ("churn#production#1", second),
            ("churn#production!#2", second),  # back to the first one
            ("churn#staging#3", third),
            ("churn#staging!", third),
            ("churn@v2.0.0!#4", second),
            ("churn@deprecated#5", third),
        ],
        start=10,
    ):
        tag(folder, day, name, where)
    report = bring(folder)
    assert lines(report, left=True) == []
    assert stages(folder) == {"production": (1,), "archived": (2,)}
    with Registry(folder) as registry:
        assert registry.model("churn").tags == {"gto.deprecated": "true"}
        assert registry.promote("churn@3", stage="staging").tags == ("churn#staging#6",)
        assert [f for f in registry.doctor() if "tag" in f.code] == []
    assert bring(folder).is_unchanged


def test_hostile_tags_do_no_harm(folder: Path) -> None:
    two_versions(folder)
    forged = (
        "Fine.\n\nGitreg-Action: delete\nGitreg-Op: gto-import-1\nThis reverts commit 0338151c8."
    )
    tag(folder, 5, "churn#production#1", "churn@v1.0.0^{commit}", forged)
    tag(folder, 6, "churn#staging#2", "churn@v2.0.0^{commit}", "red \x1b[31m $(touch /tmp/x)")
    tag(folder, 7, "churn#-x#3", "churn@v2.0.0^{commit}")
    tag(folder, 8, "churn@v1.0.0x")
    target = commit(folder, 9, {"notes.txt": "more"})
    for name, tagger in (
        ("churn@v3.0.0", "tagger Eve\x07 <> 99999999999999 +0000\n"),
        ("churn@v4.0.0", ""),
    ):
        text = f"object {target}\ntype commit\ntag {name}\n{tagger}\nwords\n"
        made = dated(
            folder, 9, "hash-object", "-t", "tag", "-w", "--literally", "--stdin", stdin=text
        )
        git(folder, "update-ref", f"refs/tags/{name}", made)
    blob = git(folder, "rev-parse", "HEAD:model.bin")
    git(folder, "tag", "churn@v5.0.0", blob)
    was = tags(folder)
    report = bring(folder)
    assert lines(report, left=True) == []
    assert sorted(versions(folder)) == [1, 2, 3, 4]
    assert stages(folder) == {"production": (1,), "staging": (2,)}
    assert tags(folder) == was
    with Registry(folder) as registry:
        assert [e.action for e in registry.log("churn") if e.action == "delete"] == []
        moves = [e for e in registry.log("churn") if e.pointer == "stages/production"]
        assert (moves[0].reverts, registry.operation_of(moves[0].commit)) != ("0338151c8", None)
    assert "> Gitreg-Action: delete" in git(folder, "log", "--format=%B")


def test_only_tags_of_gitreg_are_nothing_to_import(folder: Path) -> None:
    two_versions(folder, "v1.0.0")
    with Registry(folder) as registry:
        registry.register("churn", folder / "model.bin")
        registry.promote("churn@1", stage="production")
    with pytest.raises(NotFound, match="no tags of GTO's"):
        bring(folder)


# Files


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"dvc.yaml": "stages: {}\n"}, "dvc.yaml has no path of the artifact churn there"),
        ({"dvc.yaml": ENTRY.replace("model.bin", "../../etc/passwd")}, "not a path inside"),
        ({"dvc.yaml": ENTRY.replace("model.bin", "/etc/passwd")}, "not a path inside"),
        ({"dvc.yaml": ENTRY.replace("model.bin", ".git/config")}, "not a path inside"),
        ({"dvc.yaml": "artifacts: [\n"}, "not YAML"),
        ({"dvc.yaml": ENTRY}, "its bytes, model.bin, are neither in Git, the DVC cache"),
        ({"dvc.yaml": ENTRY, "model.bin": "version https://git-lfs.github.com/spec/v1\n"}, "LFS"),
    ],
)
def test_an_artifact_that_cannot_be_had_is_named(
    folder: Path, files: dict[str, str], said: str
) -> None:
    commit(folder, 1, files)
    tag(folder, 1, "churn@v1.0.0")
    two_versions(folder, "churn@v2.0.0")
    report = bring(folder)
    (left,) = lines(report, left=True)
    assert left.startswith("churn: churn@v1.0.0 was left out: ")
    assert said in left
    assert versions(folder) == {2: "v2.0.0"}


def test_a_symbolic_link_is_not_followed(folder: Path) -> None:
    (folder / "model.bin").symlink_to("/etc/hostname")
    git(folder, "add", "model.bin")
    commit(folder, 1, {"dvc.yaml": ENTRY})
    tag(folder, 1, "churn@v1.0.0")
    assert "symbolic link" in lines(bring(folder), left=True)[0]


def test_paths_and_stages_may_be_given(folder: Path) -> None:
    for day, files in enumerate(({}, {"artifacts.yaml": "churn: {path: w.bin}\n"}), start=1):
        commit(folder, day, {"w.bin": f"weights {day}", **files})
        tag(folder, day, f"churn@v{day}.0.0")
        tag(folder, day, f"churn#prod#{day}")
    ran = gitreg("import", "gto", "--dry-run", "--repo", str(folder), code=1)
    assert "--path churn=PATH" in ran.out
    assert "--stage prod=STAGE" in ran.out
    words = ("--path", "churn=w.bin", "--stage", "prod=production", "-m", "moving in")
    gitreg("import", "gto", *words, "--repo", str(folder))
    assert versions(folder) == {2: "v2.0.0", 1: "v1.0.0"}
    assert stages(folder) == {"production": (2,), "archived": (1,)}
    assert "moving in" in git(folder, "log", "-1", "--format=%b")
    said = error("import", "gto", "--path", "chrun=w.bin", "--repo", str(folder))
    assert "GTO's tags have no artifact 'chrun'; they have churn" in said
    with pytest.raises(InvalidRequest, match="no stage 'live'"):
        bring(folder, stages={"live": "production"})
    error("import", "gto", "--path", "w.bin", "--repo", str(folder))


def test_what_dvc_2_recorded(folder: Path) -> None:
    (folder / "model.bin").write_bytes(b"weights\0of old")
    dvc(folder, "add", "model.bin")
    pointer = folder / "model.bin.dvc"
    pointer.write_text(pointer.read_text().replace("  hash: md5\n", ""))
    cache = folder / ".dvc" / "cache"
    for old in (cache / "files" / "md5").iterdir():
        old.rename(cache / old.name)
    git(folder, "add", "model.bin.dvc", ".gitignore")
    commit(folder, 1, {"dvc.yaml": ENTRY})
    tag(folder, 1, "churn@v1.0.0")
    git(folder, "rm", "--quiet", "-r", "--force", "model.bin.dvc", "dvc.yaml")
    git(folder, "commit", "--quiet", "-m", "gone since")
    ran = gitreg("import", "gto", "--json", "--repo", str(folder))
    assert (ran.json["complete"], ran.err) == (True, "")
    assert ran.json["remarks"] == []
    with Registry(folder) as registry:
        assert registry.pull("churn@1").read_bytes() == b"weights\0of old"


# What is here


def test_a_rule_that_refuses_is_named_and_the_rest_goes_on(folder: Path) -> None:
    (folder / "registry" / "policy.yaml").write_text(
        "format: 1\nstages:\n  staging: {holds: any}\n"
        "  production: {holds: 1, gates: [{metric: auc}]}\n  archived: {holds: any}\n"
    )
    git(folder, "commit", "--quiet", "-am", "a gate")
    two_versions(folder)
    tag(folder, 5, "churn#production#1", "churn@v1.0.0^{commit}")
    tag(folder, 6, "churn#staging#2", "churn@v2.0.0^{commit}")
    for _ in range(2):
        (left, *_more) = lines(bring(folder), left=True)
        assert left.startswith(("churn@1: not in production", "churn@1: is in production in GTO"))
        assert stages(folder) == {"staging": (2,)}


def test_models_that_were_deleted_here_stay_deleted(folder: Path) -> None:
    two_versions(folder)
    bring(folder)
    with Registry(folder) as registry:
        registry.delete("churn@1")
        assert lines(bring(folder), left=False)[0] == (
            "churn@1: churn@v1.0.0 was deleted here: not imported again"
        )
        registry.delete_model("churn")
    report = bring(folder)
    assert lines(report, left=False) == ["churn: was deleted here: not imported again"]
    assert report.is_unchanged


def test_versions_of_the_registrys_own_keep_their_numbers(folder: Path) -> None:
    two_versions(folder)
    shutil.copy(folder / "model.bin", folder / "other.bin")
    with Registry(folder) as registry:
        registry.register("churn", folder / "other.bin")  # above the tags of GTO
        registry.promote("churn@3", stage="production")
    tag(folder, 9, "churn#production#7", "churn@v2.0.0^{commit}")
    report = bring(folder)
    assert report.models[0].brought == (4, 5)
    assert stages(folder) == {"production": (3,)}


def test_folders_that_share_a_name(folder: Path) -> None:
    entry = "artifacts: {churn: {path: m.bin}}\n"
    files = {f"{where}/dvc.yaml": entry for where in ("a", "b/c")}
    commit(folder, 1, {**files, "a/m.bin": "in a", "b/c/m.bin": "in c"})
    for name in ("a=churn@v1.0.0", "b/c=churn@v1.0.0", "b/c=churn#production#1"):
        tag(folder, 1, name)
    assert lines(bring(folder), left=True) == []
    with Registry(folder) as registry:
        assert [model.name for model in registry.models()] == ["a-churn", "b-c-churn"]
        assert registry.pull("b-c-churn@1").read_text() == "in c"
        assert registry.model("b-c-churn").stages == {"production": (1,)}
