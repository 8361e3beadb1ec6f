"""Commits made by hand, and events in the middle of a publication."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from gitreg.git import publish
from tests.conftest import git

if TYPE_CHECKING:
    import pytest


def refs(folder: Path) -> str:
    return git(folder, "for-each-ref")


def commit_by_hand(folder: Path, path: str, text: str) -> str:
    """Commit a file as a colleague would, in an editor."""
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text(text)
    git(folder, "add", "--", path)
    git(folder, "commit", "--quiet", "--author=Grace Hopper <grace@example.com>", "-m", "by hand")
    return git(folder, "rev-parse", "HEAD")


def meanwhile(
    monkeypatch: pytest.MonkeyPatch, act: Callable[[], object], *, times: int = 1
) -> None:
    """Let something happen between the reading of the tip and the move of the branch."""
    prepare, left = publish.prepare, [act] * times

    def interrupted(*args: object) -> publish.Prepared:
        prepared = prepare(*args)  # type: ignore[arg-type]
        if left:
            left.pop()()
        return prepared

    monkeypatch.setattr(publish, "prepare", interrupted)
