"""A clone and its remote: what a colleague publishes, and whether both sides agree."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gitreg import Registry
from tests.conftest import git, write_model
from tests.git.test_remote import colleague, tags_of
from tests.support.invariants import check_registry

PRODUCTION = "registry/churn/stages/production.yaml"


def theirs(shared: Path, act: Callable[[Registry], object]) -> None:
    """Let somebody else publish something."""
    with Registry(colleague(shared)) as registry:
        act(registry)


def register_theirs(shared: Path) -> None:
    source = write_model(colleague(shared), "theirs", "models/theirs")
    theirs(shared, lambda registry: registry.register("churn", source, push=True))


def same_everywhere(shared: Path) -> None:
    """The clone is where the remote is, clean, with the same tags."""
    work, origin = shared / "work", shared / "origin.git"
    assert git(work, "rev-parse", "HEAD") == git(origin, "rev-parse", "main")
    assert git(work, "status", "--porcelain") == ""
    assert tags_of(work) == tags_of(origin)
    check_registry(origin, [])


def change_production(work: Path) -> None:
    (work / PRODUCTION).write_text("mine\n")
