"""The registries that the commands run in."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def work(stocked: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a registry of the test's own to write to; it is the current folder."""
    monkeypatch.chdir(stocked)
    return stocked


@pytest.fixture
def reading(templates: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the registry that all tests share, for commands that write nothing."""
    monkeypatch.chdir(templates / "work")
    (templates / "work" / ".git" / "gitreg" / "fetched").touch()  # no answer is called old
    return templates / "work"
