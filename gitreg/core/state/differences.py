"""What differs between two versions' code, data and environment, in detail. Pure.

`gitreg.core.state.compare` says whether they differ; `gitreg.history.differences` fills these in.

>>> before, after = ["numpy==2.1.0", "scipy==1.14.0"], ["numpy==2.2.0", "polars==1.9.0"]
>>> found = package_changes(before, after)
>>> [(change.kind, change.name, change.before, change.after) for change in found]
[('changed', 'numpy', '2.1.0', '2.2.0'), ('added', 'polars', None, '1.9.0'), \
('removed', 'scipy', '1.14.0', None)]
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from gitreg.core.state.compare import Difference, packages

Kind: TypeAlias = Literal["added", "removed", "changed"]

Relation: TypeAlias = Literal["same", "ahead", "behind", "diverged", "unrelated"]
"""Where the candidate's code stands beside the base's; ``unrelated`` without a common ancestor."""


@dataclass(frozen=True)
class CodeSide:
    """The code of one of the two versions.

    Attributes:
        version: ``churn-predictor@5``.
        commit: 40 hex digits; ``None`` for a version that names none.
        repository: the URL that the version names, without credentials.
        is_here: whether this repository has the commit.
        fetch: the command that brings a commit that is not here; ``None`` if none is known.
        unrecorded: what the commit does not hold, such as ``uncommitted changes``; ``None`` for
            nothing.
    """

    version: str
    commit: str | None
    repository: str | None
    is_here: bool
    fetch: str | None
    unrecorded: str | None


@dataclass(frozen=True)
class CodeCommitEntry:
    """A commit that only one of the two versions has.

    Attributes:
        commit: 40 hex digits.
        side: the version that has it, ``base`` or ``candidate``.
        time: the committer's date in UTC, ``2026-11-22T20:25:06Z``.
        author: ``Name <email>``.
        subject: the first line of its message.
    """

    commit: str
    side: Literal["base", "candidate"]
    time: str
    author: str
    subject: str


@dataclass(frozen=True)
class FileChange:
    """A file of the code that differs.

    Attributes:
        path: in the repository.
        added: lines; ``None`` for a binary file.
        removed: lines; ``None`` for a binary file.
        renamed_from: its path in the base's code, if it has another one there.
    """

    path: str
    added: int | None
    removed: int | None
    renamed_from: str | None = None


@dataclass(frozen=True)
class CodeDifference:
    """How the code of two versions differs.

    Attributes:
        base: the code of the first version.
        candidate: the code of the second one.
        relation: where the candidate's commit stands; ``None`` if a commit is not here.
        merge_base: the last common ancestor.
        is_shallow: whether the clone has only a part of the history that would tell.
        pipeline: the files and folders that the pipeline of the versions is made of; ``None`` where
            no pipeline is known, and all files outside the registry count.
        commits: the commits that only one of them has and that touch these files, newest first.
        files: those of these files that differ.
        elsewhere: the other files outside the registry that differ, not made by it.
    """

    base: CodeSide
    candidate: CodeSide
    relation: Relation | None = None
    merge_base: str | None = None
    is_shallow: bool = False
    pipeline: tuple[str, ...] | None = None
    commits: tuple[CodeCommitEntry, ...] = ()
    files: tuple[FileChange, ...] = ()
    elsewhere: tuple[str, ...] = ()


@dataclass(frozen=True)
class DataFileChange:
    """A file in a folder of data that came, went or changed; a size is ``None`` if not known here.

    Attributes:
        path: in the folder.
        kind: what happened to it.
        size_before: in bytes.
        size_after: in bytes.
    """

    path: str
    kind: Kind
    size_before: int | None = None
    size_after: int | None = None


@dataclass(frozen=True)
class DataChange:
    """Data that differs between two versions: a file, or a folder with its files.

    Attributes:
        path: as the versions name it.
        kind: what happened to it.
        before: its hash; ``None`` if the base has none.
        after: its hash.
        size_before: of all files, in bytes.
        size_after: of all files, in bytes.
        files_before: how many files a folder has; ``None`` for a file, or if it is not known.
        files_after: how many files.
        files: the files of a folder that differ; ``None`` for a file, or if it is not known.
        problem: why the files of a folder are not known.
    """

    path: str
    kind: Kind
    before: str | None
    after: str | None
    size_before: int | None = None
    size_after: int | None = None
    files_before: int | None = None
    files_after: int | None = None
    files: tuple[DataFileChange, ...] | None = None
    problem: str | None = None


@dataclass(frozen=True)
class DataDifference:
    """How the data of two versions differ.

    Attributes:
        base: ``churn-predictor@4``.
        candidate: ``churn-predictor@5``.
        changes: what differs, by path.
        same: the paths of the data that are the same.
    """

    base: str
    candidate: str
    changes: tuple[DataChange, ...]
    same: tuple[str, ...]


@dataclass(frozen=True)
class PackageChange:
    """A package that came, went or has another version; ``None`` where it is not there."""

    name: str
    kind: Kind
    before: str | None
    after: str | None


@dataclass(frozen=True)
class EnvironmentDifference:
    """How the environments of two versions differ.

    Attributes:
        base: ``churn-predictor@4``.
        candidate: ``churn-predictor@5``.
        python: both versions of the interpreter, if they differ.
        platform: both platforms, if they differ.
        packages: the packages that differ, by name.
        same: how many packages are the same.
        unknown: the versions that have no list of packages; then no package is compared.
    """

    base: str
    candidate: str
    python: Difference | None
    platform: Difference | None
    packages: tuple[PackageChange, ...]
    same: int
    unknown: tuple[str, ...] = ()


def kind_of(before: object, after: object) -> Kind | None:
    """Return what happened to something that is ``None`` where it is absent."""
    if before == after:
        return None
    return "added" if before is None else "removed" if after is None else "changed"


def package_changes(before: Iterable[str], after: Iterable[str]) -> tuple[PackageChange, ...]:
    """Return the packages that differ between two frozen environments, by name."""
    one, other = packages(before), packages(after)
    return tuple(
        PackageChange(name, kind, one.get(name), other.get(name))
        for name in sorted({*one, *other})
        if (kind := kind_of(one.get(name), other.get(name))) is not None
    )


def file_changes(
    before: Mapping[str, str], after: Mapping[str, str], sizes: Mapping[str, int]
) -> tuple[DataFileChange, ...]:
    """Return the files that differ between two listings, by path.

    Args:
        before: path to hash.
        after: path to hash.
        sizes: hash to size in bytes, as far as known.
    """
    return tuple(
        DataFileChange(path, kind, sizes.get(before.get(path, "")), sizes.get(after.get(path, "")))
        for path in sorted({*before, *after})
        if (kind := kind_of(before.get(path), after.get(path))) is not None
    )
