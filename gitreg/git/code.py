"""Whether the code of two versions differs: registry commits are not code."""

from __future__ import annotations

from gitreg.core.documents.foreign_yaml import load
from gitreg.core.model import layout
from gitreg.core.model.model import ModelVersion
from gitreg.errors import GitError, InvalidDocument
from gitreg.git.repository import GitRepository


def code_files(
    repository: GitRepository, base: ModelVersion, candidate: ModelVersion
) -> tuple[str, ...] | None:
    """Return the files outside the registry that differ between the code commits of two versions.

    The entries that gitreg writes into ``dvc.yaml`` are not code either.

    Returns:
        ``None`` where a version names no commit, or one that this repository does not have.
    """
    commits = []
    for version in (base, candidate):
        code = version.lineage.code
        known = None if code is None else repository.commit_of(code.commit)
        if known is None:
            return None
        commits.append(known)
    if commits[0] == commits[1]:
        return ()
    try:
        paths = repository.changed_paths(commits[0], commits[1])
    except GitError:
        return None  # a light copy has not all trees
    return tuple(
        path
        for path in paths
        if not path.startswith(f"{layout.ROOT}/")
        and not (path == layout.DVC_YAML and _same_pipeline(repository, *commits))
    )


def _same_pipeline(repository: GitRepository, before: str, after: str) -> bool:
    """Tell whether ``dvc.yaml`` differs in its artifacts at most."""
    found = []
    for commit in (before, after):
        data = repository.snapshot(commit).read(layout.DVC_YAML)
        try:
            value = load(data or b"", layout.DVC_YAML)
        except InvalidDocument:
            return False
        document = dict(value) if isinstance(value, dict) else {}
        document.pop("artifacts", None)
        found.append(document)
    return found[0] == found[1]
