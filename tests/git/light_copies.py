"""A remote that is read by URL, and the copies of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gitreg import Registry
from gitreg.git import copies
from tests.conftest import git


def commit(origin: Path, *references: str) -> None:
    """Let the champion be each of the versions in turn, a commit each, and publish that."""
    with Registry(origin.parent / "work") as registry:
        for reference in references:
            registry.set_alias(reference, "champion", push=True)


def rewind(origin: Path, to: str = "main~1") -> str:
    """Move the branch of a remote; return where it was."""
    old = git(origin, "rev-parse", "main")
    git(origin, "update-ref", "refs/heads/main", git(origin, "rev-parse", to))
    return old


def champion(url: str) -> int:
    with Registry(url) as registry:
        return registry.resolve("churn@champion").version


def read_tip(url: str) -> str | None:
    with Registry(url) as registry:
        return registry.resolve("churn@1").read_from


def read_all(url: str) -> str | None:
    with Registry(url) as registry:
        return registry.state().commit


def copy_of(url: str, name: str = "light.git") -> Path:
    return copies.copies_folder(url) / name


@contextmanager
def unreachable(origin: Path) -> Iterator[None]:
    gone = origin.rename(origin.with_name("gone.git"))
    try:
        yield
    finally:
        gone.rename(origin)
