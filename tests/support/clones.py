"""Commits by hand in a clone, and what `gitreg check` finds in them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gitreg import Registry
from gitreg.check import CheckReport
from tests.conftest import git


def commit(folder: Path, files: Mapping[str, str | None], message: str = "by hand") -> str:
    for path, text in files.items():
        if text is None:
            git(folder, "rm", "-r", "--quiet", path)
            continue
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
        git(folder, "add", "--force", path)
    git(folder, "commit", "--quiet", "-m", message)
    return git(folder, "rev-parse", "HEAD")


def check(folder: Path, commits: str | None = None, **options: bool) -> CheckReport:
    with Registry(folder) as registry:
        return registry.check(commits, **options)
