"""Any user on any machine: an id without a name, no home folder, a locale without Unicode."""

from __future__ import annotations

import os
import pwd
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.dvc import DvcProject
from gitreg.errors import WorldError
from gitreg.git import copies
from tests.conftest import HERMETIC_GIT, git, write_model


@pytest.fixture
def _nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What a container with a user id of its own has: no name, no HOME."""

    def unknown(uid: int) -> pwd.struct_passwd:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for name in ("HOME", "LOGNAME", "USER", "LNAME", "USERNAME", "DVC_SITE_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name in [name for name in os.environ if name.startswith("XDG_")]:
        monkeypatch.delenv(name)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))


@pytest.mark.usefixtures("_nobody")
def test_a_session_of_a_user_without_a_name_and_a_home(tmp_path: Path) -> None:
    work, origin = tmp_path / "work", tmp_path / "origin.git"
    Registry.init(work)
    (tmp_path / "bytes").mkdir()
    (work / "registry" / ".dvc" / "config").write_text(
        f"[core]\n    remote = store\n['remote \"store\"']\n    url = {tmp_path / 'bytes'}\n"
    )
    git(work, "commit", "--quiet", "-am", "remote")
    git(tmp_path, "init", "--quiet", "--bare", "-b", "main", str(origin))
    git(work, "remote", "add", "origin", str(origin))
    with Registry(work) as registry:
        registry.register("churn", write_model(work))
        registry.promote("churn@1", stage="production", push=True)
        assert not [f for f in registry.doctor() if f.severity == "error"]
    with Registry(f"file://{origin}") as registry:
        path = registry.pull("churn/production", tmp_path / "out")
        assert registry.log("churn")[0].after == (1,)
    assert (path / "model.pkl").read_text() == "weights"
    (home,) = (tmp_path / "tmp").glob("gitreg-*")
    assert home.stat().st_mode & 0o777 == 0o700


@pytest.mark.usefixtures("_nobody")
def test_a_cache_that_somebody_else_can_write_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "tmp" / f"gitreg-{os.geteuid()}"
    place.mkdir()
    place.chmod(0o777)
    with pytest.raises(WorldError, match="somebody else can write") as refused:
        copies.cache_folder()
    assert "XDG_CACHE_HOME" in str(refused.value.hint)
    place.rmdir()
    (tmp_path / "elsewhere").mkdir()
    place.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(WorldError, match="somebody else can write"):
        copies.cache_folder()
    place.unlink()
    place.touch()
    with pytest.raises(WorldError, match="exists"):
        copies.cache_folder()


@pytest.mark.usefixtures("_nobody")
def test_without_a_home_no_other_file_is_the_user_s_configuration(
    stocked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").write_text("[core]\n    remote = elsewhere\n")
    monkeypatch.chdir(tmp_path)
    assert DvcProject(stocked / "registry").remote_name() == "store"
    (stocked / "registry" / ".dvc" / "config").write_text("")
    assert DvcProject(stocked).remote_name() is None


def test_names_that_are_not_ascii_in_a_plain_locale(stocked: Path, tmp_path: Path) -> None:
    source = stocked / "models" / "größe"
    source.mkdir(parents=True)
    (source / "gewichte-日本.bin").write_text("ü")
    plain = {key: value for key, value in os.environ.items() if not key.startswith("LC_")}

    def run(*args: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "gitreg", *args],
            cwd=stocked,
            env={**plain, **HERMETIC_GIT, "LC_ALL": "C", "LANG": "C"},
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode("utf-8")

    run("register", "prüfer", str(source), "-m", "Grüße")
    assert "prüfer" in run("list")
    assert "Grüße" in run("log", "prüfer")
    run("pull", "prüfer@1", "-o", str(tmp_path / "aüs"))
    assert (tmp_path / "aüs" / "model" / "gewichte-日本.bin").read_text() == "ü"
    assert "prüfer@1: ok" in run("verify", "prüfer@1")


def test_sqlite_is_called_as_new_pythons_want_it(
    stocked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = sqlite3.connect
    calls = []

    def watched(database: str, *positional: object, **named: object) -> sqlite3.Connection:
        calls.append(database)
        assert positional == ()  # since Python 3.13 deprecated, an error later
        return connect(database, **named)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr(sqlite3, "connect", watched)
    with Registry(stocked) as registry:
        registry.log("churn")
        registry.doctor()
    assert len(calls) > 1
