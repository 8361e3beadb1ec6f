"""`safe.bareRepository=explicit`, Git 3's default: a bare repository must be named to be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.errors import GitError
from gitreg.git.repository import GitRepository
from tests.conftest import git
from tests.support.commands import gitreg


@pytest.fixture(autouse=True)
def _explicit(origin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert origin.is_dir()  # made by then: Git's own commands in it are refused from here on
    settings = tmp_path / "gitconfig"
    settings.write_text("[safe]\n\tbareRepository = explicit\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))


def test_a_registry_is_read_and_written_by_url(url: str, origin: Path, tmp_path: Path) -> None:
    with Registry(url) as registry:
        assert registry.resolve("churn@champion").version == 2  # a light copy
        assert registry.log("churn@champion")[0].after == (2,)  # a complete one
        registry.annotate("churn@3", description="better")
    published = ("--git-dir", str(origin), "log", "-1", "--format=%s", "main")
    assert git(tmp_path, *published) == "annotate churn@3"


def test_a_bare_repository_that_is_named_is_read(
    origin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Registry(origin) as registry:
        assert registry.resolve("churn/production").version == 2
    monkeypatch.chdir(tmp_path / "shared")
    with Registry("origin.git") as registry:
        assert [model.name for model in registry.models()] == ["churn", "tokenizer"]


def test_a_bare_repository_that_is_only_found_is_not_used(
    origin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(origin)
    with pytest.raises(GitError, match="unless it is named") as refused, Registry(".") as registry:
        registry.models()
    assert refused.value.hint == f"--repo {origin}"
    with pytest.raises(GitError, match="unless it is named"):
        GitRepository(origin / "objects").tip()  # the folder that was named is not the repository


def test_a_hook_works_in_the_repository_that_git_names(stocked: Path, origin: Path) -> None:
    gitreg("hook", "install", "pre-receive", "--repo", str(origin))
    with Registry(stocked) as registry:
        outcome = registry.promote("churn@3", stage="production", push=True)
    assert git(stocked, "--git-dir", str(origin), "rev-parse", "main") == outcome.commit
