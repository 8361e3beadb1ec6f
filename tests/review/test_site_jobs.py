"""``gitreg ci --site``: jobs that build the registry's pages and publish them, with few rights."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from gitreg import Registry
from gitreg.review.workflows import CiHost, workflow
from tests.conftest import git
from tests.review.test_workflows import HOSTS, checked_out
from tests.support.commands import gitreg
from tests.support.jobs import audited, by_schema, run

TOKEN = "glcbt-s3cret"


def document(host: str) -> Any:
    return YAML(typ="safe").load(workflow(host, site=True).text)


def build_job(host: str) -> str:
    """Return the commands of the job that builds the pages."""
    if host == "github":
        return "\n".join(it["run"] for it in document(host)["jobs"]["site"]["steps"] if "run" in it)
    found = document(host)
    return "\n".join([*found[".gitreg"]["before_script"], *found["pages"]["script"]])


@pytest.mark.parametrize("host", HOSTS)
def test_the_jobs_are_added_to_the_others(tmp_path: Path, host: CiHost) -> None:
    plain, pages = workflow(host).text, workflow(host, site=True).text
    assert pages.startswith(plain)
    assert "__" not in pages.removeprefix(plain)
    template = (files("gitreg.review.resources") / f"{host}-site.yml").read_text("utf-8")
    assert len(YAML(typ="safe").load(template)) == (2 if host == "github" else 1)
    file = tmp_path / "gitreg.yml"
    file.write_text(pages)
    done = by_schema(host, file)
    assert done.returncode == 0, done.stdout


def test_a_job_that_publishes_reads_nothing_and_one_that_builds_writes_nothing(
    tmp_path: Path,
) -> None:
    jobs = document("github")["jobs"]
    assert jobs["site"]["permissions"] == {"contents": "read"}
    assert jobs["publish"]["permissions"] == {"pages": "write", "id-token": "write"}
    assert (jobs["publish"]["needs"], "if" in jobs["publish"]) == ("site", False)
    assert not any("run" in step for step in jobs["publish"]["steps"])
    assert jobs["site"]["if"] == "github.event_name == 'push'"
    done = audited(tmp_path, workflow("github", site=True).text)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("host", HOSTS)
def test_the_pages_are_built_from_the_branch_as_it_is(shared: Path, host: CiHost) -> None:
    work = shared / "work"
    folder = checked_out(shared, host)
    pushed = git(folder, "rev-parse", "HEAD")
    with Registry(work) as registry:
        registry.promote("churn@3", stage="production", push=True)
    if host == "github":  # its checkout of the branch's name
        checked_out(shared, host)
    # The runner's remote has the job's token.
    url = f"https://ci:{TOKEN}@git.example.com/ml/churn.git"
    git(folder, "config", "remote.origin.url", url)
    git(folder, "config", f"url.{shared / 'origin.git'}.insteadOf", url)
    done = run(folder, build_job(host), CI_COMMIT_BRANCH="main", CI_COMMIT_SHA=pushed)
    assert done.returncode == 0, done.stderr
    needs = (folder / ".gitreg-site.txt").read_text().split()
    assert [one.partition("<")[0] for one in needs] == ["jinja2", "markdown-it-py", "nh3"]
    page = (folder / "public" / "index.html").read_text()
    assert "since" in page
    assert "ml/churn" in page
    assert ("/-/commit/" in page) is (host == "gitlab")
    for file in (folder / "public").rglob("*"):
        assert file.is_dir() or TOKEN.encode() not in file.read_bytes()


@pytest.mark.parametrize("host", HOSTS)
def test_the_command_writes_them(
    folder: Path, monkeypatch: pytest.MonkeyPatch, host: CiHost
) -> None:
    monkeypatch.chdir(folder)
    assert gitreg("ci", host, "--site").out == workflow(host, branch="main", site=True).text
