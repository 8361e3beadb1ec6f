"""Init: creates a registry in a folder, with `git init` and `dvc init` as needed."""

from __future__ import annotations

import re
from pathlib import Path

from gitreg import dvc
from gitreg.core.model import layout
from gitreg.core.policy import DEFAULT, write_policy
from gitreg.core.state.change import Change, Edit
from gitreg.core.state.state import RegistryState
from gitreg.errors import GitError, InvalidRequest, WorldError
from gitreg.git import interrupted, process, publish, worktree
from gitreg.git.repository import GitRepository
from gitreg.publishing.outcome import Outcome

_LEFT_LOCK = re.compile(r"could not lock config file (.*): File exists")


def initialise(folder: Path) -> Outcome:
    """Create and commit what a registry still needs in the repository that holds ``folder``.

    1. `git init` when there is no repository. 2. `dvc init` when there is no DVC project.
    3. One commit with the policy, the ignore file, and what `dvc init` made.

    Raises:
        InvalidRequest: the repository is bare.
        GitError: HEAD is detached, Git has no identity, or a path has uncommitted changes.
        WorldError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WorldError(f"{folder}: {error.strerror}") from None
    repository = _git_init(folder)
    top = repository.top_level
    if top is None:
        raise InvalidRequest(
            "a bare repository has no work tree for a registry",
            hint="clone it, run gitreg init there, and push",
        )
    tip = repository.tip()
    repository.signature("COMMITTER")  # raises before anything is written
    state = RegistryState(repository.snapshot(tip.commit))
    wanted = {layout.POLICY: write_policy(DEFAULT), layout.GITIGNORE: layout.GITIGNORE_TEXT}
    missing = {path: text for path, text in wanted.items() if state.snapshot.read(path) is None}
    with publish.exclusive(repository.private_dir):
        interrupted.finish(repository)
        if missing:  # without a path, Git would look at all of them
            worktree.refuse_dirty(repository, dict.fromkeys(missing))
        note = repository.private_dir / "dvc-init"
        made = _dvc_init(repository, top, note)
        edits = [Edit(path, text) for path, text in missing.items()]
        edits += [
            Edit(path, (top / path).read_bytes())
            for path in made
            if state.snapshot.read(path)
            is None  # else an earlier run was killed right after its commit
        ]
        change = Change(
            "start a model registry", tuple(edits), trailers=(("Gitreg-Action", "init"),)
        )
        if not edits:
            note.unlink(missing_ok=True)
            return Outcome(change, warnings=_lost(repository))
        prepared = publish.prepare(repository, tip, change)
        warnings = publish.publish(repository, prepared, {})
        note.unlink(missing_ok=True)
    warnings += _lost(repository)
    if not made and state.snapshot.read(".dvc/config") is None:
        warnings += (".dvc/config is not committed yet: without it, no clone finds the artifacts",)
    return Outcome(change, prepared.commit.oid, warnings=warnings)


_DVC_CONFIG = ".dvc/config"


def _dvc_init(repository: GitRepository, top: Path, note: Path) -> list[str]:
    """Make a DVC project, unless Git has one: a new configuration would replace it.

    The work tree may be without it: in a sparse checkout, or because it was lost.
    """
    if not note.exists():
        known = repository.run_at_root("ls-files", "-z", "--", _DVC_CONFIG).stdout
        head = repository.snapshot(repository.head_commit())
        if known or head.read(_DVC_CONFIG) is not None:
            return []
        if head.read(".dvcignore") is not None and not (top / ".dvcignore").exists():
            raise InvalidRequest(
                ".dvcignore is in Git but not in the work tree; nothing was made",
                hint=repository.how_to_restore(".dvcignore"),
            )
    return dvc.init(top, note)


def _lost(repository: GitRepository) -> tuple[str, ...]:
    """Return a warning when the work tree has no DVC configuration but HEAD does."""
    restore = repository.how_to_restore(_DVC_CONFIG)
    if restore is None:
        return ()
    return (f"{_DVC_CONFIG} is in Git but not in the work tree; to bring it back: {restore}",)


def _git_init(folder: Path) -> GitRepository:
    repository = GitRepository(folder)
    asked = repository.run("rev-parse", "--git-dir", check=False)
    if asked.returncode == 0:
        return repository
    if "not a git repository" not in asked.stderr:
        raise process.failure("rev-parse", asked)
    options = () if repository.config("init.defaultBranch") else ("--initial-branch=main",)
    done = repository.run("init", "--quiet", *options, check=False)
    lock = _LEFT_LOCK.search(done.stderr)
    if lock:
        # gitreg doctor cannot report it: there is no repository yet.
        raise GitError(
            f"another Git process holds {lock[1]}.lock; nothing was made",
            hint="wait for it; if none is running, remove that file",
        )
    if done.returncode != 0:
        raise process.failure("init", done)
    return repository
