"""The user's staged, unstaged and untracked work survives every command byte for byte."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.errors import GitError, Refused
from gitreg.publishing.outcome import Outcome
from tests.conftest import git, write_model

Write = Callable[[Registry, Path, bool], object]


def _else_archive(registry: Registry, _folder: Path, dry_run: bool) -> object:
    if dry_run:  # a refusal is a dry run's answer, too: the change that follows is asked for
        return registry.archive("churn@1", "churn@3", dry_run=True)
    try:
        registry.promote("churn@3", stage="production", if_lower=["auc"], else_archive=True)
    except Refused as refusal:
        if "not promoted" not in str(refusal):
            raise
        return None
    raise AssertionError("the gate let it pass")


WRITES: dict[str, Write] = {
    "register": lambda r, f, dry: r.register("churn", f / "models/churn", dry_run=dry),
    "register a new model": lambda r, f, dry: r.register("fresh", f / "models/churn", dry_run=dry),
    "promote": lambda r, _, dry: r.promote(
        "churn@3", "tokenizer@1", stage="production", dry_run=dry
    ),
    "promote with an alias": lambda r, _, dry: r.promote(
        "churn@3", stage="staging", alias="challenger", dry_run=dry
    ),
    "promote, else archive": _else_archive,
    "archive": lambda r, _, dry: r.archive("churn@2", dry_run=dry),
    "alias set": lambda r, _, dry: r.set_alias("churn@3", "challenger", dry_run=dry),
    "alias delete": lambda r, _, dry: r.delete_alias("churn", "champion", dry_run=dry),
    "rollback": lambda r, _, dry: r.rollback("churn", dry_run=dry)[0],
    "annotate a version": lambda r, _, dry: r.annotate("churn@1", tags={"a": "b"}, dry_run=dry),
    "annotate a model": lambda r, _, dry: r.annotate("churn", owner="Ada", dry_run=dry),
    "delete": lambda r, _, dry: r.delete("churn@1", dry_run=dry),
}
PUSHES: dict[str, Write] = {
    "promote and push": lambda r, _, __: r.promote("churn@3", stage="production", push=True),
    "register and push": lambda r, f, __: r.register("churn", f / "models/churn", push=True),
    "tags sync": lambda r, _, __: r.sync_tags(force=True),
}
DRY: dict[str, Write] = {
    f"{name}, dry run": lambda r, f, _, write=write: write(r, f, True)  # type: ignore[misc]
    for name, write in WRITES.items()
}


def leave_work(folder: Path) -> None:
    """Leave every kind of unfinished work in a clone, some of it inside the registry."""
    for name in ("both", "staged", "unstaged", "dropped", "gone", "renamed", "mode"):
        (folder / f"{name}.txt").write_text(f"{name}: committed\n")
    (folder / "link").symlink_to("both.txt")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "code")
    for name in ("both", "staged"):
        (folder / f"{name}.txt").write_text(f"{name}: staged\n")
    git(folder, "add", "both.txt", "staged.txt")
    (folder / "both.txt").write_text("both: staged, then changed\r\nwith another line end")
    (folder / "unstaged.txt").write_bytes(b"unstaged \xff\x00 bytes")
    git(folder, "rm", "--quiet", "--cached", "dropped.txt")
    (folder / "gone.txt").unlink()
    git(folder, "mv", "renamed.txt", "named again.txt")
    (folder / "mode.txt").chmod(0o755)
    (folder / "link").unlink()
    (folder / "link").symlink_to("staged.txt")
    (folder / "new.py").write_text("staged and new\n")
    git(folder, "add", "new.py")
    (folder / "promised.py").write_text("intent to add\n")
    git(folder, "add", "--intent-to-add", "promised.py")
    (folder / "untracked \n name").write_text("untracked\n")
    (folder / "registry").mkdir(exist_ok=True)
    (folder / "registry" / "notes.txt").write_text("untracked, in the registry\n")
    (folder / "registry" / "staged.txt").write_text("staged, in the registry\n")
    git(folder, "add", "registry/staged.txt")
    write_model(folder, "weights that Git ignores")


def tree_of(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Return mode and bytes of everything in the work tree; not what Git and DVC keep."""
    found = {}
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if name.startswith((".git/", ".dvc/")) or (path.is_dir() and not path.is_symlink()):
            continue
        content = os.fsencode(path.readlink()) if path.is_symlink() else path.read_bytes()
        found[name] = path.lstat().st_mode, content
    return found


def index_of(folder: Path) -> dict[str, str]:
    """Return the index: path to flag, mode, blob and conflict stage; ``-t`` shows the flags."""
    listing = git(folder, "ls-files", "--stage", "--debug", "-z")
    assert "\0" in listing
    entries = git(folder, "ls-files", "--stage", "-t", "-z").split("\0")
    return {entry.partition("\t")[2]: entry.partition("\t")[0] for entry in entries if entry}


def state_of(folder: Path) -> tuple[object, ...]:
    """Return everything that a refused command must leave alone."""
    return (
        git(folder, "for-each-ref"),
        git(folder, "symbolic-ref", "HEAD"),
        git(folder, "stash", "list"),
        index_of(folder),
        tree_of(folder),
    )


def test_every_kind_of_work_is_there(stocked: Path) -> None:
    leave_work(stocked)
    kinds = {line[:2] for line in git(stocked, "status", "--porcelain").splitlines()}
    assert kinds == {"MM", "M ", " M", "D ", " D", "R ", "A ", " A", "??"}


@pytest.mark.parametrize("name", [*WRITES, *PUSHES, *DRY])
def test_the_users_work_survives(stocked: Path, name: str) -> None:
    leave_work(stocked)
    if "push" in name:
        git(stocked, "push", "--quiet", "origin", "main")
    before, tip = state_of(stocked), git(stocked, "rev-parse", "HEAD")
    write = {**WRITES, **PUSHES, **DRY}[name]
    with Registry(stocked) as registry:
        outcome = write(registry, stocked, False)
    if isinstance(outcome, Outcome):
        # What an archived version leaves behind is told, and what a registration may have missed.
        told = ("still names", "now holds no version", "uncommitted changes in", "no metrics (")
        assert all(any(words in text for words in told) for text in outcome.warnings)
    written = set(git(stocked, "diff", "--name-only", "--no-renames", tip, "HEAD").split("\n"))
    if name in WRITES:
        assert written != {""}
    elif name in DRY:
        assert state_of(stocked) == before

    index, tree = index_of(stocked), tree_of(stocked)
    for now, then in ((index, before[3]), (tree, before[4])):
        assert isinstance(then, dict)
        assert {path: now[path] for path in now if path not in written} == {
            path: then[path] for path in then if path not in written
        }
    for path in written - {""}:  # what was written is in step: commit, index and work tree
        committed = git(stocked, "ls-tree", "HEAD", "--", path).replace("\t", " ").split(" ")
        if committed == [""]:
            assert path not in index
            assert path not in tree
        else:
            assert index[path].split(" ")[2] == committed[2]
            assert git(stocked, "hash-object", "--no-filters", "--", path) == committed[2]
    assert git(stocked, "stash", "list") == ""


def test_init_leaves_the_users_work_alone(tmp_path: Path) -> None:
    folder = tmp_path / "code"
    git(tmp_path, "init", "--quiet", "-b", "main", str(folder))
    leave_work(folder)
    index, tree = index_of(folder), tree_of(folder)
    outcome = Registry.init(folder)
    assert outcome.warnings == ()
    written = set(outcome.change.paths)
    assert {"registry/policy.yaml", "registry/.gitignore", ".dvc/config"} <= written
    assert {p: e for p, e in index_of(folder).items() if p not in written} == index
    assert {p: e for p, e in tree_of(folder).items() if p not in written} == tree


def _stage(path: Path, folder: Path) -> None:
    _change(path, folder)
    git(folder, "add", "--force", "--", str(path))


def _change(path: Path, _folder: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(path.read_bytes() + b"# mine\n" if path.exists() else b"# mine\n")


def _stage_and_take_back(path: Path, folder: Path) -> None:
    before = path.read_bytes() if path.exists() else None
    _stage(path, folder)
    path.unlink() if before is None else path.write_bytes(before)


def _remove(path: Path, folder: Path) -> None:
    if path.exists():
        path.unlink()
    else:
        _change(path, folder)


def _ignore(path: Path, folder: Path) -> None:
    _change(path, folder)
    exclude = folder / ".git" / "info" / "exclude"
    exclude.parent.mkdir(exist_ok=True)
    exclude.write_text(f"{path.name}\n")


def _hide(path: Path, folder: Path) -> None:
    """Change a file and tell Git not to look, as people do with local settings."""
    if git(folder, "ls-files", "--", str(path)):
        git(folder, "update-index", "--skip-worktree", "--", str(path))
    _change(path, folder)


@pytest.mark.parametrize(
    "spoil",
    [_stage, _change, _stage_and_take_back, _remove, _ignore, _hide],
    ids=lambda f: f.__name__,
)
@pytest.mark.parametrize("name", WRITES)
def test_a_dirty_path_that_would_be_written_is_refused(
    stocked: Path, name: str, spoil: Callable[[Path, Path], None]
) -> None:
    with Registry(stocked) as registry:
        plan = WRITES[name](registry, stocked, True)
        assert isinstance(plan, Outcome)
        path = plan.change.paths[-1]
        spoil(stocked / path, stocked)
        before = state_of(stocked)
        with pytest.raises(Refused, match="uncommitted changes") as refusal:
            WRITES[name](registry, stocked, False)
    assert path in str(refusal.value)
    assert state_of(stocked) == before


def test_init_refuses_a_dirty_path(tmp_path: Path) -> None:
    folder = tmp_path / "code"
    git(tmp_path, "init", "--quiet", "-b", "main", str(folder))
    (folder / "registry").mkdir()
    (folder / "registry" / "policy.yaml").write_text("mine: true\n")
    with pytest.raises(Refused, match=r"registry/policy\.yaml"):
        Registry.init(folder)
    assert git(folder, "rev-parse", "--verify", "--quiet", "HEAD", check=False) == ""
    assert (folder / "registry" / "policy.yaml").read_text() == "mine: true\n"
    assert not (folder / ".dvc").exists()


@pytest.mark.parametrize("in_the_way", ["a file", "a link to a folder"])
def test_what_lies_where_a_folder_belongs_is_refused(
    stocked: Path, tmp_path: Path, in_the_way: str
) -> None:
    """Following a link would write outside of the repository."""
    outside = tmp_path / "outside"
    outside.mkdir()
    place = stocked / "registry" / "tokenizer" / "aliases"
    if in_the_way == "a file":
        place.write_text("mine\n")
    else:
        place.symlink_to(outside)
    before = state_of(stocked)
    with Registry(stocked) as registry, pytest.raises(Refused, match="registry/tokenizer/aliases"):
        registry.set_alias("tokenizer@1", "champion")
    assert state_of(stocked) == before
    assert list(outside.iterdir()) == []


def test_a_held_index_is_an_error_and_nothing_is_written(stocked: Path) -> None:
    (stocked / ".git" / "index.lock").touch()
    before = git(stocked, "for-each-ref")
    with Registry(stocked) as registry, pytest.raises(GitError, match=r"index\.lock") as held:
        registry.promote("churn@3", stage="production")
    assert held.value.hint is not None
    assert git(stocked, "for-each-ref") == before
    assert (stocked / ".git" / "index.lock").exists()


def test_a_sparse_checkout_stays_in_step(stocked: Path) -> None:
    git(stocked, "status")  # the copy's files are newer than the index says: Git has to look
    git(stocked, "sparse-checkout", "set", "--no-cone", "/*", "!/registry/")
    assert not (stocked / "registry" / "churn").exists()
    with Registry(stocked) as registry:
        outcome = registry.promote("churn@3", stage="production", alias="challenger")
    assert outcome.warnings == ()
    assert git(stocked, "status", "--porcelain") == ""
    assert git(stocked, "diff", "--cached", "--name-only") == ""


def test_a_file_that_git_was_told_to_leave_alone_stays_in_step(stocked: Path) -> None:
    pointer = "registry/churn/stages/production.yaml"
    git(stocked, "update-index", "--skip-worktree", pointer)
    with Registry(stocked) as registry:
        assert registry.promote("churn@3", stage="production").warnings == ()
    committed = git(stocked, "ls-tree", "HEAD", pointer).split()[2]
    assert index_of(stocked)[pointer].split()[2] == committed
    assert git(stocked, "hash-object", pointer) == committed


def test_the_users_filters_do_not_change_what_is_indexed(stocked: Path) -> None:
    (stocked / ".git" / "info").mkdir(exist_ok=True)
    (stocked / ".git" / "info" / "attributes").write_text("*.yaml filter=shout\n")
    git(stocked, "config", "filter.shout.clean", "tr a-z A-Z")
    with Registry(stocked) as registry:
        registry.set_alias("churn@3", "challenger")
    pointer = "registry/churn/aliases/challenger.yaml"
    assert index_of(stocked)[pointer].split()[2] == git(stocked, "rev-parse", f"HEAD:{pointer}")


def test_a_checkout_with_carriage_returns_is_clean(stocked: Path) -> None:
    git(stocked, "config", "core.autocrlf", "true")
    pointer = stocked / "registry" / "churn" / "stages" / "production.yaml"
    pointer.unlink()
    git(stocked, "checkout", "--", str(pointer))
    assert b"\r\n" in pointer.read_bytes()
    with Registry(stocked) as registry:
        assert registry.promote("churn@3", stage="production").warnings == ()
    assert git(stocked, "diff", "--cached", "--name-only") == ""


def test_a_merge_in_progress_goes_on(stocked: Path) -> None:
    (stocked / "code.py").write_text("base\n")
    git(stocked, "add", "code.py")
    git(stocked, "commit", "--quiet", "-m", "code")
    git(stocked, "switch", "--quiet", "-c", "side")
    (stocked / "code.py").write_text("theirs\n")
    git(stocked, "commit", "--quiet", "-am", "theirs")
    git(stocked, "switch", "--quiet", "main")
    (stocked / "code.py").write_text("ours\n")
    git(stocked, "commit", "--quiet", "-am", "ours")
    git(stocked, "merge", "--quiet", "side", check=False)
    conflict = git(stocked, "ls-files", "--unmerged")
    assert conflict.count("\n") == 2
    merging, tree = (stocked / ".git" / "MERGE_HEAD").read_bytes(), tree_of(stocked)["code.py"]
    with Registry(stocked) as registry:
        assert registry.promote("churn@3", stage="production").warnings == ()
    assert git(stocked, "ls-files", "--unmerged") == conflict
    assert (stocked / ".git" / "MERGE_HEAD").read_bytes() == merging
    assert tree_of(stocked)["code.py"] == tree


def test_an_index_that_is_held_for_a_moment_is_waited_for(stocked: Path) -> None:
    lock = stocked / ".git" / "index.lock"
    lock.touch()
    timer = threading.Timer(0.2, lock.unlink)
    timer.start()
    with Registry(stocked) as registry:
        assert not registry.set_alias("churn@1", "fallback").is_unchanged
    timer.join()
    assert git(stocked, "status", "--short") == ""
