"""Init makes what is missing, once, in one commit, and says what it cannot do."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.errors import GitError, InvalidRequest, WorldError
from gitreg.git import publish
from tests.conftest import dvc_project, git, write_model


def test_an_empty_folder_becomes_a_registry(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "yet"
    outcome = Registry.init(folder)
    assert git(folder, "rev-parse", "main") == outcome.commit
    assert git(folder, "ls-files").split("\n") == [
        ".dvc/.gitignore",
        ".dvc/config",
        "registry/.dvc/.gitignore",
        "registry/.dvc/config",
        "registry/.gitignore",
        "registry/policy.yaml",
    ]
    assert git(folder, "status", "--porcelain") == ""
    assert outcome.warnings == ()
    with Registry(folder) as registry:
        assert registry.models() == []
        assert registry.log() == []
        assert [f.code for f in registry.doctor()] == ["no-git-remote", "no-dvc-remote"]


def test_again_it_does_nothing(folder: Path) -> None:
    before = git(folder, "for-each-ref")
    assert Registry.init(folder).is_unchanged
    assert git(folder, "for-each-ref") == before


def test_only_what_is_missing_is_made(folder: Path) -> None:
    policy = folder / "registry" / "policy.yaml"
    policy.write_text(policy.read_text() + "# ours\n")
    git(folder, "rm", "--quiet", "registry/.gitignore")
    git(folder, "commit", "--quiet", "-am", "ours")
    outcome = Registry.init(folder)
    assert outcome.change.paths == ("registry/.gitignore",)
    assert policy.read_text().endswith("# ours\n")
    assert git(folder, "status", "--porcelain") == ""


def test_the_users_default_branch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "gitconfig"
    config.write_text("[init]\n\tdefaultBranch = trunk\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    folder = tmp_path / "folder"
    Registry.init(folder)
    assert git(folder, "symbolic-ref", "HEAD") == "refs/heads/trunk"


def test_a_subfolder_makes_it_at_the_root(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "-b", "main", ".")
    (tmp_path / "src").mkdir()
    Registry.init(tmp_path / "src")
    assert (tmp_path / "registry" / "policy.yaml").exists()
    assert list((tmp_path / "src").iterdir()) == []
    assert git(tmp_path, "status", "--porcelain") == ""


REMOTE = "[core]\n    remote = store\n['remote \"store\"']\n    url = ../../store\n"


def test_a_dvc_remote_that_is_not_committed_is_told(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "-b", "main", ".")
    dvc_project(tmp_path, REMOTE)
    outcome = Registry.init(tmp_path)
    assert any("in .dvc/config is not committed" in warning for warning in outcome.warnings)
    assert "remote" not in git(tmp_path, "show", "HEAD:registry/.dvc/config")
    git(tmp_path, "add", ".dvc")
    git(tmp_path, "commit", "--quiet", "-m", "dvc init")
    again = Registry.init(tmp_path)
    assert again.change.paths == ("registry/.dvc/config",)
    assert again.warnings == ()
    assert "../../../store/registry" in git(tmp_path, "show", "HEAD:registry/.dvc/config")
    assert Registry.init(tmp_path).is_unchanged


def test_a_project_without_dvc_gets_none(tmp_path: Path) -> None:
    (tmp_path / "train.py").touch()
    Registry.init(tmp_path)
    assert not (tmp_path / ".dvc").exists()
    with Registry(tmp_path) as registry:
        registry.register("churn", write_model(tmp_path))
        assert (registry.pull("churn@1") / "model.pkl").read_text() == "weights"
    assert not (tmp_path / ".dvc").exists()


def test_a_dvc_project_is_left_alone(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "-b", "main", ".")
    dvc_project(tmp_path, REMOTE)
    git(tmp_path, "add", ".dvc")
    git(tmp_path, "commit", "--quiet", "-m", "dvc init")
    outcome = Registry.init(tmp_path)
    assert outcome.warnings == ()
    assert "registry/policy.yaml" in outcome.change.paths
    assert all(path.startswith("registry/") for path in outcome.change.paths)
    with Registry(tmp_path) as registry:
        assert registry.register("churn", write_model(tmp_path)).commit is not None
    assert not (tmp_path / ".dvc" / "cache").exists()


def test_what_is_refused_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = tmp_path / "bare"
    git(tmp_path, "init", "--quiet", "--bare", str(bare))
    with pytest.raises(InvalidRequest, match="bare"):
        Registry.init(bare)

    detached = tmp_path / "detached"
    git(tmp_path, "init", "--quiet", "-b", "main", str(detached))
    git(detached, "commit", "--quiet", "--allow-empty", "-m", "x")
    git(detached, "switch", "--quiet", "--detach")
    with pytest.raises(GitError, match="detached"):
        Registry.init(detached)
    assert not (detached / ".dvc").exists()
    assert not (detached / "registry").exists()

    with pytest.raises(InvalidRequest, match=r"inside a \.git folder"):
        Registry.init(detached / ".git" / "hooks")

    file = tmp_path / "file"
    file.touch()
    with pytest.raises(WorldError, match="file"):
        Registry.init(file)
    with pytest.raises(WorldError, match="file"):
        Registry.init(file / "below")

    anonymous = tmp_path / "anonymous"
    for name in ("AUTHOR_NAME", "AUTHOR_EMAIL", "COMMITTER_NAME", "COMMITTER_EMAIL"):
        monkeypatch.delenv(f"GIT_{name}")
    with pytest.raises(GitError, match="identity"):
        Registry.init(anonymous)
    assert not (anonymous / ".dvc").exists()
    assert not (anonymous / "registry").exists()


def test_a_repository_of_another_hash_is_refused(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "--object-format=sha256", ".")
    with pytest.raises(GitError, match="sha256"):
        Registry.init(tmp_path)


def test_a_git_that_fails_is_told(tmp_path: Path) -> None:
    (tmp_path / ".git").write_text("gitdir: nowhere\n")
    with pytest.raises((GitError, InvalidRequest), match=r"nowhere|not a Git repository"):
        Registry.init(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".git"]


class Killed(BaseException):
    """Stands for SIGKILL: nothing of ours handles it."""


@pytest.mark.parametrize("step", ["prepare", "publish"])
def test_what_was_killed_is_finished_in_one_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    done = getattr(publish, step)

    def kill(*args: object) -> object:
        done(*args)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(publish, step, kill)
        with pytest.raises(Killed):
            Registry.init(tmp_path)
    again = Registry.init(tmp_path)
    assert again.is_unchanged is (step == "publish")
    assert git(tmp_path, "rev-list", "--count", "main") == "1"
    assert git(tmp_path, "status", "--porcelain", "--untracked-files=all") == ""
    assert Registry.init(tmp_path).is_unchanged


def test_a_lock_of_a_git_init_that_was_killed_is_named(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    lock = tmp_path / ".git" / "config.lock"
    lock.touch()
    with pytest.raises(GitError, match=r"Git's lock .*/config\.lock is in the way") as held:
        Registry.init(tmp_path)
    assert held.value.hint is not None
    lock.unlink()
    assert Registry.init(tmp_path).commit is not None
