"""The states that doctor reports, each made for real in a clone and its remotes."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gitreg import Registry
from gitreg.findings import Finding
from gitreg.git.interrupted import ANNOUNCEMENT
from tests.conftest import dvc_project, git, write_model
from tests.doctor.test_doctor import commit, objects_of

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


def killed(work: Path, failpoint: str, call: str, *, only: str = "", nth: int = 1) -> None:
    """Run a call of `Registry` in a process that is killed at a failpoint, a function's call.

    With ``only`` it is killed when that stands in the function's first argument, and with ``nth``
    at the nth of these calls.
    """
    script = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from gitreg import Registry\n"
        "import gitreg.artifacts.materialise, gitreg.git.worktree, gitreg.git.publish\n"
        "import gitdb.db.loose\n"
        f"real, left = {failpoint}, [0] * {nth}\n"
        "def die(*args, **options):\n"
        f"    left.pop() if {only!r} in str(args[:1]) else 0\n"
        "    if not left:\n"
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


def unpublished(shared: Path) -> None:
    with Registry(shared / "work") as registry:
        registry.set_alias("churn@3", "challenger")


def another_clone(shared: Path) -> Path:
    git(shared, "clone", "--quiet", "origin.git", "other")
    return shared / "other"


def behind(shared: Path) -> None:
    with Registry(another_clone(shared)) as registry:
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
    """An earlier release was killed when the branch had moved, and index and files had not."""
    work = shared / "work"
    before = git(work, "rev-parse", "HEAD")
    with Registry(work) as registry:
        registry.promote("churn@3", stage="production")
    after = git(work, "rev-parse", "HEAD")
    git(work, "reset", "--quiet", "--hard", before)
    git(work, "update-ref", "refs/heads/main", after)
    text = json.dumps({"branch": "refs/heads/main", "before": before, "after": after})
    (work / ".git" / ANNOUNCEMENT).write_text(text)


def not_followed_half(shared: Path) -> None:
    """The files are written, the index is not."""
    not_followed(shared)
    git(shared / "work", "restore", "--source=HEAD", "--worktree", "registry")


def files_killed_by_half(shared: Path) -> None:
    """gitreg's own lock on the index is left, and a part of the files is written."""
    killed(
        shared / "work",
        "gitreg.git.worktree._place",
        "promote('churn@3', stage='production')",
        nth=2,
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
    left = list((work / "registry/.dvc/cache/files").glob(".gitreg-*.tmp"))
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
    left = work / "registry/churn/aliases/.next.yaml.gitreg"  # of an earlier release
    left.write_text("version: 1\n")
    aged(left, 2 * 3600)


def changed_pull(shared: Path) -> Path:
    work = shared / "work"
    with Registry(work) as registry:
        path = registry.pull("churn@2")
    (path / "model.pkl").write_text("edited 2")
    return path


def model_changed(shared: Path) -> None:
    changed_pull(shared)


def model_emptied(shared: Path) -> None:
    path = changed_pull(shared)
    (path / "model.pkl").unlink()


def set_aside(shared: Path) -> None:
    changed_pull(shared)
    killed(shared / "work", "Path.replace", "pull('churn@2')")


def set_aside_and_delivered(shared: Path) -> None:
    changed_pull(shared)
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
    dvc_project(work)
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
    path = shared / "work/registry/.dvc/tmp/rwlock"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('{"write": {"/a": {"pid": 1')


def dvc_number_given_away(shared: Path) -> None:
    dvc_list_cut_off(shared)
    (shared / "work/registry/.dvc/tmp/rwlock").write_text(
        '{"write": {"/a": {"pid": 1, "cmd": "dvc add"}}}'
    )


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
    remote_tag_extra: Told("remote-foreign-tag", "warning", "churn@v9.0.0", mends=False),
    not_followed: Told("not-followed", "warning", "work tree", fixed=True),
    not_followed_half: Told("not-followed", "warning", "work tree", fixed=True),
    files_killed_by_half: Told("not-followed", "warning", "work tree", fixed=True),
    announced_only: Told("not-followed", "warning", "work tree", fixed=True),
    announced_by_half: Told("not-followed", "warning", "work tree", fixed=True),
    behind_in_the_files: Told(
        "work-tree-behind", "warning", "registry/churn/stages/archived.yaml", fixed=True
    ),
    pointer_deleted: Told("missing-file", "warning", "registry/churn/aliases/champion.yaml"),
    edited: Told("uncommitted", "note", "registry/churn/aliases/champion.yaml", mends=False),
    pull_killed: Told("unfinished", "warning", "versions/2/.gitreg-", fixed=True),
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
    index_lock: Told("index-lock", "error", ".git/index.lock"),
    tag_lock: Told("reference-lock", "error", "refs/tags/churn@v7.0.0.lock"),
    config_lock: Told("git-lock", "error", ".git/config.lock"),
    shallow_lock: Told("git-lock", "error", ".git/shallow.lock"),
    git_rubbish: Told("git-rubbish", "note", "tmp_obj_x1y2z3"),
    dvc_killed: Told("dvc-lock", "note", ".dvc/tmp/rwlock"),
    dvc_list_cut_off: Told("dvc-lock", "warning", "registry/.dvc/tmp/rwlock"),
    dvc_number_given_away: Told("dvc-lock", "warning", "registry/.dvc/tmp/rwlock"),
    bad_index: Told("bad-index", "warning", "history.sqlite", fixed=True),
    tag_lost: Told("missing-tag", "warning", "churn@v2.0.0", fixed=True),
    tag_moved: Told("wrong-tag", "error", "churn@v2.0.0"),
    tag_extra: Told("foreign-tag", "warning", "churn@v9.0.0", mends=False),
    tag_abandoned: Told("abandoned-tag", "warning", "churn@v4.0.0", fixed=True),
    not_shared: Told("not-shared", "warning", "churn@2"),
    member_not_shared: Told("not-shared", "warning", "churn@2"),
    registered_here: Told("not-shared", "note", "churn@4"),
}
