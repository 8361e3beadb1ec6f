"""Every state that doctor reports: found, and gone once its remedy is run."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.dvc.remote import Remote as DvcRemote
from gitreg.dvc.remote import StoredObject
from gitreg.errors import InvalidRequest
from gitreg.findings import Finding
from gitreg.git import publish, remote
from gitreg.git.publish import exclusive
from tests.conftest import git
from tests.doctor.states import (
    DAYS,
    STATES,
    Told,
    aged,
    another_clone,
    behind,
    behind_in_the_files,
    codes,
    diverged,
    found,
    member_not_shared,
    not_followed,
    not_shared,
    pull_killed_long_ago,
    run,
    set_aside,
    tag_extra,
    tag_lost,
    tag_moved,
    unreachable,
)
from tests.doctor.test_doctor import commit
from tests.stories.test_users_work import state_of
from tests.support.commands import gitreg

states = pytest.mark.parametrize("make", STATES, ids=lambda make: make.__name__)


def the(told: Told, findings: list[Finding]) -> Finding:
    one = next(finding for finding in findings if finding.code == told.code)
    assert one.severity == told.severity
    assert told.subject in one.subject
    return one


@states
def test_the_remedy_run_verbatim_mends_it(
    shared: Path, make: Callable[[Path], None], tmp_path: Path
) -> None:
    told, work = STATES[make], shared / "work"
    make(shared)
    finding = the(told, found(work))
    assert finding.remedy is not None
    run(work, finding.remedy, tmp_path / "bin")
    if told.mends:
        assert told.code not in codes(work)


@states
def test_fix_does_what_is_safe_and_no_more(shared: Path, make: Callable[[Path], None]) -> None:
    told, work = STATES[make], shared / "work"
    make(shared)
    refs = git(work, "for-each-ref", "refs/heads", "refs/remotes", "refs/gitreg/seen")
    there = git(shared / "origin.git", "for-each-ref")
    after = found(work, fix=True)
    left = [finding for finding in after if finding.code == told.code]
    assert bool(left) is not told.fixed
    done = [finding for finding in after if finding.code == "fixed"]
    assert {finding.severity for finding in done} <= {"note"}
    assert after[: len(done)] == done
    assert not told.fixed or done
    # No pointer moves, nothing is pushed.
    assert git(work, "for-each-ref", "refs/heads", "refs/remotes", "refs/gitreg/seen") == refs
    assert git(shared / "origin.git", "for-each-ref") == there


# What is no state of a sound registry, and what must not be taken for one


def test_doctor_moves_nothing(shared: Path) -> None:
    behind(shared)
    work = shared / "work"
    before = git(work, "for-each-ref"), git(work, "status", "--porcelain", "--ignored")
    assert codes(work) == {"behind"}
    assert (git(work, "for-each-ref"), git(work, "status", "--porcelain", "--ignored")) == before
    assert not (work / ".git/FETCH_HEAD").exists()


def test_what_is_behind_is_told_with_its_number(shared: Path) -> None:
    diverged(shared)
    (finding,) = (f for f in found(shared / "work") if f.code == "diverged")
    assert "has 1 commit more than this clone, which has 1 commit of its own" in finding.message


def test_a_remote_that_cannot_be_reached_hides_nothing(shared: Path) -> None:
    unreachable(shared)
    tag_lost(shared)
    not_shared(shared)
    told = {finding.code: finding for finding in found(shared / "work")}
    assert set(told) == {"remote-unreachable", "missing-tag", "not-shared"}
    assert told["remote-unreachable"].severity == "warning"
    assert told["remote-unreachable"].subject == "origin"
    assert "../origin.git" in told["remote-unreachable"].message


def test_a_remote_that_never_answers_is_given_up(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = shared / "work"
    ssh = shared / "ssh"
    ssh.write_text("#!/bin/sh\nsleep 30\n")
    ssh.chmod(0o755)
    git(work, "remote", "set-url", "origin", "ssh://nowhere.example/r.git")
    monkeypatch.setenv("GIT_SSH", str(ssh))
    monkeypatch.setenv("GIT_SSH_VARIANT", "simple")
    monkeypatch.setattr(remote, "PATIENCE", 0.3)
    (told,) = found(work)
    assert told.code == "remote-unreachable"
    assert "ls-remote: no answer" in told.message


@pytest.mark.parametrize("remotes", [[], ["one", "two"]])
def test_nowhere_to_publish_is_a_note(stocked: Path, remotes: list[str]) -> None:
    git(stocked, "remote", "remove", "origin")
    for name in remotes:
        git(stocked, "remote", "add", name, f"../{name}.git")
    (told,) = found(stocked)
    assert (told.code, told.severity) == ("no-upstream" if remotes else "no-git-remote", "note")


def test_the_users_work_in_the_registry_is_theirs(stocked: Path) -> None:
    """One file is taken back in the index alone, one was edited, one is new: no crash does that."""
    git(stocked, "reset", "--quiet", "HEAD~", "--", "registry/churn/stages/production.yaml")
    (stocked / "registry/churn/aliases/champion.yaml").write_text("version: 3\n")
    (stocked / "registry/churn/aliases/mine.yaml").write_text("version: 3\n")
    (stocked / "registry/notes.txt").write_text("untracked, and not in the way\n")
    before = state_of(stocked)
    (told,) = found(stocked, fix=True)
    assert (told.code, told.severity) == ("uncommitted", "note")
    assert "changes in 3 files" in told.message
    assert state_of(stocked) == before


def test_edits_beside_files_that_are_behind_are_kept(shared: Path) -> None:
    behind_in_the_files(shared)
    work = shared / "work"
    mine = work / "registry/tokenizer/model.yaml"
    mine.write_text("description: mine\n")
    (work / "code.py").write_text("1\n")
    git(work, "add", "code.py")
    assert {"fixed", "uncommitted"} <= {finding.code for finding in found(work, fix=True)}
    assert mine.read_text() == "description: mine\n"
    assert git(work, "status", "--porcelain").split() == [
        "A",
        "code.py",
        "??",
        "registry/tokenizer/model.yaml",
    ]


def test_a_revert_under_way_is_not_a_crash(stocked: Path) -> None:
    git(stocked, "revert", "--no-commit", "HEAD")
    (stocked / ".git/REVERT_HEAD").write_text(git(stocked, "rev-parse", "HEAD") + "\n")
    before = state_of(stocked)
    assert {finding.code for finding in found(stocked, fix=True)} == {"uncommitted"}
    assert state_of(stocked) == before


def test_what_a_process_has_open_is_told_and_left(stocked: Path) -> None:
    lock = stocked / ".git/config.lock"
    workshop = stocked / "registry/churn/versions/2/.gitreg-abcdefgh"
    workshop.mkdir()
    with lock.open("wb"), (workshop / "new").open("wb"):
        aged(workshop, 30 * DAYS)
        told = {finding.code: finding for finding in found(stocked, fix=True)}
        assert set(told) == {"git-lock", "unfinished"}
        for finding in told.values():
            assert f"process {os.getpid()} " in finding.message
            assert finding.remedy == f"ps -fp {os.getpid()}"
    assert workshop.exists()


def test_git_locks_are_never_removed(stocked: Path) -> None:
    for name in ("index.lock", "HEAD.lock", "config.lock"):
        (stocked / ".git" / name).touch()
        aged(stocked / ".git" / name, 30 * DAYS)
    assert [finding.code for finding in found(stocked, fix=True)].count("fixed") == 0
    assert len(list((stocked / ".git").glob("*.lock"))) == 3


def test_behind_a_lock_of_the_index_nothing_is_followed(shared: Path) -> None:
    not_followed(shared)
    lock = shared / "work/.git/index.lock"
    lock.touch()
    assert {"index-lock", "not-followed"} <= {f.code for f in found(shared / "work", fix=True)}
    lock.unlink()
    assert "not-followed" not in {f.code for f in found(shared / "work", fix=True)}


def test_a_gitreg_at_work_is_not_a_crash(shared: Path) -> None:
    not_followed(shared)
    work = shared / "work"
    with exclusive(work / ".git/gitreg"):
        assert "writer-at-work" in codes(work)
        assert "not-followed" not in codes(work)
    assert "not-followed" in codes(work)


def test_what_was_set_aside_is_never_removed(shared: Path) -> None:
    set_aside(shared)
    folder = shared / "work/registry/churn/versions/2"
    for path in folder.glob(".gitreg-*"):
        aged(path, 30 * DAYS)
    found(shared / "work", fix=True)
    (aside,) = folder.glob(".gitreg-*")
    assert (aside / "model" / "model.pkl").read_text() == "edited 2"


def test_a_deletion_is_no_damage(stocked: Path) -> None:
    with Registry(stocked) as registry:
        registry.delete("churn@3", push=True)
    assert codes(stocked) == set()


def test_a_version_that_others_registered_is_not_extra(shared: Path) -> None:
    with Registry(another_clone(shared)) as registry:
        registry.set_alias("churn@3", "next", push=True)
        registry.sync_tags(push=True)
    assert codes(shared / "work") == {"behind"}


def test_the_remote_is_asked_once_for_all_versions(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    look = DvcRemote.look

    def counted(self: DvcRemote, oids: Sequence[str]) -> dict[str, StoredObject]:
        asked.append(len(oids))
        return look(self, oids)

    monkeypatch.setattr(DvcRemote, "look", counted)
    assert codes(shared / "work") == set()
    assert len(asked) == 1


def test_a_clone_that_has_pulled_nothing(shared: Path) -> None:
    """Listings that only the remote has are read there; each version is told by name too."""
    with Registry(shared / "work") as registry:
        md5 = str(registry.show("churn@1").artifact.md5)
    member_not_shared(shared)
    listing = shared / "dvc-remote/files/md5" / md5[:2] / md5[2:]
    listing.chmod(0o644)
    listing.write_bytes(b"[]")
    other = another_clone(shared)
    with Registry(other) as registry:
        registry.sync_tags()
    told = [finding for finding in found(other) if finding.severity != "note"]
    assert {f.code for f in told} == {"artifact-missing"}
    assert [f.subject for f in told] == ["churn@1", "churn@2"]


def test_what_cannot_be_fixed_is_an_error(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pull_killed_long_ago(shared)
    work = shared / "work"
    monkeypatch.setattr(publish, "LOCK_PATIENCE", 0.0)
    with exclusive(work / ".git/gitreg"):
        told = found(work, fix=True)
    assert [f.subject for f in told if f.code == "not-fixed"] == ["work tree", "unfinished files"]
    assert {f.severity for f in told if f.code == "not-fixed"} == {"error"}


def test_by_url_there_is_nothing_to_fix(shared: Path) -> None:
    with Registry(f"file://{shared / 'work'}") as registry:
        assert {finding.severity for finding in registry.doctor()} <= {"note"}
        with pytest.raises(InvalidRequest, match="by URL"):
            registry.doctor(fix=True)


def test_a_bare_repository(shared: Path) -> None:
    with Registry(shared / "origin.git") as registry:
        assert [f for f in registry.doctor(fix=True) if f.code != "dvc"] == []


def test_the_command_line(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = shared / "work"
    monkeypatch.chdir(work)
    tag_lost(shared)
    assert gitreg("doctor", "--fix").out == (
        "fixed: churn@v2.0.0: created the tag that history implies\n"
    )
    tag_lost(shared)
    tag_moved(shared)
    tag_extra(shared)
    (work / ".git/refs/tags/churn@v2.0.0").unlink(missing_ok=True)
    first, *rest = gitreg("doctor", "--fix", "--json").json
    assert first == {
        "code": "fixed",
        "severity": "note",
        "subject": "churn@v2.0.0",
        "message": "created the tag that history implies",
        "remedy": None,
    }
    assert [finding["code"] for finding in rest] == ["foreign-tag"]
    tag_moved(shared)
    assert gitreg("doctor", "--fix", code=1).out.startswith("error: churn@v2.0.0: ")


# Hostile registries


def _links(work: Path) -> None:
    for place in (work / "registry/churn/versions/2/model", work / "registry/loop"):
        place.symlink_to("/proc/self" if place.name == "model" else "..")
    (work / "registry/churn/versions/1/.gitreg-link").symlink_to("/")
    aged_link = work / "registry/churn/aliases/.x.gitreg"
    aged_link.symlink_to("/etc/passwd")


def _yaml(work: Path) -> None:
    commit(
        work,
        {
            "registry/churn/versions/1/manifest.yaml": "[" * 5000,
            "registry/churn/versions/2/model.dvc": "outs: 7\n",
            "registry/churn/versions/3/annotations.yaml": "!!python/object:os.system x\n",
            "registry/churn/versions/999999999/manifest.yaml": "a: &a [*a]\n",
            "registry/churn/stages/staging.yaml": "versions: true\n",
            "registry/churn/model.yaml": "\0\n",
            "registry/policy.yaml": "- 1\n",
        },
    )


def _names(work: Path) -> None:
    for name in (b"\xff\xfe", b"a\nb", b"-x"):
        folder = work / "registry" / os.fsdecode(name) / "versions/1"
        folder.mkdir(parents=True)
        (folder / "manifest.yaml").write_text("x: y\n")
    git(work, "add", "-A", "registry")
    git(work, "commit", "--quiet", "-m", "by hand")


def _thousands(work: Path) -> None:
    files: dict[str, str | None] = {}
    for number in range(10, 2010):
        files[f"registry/churn/versions/{number}/manifest.yaml"] = f"version: {number}\n"
    for path, text in files.items():
        (work / path).parent.mkdir()
        (work / path).write_text(str(text))
    git(work, "add", "registry")
    git(work, "commit", "--quiet", "-m", "by hand")


def _listing(work: Path) -> None:
    with Registry(work) as registry:
        md5 = str(registry.show("churn@2").artifact.md5)
    path = work / "registry/.dvc/cache/files/md5" / md5[:2] / md5[2:]
    path.chmod(0o644)
    path.write_bytes(b"{")
    path.chmod(0o444)


def _lock_folder(work: Path) -> None:
    (work / "registry/.dvc/tmp/rwlock").mkdir(parents=True)
    (work / ".git/gitreg/history.sqlite").unlink()
    (work / ".git/gitreg/history.sqlite").mkdir()


@pytest.mark.parametrize("spoil", [_links, _yaml, _names, _thousands, _listing, _lock_folder])
@pytest.mark.parametrize("fix", [False, True])
def test_a_hostile_registry_is_findings(
    stocked: Path, spoil: Callable[[Path], None], *, fix: bool
) -> None:
    spoil(stocked)
    told = found(stocked, fix=fix)
    assert any(finding.severity != "note" for finding in told)
    assert Path("/etc/passwd").exists()
