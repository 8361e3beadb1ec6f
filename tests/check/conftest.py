"""A server with the pre-receive hook, and a client of it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from gitreg import hooks
from gitreg.git.repository import GitRepository
from tests.conftest import git, isolate
from tests.support.client import PEOPLE, POLICY, Client


@pytest.fixture(scope="module")
def hosted(templates: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The templates with a policy, people's keys, and the hook on the server."""
    base = tmp_path_factory.mktemp("hosted") / "base"
    shutil.copytree(templates, base, symlinks=True)
    keys = base / "keys"
    keys.mkdir()
    for who in PEOPLE:
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", who, "-f", keys / who], check=True
        )
    public = {who: " ".join((keys / f"{who}.pub").read_text().split()[:2]) for who in PEOPLE}
    with pytest.MonkeyPatch.context() as patch:
        isolate(patch, tmp_path_factory.mktemp("hosted-home"))
        work = base / "work"
        (work / "registry/policy.yaml").write_text(POLICY.format(**public))
        git(work, "commit", "--quiet", "-am", "the rules")
        git(work, "push", "--quiet", "origin", "main")
        hooks.install(GitRepository(base / "origin.git"), "pre-receive")
    return base


@pytest.fixture
def base(hosted: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(hosted, tmp_path / "base", symlinks=True))


@pytest.fixture
def client(base: Path) -> Client:
    return Client(base / "work", base / "keys")
