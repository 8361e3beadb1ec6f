"""Fixtures of the tests of Git: a remote that is read by URL."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import git


@pytest.fixture
def origin(shared: Path) -> Path:
    """The bare repository of `shared`, which sends what it is asked for as hosts do."""
    path = shared / "origin.git"
    git(path, "config", "uploadpack.allowFilter", "true")
    git(path, "config", "uploadpack.allowAnySHA1InWant", "true")
    return path


@pytest.fixture
def url(origin: Path) -> str:
    return f"file://{origin}"
