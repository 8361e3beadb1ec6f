"""The files that let a Git host run gitreg: a check of every pull request, tags after a merge.

A workflow hands nothing that a registry says to a shell but in a variable, has the least rights
that its job needs, and installs gitreg from elsewhere than the change that it checks.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gitreg.errors import InvalidRequest, Refused, WorldError

CiHost = Literal["github", "gitlab"]

PATHS: dict[CiHost, str] = {
    "github": ".github/workflows/gitreg.yml",
    "gitlab": ".gitlab/gitreg.yml",
}
"""Where each host's file is."""

# For each model whose production moved: its name, and what is there now. A folder's name has
# other characters than letters and digits percent-encoded.
_DEPLOY = """\
git diff --name-only -z "$BEFORE" "$AFTER" -- 'registry/*/stages/production.yaml' |
  while IFS= read -r -d '' path; do
    folder=$(basename "$(dirname "$(dirname "$path")")")
    model=$(python -c 'import sys, urllib.parse as u; print(u.unquote(sys.argv[1]))' "$folder")
    code=0
    version=$(gitreg resolve "$model/production") || code=$?
    if [ "$code" -eq 0 ]; then
      echo "deploy $version"
      # Your command goes here: it has the model in "$model" and churn-predictor@5 in "$version".
      # gitreg pull "$version" -o /srv/model
    elif [ "$code" -eq 2 ]; then
      echo "$model has nothing in production any more"
    else
      exit "$code"
    fi
  done
"""

# A push that made the branch, or that was forced, has no commit before it that is known here.
_BEFORE = """\
git cat-file -e "$BEFORE^{commit}" 2>/dev/null || BEFORE=$(git hash-object -t tree /dev/null)
"""


def _indented(text: str, by: int) -> str:
    return "".join(f"{' ' * by}{line}\n" for line in text.splitlines())


_GITHUB = f"""\
# Written by `gitreg ci github --write`; with --force it is written anew.
#
# To make it binding, protect the default branch: require a pull request, the check `check`,
# branches that are up to date, and the review of code owners (`gitreg codeowners --write`).
# Protect tags named *@v* and *#* as well, letting only GitHub Actions make them.
name: gitreg

on:
  pull_request:
  push:
    paths: ['registry/**']

permissions: {{}}

env:
  GITREG: gitreg  # what pip installs: name a release, or a URL of your own

jobs:
  check:
    if: github.event_name == 'pull_request'
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
        run: python -m pip install --quiet "$GITREG"
      - name: Check what the request changes
        shell: bash
        run: |
          code=0
          gitreg check HEAD^1..HEAD --format markdown >> "$GITHUB_STEP_SUMMARY" || code=$?
          gitreg check HEAD^1..HEAD --format github || true  # beside the lines of the diff
          exit "$code"

  tags:
    if: >-
      github.event_name == 'push' &&
      github.ref == format('refs/heads/{{0}}', github.event.repository.default_branch)
    runs-on: ubuntu-latest
    timeout-minutes: 15
    concurrency:
      group: gitreg-tags
      cancel-in-progress: false
    permissions:
      contents: write
    outputs:
      production: ${{{{ steps.moved.outputs.production }}}}
    steps:
      - uses: actions/checkout@v6  # zizmor: ignore[artipacked] it pushes tags
        with:
          fetch-depth: 0
      - uses: actions/setup-python@v6
        with:
          python-version: '3.12'
      - name: Install gitreg
        run: python -m pip install --quiet "$GITREG"
      - name: Make the tags that history implies
        run: gitreg tags sync --push
      - name: Look whether production moved
        id: moved
        shell: bash
        env:
          BEFORE: ${{{{ github.event.before }}}}
          AFTER: ${{{{ github.sha }}}}
        run: |
{_indented(_BEFORE, 10)}\
          if git diff --quiet "$BEFORE" "$AFTER" -- 'registry/*/stages/production.yaml'; then
            echo production=false >> "$GITHUB_OUTPUT"
          else
            echo production=true >> "$GITHUB_OUTPUT"
          fi

  deploy:
    needs: tags
    if: needs.tags.outputs.production == 'true'
    runs-on: ubuntu-latest
    timeout-minutes: 30
    concurrency:
      group: gitreg-deploy
      cancel-in-progress: false
    permissions:
      contents: read
    steps:
      - uses: actions/checkout@v6
        with:
          fetch-depth: 0
          persist-credentials: false
      - uses: actions/setup-python@v6
        with:
          python-version: '3.12'
      - name: Install gitreg
        run: python -m pip install --quiet "$GITREG"
      - name: Deploy what is in production
        shell: bash
        env:
          BEFORE: ${{{{ github.event.before }}}}
          AFTER: ${{{{ github.sha }}}}
        run: |
{_indented(_BEFORE + _DEPLOY, 10)}"""

_GITLAB = f"""\
# Written by `gitreg ci gitlab --write`; with --force it is written anew.
#
# In .gitlab-ci.yml:
#
#     include:
#       - local: .gitlab/gitreg.yml
#
# To make it binding, protect the default branch (nobody pushes, merge requests only), let pipelines
# have to succeed before a merge, and require the approval of code owners
# (`gitreg codeowners --write`). Protect tags named *@v* and *#* as well.
#
# The tags are pushed with the job's own token (Settings, CI/CD, Job token permissions: allow Git
# push requests), or with a project access token in the masked and protected variable GITREG_TOKEN.
.gitreg:
  image: python:3.12
  variables:
    GITREG: gitreg  # what pip installs: name a release, or a URL of your own
    GIT_DEPTH: '0'  # every commit is judged against its parents
  before_script:
    - python -m pip install --quiet "$GITREG"

gitreg-check:
  extends: .gitreg
  stage: test
  rules:
    - if: $CI_PIPELINE_SOURCE == "merge_request_event"
  script:
    - code=0
    - RANGE="$CI_MERGE_REQUEST_DIFF_BASE_SHA..$CI_COMMIT_SHA"
    - gitreg check "$RANGE" --format gitlab > gitreg-quality.json || true
    - gitreg check "$RANGE" --format markdown > gitreg-check.md || code=$?
    - cat gitreg-check.md
    - exit "$code"
  artifacts:
    when: always
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
      if [ -n "${{GITREG_TOKEN:-}}" ]; then
        git remote set-url origin \\
          "$CI_SERVER_PROTOCOL://gitreg:$GITREG_TOKEN@$CI_SERVER_FQDN/$CI_PROJECT_PATH.git"
      fi
    - git switch --quiet --force-create "$CI_COMMIT_BRANCH" "$CI_COMMIT_SHA"
    - gitreg tags sync --push

gitreg-deploy:
  extends: .gitreg
  stage: deploy
  needs: [gitreg-tags]
  resource_group: gitreg-deploy
  rules:
    - if: $CI_PIPELINE_SOURCE == "push" && $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH
      changes:
        - registry/*/stages/production.yaml
  variables:
    BEFORE: $CI_COMMIT_BEFORE_SHA
    AFTER: $CI_COMMIT_SHA
  script:
    - |
{_indented(_BEFORE + _DEPLOY, 6)}"""

_TEXTS: dict[CiHost, str] = {"github": _GITHUB, "gitlab": _GITLAB}


@dataclass(frozen=True)
class HostFile:
    """A file that a Git host reads.

    Attributes:
        path: in the repository.
        text: what it holds, or shall hold.
        state: ``shown`` when nothing was to be written, else what became of it.
    """

    path: str
    text: str
    state: Literal["shown", "written", "unchanged"] = "shown"


def workflow(host: str) -> HostFile:
    """Return the workflow file for a host, ``github`` or ``gitlab``.

    Raises:
        InvalidRequest: gitreg has none for it.
    """
    for known, path in PATHS.items():
        if host == known:
            return HostFile(path, _TEXTS[known])
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
            return HostFile(file.path, file.text, "unchanged")
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
    return HostFile(file.path, file.text, "written")
