"""``gitreg ci``: files by the schemas that the hosts publish, whose scripts do what they say."""

from __future__ import annotations

import json
import re
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from gitreg import Registry
from gitreg.errors import InvalidRequest, Refused, WorldError
from gitreg.review.workflows import PATHS, CiHost, workflow
from tests.conftest import git
from tests.publishing.by_hand import commit_by_hand
from tests.support.commands import error, everything, gitreg
from tests.support.jobs import audited, by_schema, run

HOSTS: list[CiHost] = ["github", "gitlab"]


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


@pytest.mark.parametrize("host", HOSTS)
def test_the_hosts_own_schema_takes_it(tmp_path: Path, host: str) -> None:
    file = tmp_path / "gitreg.yml"
    file.write_text(workflow(host).text)
    done = by_schema(host, file)
    assert done.returncode == 0, done.stdout
    file.write_text(workflow(host).text.replace("script:", "skript:").replace("runs-on", "on"))
    broken = by_schema(host, file)
    assert broken.returncode == 1  # it is looked at


@pytest.mark.parametrize("host", HOSTS)
def test_a_template_is_yaml_as_it_stands(host: str) -> None:
    """So editors and linters can read it; no placeholder is left once it is filled."""
    template = (files("gitreg.review.resources") / f"{host}.yml").read_text("utf-8")
    read = YAML(typ="safe").load(template)
    assert read.keys() == document(host).keys()
    assert re.search("__[A-Z_]+__", template)
    assert not re.search("__[A-Z_]+__", workflow(host).text)


def test_nothing_lets_others_run_code_in_it(tmp_path: Path) -> None:
    done = audited(tmp_path, workflow("github").text)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("host", HOSTS)
def test_shells_take_the_scripts(host: str) -> None:
    found = list(scripts(host))
    assert found != []
    for script in found:
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
        "moved": {"contents": "read"},
        "deploy": {"contents": "read"},
    }
    for job in found["jobs"].values():
        checkout = job["steps"][0]
        assert checkout["uses"] == "actions/checkout@v6"
        assert checkout["with"]["fetch-depth"] == 0


# What the host does


def checked_out(shared: Path, host: str) -> Path:
    """Return a clone as the host's runner makes it: no upstream, no remote HEAD; GitLab's detached.

    https://github.com/actions/checkout, https://docs.gitlab.com/runner/executors/
    """
    work = shared / "runner"
    if not work.exists():
        git(shared, "init", "--quiet", "runner")
        git(work, "remote", "add", "origin", "../origin.git")
    git(
        work,
        "fetch",
        "--quiet",
        "--prune",
        "origin",
        "+refs/heads/*:refs/remotes/origin/*",
        "+refs/tags/*:refs/tags/*",
    )
    way = ["-B", "main"] if host == "github" else ["--detach"]
    git(work, "checkout", "--quiet", "--force", *way, "refs/remotes/origin/main")
    return work


def job(host: str, name: str) -> str:
    """Return the commands of a job."""
    found = document(host)
    if host == "github":
        return "\n".join(step["run"] for step in found["jobs"][name]["steps"] if "run" in step)
    commands = [*found[".gitreg"]["before_script"], *found[f"gitreg-{name}"]["script"]]
    return "\n".join(commands)


def deploy(shared: Path, host: str, before: str, after: str, program: str | None = None) -> str:
    """Run what a push starts, and return what it says of deployments."""
    folder = checked_out(shared, host)
    if host == "gitlab":
        git(folder, "checkout", "--quiet", "--detach", after)
        done = run(
            folder,
            job(host, "deploy"),
            program,
            BEFORE=before,
            AFTER=after,
            CI_COMMIT_BRANCH="main",
        )
        assert done.returncode == 0, done.stderr
        return done.stdout
    outputs = shared / "outputs"
    outputs.write_text("")
    done = run(
        folder, job(host, "moved"), program, BEFORE=before, AFTER=after, GITHUB_OUTPUT=str(outputs)
    )
    assert done.returncode == 0, done.stderr
    [line] = outputs.read_text().splitlines()
    said = ""
    for path in json.loads(line.removeprefix("paths=")):
        done = run(folder, job(host, "deploy"), program, STAGE_FILE=path)
        assert done.returncode == 0, done.stderr
        said += done.stdout
    return said


def head(folder: Path) -> str:
    return git(folder, "rev-parse", "HEAD")


@pytest.mark.parametrize("host", HOSTS)
def test_what_moved_into_production_is_deployed(shared: Path, host: str) -> None:
    work = shared / "work"
    before = head(work)
    with Registry(work) as registry:
        registry.promote("churn@3", stage="production", push=True)
        registry.promote("tokenizer@1", stage="staging", push=True)
    after = head(work)
    assert deploy(shared, host, before, after) == "deploy churn@3\n"
    assert deploy(shared, host, after, after) == ""
    # A branch that is new, or was forced, has nothing before it.
    assert deploy(shared, host, "0" * 40, after) == "deploy churn@3\n"
    with Registry(work) as registry:
        registry.promote("churn@3", stage="none", push=True)
    gone = "churn has nothing in production any more\n"
    assert deploy(shared, host, after, head(work)) == gone
    # The job of the first push runs after that of the second: what is there now counts.
    assert deploy(shared, host, before, after) == gone


@pytest.mark.parametrize("host", HOSTS)
def test_a_name_is_no_command(shared: Path, host: str) -> None:
    work = shared / "work"
    name = "$(touch pwned) `touch pwned`; \"größe'"
    before = head(work)
    (work / "models" / "x").write_text("x")
    with Registry(work) as registry:
        registry.register(name, work / "models" / "x")
        registry.promote(name=name, version=1, stage="production", push=True)
    assert deploy(shared, host, before, head(work)) == f"deploy {name}@1\n"
    assert not list(shared.rglob("pwned"))


@pytest.mark.parametrize("host", HOSTS)
def test_a_failure_is_not_an_empty_stage(shared: Path, host: str) -> None:
    work = shared / "work"
    before = head(work)
    with Registry(work) as registry:
        registry.promote("churn@3", stage="production", push=True)
    after = head(work)
    with pytest.raises(AssertionError, match="no memory"):
        deploy(shared, host, before, after, "echo no memory >&2; exit 1")
    commit_by_hand(work, "registry/churn/stages/production.yaml", "versions: [")
    git(work, "push", "--quiet", "origin", "main")
    with pytest.raises(AssertionError, match=r"production\.yaml"):
        deploy(shared, host, before, after)


@pytest.mark.parametrize("host", HOSTS)
def test_a_commit_that_is_not_ours_deploys_nothing(shared: Path, host: str) -> None:
    work = shared / "work"
    before = head(work)
    commit_by_hand(work, "code.py", "pass\n")
    git(work, "push", "--quiet", "origin", "main")
    assert deploy(shared, host, before, head(work)) == ""


def test_a_deployment_gives_way_only_to_one_of_its_model() -> None:
    # A job that waits is cancelled by the next of its group, and what needs it is not run.
    jobs = document("github")["jobs"]
    assert "matrix.path" in jobs["deploy"]["concurrency"]["group"]
    assert "concurrency" not in jobs[jobs["deploy"]["needs"]]


@pytest.mark.parametrize("host", HOSTS)
def test_tags_are_made_of_what_was_merged(shared: Path, host: str) -> None:
    work = shared / "work"
    git(work, "switch", "--quiet", "--create", "review")
    with Registry(work) as registry:
        registry.promote("churn@3", stage="production")
    git(work, "push", "--quiet", "origin", "review:main")
    folder = checked_out(shared, host)
    variables = {"CI_COMMIT_BRANCH": "main", "CI_COMMIT_SHA": head(folder)}
    for _ in range(2):
        done = run(folder, job(host, "tags"), **variables)
        assert done.returncode == 0, done.stderr
    assert "churn#production#5" in git(shared / "origin.git", "tag", "--list")


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("evil", [False, True], ids=["honest", "evil"])
def test_requests_are_checked(shared: Path, host: str, evil: bool) -> None:
    work = shared / "work"
    base = head(work)
    git(work, "switch", "--quiet", "--create", "review")
    with Registry(work) as registry:
        registry.promote("churn@3", stage="production")
    if evil:
        commit_by_hand(work, "registry/churn/versions/1/manifest.yaml", "format: 1\n")
        git(work, "revert", "--no-edit", "HEAD")
    git(work, "push", "--quiet", "origin", "review")
    folder = checked_out(shared, host)
    git(folder, "checkout", "--quiet", "--detach", "origin/main")
    merge = ["merge", "--quiet", "--no-ff", "-m", "Merge"] if host == "github" else ["checkout"]
    git(folder, *merge, "origin/review")
    summary = folder / "gitreg-check.md"
    done = run(
        folder,
        job(host, "check"),
        BASE="HEAD^1",
        GITHUB_STEP_SUMMARY=str(summary),
        CI_MERGE_REQUEST_DIFF_BASE_SHA=base,
        CI_COMMIT_SHA=head(folder),
    )
    assert done.returncode == (1 if evil else 0), done.stderr
    assert ("refused" if evil else "passed") in summary.read_text().splitlines()[0]
    assert ("immutable" in summary.read_text()) is evil
    if host == "github":
        assert ("::error file=registry/churn/versions/1/manifest.yaml" in done.stdout) is evil
    else:
        assert bool(json.loads((folder / "gitreg-quality.json").read_text())) is evil


def test_a_pipeline_for_merged_results_is_judged_by_the_branch_as_it_is(shared: Path) -> None:
    work = shared / "work"
    base = head(work)
    git(work, "switch", "--quiet", "--create", "review")
    commit_by_hand(work, "code.py", "pass\n")
    git(work, "switch", "--quiet", "main")
    commit_by_hand(work, "registry/churn/versions/1/manifest.yaml", "past the check\n")
    git(work, "push", "--quiet", "origin", "main", "review")
    folder = checked_out(shared, "gitlab")
    target = head(folder)
    git(folder, "merge", "--quiet", "--no-ff", "-m", "Merge", "origin/review")
    for variables, code in (({"CI_MERGE_REQUEST_TARGET_BRANCH_SHA": target}, 0), ({}, 1)):
        done = run(
            folder,
            job("gitlab", "check"),
            CI_MERGE_REQUEST_DIFF_BASE_SHA=base,
            CI_COMMIT_SHA=head(folder),
            **variables,
        )
        assert done.returncode == code, done.stdout


def test_a_merge_queue_is_answered() -> None:
    # Of its commit the first parent may be another request's, or its own when it is rebased.
    found = document("github")
    assert "merge_group" in found[True if True in found else "on"]
    [step] = [one for one in found["jobs"]["check"]["steps"] if "BASE" in one.get("env", {})]
    assert step["env"]["BASE"] == "${{ github.event.merge_group.base_sha || 'HEAD^1' }}"


def test_a_check_cannot_be_skipped_into_a_pass() -> None:
    # A job whose condition is false counts as passed: a push of a request's branch starts none.
    found = document("github")
    assert found[True if True in found else "on"]["push"]["branches"] == ["main"]
    assert found["jobs"]["check"]["if"] == "github.event_name != 'push'"


@pytest.mark.parametrize("host", HOSTS)
def test_no_stranger_s_gitreg_is_installed(shared: Path, host: str) -> None:
    work = shared / "work"
    done = run(work, job(host, "tags"), GITREG="")
    assert done.returncode != 0
    assert "GITREG" in done.stderr
    wanted = "git+https://git.example.com/it's/gitreg@v1"
    text = workflow(host, install=wanted).text
    named = YAML(typ="safe").load(text)
    variables = named["env"] if host == "github" else named[".gitreg"]["variables"]
    assert variables["GITREG"] == wanted
    for wrong in ("--index-url x", "a\nb"):
        with pytest.raises(InvalidRequest, match="not one pip requirement"):
            workflow(host, install=wrong)


def test_it_is_for_the_default_branch(shared: Path, tmp_path: Path) -> None:
    def branches(folder: Path | str) -> Any:
        with Registry(folder) as registry:
            return YAML(typ="rt").load(registry.workflow("github").text)["on"]["push"]["branches"]

    origin = shared / "origin.git"
    git(origin, "branch", "--quiet", "--move", "main", "trunk+'1")
    git(shared, "clone", "--quiet", "origin.git", "clone")
    git(shared / "clone", "switch", "--quiet", "--create", "feature")
    escaped = "trunk\\+'1"  # in a pattern of GitHub's, a plus is a repetition
    assert branches(shared / "clone") == [escaped]
    assert branches(origin) == [escaped]
    assert branches(f"file://{origin}") == [escaped]
    git(shared / "clone", "remote", "remove", "origin")
    assert branches(shared / "clone") == ["feature"]


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
    assert "exists and differs" in error("ci", host, "--write", code=1)
    assert (folder / path).read_text() == "mine\n"
    assert "needs --write" in error("ci", host, "--force")
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
