"""The whole way of two versions, in projects as people have them before gitreg comes.

Each project is built of features (`PROJECTS`), and goes through one sequence of gitreg's commands.
Then its owner uses DVC and GTO as every day: they know nothing of the registered versions.
"""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.conftest import git
from tests.stories.test_gto_and_dvc import version_by_gto
from tests.support.commands import gitreg

DVC = """
import shlex, sys
from dvc.cli import main
for line in sys.argv[1:]:
    code = main(shlex.split(line))
    print(f"\\n=== {code} {line}", flush=True)
"""
"""Runs commands of DVC one after the other, in one process: starting DVC takes a second."""


@dataclass
class Project:
    """A project, and what differs between projects.

    Attributes:
        top: the top of the Git repository; its remote is beside it.
        ml: the folder that the project's own `dvc.yaml` is in.
        model: the file that training writes.
        trained_by: what trains: a stage of DVC, or nothing that DVC knows.
        first: the number of its first version.
        checks: what must hold after gitreg's commands.
    """

    top: Path
    ml: Path
    model: str = "models/m.pkl"
    trained_by: str | None = None
    first: int = 1
    checks: list[Callable[[], None]] = field(default_factory=list)

    def write(self, files: dict[str, str]) -> None:
        for name, text in files.items():
            path = self.ml / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def commit(self, message: str) -> None:
        git(self.top, "add", "--all")
        git(self.top, "commit", "--quiet", "--allow-empty", "-m", message)

    def train(self, auc: float) -> None:
        """Train a model, and commit what belongs into Git."""
        if self.trained_by is None:
            self.write({"models/m.pkl": f"weights {auc}", "metrics.json": f'{{"auc": {auc}}}'})
        else:
            self.write({"params.yaml": f"auc: {auc}\n"})
            self.dvc("repro --quiet")
        self.commit(f"train to {auc}")

    def dvc(self, *lines: str, cwd: Path | None = None) -> list[str]:
        """Run commands of DVC that succeed; return what each prints."""
        done = subprocess.run(
            [sys.executable, "-c", DVC, *lines],
            cwd=cwd or self.ml,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        printed = []
        rest = done.stdout
        for line in lines:
            text, found, rest = rest.partition(f"\n=== 0 {line}\n")
            assert found, f"dvc {line}\n{done.stdout}\n{done.stderr}"
            printed.append(text)
        return printed


# Features


def without_dvc(project: Project) -> None:
    project.write({"train.py": "print()\n", ".gitignore": "models/\n"})
    project.checks.append(lambda: _equal((project.top / ".dvc").exists(), expected=False))


def large_files(project: Project) -> None:
    """Have large files in Git behind a filter, as Git LFS does it: Git has only pointers."""
    store = project.top / ".git" / "large"
    store.mkdir()
    script = store / "filter"
    script.write_text(
        f"#!/bin/sh\nset -e\nif [ $1 = clean ]; then cat > '{store}/new'\n"
        f"sum=$(sha256sum < '{store}/new' | cut -c1-64)\n"
        f"mv '{store}/new' '{store}/'$sum; echo $sum\n"
        f"else read sum; cat '{store}/'$sum; fi\n"
    )
    script.chmod(0o755)
    for kind in ("clean", "smudge"):
        git(project.top, "config", f"filter.large.{kind}", f"'{script}' {kind}")
    git(project.top, "config", "filter.large.required", "true")
    project.write({".gitattributes": "*.bin filter=large\n", "images.bin": "pixels" * 1000})

    def check() -> None:
        assert len(git(project.top, "show", "origin/main:images.bin")) == 64
        assert (project.top / "images.bin").read_text() == "pixels" * 1000

    project.checks.append(check)


def pre_push_hook(project: Project) -> None:
    """Have a hook that sees every push of the branch."""
    log = project.top.parent / "pushed"
    hook = project.top / ".git" / "hooks" / "pre-push"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ngrep refs/heads/main >> '{log}' || true\n")
    hook.chmod(0o755)
    project.checks.append(
        lambda: _equal(log.read_text().split()[-3], git(project.top, "rev-parse", "origin/main"))
    )


def _equal(found: object, expected: object) -> None:
    assert found == expected


TRAIN = (
    "mkdir -p models && cat data.csv params.yaml > models/m.pkl && "
    """sed 's/auc: \\(.*\\)/{"auc": \\1}/' params.yaml > metrics.json"""
)


def with_dvc(project: Project) -> None:
    project.trained_by = "DVC"
    project.write({"data.csv": "a,b\n"})
    project.dvc(
        "init --quiet" + (" --subdir" if project.ml != project.top else ""),
        *store(project),
        "add --quiet data.csv",
    )


def store(project: Project) -> tuple[str, str]:
    """Return the commands that give a project of DVC a remote."""
    place = project.top.parent / "store"
    return f"config --quiet remote.store.url {place}", "config --quiet core.remote store"


def stages(project: Project) -> None:
    with_dvc(project)
    project.write(
        {
            "dvc.yaml": (
                f"stages:\n  train:\n    cmd: {json.dumps(TRAIN)}\n    deps: [data.csv]\n"
                "    params: [auc]\n    outs: [models/m.pkl]\n"
                "    metrics: [metrics.json: {cache: false}]\n"
            )
        }
    )


def artifacts_of_their_own(project: Project) -> None:
    with (project.ml / "dvc.yaml").open("a") as stream:
        stream.write("artifacts:\n  mine:  # kept\n    path: models/m.pkl\n    type: model\n")

    def check() -> None:
        assert "  mine:  # kept\n    path: models/m.pkl\n" in (project.ml / "dvc.yaml").read_text()

    project.checks.append(check)


def tags_of_gto(project: Project) -> None:
    project.commit("what GTO registered")
    for tag in ("churn@v1.0.0", "churn#production#1", "other@v3.0.0"):
        git(project.top, "tag", "-a", "-m", tag, tag)
    before = git(project.top, "rev-parse", "churn@v1.0.0^{}")
    project.first = 2
    project.checks.append(lambda: _equal(git(project.top, "rev-parse", "churn@v1.0.0^{}"), before))


def submodule(project: Project) -> None:
    library = project.top.parent / "library"
    git(project.top.parent, "init", "--quiet", "--initial-branch=main", "library")
    (library / "lib.py").write_text("")
    git(library, "add", ".")
    git(library, "commit", "--quiet", "-m", "library")
    allow = ("-c", "protocol.file.allow=always")
    git(project.top, *allow, "submodule", "--quiet", "add", str(library), "lib")


def templates(project: Project) -> None:
    with_dvc(project)
    project.model = "models/net.pkl"
    train = TRAIN.replace("m.pkl", "${item.kind}.pkl").replace("metrics", "metrics_${item.kind}")
    project.write(
        {
            "dvc.yaml": (
                "stages:\n  each:\n    foreach: [a, b]\n    do:\n"
                "      cmd: echo ${item} > ${item}.txt\n      outs: ['${item}.txt']\n"
                f"  train:\n    matrix: {{kind: [tree, net]}}\n    cmd: {json.dumps(train)}\n"
                "    deps: [data.csv, a.txt]\n    params: [auc]\n"
                "    outs: ['models/${item.kind}.pkl']\n"
                "    metrics: ['metrics_${item.kind}.json': {cache: false}]\n"
            )
        }
    )


def dvclive(project: Project) -> None:
    """Have DVCLive's files: metrics that no stage lists."""
    with_dvc(project)
    live = TRAIN.replace("> metrics", "> dvclive/metrics").replace("-p models", "-p models dvclive")
    project.write(
        {
            "dvc.yaml": (
                f"stages:\n  train:\n    cmd: {json.dumps(live)}\n    deps: [data.csv]\n"
                "    params: [auc]\n"
                "    outs: [models/m.pkl, dvclive/metrics.json: {cache: false}]\n"
                "metrics: [dvclive/metrics.json]\n"
            )
        }
    )


def cache_elsewhere(project: Project) -> None:
    project.dvc(
        f"cache dir --quiet {project.top.parent / 'cache'}",
        "config --quiet cache.type symlink",
    )

    def check() -> None:
        assert (project.ml / project.model).is_symlink()

    project.checks.append(check)


def of_a_group(project: Project) -> None:
    def check() -> None:
        folders = [path for path in (project.top / ".git").rglob("*") if path.is_dir()]
        private = [path for path in folders if not path.stat().st_mode & stat.S_IWGRP]
        assert private == []

    project.checks.append(check)


PROJECTS: dict[str, tuple[Callable[[Project], None], ...]] = {
    "plain Git, large files, a hook": (without_dvc, large_files, pre_push_hook),
    "stages, artifacts, GTO, a submodule": (stages, artifacts_of_their_own, tags_of_gto, submodule),
    "a monorepo, templates": (templates,),
    "DVCLive, a group, links to a cache": (of_a_group, dvclive, cache_elsewhere),
}


@pytest.fixture(autouse=True)
def _umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


# The sequence


@pytest.mark.parametrize("name", PROJECTS)
def test_a_project_as_it_comes(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    top = tmp_path / "project"
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", "origin.git")
    shared = ("--shared=group",) if of_a_group in PROJECTS[name] else ()
    git(tmp_path, "init", "--quiet", *shared, "--initial-branch=main", str(top))
    git(top, "remote", "add", "origin", str(tmp_path / "origin.git"))
    project = Project(top, top / "ml" if "monorepo" in name else top)
    project.ml.mkdir(exist_ok=True)
    (tmp_path / "store").mkdir()
    for feature in PROJECTS[name]:
        feature(project)
    project.train(0.7)
    git(top, "push", "--quiet", "-u", "origin", "main")
    monkeypatch.chdir(project.ml)
    every_command(project)
    consumers(project, tmp_path)
    assert version_by_gto(top, "churn", "production") == project.first
    for check in project.checks:
        check()
    if project.trained_by:
        daily_work(project)
    assert [gitreg("verify").code, problems()] == [0, []]


def problems() -> list[str]:
    found = gitreg("doctor", "--json", code=None).json
    others = ("foreign-tag",)  # a warning that another tool's tag is there
    return [str(one) for one in found if one["severity"] != "note" and one["code"] not in others]


def every_command(project: Project) -> None:
    """Register two versions, promote both, take the second back, publish."""
    first, second = (f"churn@{project.first + number}" for number in (0, 1))
    gitreg("init")
    if project.trained_by is None or project.ml != project.top:
        project.dvc(*store(project), cwd=project.top / "registry")
        project.commit("where the bytes of models are")
    model = str(project.ml / project.model)
    given = () if project.trained_by else ("--metrics", str(project.ml / "metrics.json"))
    assert "untracked" not in gitreg("register", "churn", model, *given).err
    project.train(0.9)
    gitreg("register", "churn", model, *given)
    compared = gitreg("compare", first, second).out
    assert "+0.2" in compared
    gitreg("promote", first, "--to", "production", "--alias", "champion")
    gitreg("promote", second, "--to", "production", "--if-better", "auc")
    gitreg("rollback", "churn")
    moves = gitreg("log", "churn/production", "--json").json
    assert [event["action"] for event in moves] == ["rollback", "promote", "promote"]
    assert gitreg("show", first, "--json").json["lineage"]["code"]["dirty"] is False
    gitreg("push")
    assert git(project.top, "status", "--porcelain") == ""


def consumers(project: Project, base: Path) -> None:
    """Pull by alias here, in a clone and by URL."""
    origin = f"file://{base / 'origin.git'}"
    git(base, "clone", "--quiet", origin, "clone")
    for repository in (".", str(base / "clone"), origin):
        pulled = gitreg("pull", "churn@champion", "--json", "--repo", repository).json
        assert "0.7" in Path(pulled["path"]).read_text()


def daily_work(project: Project) -> None:
    """Use DVC as every day: it is told nothing of registered versions, and takes nothing away."""
    said = project.dvc(
        "status", "repro --dry", "push", "pull", "commit --force", "gc --workspace --force"
    )
    assert "up to date" in said[0]
    assert not any("Running" in text for text in said)
    assert git(project.top, "status", "--porcelain") == ""
    project.dvc("exp run --quiet --set-param auc=0.95")
    assert "0.95" in (project.ml / project.model).read_text()
    git(project.top, "restore", ".")
    project.dvc("checkout --quiet")
    versions = project.top / "registry" / "churn" / "versions"
    found = sorted(str(path.relative_to(versions)) for path in versions.glob("*/model*"))
    name = f"model{Path(project.model).suffix}"
    first, second = project.first, project.first + 1
    assert found == [f"{first}/{name}", f"{first}/{name}.dvc", f"{second}/{name}.dvc"]
