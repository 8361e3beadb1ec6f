"""Hooks are installed beside what is there, and do what Git calls them for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

import gitreg as package
from gitreg import hooks
from gitreg.errors import InvalidRequest
from gitreg.git.repository import GitRepository
from tests.conftest import git
from tests.support.commands import error, gitreg

PRODUCTION = "registry/churn/stages/production.yaml"
CHECKOUT = Path(str(package.__file__)).parent.parent


def call(folder: Path, *args: str, stdin: str = "", **env: str) -> tuple[int, str]:
    """Run Git, or a hook, as a person does; return its exit code and errors."""
    done = subprocess.run(
        args,
        cwd=folder,
        env={**os.environ, **env},
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stderr


def install(folder: Path, name: str) -> hooks.Installed:
    return hooks.install(GitRepository(folder), name)


def write(folder: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
        git(folder, "add", "--force", path)


def commit(folder: Path, files: dict[str, str]) -> None:
    write(folder, files)
    git(folder, "commit", "--quiet", "-m", "by hand")


DANGLING = {"registry/churn/aliases/next.yaml": "version: 9\n"}
SOUND = {"registry/churn/aliases/next.yaml": "version: 3\n"}


# Installing


@pytest.mark.parametrize("name", hooks.NAMES)
def test_installing_twice_changes_nothing(stocked: Path, name: str) -> None:
    first = install(stocked, name)
    assert first.path == stocked / ".git" / "hooks" / name
    assert os.access(first.path, os.X_OK)
    assert (first.changed, first.chained) == (True, None)
    assert not install(stocked, name).changed
    assert call(stocked, "sh", "-n", str(first.path)) == (0, "")


def test_a_hook_that_is_there_runs_first_and_its_no_counts(shared: Path) -> None:
    work, server = shared / "work", shared / "origin.git"
    path = server / "hooks" / "pre-receive"
    path.parent.mkdir(exist_ok=True)
    path.write_text('#!/bin/sh\ncat > "$GIT_DIR/seen"\ntest ! -e "$GIT_DIR/closed"\n')
    path.chmod(0o755)
    installed = install(server, "pre-receive")
    assert installed.chained == path.with_name("pre-receive.before-gitreg")
    assert not install(server, "pre-receive").changed
    commit(work, DANGLING)
    assert "dangling-pointer" in call(work, "git", "push", "-q")[1]
    commit(work, SOUND)
    git(work, "reset", "--quiet", "--soft", "HEAD~2")
    git(work, "commit", "--quiet", "-m", "by hand")
    assert call(work, "git", "push", "-q")[0] == 0
    assert (server / "seen").read_text().endswith(" refs/heads/main\n")
    (server / "closed").touch()
    commit(work, {"code.py": "pass\n"})
    assert call(work, "git", "push", "-q")[0] != 0
    path.write_text("#!/bin/sh\n# another one\n")
    with pytest.raises(InvalidRequest, match="is taken"):
        install(server, "pre-receive")


OLD = Path(__file__).with_name("pre-receive.2026-11.sh")
"""What `gitreg hook install pre-receive` wrote when servers got their first hooks."""


def test_a_hook_that_an_earlier_gitreg_installed_still_judges(shared: Path) -> None:
    work, server = shared / "work", shared / "origin.git"
    path = server / "hooks" / "pre-receive"
    path.parent.mkdir(exist_ok=True)
    text = OLD.read_text().replace("@PYTHON@", sys.executable).replace("@PLACE@", str(CHECKOUT))
    path.write_text(text)
    path.chmod(0o755)
    commit(work, SOUND)
    assert call(work, "git", "push", "-q") == (0, "")
    commit(work, DANGLING)
    code, said = call(work, "git", "push", "-q")
    assert code != 0
    assert "gitreg: error: dangling-pointer: registry/churn/aliases/next.yaml" in said
    assert git(server, "rev-parse", "main") == git(work, "rev-parse", "HEAD~1")
    installed = install(server, "pre-receive")  # which knows it as gitreg's
    assert installed.chained is None
    assert path.read_text() == hooks.script_for("pre-receive")


def test_where_git_looks_for_hooks(stocked: Path) -> None:
    git(stocked, "config", "core.hooksPath", ".githooks")
    assert install(stocked, "pre-commit").path == stocked / ".githooks" / "pre-commit"
    bare = stocked.parent / "origin.git"
    git(bare, "config", "core.hooksPath", str(bare / "elsewhere"))
    assert install(bare, "pre-receive").path == bare / "elsewhere" / "pre-receive"
    commit(stocked, SOUND)
    git(stocked, "config", "--unset", "core.hooksPath")
    commit(stocked, DANGLING)
    assert "dangling-pointer" in call(stocked, "git", "push", "-q")[1]


def test_the_command(stocked: Path) -> None:
    told = gitreg("hook", "install", "post-merge", "--json", "--repo", str(stocked)).json
    assert told == {
        "path": str(stocked / ".git/hooks/post-merge"),
        "chained": None,
        "changed": True,
    }
    (stocked / ".git/hooks/pre-commit").write_text("#!/bin/sh\n")
    ran = gitreg("hook", "install", "pre-commit", "--repo", str(stocked))
    assert ran.out == f"written: {stocked}/.git/hooks/pre-commit\n"
    assert "pre-commit.before-gitreg runs before it" in ran.err
    again = gitreg("hook", "install", "pre-commit", "--repo", str(stocked))
    assert again.out == f"unchanged: {stocked}/.git/hooks/pre-commit\n"
    for name, hint in (("update", "gitreg has pre-receive"), ("prereceive", "did you mean")):
        assert hint in error("hook", "install", name, "--repo", str(stocked))
        assert hint in error("hook", "run", name)


def test_where_nobody_pushes_to_a_hook_of_the_server_is_not_enough(shared: Path) -> None:
    asked = ("hook", "install", "pre-receive", "--repo")
    assert "not what this clone pushes" in gitreg(*asked, str(shared / "work")).err
    assert gitreg(*asked, str(shared / "origin.git")).err == ""


def test_code_in_the_folder_of_the_hook_is_not_run(stocked: Path) -> None:
    install(stocked, "pre-commit")
    (stocked / "gitreg").mkdir()
    for name in ("gitreg/__init__.py", "typing.py", "subprocess.py"):
        (stocked / name).write_text("raise SystemExit('hijacked')\n")
    write(stocked, SOUND)
    code, said = call(stocked, "git", "commit", "-q", "-m", "x", PYTHONPATH=str(stocked))
    assert (code, said) == (0, "")


# The server


def test_messages_are_short_and_say_what_to_do(shared: Path) -> None:
    install(shared / "origin.git", "pre-receive")
    work = shared / "work"
    commit(work, {f"registry/churn/aliases/a{n}.yaml": "version: 9\n" for n in range(30)})
    _, said = call(work, "git", "push", "-q")
    lines = [entry for entry in said.splitlines() if "gitreg: error:" in entry]
    assert len(lines) == hooks.SHOWN
    assert "and 10 more: gitreg check shows all" in said
    assert "this push is refused: 30 errors" in said


def test_other_branches_pass_unless_told_otherwise(shared: Path) -> None:
    work, server = shared / "work", shared / "origin.git"
    install(server, "pre-receive")
    commit(work, DANGLING)
    assert call(work, "git", "push", "-q", "origin", "HEAD:wip")[0] == 0
    git(server, "config", "gitreg.checkBranches", "true")
    commit(work, {"code.py": "pass\n"})
    assert "dangling-pointer" in call(work, "git", "push", "-q", "origin", "HEAD:wip")[1]
    assert call(work, "git", "push", "-q", "origin", "origin/main:refs/heads/ok")[0] == 0


def test_another_branch_can_be_the_guarded_one(shared: Path) -> None:
    work, server = shared / "work", shared / "origin.git"
    install(server, "pre-receive")
    git(server, "config", "gitreg.branch", "registry")
    commit(work, DANGLING)
    assert call(work, "git", "push", "-q", "origin", "HEAD:main")[0] == 0
    assert call(work, "git", "push", "-q", "origin", "HEAD:registry")[0] != 0
    assert call(work, "git", "push", "-q", "origin", "HEAD~1:refs/heads/registry")[0] == 0


@pytest.mark.parametrize(
    ("trouble", "code", "said"),
    [
        (KeyboardInterrupt(), 130, ""),
        (
            OSError(28, "No space left on device", "index"),
            1,
            "gitreg: index: No space left on device\n",
        ),
        (RecursionError("too deep"), 1, "gitreg: RecursionError: too deep\n"),
    ],
)
def test_what_goes_wrong_in_a_hook_is_told_in_a_line(
    trouble: BaseException,
    code: int,
    said: str,
    stocked: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(_name: str, _stdin: object) -> tuple[int, list[str]]:
        raise trouble

    monkeypatch.setattr(hooks, "run", fail)
    with (stocked / "dvc.yaml").open() as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        assert hooks.main("pre-commit") == code
    assert capsys.readouterr().err == said


def test_nothing_comes_along_where_a_server_says_so(shared: Path) -> None:
    work, server = shared / "work", shared / "origin.git"
    install(server, "pre-receive")
    git(server, "config", "gitreg.onlyRegistry", "yes")
    commit(work, {**SOUND, ".dvc/config": "[core]\n    remote = elsewhere\n"})
    said = call(work, "git", "push", "-q")[1]
    assert "error: smuggled: .dvc/config" in said
    git(work, "reset", "--quiet", "--soft", "HEAD~1")
    git(work, "commit", "--quiet", "-m", "another remote", ".dvc/config")
    git(work, "commit", "--quiet", "-m", "an alias")
    assert call(work, "git", "push", "-q")[0] == 0


def test_a_branch_whose_name_is_no_text(shared: Path) -> None:
    work = shared / "work"
    head = git(work, "rev-parse", "HEAD")
    done = subprocess.run(
        [sys.executable, "-m", "gitreg", "hook", "run", "pre-receive"],
        cwd=shared / "origin.git",
        input=f"{'0' * 40} {head} ".encode() + b"refs/heads/b\xe9\n",
        env={
            **os.environ,
            "GIT_DIR": ".",
            "PYTHONIOENCODING": "utf-8:strict",
            "PYTHONPATH": str(CHECKOUT),
        },
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_an_empty_server_takes_a_registry_whose_history_obeyed(shared: Path) -> None:
    work = shared / "work"
    git(shared, "init", "--quiet", "--bare", "--initial-branch=main", "new.git")
    install(shared / "new.git", "pre-receive")
    assert call(work, "git", "push", "-q", "../new.git", "main", "--tags")[0] == 0
    git(shared, "init", "--quiet", "--bare", "--initial-branch=main", "other.git")
    install(shared / "other.git", "pre-receive")
    commit(work, DANGLING)
    assert "dangling-pointer" in call(work, "git", "push", "-q", "../other.git", "main")[1]


def test_gitreg_itself_pushes_through_the_hook(shared: Path) -> None:
    install(shared / "origin.git", "pre-receive")
    work = str(shared / "work")
    gitreg("promote", "churn@3", "--to", "production", "--push", "--repo", work)
    gitreg("rollback", "churn", "--push", "--repo", work)
    gitreg("delete", "churn@3", "--push", "--repo", work)
    gitreg("tags", "sync", "--push", "--repo", work)
    tags = git(shared / "origin.git", "tag").splitlines()
    assert "churn@v3.0.0!#10" in tags or any(name.startswith("churn@v3.0.0!") for name in tags)


def test_a_push_from_a_shallow_clone(shared: Path) -> None:
    server = shared / "origin.git"
    install(server, "pre-receive")
    git(shared, "clone", "--quiet", "--depth=1", f"file://{server}", "thin")
    commit(shared / "thin", SOUND)
    assert call(shared / "thin", "git", "push", "-q")[0] == 0
    commit(shared / "thin", DANGLING)
    assert "dangling-pointer" in call(shared / "thin", "git", "push", "-q")[1]


def test_a_shallow_server_judges_nothing_that_it_cannot_see(shared: Path) -> None:
    git(
        shared, "clone", "--quiet", "--bare", "--depth=1", f"file://{shared}/origin.git", "thin.git"
    )
    install(shared / "thin.git", "pre-receive")
    git(shared / "thin.git", "update-ref", "-d", "refs/heads/main")
    code, said = call(shared / "work", "git", "push", "-q", "../thin.git", "main")
    assert code != 0
    assert "shallow" in said


def test_replaced_objects_do_not_hide_what_is_there(shared: Path) -> None:
    work, server = shared / "work", shared / "origin.git"
    install(server, "pre-receive")
    commit(work, DANGLING)
    bad = git(work, "rev-parse", "HEAD")
    assert call(work, "git", "push", "-q", "origin", "HEAD:wip")[0] == 0
    git(server, "replace", bad, f"{bad}~1")  # by the administrator, say
    assert "dangling-pointer" in call(work, "git", "push", "-q", "origin", "HEAD:main")[1]


# The clone


def test_pre_commit_judges_the_index(stocked: Path) -> None:
    install(stocked, "pre-commit")
    write(stocked, {"code.py": "pass\n"})
    assert call(stocked, "git", "commit", "-q", "-m", "code") == (0, "")
    write(stocked, DANGLING)
    (stocked / "registry/churn/aliases/next.yaml").write_text("version: 3\n")  # not staged
    code, said = call(stocked, "git", "commit", "-q", "-m", "x")
    assert code == 1
    assert "dangling-pointer: registry/churn/aliases/next.yaml:1: " in said
    assert "this commit is refused: 1 error" in said
    assert call(stocked, "git", "commit", "-q", "-a", "-m", "x") == (0, "")
    for path, text in {**DANGLING, "code.py": "x = 1\n"}.items():
        (stocked / path).write_text(text)
    assert call(stocked, "git", "commit", "-q", "-m", "part", "code.py") == (0, "")


def test_pre_commit_lets_merges_through_that_only_bring_together(stocked: Path) -> None:
    install(stocked, "pre-commit")
    git(stocked, "switch", "--quiet", "-c", "side")
    commit(stocked, {"registry/churn/stages/staging.yaml": "versions:\n- 3\n", "f": "a\n"})
    git(stocked, "switch", "--quiet", "main")
    commit(stocked, {"registry/tokenizer/stages/staging.yaml": "versions:\n- 1\n", "f": "b\n"})
    assert call(stocked, "git", "merge", "-q", "side")[0] == 1
    write(stocked, {"f": "c\n"})
    assert call(stocked, "git", "commit", "-q", "--no-edit") == (0, "")


def test_pre_commit_of_the_first_commit(tmp_path: Path, stocked: Path) -> None:
    git(tmp_path, "init", "--quiet", "fresh")
    shutil.copytree(stocked / "registry", tmp_path / "fresh/registry")
    shutil.copy(stocked / "dvc.yaml", tmp_path / "fresh")
    fresh = tmp_path / "fresh"
    install(fresh, "pre-commit")
    git(fresh, "add", "registry", "dvc.yaml")
    assert call(fresh, "git", "commit", "-q", "-m", "all of it") == (0, "")


def test_post_merge_makes_tags(shared: Path) -> None:
    git(shared, "clone", "--quiet", "origin.git", "other")
    install(shared / "other", "post-merge")
    with package.Registry(shared / "work") as registry:
        registry.promote("churn@3", stage="production")
    git(shared / "work", "push", "--quiet", "origin", "main")
    code, said = call(shared / "other", "git", "pull", "-q", "--no-tags")
    assert code == 0
    assert "gitreg: made " in said
    assert "churn#production#" in git(shared / "other", "tag")
    git(shared / "other", "tag", "-f", "churn@v1.0.0", "HEAD")
    commit(shared / "work", SOUND)
    git(shared / "work", "push", "--quiet", "origin", "main")
    assert "churn@v1.0.0 is not" in call(shared / "other", "git", "pull", "-q", "--no-tags")[1]


def declared() -> dict[str, Any]:
    (hook,) = YAML(typ="safe").load(CHECKOUT / ".pre-commit-hooks.yaml")
    assert isinstance(hook, dict)
    return hook


def test_the_framework_pre_commit_runs_its_entry(stocked: Path) -> None:
    hook = declared()
    assert hook["pass_filenames"] is False
    words = hook["entry"].split()
    assert words[0] == "gitreg"
    entry = (sys.executable, "-m", *words)
    write(stocked, DANGLING)
    code, said = call(stocked, *entry, PYTHONPATH=str(CHECKOUT))
    assert (code, "dangling-pointer" in said) == (1, True)
    write(stocked, SOUND)
    assert call(stocked, *entry, PYTHONPATH=str(CHECKOUT)) == (0, "")


def test_the_framework_itself(stocked: Path) -> None:
    """Run pre-commit for real; its hook is taken from the file, not its own copy."""
    program = str(Path(sys.executable).with_name("pre-commit"))  # of the extra `test`
    hook = {
        **declared(),
        "language": "system",
        "entry": f"{sys.executable} -m {declared()['entry']}",
    }
    with (stocked / ".pre-commit-config.yaml").open("w") as stream:
        YAML().dump({"repos": [{"repo": "local", "hooks": [hook]}]}, stream)
    git(stocked, "add", ".pre-commit-config.yaml")
    write(stocked, DANGLING)
    env = {"PYTHONPATH": str(CHECKOUT), "PRE_COMMIT_HOME": str(stocked.parent / "pc")}
    done = subprocess.run(
        [program, "run"],
        cwd=stocked,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout
    assert "dangling-pointer" in done.stdout
    write(stocked, SOUND)
    assert call(stocked, program, "run", **env)[0] == 0
