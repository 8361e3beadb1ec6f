"""A version is not published when only this machine knows where its bytes are."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import git, write_model
from tests.git.test_remote import local, published, stored
from tests.support.commands import error, gitreg

MACHINE = "on this machine only"


def dvc(work: Path, *args: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "dvc", *args], cwd=work / "registry", check=True, capture_output=True
    )


def committed(work: Path, text: str) -> None:
    (work / "registry" / ".dvc" / "config").write_text(text)
    git(work, "commit", "--quiet", "-am", "configure DVC")


def only_local(work: Path) -> None:
    committed(work, "")
    dvc(work, "remote", "add", "--local", "--default", "store", "../../dvc-remote")


def only_the_url(work: Path) -> None:
    committed(work, "[core]\n    remote = store\n")
    dvc(work, "remote", "add", "--local", "store", "../../dvc-remote")


def only_the_name(work: Path) -> None:
    committed(work, "['remote \"store\"']\n    url = ../../../dvc-remote\n")
    dvc(work, "config", "--local", "core.remote", "store")


def only_the_end(work: Path) -> None:
    committed(work, "[core]\nremote = store\n['remote \"store\"']\nurl = remote://base/x\n")
    dvc(work, "remote", "add", "--local", "base", "../../dvc-remote")


def another(work: Path) -> None:
    dvc(work, "remote", "add", "--local", "--default", "mine", "../../mine")


@pytest.mark.parametrize(
    "configure", [only_local, only_the_url, only_the_name, only_the_end, another]
)
def test_a_remote_of_this_machine_only(shared: Path, configure: Callable[[Path], None]) -> None:
    work = shared / "work"
    configure(work)
    model = write_model(work, "weights 4")
    before = published(shared), stored(shared)
    said = error("register", "churn", str(model), "--push", "--repo", str(work), code=3)
    assert MACHINE in said
    assert "nothing was published" in said
    gitreg("register", "churn", str(model), "--repo", str(work))
    here = local(work)
    assert MACHINE in error("push", "--repo", str(work), code=3)
    assert local(work) == here
    assert (published(shared), stored(shared)) == before


def test_the_remedy_names_the_file_that_chooses_the_remote(shared: Path) -> None:
    work = shared / "work"
    another(work)
    model = write_model(work, "weights 4")
    said = error("register", "churn", str(model), "--push", "--repo", str(work), code=3)
    assert "  dvc --cd registry config --local --unset core.remote" in said
    dvc(work, "config", "--local", "--unset", "core.remote")
    gitreg("register", "churn", str(model), "--push", "--repo", str(work))


def test_a_remote_of_the_user_s_own_configuration(
    shared: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    work = shared / "work"
    committed(work, "")
    monkeypatch.setenv("DVC_GLOBAL_CONFIG_DIR", str(tmp_path))
    dvc(work, "remote", "add", "--global", "--default", "store", str(shared / "dvc-remote"))
    model = write_model(work, "weights 4")
    said = error("register", "churn", str(model), "--push", "--repo", str(work), code=3)
    assert MACHINE in said


COMMENTED = """[core]
    remote = Store  # ours
['remote "store"']
    url = "../../../dvc-remote"
"""
REFERRING = """[core]
remote = store
[remote "store"]
url = remote://base
['remote "base"']
url = ../../../dvc-remote
"""


@pytest.mark.parametrize("text", [COMMENTED, REFERRING])
def test_what_is_committed_may_look_as_it_likes(shared: Path, text: str) -> None:
    work = shared / "work"
    committed(work, text)
    dvc(work, "remote", "modify", "--local", "store", "verify", "true")
    model = write_model(work, "weights 4")
    gitreg("register", "churn", str(model), "--push", "--repo", str(work))
