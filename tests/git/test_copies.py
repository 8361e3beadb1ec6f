"""Reading from a second clone or a URL: a copy that is kept, and what it refuses."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.errors import GitError, GitregError, InvalidRequest, WorldError
from gitreg.git import copies, publish
from tests.conftest import git


def read_all(url: str) -> None:
    """Read a registry with its history: that takes a complete copy."""
    with Registry(url) as registry:
        registry.state()


def test_a_second_clone_pulls(shared: Path, tmp_path: Path) -> None:
    git(shared, "clone", "--quiet", "origin.git", "clone")
    with Registry(shared / "clone") as registry:
        path = registry.pull("churn@champion", tmp_path / "out")
        inside = registry.pull(name="churn", version=1)
        assert registry.resolve("churn@champion").version == 2
    assert path == tmp_path / "out" / "model"
    assert (path / "model.pkl").read_text() == "weights 2"
    assert (inside / "model.pkl").read_text() == "weights 1"
    assert git(shared / "clone", "status", "--porcelain") == ""  # Git ignores what is pulled


def test_a_url_of_a_work_tree_pulls(shared: Path, tmp_path: Path) -> None:
    with Registry(f"file://{shared / 'work'}") as registry:
        path = registry.pull("churn/production", tmp_path / "out")
        assert [model.name for model in registry.models()] == ["churn", "tokenizer"]
        assert registry.log("churn@champion")[0].after == (2,)
        assert registry.show("churn@1").commit is not None
    assert (path / "model.pkl").read_text() == "weights 2"


def test_a_url_of_a_bare_repository_with_an_absolute_store(shared: Path, tmp_path: Path) -> None:
    work = shared / "work"
    config = work / "registry" / ".dvc" / "config"
    config.write_text(config.read_text().replace("../../../dvc-remote", str(shared / "dvc-remote")))
    git(work, "commit", "--quiet", "-am", "absolute")
    git(work, "push", "--quiet")
    with Registry(f"file://{shared / 'origin.git'}") as registry:
        assert (registry.pull("churn@champion") / "model.pkl").read_text() == "weights 2"
        (_, findings), *_ = registry.verify("churn@champion")
        assert findings == []
    with Registry(shared / "origin.git") as registry:
        path = registry.pull("churn@1", tmp_path / "out")
    assert (path / "model.pkl").read_text() == "weights 1"


@pytest.fixture
def carried(shared: Path) -> Path:
    """A bare repository that carries the bytes itself: its DVC remote is a folder of its tree."""
    work = shared / "work"
    (work / "registry" / ".dvc" / "config").write_text(
        "[core]\n    remote = here\n['remote \"here\"']\n    url = ../../bytes\n"
    )
    with Registry(work) as registry:
        git(work, "commit", "--quiet", "-am", "keep the bytes here")
    with Registry(work) as registry:
        for number in (1, 2, 3):
            registry.promote(f"churn@{number}", stage="staging", push=True, force=True)
        registry.register("single", work / "registry/policy.yaml", push=True)
    git(work, "add", "bytes")
    git(work, "commit", "--quiet", "-m", "the bytes")
    git(work, "push", "--quiet")
    return shared / "origin.git"


@pytest.mark.parametrize("how", ["url", "folder", "clone"])
def test_a_repository_that_carries_its_bytes(carried: Path, tmp_path: Path, how: str) -> None:
    where = {"url": f"file://{carried}", "folder": str(carried), "clone": str(tmp_path / "clone")}
    if how == "clone":
        git(tmp_path, "clone", "--quiet", str(carried), "clone")
    with Registry(where[how]) as registry:
        path = registry.pull("churn@3", tmp_path / "out")
        assert (path / "model.pkl").read_text() == "weights 3"
        single = registry.pull("single@1", tmp_path / "out")
        assert single.name == "model.yaml"
        assert b"stages:" in single.read_bytes()
        found = {version.reference: findings for version, findings in registry.verify("churn")}
    assert found == {"churn@1": [], "churn@2": [], "churn@3": []}


def test_a_url_is_brought_up_to_date_at_every_start(shared: Path) -> None:
    url = f"file://{shared / 'origin.git'}"
    with Registry(url) as registry:
        assert registry.resolve("churn@champion").version == 2
    with Registry(shared / "work") as registry:
        registry.set_alias("churn@3", "champion", push=True)
    with Registry(url) as registry:
        assert registry.resolve("churn@champion").version == 3
    git(shared / "origin.git", "branch", "-m", "main", "trunk")
    with Registry(url) as registry:
        assert registry.resolve("churn@champion").version == 3


def test_a_url_whose_history_went_back_is_refused(shared: Path) -> None:
    """Whoever read it yesterday would be shown another past today, and never know."""
    url = f"file://{shared / 'origin.git'}"
    read_all(url)
    git(shared / "work", "push", "--quiet", "--force", "origin", "main~1:main")
    for _ in range(2):  # the copy stays as it was, so that it is refused the next time, too
        with pytest.raises(GitError, match="rewritten") as refused:
            read_all(url)
    assert "--allow-rewind" in str(refused.value.hint)
    for allow in (True, False):  # accepted once, and then that is what was seen last
        with Registry(url, allow_rewind=allow) as registry:
            assert registry.resolve("churn/production").version == 1


def test_a_copy_that_is_damaged_is_made_anew(shared: Path) -> None:
    url = f"file://{shared / 'origin.git'}"
    read_all(url)
    (copy,) = copies.cache_folder().glob("*/repository.git")
    (copy / "HEAD").write_text("nonsense")
    with Registry(url) as registry:
        assert registry.resolve("churn@champion").version == 2


def test_a_cache_folder_that_cannot_be_written(shared: Path) -> None:
    copies.cache_folder().parent.mkdir(parents=True, exist_ok=True)
    copies.cache_folder().write_text("a file where a folder should be")
    with pytest.raises(WorldError, match="cache folder") as refused:
        read_all(f"file://{shared / 'origin.git'}")
    assert "XDG_CACHE_HOME" in str(refused.value.hint)


@pytest.mark.parametrize("how", ["sideways", "renamed"])
def test_a_url_whose_history_was_rewritten(shared: Path, how: str) -> None:
    origin, work = shared / "origin.git", shared / "work"
    url = f"file://{origin}"
    read_all(url)
    (copy,) = (path for path in copies.cache_folder().iterdir())
    old, new = (git(work, "rev-parse", name) for name in ("main", "main~1"))
    if how == "sideways":
        new = git(work, "commit-tree", "-p", new, "-m", "another", "main^{tree}")
        git(work, "push", "--quiet", "origin", f"{new}:refs/heads/aside")
    git(origin, "update-ref", "refs/heads/main", new)
    if how == "renamed":
        git(origin, "branch", "-m", "main", "trunk")
    for _ in range(2):
        with pytest.raises(GitError, match=f"{old}.*{new}") as refused:
            read_all(url)
        assert refused.value.exit_code == 3
        assert git(copy / "repository.git", "rev-parse", "HEAD") == old
    for allow in (True, False):
        with Registry(url, allow_rewind=allow) as registry:
            assert registry.state().commit == new


@pytest.mark.parametrize("damage", ["objects", "all"])
def test_a_copy_that_is_no_repository_is_made_anew(shared: Path, damage: str) -> None:
    url = f"file://{shared / 'origin.git'}"
    read_all(url)
    (git_dir,) = copies.cache_folder().glob("*/repository.git")
    shutil.rmtree(git_dir / "objects" if damage == "objects" else git_dir)
    with Registry(url) as registry:
        assert registry.resolve("churn@champion").version == 2


def test_a_url_that_cannot_be_reached(tmp_path: Path) -> None:
    with pytest.raises(GitError, match="nowhere"):
        read_all(f"file://{tmp_path}/nowhere.git")
    for url in ("https://ada:s3cret@localhost:1/x.git", "https://localhost:1/x?token=s3cret"):
        with pytest.raises(GitError) as refused:
            read_all(url)
        assert "s3cret" not in str(refused.value)
    with pytest.raises(GitError) as silent:
        read_all("ssh://ada@localhost:1/x.git")
    assert str(silent.value).endswith("port 1: Connection refused") or not shutil.which("ssh")


def test_a_url_without_a_branch(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "--bare", "empty.git")
    with pytest.raises(GitError, match="no default branch"):
        read_all(f"file://{tmp_path}/empty.git")


# Hostile URLs


@pytest.mark.parametrize(
    "url",
    [
        "ext::sh -c touch% owned",
        "ext::sh",
        "fd::17",
        "--upload-pack=touch owned",
        "-u",
        "ssh://-oProxyCommand=touch owned/x",
        "ssh://ada@-oProxyCommand=touch owned/x",
        "ssh://a@b@-oProxyCommand=touch owned/x",
        "-oProxyCommand=touch:x",
        "ada@-oProxyCommand=touch:x",
        "host:-x",
        "foo::https://host/x",
        "ftp://host/x",
        "file://-x",
        "https://host/x\n--upload-pack=y",
        "https://host/\x1b[31m",
        "",
        "no such folder",
        "a" * 5000,
    ],
)
def test_a_hostile_url_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.chdir(tmp_path)

    def never(*_args: object, **_options: object) -> None:
        raise AssertionError("Git was run")

    monkeypatch.setattr(subprocess, "run", never)
    with pytest.raises(InvalidRequest) as refused:
        Registry(url)
    assert str(refused.value).isprintable()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/team/churn.git",
        "ssh://git@example.com:22/team/churn.git",
        "git@example.com:team/churn.git",
        "example.com:team/churn.git",
        "git://example.com/churn",
        "file:///srv/churn.git",
    ],
)
def test_a_plain_url_is_taken(url: str) -> None:
    assert copies.is_url(url)
    assert copies.check_url(url) == url


def test_a_folder_with_a_colon_is_a_folder(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shared)
    (shared / "work").rename(shared / "host:path")
    assert not copies.is_url("host:path")
    with Registry("host:path") as registry:
        assert registry.resolve("churn@champion").version == 2


def test_the_cache_folder_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert copies.cache_folder() == tmp_path / "gitreg"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert copies.cache_folder() == Path.home() / ".cache" / "gitreg"


def test_two_copies_at_once_wait_for_each_other(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "LOCK_PATIENCE", -1.0)
    monkeypatch.setattr(copies, "READER_PATIENCE", -1.0)
    url = f"file://{shared / 'origin.git'}"
    with (
        publish.exclusive(copies.copies_folder(url)),
        pytest.raises(GitregError, match="another gitreg"),
    ):
        read_all(url)


@pytest.mark.parametrize("light", [False, True])
def test_a_reader_does_not_wait_for_a_writer_when_there_is_a_copy(
    shared: Path, monkeypatch: pytest.MonkeyPatch, light: bool
) -> None:
    monkeypatch.setattr(publish, "LOCK_PATIENCE", -1.0)
    monkeypatch.setattr(copies, "READER_PATIENCE", -1.0)
    url = f"file://{shared / 'origin.git'}"
    first = copies.open_copy(url, light=light)
    assert first.stale is None
    with publish.exclusive(copies.copies_folder(url)):
        second = copies.open_copy(url, light=light)
        # It wants to see where the branch is, not where it was.
        with pytest.raises(GitregError, match="another gitreg"):
            copies.open_copy(url, light=light, allow_rewind=True)
    assert second.commit == first.commit
    assert second.stale is not None
    assert second.stale.startswith(f"another gitreg process is using the copy of {url}: answering")
    third = copies.open_copy(url, light=light)
    assert third.stale is None
    for copy in (first, second, third):
        copy.repository.close()


def test_a_light_copy_is_no_answer_to_a_question_about_all(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "LOCK_PATIENCE", -1.0)
    monkeypatch.setattr(copies, "READER_PATIENCE", -1.0)
    url = f"file://{shared / 'origin.git'}"
    copies.open_copy(url, light=True).repository.close()
    folder = copies.copies_folder(url)
    with publish.exclusive(folder), pytest.raises(GitregError, match="another gitreg"):
        copies.open_copy(url)
