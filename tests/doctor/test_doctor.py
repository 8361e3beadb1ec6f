"""Doctor names what is wrong, each with the command that mends it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.findings import Finding
from tests.conftest import git


def findings(folder: Path) -> dict[str, Finding]:
    with Registry(folder) as registry:
        found = registry.doctor()
    order = [("error", "warning", "note").index(finding.severity) for finding in found]
    assert order == sorted(order)
    return {finding.code: finding for finding in found}


def commit(folder: Path, files: dict[str, str | None]) -> None:
    for path, text in files.items():
        if text is None:
            git(folder, "rm", "-r", "--quiet", "--", path)
            continue
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
        git(folder, "add", "--force", "--", path)
    git(folder, "commit", "--quiet", "-m", "by hand")


def test_a_sound_registry(stocked: Path) -> None:
    assert findings(stocked) == {}


BROKEN: dict[str, tuple[dict[str, str | None], str]] = {
    "bad-policy": ({"registry/policy.yaml": "format: 99\n"}, "registry/policy.yaml"),
    "bad-version": ({"registry/churn/versions/2/manifest.yaml": "model: [\n"}, "churn@2"),
    "bad-pointer": ({"registry/churn/aliases/champion.yaml": "version: '2'\n"}, "churn"),
    "two-stages": ({"registry/churn/stages/staging.yaml": "versions:\n- 2\n"}, "churn@2"),
    "unknown-stage": ({"registry/churn/stages/shadow.yaml": "versions:\n- 3\n"}, "churn/shadow"),
    "dangling-pointer": ({"registry/churn/aliases/next.yaml": "version: 9\n"}, "churn@next"),
    "name-collision": ({"registry/Churn/versions/1/manifest.yaml": "x: y\n"}, "Churn, churn"),
    "no-registry": ({"registry": None}, "registry/"),
}


@pytest.mark.parametrize("code", BROKEN)
def test_what_is_broken_in_a_commit(stocked: Path, code: str) -> None:
    files, subject = BROKEN[code]
    commit(stocked, files)
    finding = findings(stocked)[code]
    assert finding.severity == "error"
    assert finding.subject == subject


def test_a_stage_that_names_a_version_that_is_not_there(stocked: Path) -> None:
    commit(stocked, {"registry/churn/stages/staging.yaml": "versions:\n- 9\n"})
    assert findings(stocked)["dangling-pointer"].subject == "churn/staging"


def test_a_version_without_its_pointer_to_the_bytes(stocked: Path) -> None:
    commit(stocked, {"registry/churn/versions/2/model.dvc": None})
    assert "model.dvc" in findings(stocked)["bad-version"].message


def _detach(folder: Path) -> None:
    git(folder, "switch", "--quiet", "--detach")


def _lock(folder: Path) -> None:
    (folder / ".git" / "index.lock").touch()


def _lock_a_branch(folder: Path) -> None:
    (folder / ".git" / "refs" / "heads" / "main.lock").touch()


def _lock_packed_references(folder: Path) -> None:
    (folder / ".git" / "packed-refs.lock").touch()


def _lock_head(folder: Path) -> None:
    (folder / ".git" / "HEAD.lock").touch()


def _lose_a_tag(folder: Path) -> None:
    git(folder, "tag", "-d", "churn@v2.0.0")


def _foreign_tag(folder: Path) -> None:
    git(folder, "tag", "churn@v9.0.0")
    git(folder, "tag", "v1.0")
    git(folder, "tag", "other@v1.0.0")


CLONES: dict[str, tuple[Callable[[Path], None], str]] = {
    "detached-head": (_detach, "git switch main"),
    "index-lock": (_lock, "rm "),
    "missing-tag": (_lose_a_tag, "gitreg tags sync"),
    "foreign-tag": (_foreign_tag, "git show churn@v9.0.0"),
}


@pytest.mark.parametrize("lock", [_lock_a_branch, _lock_packed_references, _lock_head])
def test_a_lock_that_was_left_behind(stocked: Path, lock: Callable[[Path], None]) -> None:
    lock(stocked)
    found = findings(stocked)
    assert list(found) == ["reference-lock"]
    assert found["reference-lock"].severity == "error"  # every write fails
    assert f"rm {found['reference-lock'].subject}" in str(found["reference-lock"].remedy)


def test_locks_of_a_linked_work_tree(shared: Path) -> None:
    git(shared / "work", "worktree", "add", "--quiet", "-b", "side", "../linked")
    own, common = shared / "work/.git/worktrees/linked", shared / "work/.git"
    locks = [common / "refs/tags/x.lock", own / "index.lock", own / "HEAD.lock"]
    locks.append(common / "config.lock")
    for lock in locks:
        lock.touch()
    with Registry(shared / "linked") as registry:
        found = [f.subject for f in registry.doctor() if f.code.endswith("-lock")]
    assert sorted(found) == sorted(map(str, locks))


NO_FILES = ["registry/policy.yaml", "registry/churn/aliases/champion.yaml"]


@pytest.mark.parametrize("path", NO_FILES)
@pytest.mark.parametrize("kind", ["link", "submodule", "folder"])
def test_what_is_no_file_in_the_place_of_one(stocked: Path, path: str, kind: str) -> None:
    git(stocked, "rm", "--quiet", path)
    if kind == "link":
        (stocked / path).parent.mkdir(parents=True, exist_ok=True)
        (stocked / path).symlink_to("version: 1")
        git(stocked, "add", path)
    elif kind == "submodule":
        head = git(stocked, "rev-parse", "HEAD")
        git(stocked, "update-index", "--add", "--cacheinfo", f"160000,{head},{path}")
    else:
        (stocked / path).mkdir(parents=True)
        (stocked / path / "x").touch()
        git(stocked, "add", path)
    git(stocked, "commit", "--quiet", "-m", "by hand")
    with Registry(stocked) as registry:
        (found,) = (f for f in registry.doctor() if f.code == "not-a-file")
    assert (found.subject, found.severity) == (path, "error")


def test_a_broken_pointer_is_told_once(stocked: Path) -> None:
    commit(stocked, {"registry/churn/aliases/champion.yaml": "version: '2'\n"})
    with Registry(stocked) as registry:
        found = registry.doctor()
    assert [f.code for f in found if f.severity == "error"] == ["bad-pointer"]


def test_a_path_is_told_once(stocked: Path) -> None:
    commit(stocked, {"registry/policy.yaml": "format: 99\n"})
    assert "registry/policy.yaml" not in findings(stocked)["bad-policy"].message


@pytest.mark.parametrize("code", CLONES)
def test_what_is_wrong_with_a_clone(stocked: Path, code: str) -> None:
    spoil, remedy = CLONES[code]
    spoil(stocked)
    found = findings(stocked)
    assert list(found) == [code]
    assert found[code].severity == ("error" if code == "index-lock" else "warning")
    assert remedy in str(found[code].remedy)


def test_a_tag_that_was_moved(stocked: Path) -> None:
    git(stocked, "tag", "-f", "-a", "-m", "mine", "churn@v2.0.0", "HEAD")
    found = findings(stocked)
    assert found["wrong-tag"].subject == "churn@v2.0.0"
    with Registry(stocked) as registry:
        assert registry.sync_tags(force=True).replaced == ("churn@v2.0.0",)
    assert findings(stocked) == {}


def objects_of(folder: Path, reference: str) -> list[str]:
    with Registry(folder) as registry:
        md5 = str(registry.show(reference).artifact.md5)
    return [f"files/md5/{md5[:2]}/{md5[2:]}"]


def test_bytes_that_are_not_shared(shared: Path) -> None:
    work = shared / "work"
    for path in objects_of(work, "churn@2"):
        (shared / "dvc-remote" / path).unlink()
    found = findings(work)["not-shared"]
    mend = "gitreg verify --remote --repair churn@2"
    assert (found.subject, found.remedy, found.severity) == ("churn@2", mend, "warning")


def test_bytes_that_are_nowhere(shared: Path) -> None:
    work = shared / "work"
    for path in objects_of(work, "churn@2"):
        (shared / "dvc-remote" / path).unlink()
        (work / "registry" / ".dvc" / "cache" / path).unlink()
    assert findings(work)["artifact-missing"].subject == "churn@2"


def test_bytes_without_a_remote(shared: Path) -> None:
    work = shared / "work"
    (work / "registry" / ".dvc" / "config").write_text("")
    assert findings(work)["no-dvc-remote"].severity == "note"
    for path in objects_of(work, "churn@2"):
        (work / "registry" / ".dvc" / "cache" / path).unlink()
    assert findings(work)["artifact-missing"].subject == "churn@2"


def test_a_dvc_that_cannot_be_asked(stocked: Path) -> None:
    (stocked / "registry" / ".dvc" / "config").write_text("[core\n")
    found = findings(stocked)["dvc"]
    assert found.severity == "error"
    assert found.subject == "registry/.dvc/config"
