"""Files for those who carry on: workflows, hooks, targets, the changelog."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
SCHEMAS = {
    **dict.fromkeys(WORKFLOWS, "vendor.github-workflows"),
    ROOT / ".github" / "dependabot.yml": "vendor.dependabot",
    ROOT / ".github" / "ISSUE_TEMPLATE" / "bug.yml": "vendor.github-issue-forms",
    ROOT / ".github" / "ISSUE_TEMPLATE" / "idea.yml": "vendor.github-issue-forms",
}


def run(tool: str, *args: str, home: Path) -> subprocess.CompletedProcess[str]:
    path = shutil.which(tool, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert path is not None, tool
    return subprocess.run(
        [path, *args],
        cwd=ROOT,
        env={**os.environ, "HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def read(path: Path) -> Any:
    return YAML(typ="safe").load(path.read_text())


@pytest.mark.parametrize("file", SCHEMAS, ids=lambda file: file.name)
def test_files_for_the_host_follow_its_schemas(file: Path, tmp_path: Path) -> None:
    done = run("check-jsonschema", "--builtin-schema", SCHEMAS[file], str(file), home=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_workflows_give_nobody_a_way_in(tmp_path: Path) -> None:
    done = run("zizmor", "--offline", "--no-progress", ".github", home=tmp_path)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_actions_are_pinned_and_rights_are_few(file: Path) -> None:
    workflow = read(file)
    assert workflow["permissions"] == {}
    for job in workflow["jobs"].values():
        assert "permissions" in job
        assert "timeout-minutes" in job
    for line in re.findall(r"uses: (.*)", file.read_text()):
        assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


def test_one_action_has_one_version() -> None:
    text = "".join(file.read_text() for file in WORKFLOWS)
    pins = set(re.findall(r"uses: (\S+)@(\S+)", text))
    assert len(pins) == len({name for name, _ in pins})


def test_make_lists_its_targets(tmp_path: Path) -> None:
    listed = run("make", home=tmp_path)
    assert listed.returncode == 0, listed.stderr
    shown = re.findall(r"^  make (\w+) +\S", listed.stdout, re.MULTILINE)
    targets = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert targets is not None
    assert sorted(shown) == sorted(targets[1].split())


def test_hooks_of_this_repository_are_hooks(tmp_path: Path) -> None:
    done = run("pre-commit", "validate-config", ".pre-commit-config.yaml", home=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_changelogs_fragments_have_a_kind() -> None:
    for file in (ROOT / "changelog.d").glob("*.md"):
        assert file.name == "README.md" or re.fullmatch(
            r"[\w-]+\.(added|changed|fixed|removed|security)\.md", file.name
        ), file.name
        assert file.read_text().strip()


def test_the_changelog_can_be_built(tmp_path: Path) -> None:
    pytest.importorskip("towncrier")  # `make` installs it with the tools for developers
    done = run("towncrier", "build", "--draft", "--version", "9.9.9", home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "## 9.9.9 (" in done.stdout
    for file in (ROOT / "changelog.d").glob("*.*.md"):
        assert f"- {file.read_text().strip()}" in done.stdout


def test_the_devcontainer_is_json() -> None:
    json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
