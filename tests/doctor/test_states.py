"""Every state that doctor tells of: made for real, found, and gone once the remedy was run."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.dvc.remote import Remote as DvcRemote
from gitreg.dvc.remote import StoredObject
from gitreg.errors import InvalidRequest
from gitreg.findings import Finding
from gitreg.git import publish, remote
from gitreg.git.publish import exclusive
from tests.conftest import git, write_model
from tests.doctor.test_doctor import commit, objects_of
from tests.stories.test_users_work import state_of
from tests.support.commands import gitreg

ROOT = Path(__file__).resolve().parents[2]
DAYS = 24 * 3600


def found(work: Path, *, fix: bool = False) -> list[Finding]:
    with Registry(work) as registry:
        return registry.doctor(fix=fix)


def codes(work: Path) -> set[str]:
    return {finding.code for finding in found(work)}


def run(work: Path, command: str, bin_folder: Path) -> None:
    """Run a remedy as a person would paste it; ``gitreg`` is this interpreter's."""
    bin_folder.mkdir(exist_ok=True)
    script = bin_folder / "gitreg"
    script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m gitreg "$@"\n')
    script.chmod(0o755)
    path = f"{bin_folder}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=work,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, (command, done)


def killed(work: Path, failpoint: str, call: str, *, only: str = "") -> None:
    """Run a call of `Registry` in a process that is killed at a failpoint, a function's call.

    With ``only`` it is killed when that stands in the function's first argument.
    """
    script = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from gitreg import Registry\n"
        "import gitreg.artifacts.materialise, gitreg.git.worktree, gitreg.git.publish\n"
        "import gitdb.db.loose\n"
        f"real = {failpoint}\n"
        "def die(*args, **options):\n"
        f"    if {only!r} in str(args[:1]):\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return real(*args, **options)\n"
        f"{failpoint} = die\n"
        f"Registry('.').{call}\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=work,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == -signal.SIGKILL, done


def aged(path: Path, seconds: float) -> None:
    then = time.time() - seconds
    for place in (*path.rglob("*"), path):
        os.utime(place, (then, then), follow_symlinks=False)


# The states: each makes one in ``shared``, whose ``work`` is the clone


def unpublished(shared: Path) -> None:
    with Registry(shared / "work") as registry:
        registry.set_alias("churn@3", "challenger")


def _other(shared: Path) -> Path:
    git(shared, "clone", "--quiet", "origin.git", "other")
    return shared / "other"


def behind(shared: Path) -> None:
    with Registry(_other(shared)) as registry:
        registry.set_alias("churn@3", "next", push=True)


def diverged(shared: Path) -> None:
    unpublished(shared)
    behind(shared)


def gone_back(shared: Path) -> None:
    work = shared / "work"
    with Registry(work) as registry:
        registry.set_alias("churn@3", "challenger", push=True)
    git(shared / "origin.git", "update-ref", "refs/heads/main", git(work, "rev-parse", "HEAD~"))
    git(shared / "origin.git", "tag", "-d", "churn#challenger#5")


def branch_gone(shared: Path) -> None:
    with Registry(shared / "work") as registry:
        registry.set_alias("churn@3", "challenger", push=True)
    git(shared / "origin.git", "update-ref", "-d", "refs/heads/main")


def unreachable(shared: Path) -> None:
    (shared / "origin.git").rename(shared / "away.git")


def remote_tag_missing(shared: Path) -> None:
    git(shared / "origin.git", "tag", "-d", "churn@v2.0.0")


def remote_tag_moved(shared: Path) -> None:
    git(shared / "origin.git", "tag", "-f", "churn@v2.0.0", "main")


def remote_tags_missing_and_moved(shared: Path) -> None:
    remote_tag_moved(shared)
    git(shared / "origin.git", "tag", "-d", "churn@v1.0.0")


def remote_tag_extra(shared: Path) -> None:
    git(shared / "origin.git", "tag", "churn@v9.0.0", "main")


def not_followed(shared: Path) -> None:
    killed(shared / "work", "gitreg.git.worktree._apply", "promote('churn@3', stage='production')")


def not_followed_half(shared: Path) -> None:
    """The files are written, the index is not."""
    killed(
        shared / "work", "gitreg.git.worktree._index_line", "promote('churn@3', stage='production')"
    )


def announced_only(shared: Path) -> None:
    killed(
        shared / "work",
        "gitreg.git.publish.move_references",
        "promote('churn@3', stage='production')",
    )


def announced_by_half(shared: Path) -> None:
    (shared / "work/.git/gitreg-following.json").write_text('{"branch": "ref')


def behind_in_the_files(shared: Path) -> None:
    """Killed as above, by a release that announced nothing; or pushed to from elsewhere."""
    not_followed(shared)
    (shared / "work/.git/gitreg-following.json").unlink()


def pointer_deleted(shared: Path) -> None:
    (shared / "work/registry/churn/aliases/champion.yaml").unlink()


def edited(shared: Path) -> None:
    (shared / "work/registry/churn/aliases/champion.yaml").write_text("version: 1\n")


def pull_killed(shared: Path) -> None:
    killed(shared / "work", "gitreg.artifacts.materialise._compare", "pull('churn@2')")


def pull_killed_long_ago(shared: Path) -> None:
    pull_killed(shared)
    (workshop,) = (shared / "work/registry/churn/versions/2").glob(".gitreg-*")
    aged(workshop, 2 * 3600)


def registration_killed_long_ago(shared: Path) -> None:
    work = shared / "work"
    write_model(work, "new bytes")
    killed(work, "Path.replace", "register('churn', 'models/churn')")
    left = list((work / ".dvc/cache/files").glob(".gitreg-*.tmp"))
    assert left
    for path in left:
        aged(path, 2 * 3600)


def object_killed_long_ago(shared: Path) -> None:
    work = shared / "work"
    killed(work, "gitdb.db.loose.rename", "set_alias('churn@3', 'next')")
    left = list((work / ".git/objects").glob("obj*"))
    assert left
    for path in left:
        path.chmod(0o644)
        aged(path, 2 * 3600)


def pointer_write_killed_long_ago(shared: Path) -> None:
    work = shared / "work"
    with Registry(work) as registry:
        registry.set_alias("churn@3", "next")
    killed(work, "Path.replace", "set_alias('churn@1', 'next')", only=".next.yaml.gitreg")
    (left,) = (work / "registry/churn/aliases").glob(".*.gitreg")
    aged(left, 2 * 3600)
    git(work, "reset", "--quiet", "--hard")
    (work / ".git/gitreg-following.json").unlink()


def _changed_pull(shared: Path) -> Path:
    work = shared / "work"
    with Registry(work) as registry:
        path = registry.pull("churn@2")
    (path / "model.pkl").write_text("edited 2")
    return path


def model_changed(shared: Path) -> None:
    _changed_pull(shared)


def model_emptied(shared: Path) -> None:
    path = _changed_pull(shared)
    (path / "model.pkl").unlink()


def set_aside(shared: Path) -> None:
    _changed_pull(shared)
    killed(shared / "work", "Path.replace", "pull('churn@2')")


def set_aside_and_delivered(shared: Path) -> None:
    _changed_pull(shared)
    killed(shared / "work", "gitreg.artifacts.materialise.shutil.rmtree", "pull('churn@2')")


def done_twice(shared: Path) -> None:
    work = shared / "work"
    with Registry(work) as registry:
        registry.set_alias("churn@3", "next", op_id="job-7")
        registry.delete_alias("churn", "next")
    git(work, "cherry-pick", "HEAD~1")


def number_gap(shared: Path) -> None:
    work = shared / "work"
    folder = work / "registry/churn/versions"
    shutil.copytree(folder / "3", folder / "7")
    manifest = folder / "7/manifest.yaml"
    manifest.write_text(manifest.read_text().replace("version: 3", "version: 7"))
    git(work, "add", "registry")
    git(work, "commit", "--quiet", "-m", "by hand")


def version_gone(shared: Path) -> None:
    commit(shared / "work", {"registry/churn/versions/3": None})


def version_changed(shared: Path) -> None:
    path = "registry/churn/versions/2/manifest.yaml"
    text = (shared / "work" / path).read_text()
    commit(shared / "work", {path: text.replace("auc: 0.8", "auc: 0.99")})


def two_stages(shared: Path) -> None:
    commit(shared / "work", {"registry/churn/stages/staging.yaml": "versions:\n- 2\n"})


def dangling_alias(shared: Path) -> None:
    commit(shared / "work", {"registry/churn/aliases/next.yaml": "version: 9\n"})


def index_lock(shared: Path) -> None:
    """A hook kills the Git that runs it, which holds the index meanwhile."""
    work = shared / "work"
    hook = work / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nkill -9 $PPID\n")
    hook.chmod(0o755)
    (work / "code.py").write_text("1\n")
    git(work, "add", "code.py")
    git(work, "commit", "--quiet", "-m", "x", "code.py", check=False)
    assert (work / ".git/index.lock").exists()
    hook.unlink()
    for path in (work / ".git").glob("next-index-*"):
        path.unlink()


def tag_lock(shared: Path) -> None:
    path = shared / "work/.git/refs/tags/churn@v7.0.0.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def config_lock(shared: Path) -> None:
    (shared / "work/.git/config.lock").touch()


def shallow_lock(shared: Path) -> None:
    (shared / "work/.git/shallow.lock").touch()


def git_rubbish(shared: Path) -> None:
    path = shared / "work/.git/objects/aa/tmp_obj_x1y2z3"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"half")
    aged(path, 30 * DAYS)


def dvc_killed(shared: Path) -> None:
    work = shared / "work"
    text = 'stages:\n  slow:\n    cmd: "touch started; sleep 60"\n    outs: [out.txt]\n'
    (work / "dvc.yaml").write_text(text)
    process = subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro", "slow"],
        cwd=work,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while not (work / "started").exists():
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    git(work, "checkout", "--", "dvc.yaml")


def dvc_list_cut_off(shared: Path) -> None:
    path = shared / "work/.dvc/tmp/rwlock"
    path.parent.mkdir(exist_ok=True)
    path.write_text('{"write": {"/a": {"pid": 1')


def dvc_number_given_away(shared: Path) -> None:
    dvc_list_cut_off(shared)
    (shared / "work/.dvc/tmp/rwlock").write_text('{"write": {"/a": {"pid": 1, "cmd": "dvc add"}}}')


def bad_index(shared: Path) -> None:
    path = shared / "work/.git/gitreg/history.sqlite"
    data = path.read_bytes()
    path.write_bytes(b"not a database" + data[14:])


def tag_lost(shared: Path) -> None:
    git(shared / "work", "tag", "-d", "churn@v2.0.0")


def tag_moved(shared: Path) -> None:
    git(shared / "work", "tag", "-f", "churn@v2.0.0", "HEAD")


def tag_extra(shared: Path) -> None:
    git(shared / "work", "tag", "churn@v9.0.0")


def tag_abandoned(shared: Path) -> None:
    registered_here(shared)
    git(shared / "work", "reset", "--quiet", "--hard", "HEAD~")


def not_shared(shared: Path) -> None:
    for path in objects_of(shared / "work", "churn@2"):
        (shared / "dvc-remote" / path).unlink()


def member_not_shared(shared: Path) -> None:
    with Registry(shared / "work") as registry:
        md5 = str(registry.show("churn@2").artifact.md5)
        project = registry._artifacts.project(registry.state().snapshot)
        member = next(m.md5 for m in project.members(md5) if m.path == "model.pkl")
    (shared / "dvc-remote/files/md5" / member[:2] / member[2:]).unlink()


def registered_here(shared: Path) -> None:
    with Registry(shared / "work") as registry:
        registry.register("churn", write_model(shared / "work", "bytes of my own"))


@dataclass(frozen=True)
class Told:
    """What doctor is to say of a state."""

    code: str
    severity: str
    subject: str
    mends: bool = True
    fixed: bool = False


STATES: dict[Callable[[Path], None], Told] = {
    unpublished: Told("unpublished", "note", "origin/main"),
    behind: Told("behind", "warning", "origin/main"),
    diverged: Told("diverged", "warning", "origin/main"),
    gone_back: Told("remote-gone-back", "error", "origin/main"),
    branch_gone: Told("remote-gone-back", "error", "origin/main"),
    remote_tag_missing: Told("remote-missing-tag", "warning", "churn@v2.0.0"),
    remote_tag_moved: Told("remote-wrong-tag", "error", "churn@v2.0.0"),
    remote_tags_missing_and_moved: Told("remote-missing-tag", "warning", "churn@v1.0.0"),
    remote_tag_extra: Told("remote-foreign-tag", "warning", "churn@v9.0.0"),
    not_followed: Told("not-followed", "warning", "work tree", fixed=True),
    not_followed_half: Told("not-followed", "warning", "work tree", fixed=True),
    announced_only: Told("not-followed", "warning", "work tree", fixed=True),
    announced_by_half: Told("not-followed", "warning", "work tree", fixed=True),
    behind_in_the_files: Told(
        "work-tree-behind", "warning", "registry/churn/stages/archived.yaml", fixed=True
    ),
    pointer_deleted: Told("missing-file", "warning", "registry/churn/aliases/champion.yaml"),
    edited: Told("uncommitted", "note", "registry/churn/aliases/champion.yaml", mends=False),
    pull_killed: Told("unfinished", "note", "versions/2/.gitreg-"),
    pull_killed_long_ago: Told("unfinished", "warning", "versions/2/.gitreg-", fixed=True),
    registration_killed_long_ago: Told("unfinished", "warning", "files/.gitreg-", fixed=True),
    object_killed_long_ago: Told("unfinished", "warning", ".git/objects/obj", fixed=True),
    pointer_write_killed_long_ago: Told("unfinished", "warning", ".gitreg", fixed=True),
    model_changed: Told("model-differs", "error", "churn@2"),
    model_emptied: Told("model-differs", "error", "churn@2"),
    set_aside: Told("set-aside", "warning", "-replaced"),
    set_aside_and_delivered: Told("set-aside", "warning", "-replaced"),
    done_twice: Told("done-twice", "warning", "job-7", mends=False),
    number_gap: Told("number-gap", "warning", "churn@4", mends=False),
    version_gone: Told("version-gone", "error", "churn@3"),
    version_changed: Told("version-changed", "error", "churn@2"),
    two_stages: Told("two-stages", "error", "churn@2"),
    dangling_alias: Told("dangling-pointer", "error", "churn@next"),
    index_lock: Told("index-lock", "warning", ".git/index.lock"),
    tag_lock: Told("reference-lock", "warning", "refs/tags/churn@v7.0.0.lock"),
    config_lock: Told("git-lock", "warning", ".git/config.lock"),
    shallow_lock: Told("git-lock", "warning", ".git/shallow.lock"),
    git_rubbish: Told("git-rubbish", "note", "tmp_obj_x1y2z3"),
    dvc_killed: Told("dvc-lock", "note", ".dvc/tmp/rwlock"),
    dvc_list_cut_off: Told("dvc-lock", "warning", ".dvc/tmp/rwlock"),
    dvc_number_given_away: Told("dvc-lock", "warning", ".dvc/tmp/rwlock"),
    bad_index: Told("bad-index", "warning", "history.sqlite", fixed=True),
    tag_lost: Told("missing-tag", "warning", "churn@v2.0.0", fixed=True),
    tag_moved: Told("wrong-tag", "error", "churn@v2.0.0"),
    tag_extra: Told("foreign-tag", "warning", "churn@v9.0.0"),
    tag_abandoned: Told("abandoned-tag", "warning", "churn@v4.0.0", fixed=True),
    not_shared: Told("not-shared", "warning", "churn@2"),
    member_not_shared: Told("not-shared", "warning", "churn@2"),
    registered_here: Told("not-shared", "note", "churn@4"),
}
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
    assert "has 1 commit(s) that are not here, and 1 commit(s) here" in finding.message


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
    assert told.message.startswith("3 file(s)")
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
    assert (aside / "model.pkl").read_text() == "edited 2"


def test_a_deletion_is_no_damage(stocked: Path) -> None:
    with Registry(stocked) as registry:
        registry.delete("churn@3", push=True)
    assert codes(stocked) == set()


def test_a_version_that_others_registered_is_not_extra(shared: Path) -> None:
    with Registry(_other(shared)) as registry:
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
    other = _other(shared)
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
    path = work / ".dvc/cache/files/md5" / md5[:2] / md5[2:]
    path.chmod(0o644)
    path.write_bytes(b"{")
    path.chmod(0o444)


def _lock_folder(work: Path) -> None:
    (work / ".dvc/tmp/rwlock").mkdir(parents=True)
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
