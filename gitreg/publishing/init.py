"""Init: creates a registry in a folder, with `git init` as needed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gitreg.core.model import layout
from gitreg.core.policy import DEFAULT, write_policy
from gitreg.core.state.change import Change, Edit
from gitreg.core.state.state import RegistryState, Snapshot
from gitreg.dvc.foreign import default_remote
from gitreg.dvc.registry_config import registry_config
from gitreg.errors import InvalidRequest, WorldError
from gitreg.git import interrupted, locks, process, publish, worktree
from gitreg.git.repository import GitRepository
from gitreg.publishing.dvc_remote import remote_edit
from gitreg.publishing.outcome import Outcome

_PROJECT_IGNORE = ".dvc/.gitignore"


def initialise(folder: Path) -> Outcome:
    """Create and commit what a registry still needs in the repository that holds ``folder``.

    1. `git init` when there is no repository. 2. One commit with the policy, the ignore file, and
    ``registry/.dvc``: the registry is a DVC project of its own, inside the user's. Its remote is
    derived from the project's, if that is committed.

    An empty folder becomes a whole project: a DVC project around the registry, too. A project that
    has files and no DVC gets none.

    A registry of the former layout, whose versions are in the user's DVC project, moves by the same
    commit; its versions do not change.

    Raises:
        InvalidRequest: the repository is bare.
        GitError: HEAD is detached, Git has no identity, or a path has uncommitted changes.
        WorldError: the folder cannot be written.
        DvcError: the project's ``.dvc/config`` does not parse.
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
    with publish.exclusive(repository.private_dir):
        interrupted.finish(repository)
        wanted = _wanted(state.snapshot, top)  # not earlier: a killed run's files are gone by now
        if wanted:  # without a path, Git would look at all of them
            worktree.refuse_dirty(repository, {p: state.snapshot.read(p) for p in wanted})
        edits = tuple(Edit(path, text) for path, text in wanted.items())
        change = Change(_subject(state), edits, trailers=(("Gitreg-Action", "init"),))
        if not edits:
            return Outcome(change, warnings=_warnings(repository, top, state.snapshot))
        prepared = publish.prepare(repository, tip, change)
        warnings = publish.publish(repository, prepared, {})
    warnings += _warnings(repository, top, state.snapshot)
    return Outcome(change, prepared.commit.oid, warnings=warnings)


def _subject(state: RegistryState) -> str:
    if state.snapshot.read(layout.POLICY) is None and not state.model_names():
        return "start a model registry"
    if state.snapshot.read(layout.DVC_CONFIG) is None:
        return "make the model registry a DVC project of its own"
    return "complete the model registry"


def _wanted(snapshot: Snapshot, top: Path) -> Mapping[str, bytes]:
    """Return the files that a commit does not have yet, or has without a DVC remote."""
    is_empty = snapshot.commit is None and {path.name for path in top.iterdir()} == {".git"}
    wanted = {
        **(
            {layout.PROJECT_CONFIG: b"", _PROJECT_IGNORE: layout.DVC_IGNORE_TEXT}
            if is_empty
            else {}
        ),
        layout.POLICY: write_policy(DEFAULT),
        layout.GITIGNORE: layout.GITIGNORE_TEXT,
        layout.DVC_IGNORE: layout.DVC_IGNORE_TEXT,
        layout.DVC_CONFIG: registry_config(None, snapshot.read(layout.PROJECT_CONFIG)),
    }
    missing = {path: text for path, text in wanted.items() if snapshot.read(path) is None}
    edit = remote_edit(snapshot)
    if edit is not None and edit.content is not None:
        missing[edit.path] = edit.content
    return missing


def _warnings(repository: GitRepository, top: Path, snapshot: Snapshot) -> tuple[str, ...]:
    """Return what the user should know of DVC's files in the work tree."""
    warnings = []
    for path in (layout.DVC_CONFIG, layout.PROJECT_CONFIG):
        restore = repository.how_to_restore(path)
        if restore is not None:
            warnings.append(
                f"{path} is in Git but not in the work tree; to bring it back: {restore}"
            )
    here = top / layout.PROJECT_CONFIG
    is_committed = default_remote(snapshot.read(layout.PROJECT_CONFIG) or b"") is not None
    if here.is_file() and not is_committed and default_remote(here.read_bytes()) is not None:
        warnings.append(
            f"the DVC remote in {layout.PROJECT_CONFIG} is not committed yet: commit it, so that "
            "the registry can use it"
        )
    return tuple(warnings)


def _git_init(folder: Path) -> GitRepository:
    repository = GitRepository(folder)
    asked = repository.run("rev-parse", "--git-dir", check=False)
    if asked.returncode == 0:
        return repository
    if "not a git repository" not in asked.stderr:
        raise process.failure("rev-parse", asked)
    options = () if repository.config("init.defaultBranch") else ("--initial-branch=main",)
    done = repository.run("init", "--quiet", *options, check=False)
    lock = locks.named_in(done.stderr)
    if lock is not None:
        # gitreg doctor cannot report it: there is no repository yet.
        raise locks.failure(folder / lock, "nothing was made")
    if done.returncode != 0:
        raise process.failure("init", done)
    return repository
