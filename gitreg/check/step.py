"""`Step`: a commit beside one of its parents, with everything that a check reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from gitreg.check.finding import CheckFinding
from gitreg.core.model import layout
from gitreg.core.model.names import name_of
from gitreg.core.policy import Policy
from gitreg.core.state.change import reverted_by
from gitreg.core.state.history import CommitInfo
from gitreg.core.state.state import RegistryState
from gitreg.findings import Severity
from gitreg.git.steps import Difference


def _nothing_known(_model: str) -> int:
    return 0


def _never(_model: str) -> bool:
    return False


@dataclass(frozen=True)
class VersionFile:
    """A path inside the folder of a version; ``name`` is the rest of it, ``model/weights.bin``."""

    model: str
    version: int
    name: str


def version_file(path: str) -> VersionFile | None:
    """Return the version and the file in it that a path names; ``None`` for other paths.

    >>> version_file("registry/churn/versions/5/model/weights.bin")
    VersionFile(model='churn', version=5, name='model/weights.bin')
    """
    match path.split("/", 4):
        case [layout.ROOT, folder, "versions", number, name]:
            model, version = layout.model_of_folder(folder), layout.version_of_folder(number)
            if model is not None and version is not None:
                return VersionFile(model, version, name)
    return None


def is_registry(path: str) -> bool:
    """Tell whether a path is in the registry's folder, or is that folder's own path."""
    return path == layout.ROOT or path.startswith(f"{layout.ROOT}/")


@dataclass(frozen=True)
class Step:
    """What a commit did to one of its parents.

    Attributes:
        commit: the commit.
        parent: the parent, 40 hex digits; ``None`` for a root.
        changes: the paths at which they differ. Of a merge, without those that it only brought
            together: what another parent had made of a path that this one left alone.
        before: the registry at the parent; of a merge, with what was brought laid over it.
        after: the registry at the commit.
        policy: the rules that it is judged by, which are not those of the commit.
        highest: tells the highest number that a version of a model had before, by history.
        is_merge: whether the commit has several parents.
        restored: tells whether a model is, after the step, byte for byte what it was before its
            latest end, by history.
        maker: the commit that made the moves, where a merge only brings them; see
            `gitreg.check.origins`.
    """

    commit: CommitInfo
    parent: str | None
    changes: tuple[Difference, ...]
    before: RegistryState
    after: RegistryState
    policy: Policy
    highest: Callable[[str], int] = field(default=_nothing_known)
    is_merge: bool = False
    restored: Callable[[str], bool] = field(default=_never)
    maker: CommitInfo | None = None

    @property
    def made_by(self) -> CommitInfo:
        """The commit whose author, message and signature count for the moves."""
        return self.maker or self.commit

    @cached_property
    def registry_changes(self) -> tuple[Difference, ...]:
        """The changes under ``registry/``."""
        return tuple(change for change in self.changes if is_registry(change.path))

    @cached_property
    def versions(self) -> dict[tuple[str, int], list[tuple[str, Difference]]]:
        """The versions whose folders changed, with each changed file in them."""
        found: dict[tuple[str, int], list[tuple[str, Difference]]] = {}
        for change in self.registry_changes:
            file = version_file(change.path)
            if file is not None:
                entry = found.setdefault((file.model, file.version), [])
                entry.append((file.name, change))
        return found

    @cached_property
    def models(self) -> tuple[str, ...]:
        """The models that changed, sorted."""
        return tuple(sorted(set(models_of(change.path for change in self.registry_changes))))

    def found(
        self,
        code: str,
        path: str,
        message: str,
        *,
        line: int | None = None,
        severity: Severity = "error",
        remedy: str | None = None,
    ) -> CheckFinding:
        """Return a finding about a path of this commit."""
        return CheckFinding(
            code, severity, path, message, remedy, commit=self.commit.oid, file=path, line=line
        )


def is_revert(step: Step) -> bool:
    """Tell whether a commit's message claims to revert another; its changes must prove it."""
    return reverted_by(step.commit.message) is not None


def models_of(paths: Iterator[str]) -> Iterator[str]:
    """Yield the models to whose folders paths belong."""
    for path in paths:
        root, _, rest = path.partition("/")
        folder, inside, _ = rest.partition("/")
        if root == layout.ROOT and inside and layout.model_of_folder(folder) is not None:
            yield str(name_of(folder))
