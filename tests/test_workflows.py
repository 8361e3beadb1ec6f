"""``gitreg ci``: files by the schemas that the hosts publish, whose scripts do what they say."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from gitreg import Registry
from gitreg.errors import InvalidRequest, Refused, WorldError
from gitreg.workflows import PATHS, CiHost, workflow
from tests.commands import error, everything, gitreg
from tests.conftest import git
from tests.test_publish import commit_by_hand

HOSTS: list[CiHost] = ["github", "gitlab"]
SCHEMAS = {"github": "vendor.github-workflows", "gitlab": "vendor.gitlab-ci"}


def document(host: str) -> Any:
    return YAML(typ="safe").load(workflow(host).text)


def scripts(host: str) -> list[str]:
    """Return what a shell is given."""
    found = []
    if host == "github":
        for job in document(host)["jobs"].values():
            found += [step["run"] for step in job["steps"] if "run" in step]
        return found
    for job in document(host).values():
        found.append("\n".join([*job.get("before_script", ()), *job.get("script", ())]))
    return found


def tool(name: str) -> str:
    path = shutil.which(name, path=str(Path(sys.executable).parent))
    assert path is not None
    return path


@pytest.mark.parametrize("host", HOSTS)
def test_the_hosts_own_schema_takes_it(tmp_path: Path, host: str) -> None:
    file = tmp_path / "gitreg.yml"
    file.write_text(workflow(host).text)
    done = subprocess.run(
        [tool("check-jsonschema"), "--builtin-schema", SCHEMAS[host], str(file)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    file.write_text(workflow(host).text.replace("script:", "skript:").replace("runs-on", "on"))
    broken = subprocess.run(
        [tool("check-jsonschema"), "--builtin-schema", SCHEMAS[host], str(file)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert broken.returncode == 1  # it is looked at


def test_nothing_lets_others_run_code_in_it(tmp_path: Path) -> None:
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    (folder / "gitreg.yml").write_text(workflow("github").text)
    # GitHub's own actions by their major version: who wants hashes has a tool that keeps them.
    settings = tmp_path / "zizmor.yml"
    settings.write_text(
        "rules: {unpinned-uses: {config: {policies: {'actions/*': ref-pin, '*': hash-pin}}}}\n"
    )
    done = subprocess.run(
        [tool("zizmor"), "--offline", "--no-progress", "--config", str(settings), str(folder)],
        capture_output=True, text=True, check=False,
        env={**os.environ, "HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("host", HOSTS)
def test_shells_take_the_scripts(host: str) -> None:
    for script in scripts(host):
        assert "${{" not in script
        done = subprocess.run(
            ["bash", "-n"], input=script, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


def test_each_job_has_the_least_rights() -> None:
    found = document("github")
    assert found["permissions"] == {}
    rights = {name: job["permissions"] for name, job in found["jobs"].items()}
    assert rights == {
        "check": {"contents": "read"},
        "tags": {"contents": "write"},
        "deploy": {"contents": "read"},
    }
    for job in found["jobs"].values():
        checkout = job["steps"][0]
        assert checkout["uses"] == "actions/checkout@v6"
        assert checkout["with"]["fetch-depth"] == 0


def _deploying(host: str) -> str:
    return next(script for script in scripts(host) if "gitreg resolve" in script)


@pytest.mark.parametrize("host", HOSTS)
def test_what_moved_into_production_is_deployed(stocked: Path, host: str) -> None:
    before = git(stocked, "rev-parse", "HEAD")
    with Registry(stocked) as registry:
        registry.promote("churn@3", stage="production")
        registry.promote("tokenizer@1", stage="staging")
    after = git(stocked, "rev-parse", "HEAD")
    assert _run(stocked, host, before, after) == ["deploy churn@3"]
    assert _run(stocked, host, after, after) == []
    # A branch that is new, or was forced, has nothing before it.
    assert _run(stocked, host, "0" * 40, after) == ["deploy churn@3"]
    with Registry(stocked) as registry:
        registry.promote("churn@3", stage="none")
    gone = git(stocked, "rev-parse", "HEAD")
    assert _run(stocked, host, after, gone) == ["churn has nothing in production any more"]


@pytest.mark.parametrize("host", HOSTS)
def test_a_name_is_no_command(stocked: Path, host: str) -> None:
    name = "$(touch pwned) `touch pwned`; \"größe'"
    before = git(stocked, "rev-parse", "HEAD")
    (stocked / "models").mkdir(exist_ok=True)
    (stocked / "models" / "x").write_text("x")
    with Registry(stocked) as registry:
        registry.register(name, stocked / "models" / "x")
        registry.promote(name=name, version=1, stage="production")
    assert _run(stocked, host, before, git(stocked, "rev-parse", "HEAD")) == [f"deploy {name}@1"]
    assert not list(stocked.rglob("pwned"))


@pytest.mark.parametrize("host", HOSTS)
def test_a_failure_is_not_an_empty_stage(stocked: Path, host: str) -> None:
    before = git(stocked, "rev-parse", "HEAD~1")
    with Registry(stocked) as registry:
        registry.promote("churn@3", stage="production")
    after = git(stocked, "rev-parse", "HEAD")
    with pytest.raises(AssertionError, match="no memory"):
        _run(stocked, host, before, after, program="echo no memory >&2; exit 1")


def _run(folder: Path, host: str, before: str, after: str, program: str | None = None) -> list[str]:
    """Run the script as the host would, with this gitreg; return what it says."""
    programs = folder.parent / "programs"
    programs.mkdir(exist_ok=True)
    program = program or f'exec {sys.executable} -m gitreg "$@"'
    (programs / "gitreg").write_text(f"#!/bin/sh\n{program}\n")
    (programs / "gitreg").chmod(0o755)
    (programs / "python").unlink(missing_ok=True)
    (programs / "python").symlink_to(sys.executable)
    script = _deploying(host).replace('python -m pip install --quiet "$GITREG"', "true")
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script],
        cwd=folder,
        env={
            **os.environ,
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHONPATH": str(Path(__file__).parent.parent),
            "BEFORE": before,
            "AFTER": after,
            "GITREG": "gitreg",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


# Writing


@pytest.mark.parametrize("host", HOSTS)
def test_it_is_written_once(folder: Path, monkeypatch: pytest.MonkeyPatch, host: CiHost) -> None:
    monkeypatch.chdir(folder)
    before = everything(folder)
    printed = gitreg("ci", host).out
    assert everything(folder) == before
    path = PATHS[host]
    assert gitreg("ci", host, "--write").out == f"written: {path}\n"
    assert (folder / path).read_text() == printed
    assert (folder / path).stat().st_mode & 0o111 == 0
    assert gitreg("ci", host, "--write").out == f"unchanged: {path}\n"
    assert git(folder, "log", "-1", "--format=%s") == "start a model registry"
    (folder / path).write_text("mine\n")
    assert "is there and differs" in error("ci", host, "--write", code=1)
    assert (folder / path).read_text() == "mine\n"
    assert gitreg("ci", host, "--write", "--force").out == f"written: {path}\n"
    assert (folder / path).read_text() == printed
    assert sorted(entry.name for entry in (folder / path).parent.iterdir()) == ["gitreg.yml"]


def test_from_a_subfolder_it_goes_to_the_root(folder: Path) -> None:
    (folder / "deep").mkdir()
    with Registry(folder / "deep") as registry:
        registry.workflow("gitlab", write=True)
    assert (folder / ".gitlab" / "gitreg.yml").is_file()


def test_where_it_cannot_be_written(folder: Path, tmp_path: Path) -> None:
    with Registry(folder) as registry:
        (folder / ".github").symlink_to(tmp_path)
        with pytest.raises(Refused, match="symbolic link"):
            registry.workflow("github", write=True)
        (folder / ".gitlab").write_text("a file\n")
        with pytest.raises(WorldError, match=r"\.gitlab/gitreg\.yml"):
            registry.workflow("gitlab", write=True)
        with pytest.raises(InvalidRequest, match="no workflow for 'gitea'"):
            registry.workflow("gitea")
    git(tmp_path, "clone", "--quiet", "--bare", str(folder), "bare.git")
    with Registry(tmp_path / "bare.git") as bare, pytest.raises(InvalidRequest, match="work tree"):
        bare.workflow("github", write=True)


def test_a_commit_that_is_not_ours_deploys_nothing(stocked: Path) -> None:
    before = git(stocked, "rev-parse", "HEAD")
    commit_by_hand(stocked, "code.py", "pass\n")
    assert _run(stocked, "github", before, git(stocked, "rev-parse", "HEAD")) == []
