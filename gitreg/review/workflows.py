"""The files that let a Git host run gitreg: a check of every pull request, tags after a merge.

A workflow hands nothing that a registry says to a shell but in a variable, has the least rights
that its job needs, and installs gitreg from elsewhere than the change that it checks.
"""

from __future__ import annotations

import re
import secrets
import textwrap
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from gitreg.errors import InvalidRequest, Refused, WorldError

CiHost = Literal["github", "gitlab"]

PATHS: dict[CiHost, str] = {
    "github": ".github/workflows/gitreg.yml",
    "gitlab": ".gitlab/gitreg.yml",
}
"""Where each host's file is."""

# A push that made the branch, or that was forced, has no commit before it that is known here.
_MOVED = """\
git cat-file -e "$BEFORE^{commit}" 2>/dev/null || BEFORE=$(git hash-object -t tree /dev/null)
git diff --name-only --no-renames -z "$BEFORE" "$AFTER" -- 'registry/*/stages/production.yaml' |
"""

# The folder of a model has other characters than letters and digits percent-encoded. A stage that
# is empty has no file; that a registry cannot be read is a failure, and empties nothing.
_DEPLOY = """\
model=$(python -c 'import sys, urllib.parse as u; print(u.unquote(sys.argv[1]))' \\
  "$(basename "$(dirname "$(dirname "$STAGE_FILE")")")")
if [ -e "$STAGE_FILE" ]; then
  version=$(gitreg resolve "$model/production")
  echo "deploy $version"
  # Your command goes here: it has the model in "$model" and churn-predictor@5 in "$version".
  # For gitreg pull "$version" -o /srv/model, pip install what your DVC remote needs as well
  # (dvc-s3), and hand its credentials to this job.
else
  echo "$model has nothing in production any more"
fi
"""

_GITHUB = """\
# Written by `gitreg ci github --write`; with --force it is written anew.
#
# To make it binding, protect the branch %branch%: require a pull request, the check `check`,
# branches that are up to date, and the review of code owners (`gitreg codeowners --write`).
# Let a ruleset for tags named *@v* and *#* refuse updates and deletions.
name: gitreg

on:
  pull_request:
  merge_group:  # asked by a merge queue, where there is one
  push:
    # No other branch: a check that is skipped counts as passed, for the same commit in a request.
    branches: [%filter%]
    paths: ['registry/**']

permissions: {}

env:
  GITREG: %install%  # what pip installs; what PyPI has as gitreg is somebody else's

jobs:
  check:
    if: github.event_name != 'push'
    runs-on: ubuntu-latest
    timeout-minutes: 15
    permissions:
      contents: read
    steps:
      - uses: actions/checkout@v6  # what the merge would be, on the base as it is now
        with:
          fetch-depth: 0  # every commit is judged against its parents
          persist-credentials: false
      - uses: actions/setup-python@v6
        with:
          python-version: '3.12'
      - name: Install gitreg
        run: %pip%
      - name: Check what the request changes
        shell: bash
        env:
          BASE: ${{ github.event.merge_group.base_sha || 'HEAD^1' }}
        run: |
          code=0
          gitreg check "$BASE..HEAD" --format markdown >> "$GITHUB_STEP_SUMMARY" || code=$?
          gitreg check "$BASE..HEAD" --format github || true  # beside the lines of the diff
          exit "$code"

  tags:
    if: github.event_name == 'push'
    runs-on: ubuntu-latest
    timeout-minutes: 15
    concurrency:  # one that waits gives way to a newer one, which makes its tags too
      group: gitreg-tags
      cancel-in-progress: false
    permissions:
      contents: write
    steps:
      - uses: actions/checkout@v6  # zizmor: ignore[artipacked] it pushes tags
        with:
          fetch-depth: 0
      - uses: actions/setup-python@v6
        with:
          python-version: '3.12'
      - name: Install gitreg
        run: %pip%
      - name: Make the tags that history implies
        run: gitreg tags sync --push

  moved:
    if: github.event_name == 'push'
    runs-on: ubuntu-latest
    timeout-minutes: 15
    permissions:
      contents: read
    outputs:
      paths: ${{ steps.moved.outputs.paths }}
    steps:
      - uses: actions/checkout@v6
        with:
          fetch-depth: 0
          persist-credentials: false
      - name: Look in which models production moved
        id: moved
        shell: bash
        env:
          BEFORE: ${{ github.event.before }}
          AFTER: ${{ github.sha }}
        run: |
          %moved%
            python3 -c 'import json, sys; print(json.dumps(sys.stdin.read().split("\\0")[:-1]))' |
            sed 's/^/paths=/' >> "$GITHUB_OUTPUT"

  deploy:
    needs: moved
    if: needs.moved.outputs.paths != '[]'
    strategy:
      fail-fast: false
      matrix:
        path: ${{ fromJSON(needs.moved.outputs.paths) }}
    runs-on: ubuntu-latest
    timeout-minutes: 30
    concurrency:  # one that waits gives way to a newer one of its model: either deploys what is now
      group: gitreg-deploy-${{ matrix.path }}
      cancel-in-progress: false
    permissions:
      contents: read
    steps:
      - uses: actions/checkout@v6
        with:
          ref: ${{ github.ref }}  # the branch as it is by now, not as this push left it
          fetch-depth: 0
          persist-credentials: false
      - uses: actions/setup-python@v6
        with:
          python-version: '3.12'
      - name: Install gitreg
        run: %pip%
      - name: Deploy what is in production
        shell: bash
        env:
          STAGE_FILE: ${{ matrix.path }}
        run: |
          %deploy%
"""

_GITLAB = """\
# Written by `gitreg ci gitlab --write`; with --force it is written anew.
#
# In .gitlab-ci.yml (whose stages, where it names some, have to include test and deploy):
#
#     include:
#       - local: .gitlab/gitreg.yml
#
# To make it binding, protect the default branch (nobody pushes, merge requests only), let pipelines
# have to succeed before a merge, take a merge method that needs requests to be up to date
# (semi-linear or fast-forward), and require the approval of code owners
# (`gitreg codeowners --write`). Protect tags named *@v* and *#* as well. The pipeline of a request
# from a fork is the fork's own: run it in this project before you merge.
#
# Switch "Auto-cancel redundant pipelines" off: one that has not begun when the next merge comes
# would be dropped, and with it what it was to deploy.
#
# The tags are pushed with the job's own token (Settings, CI/CD, Job token permissions: allow Git
# push requests), or with a project access token in the masked and protected variable GITREG_TOKEN.
.gitreg:
  image: python:3.12
  variables:
    GITREG: %install%  # what pip installs (a CI/CD variable counts more); not PyPI's gitreg
    GIT_DEPTH: '0'  # every commit is judged against its parents
  before_script:
    - %pip%

gitreg-check:
  extends: .gitreg
  stage: test
  rules:
    - if: $CI_PIPELINE_SOURCE == "merge_request_event"
  script:
    - code=0
    # Of a pipeline for merged results, the commit is the merge into the branch as it is now.
    - RANGE="${CI_MERGE_REQUEST_TARGET_BRANCH_SHA:-$CI_MERGE_REQUEST_DIFF_BASE_SHA}..$CI_COMMIT_SHA"
    - gitreg check "$RANGE" --format gitlab > gitreg-quality.json || true
    - gitreg check "$RANGE" --format markdown > gitreg-check.md || code=$?
    - cat gitreg-check.md
    - exit "$code"
  artifacts:
    when: always
    expose_as: gitreg check
    paths:
      - gitreg-check.md
    reports:
      codequality: gitreg-quality.json

gitreg-tags:
  extends: .gitreg
  stage: deploy
  resource_group: gitreg-tags
  rules:
    - if: $CI_PIPELINE_SOURCE == "push" && $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH
      changes:
        - registry/**/*
  script:
    - |
      if [ -n "${GITREG_TOKEN:-}" ]; then
        git remote set-url origin \\
          "$CI_SERVER_PROTOCOL://gitreg:$GITREG_TOKEN@$CI_SERVER_FQDN/$CI_PROJECT_PATH.git"
      fi
    - git switch --quiet --force-create "$CI_COMMIT_BRANCH" "$CI_COMMIT_SHA"
    - gitreg tags sync --push

gitreg-deploy:
  extends: .gitreg
  stage: deploy
  resource_group: gitreg-deploy
  rules:
    - if: $CI_PIPELINE_SOURCE == "push" && $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH
      changes:
        - registry/*/stages/production.yaml
  variables:
    BEFORE: $CI_COMMIT_BEFORE_SHA
    AFTER: $CI_COMMIT_SHA
  script:
    # The branch as it is by now: jobs of several pushes may run in any order.
    - git fetch --quiet origin "$CI_COMMIT_BRANCH"
    - git switch --quiet --detach FETCH_HEAD
    - |
      %moved%
        while IFS= read -r -d '' STAGE_FILE; do
          %deploy%
        done
"""

_TEXTS: dict[CiHost, str] = {"github": _GITHUB, "gitlab": _GITLAB}

_PIP = 'python -m pip install --quiet "${GITREG:?says what pip installs, and is empty}"'


def _quoted(text: str) -> str:
    """Return text as YAML's scalar between single quotes."""
    return "'" + text.replace("'", "''") + "'"


def _filled(text: str, parts: dict[str, str]) -> str:
    """Return a text with its ``%parts%``; one that stands alone in a line is indented like that."""

    def part(match: re.Match[str]) -> str:
        return textwrap.indent(parts[match[2]].rstrip("\n"), match[1] or "")

    return re.sub(r"(?:(?<=\n)( +)(?=%\w+%\n))?%(\w+)%", part, text)


@dataclass(frozen=True)
class HostFile:
    """A file that a Git host reads.

    Attributes:
        path: in the repository.
        text: what it holds, or shall hold.
        state: ``shown`` when nothing was to be written, else what became of it.
        warnings: what a person should know of it, one line each.
    """

    path: str
    text: str
    state: Literal["shown", "written", "unchanged"] = "shown"
    warnings: tuple[str, ...] = ()


def workflow(host: str, *, branch: str = "main", install: str = "") -> HostFile:
    """Return the workflow file for a host, ``github`` or ``gitlab``.

    Args:
        host: which.
        branch: the default branch; GitLab knows it by itself.
        install: what pip installs for gitreg, one requirement; the jobs fail while it is empty.

    Raises:
        InvalidRequest: gitreg has none for the host, or pip takes no such requirement.
    """
    if install.startswith("-") or not install.isprintable():
        raise InvalidRequest(
            f"{install!a} is not one requirement of pip's",
            hint="such as git+https://git.example.com/ml/gitreg@v1",
        )
    for known, path in PATHS.items():
        if host == known:
            parts = {
                "branch": branch,
                "filter": _quoted(re.sub(r"([]!+])", r"\\\1", branch)),  # GitHub reads a glob
                "install": _quoted(install),
                "pip": _PIP,
                "moved": _MOVED,
                "deploy": _DEPLOY,
            }
            return HostFile(path, _filled(_TEXTS[known], parts))
    raise InvalidRequest(f"no workflow for {host!a}: there is one for {' and '.join(PATHS)}")


def write_file(top: Path, file: HostFile, *, force: bool = False, expected: str = "") -> HostFile:
    """Write a file into a work tree, and nothing when it is there already.

    Args:
        top: the root of the work tree.
        file: what.
        force: replace one that is something else.
        expected: what the file may hold to be replaced without that.

    Raises:
        Refused: the file is something else.
        WorldError: it cannot be read or written.
    """
    path = top / file.path
    try:
        for place in (path, *path.parents):
            if place == top:
                break
            if place.is_symlink():  # it may lead anywhere
                raise Refused(f"{file.path}: {place.name} is a symbolic link; nothing was written")
        there = path.read_bytes() if path.exists() else None
        content = file.text.encode()
        if there == content:
            return replace(file, state="unchanged")
        if there is not None and not force and there != expected.encode():
            raise Refused(
                f"{file.path} is there and differs; nothing was written",
                hint="--force replaces it",
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        with draft.open("xb") as handle:
            handle.write(content)
        draft.replace(path)
    except OSError as error:
        raise WorldError(f"{file.path}: {error.strerror}") from None
    return replace(file, state="written")
