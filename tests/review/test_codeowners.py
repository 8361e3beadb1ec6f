"""``gitreg codeowners``: the lines that the policy implies, between marks, nothing else touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.core.policy import read_policy, write_policy
from gitreg.errors import InvalidDocument, InvalidRequest
from gitreg.review.codeowners import BEGIN, END, PLACES, merge, owner_lines
from tests.conftest import git
from tests.support.commands import error, everything, gitreg

POLICY = """\
format: 1
stages:
  staging: {holds: any}
  production:
    holds: 1
    replaced: archived
    owners: ['@org/release-managers', ada@example.com]
  archived: {holds: any}
models:
  'churn-*':
    stages: {production: {owners: ['@org/churn']}, staging: {owners: ['@ada']}}
  'Größe 2':
    stages: {production: {owners: []}}
"""
LINES = [
    "/registry/*/stages/production.yaml @org/release-managers ada@example.com",
    "/registry/churn-*/stages/production.yaml @org/churn",
    "/registry/churn-*/stages/staging.yaml @ada",
    "/registry/Gr%C3%B6%C3%9Fe%202/stages/production.yaml",  # nobody: those of all do not count
]
EVERYBODY = "@org/release-managers ada@example.com @org/churn @ada"


def with_policy(folder: Path, text: str = POLICY) -> None:
    (folder / "registry" / "policy.yaml").write_text(text)
    git(folder, "commit", "--quiet", "-am", "owners")


def test_the_lines_that_a_policy_implies() -> None:
    policy = read_policy(POLICY.encode(), "policy.yaml")
    lines = owner_lines(policy)
    assert lines[:4] == LINES
    # Who may change the rules, the owners and what checks them has to be asked as well.
    assert lines[4:] == [
        f"/registry/policy.yaml {EVERYBODY}",
        *(f"/{place} {EVERYBODY}" for place in PLACES),
        f"/.github/workflows/ {EVERYBODY}",
        f"/.gitlab-ci.yml {EVERYBODY}",
        f"/.gitlab/gitreg.yml {EVERYBODY}",
    ]
    assert read_policy(write_policy(policy), "again") == policy


@pytest.mark.parametrize(
    "owner", ["org/team", "@", "@a b", "@a\\nb", "@a #x", "ada@", "ada", "* @evil", ""]
)
def test_who_cannot_own(owner: str) -> None:
    text = f'format: 1\nstages: {{production: {{holds: 1, owners: ["{owner}"]}}}}\n'
    with pytest.raises(InvalidDocument, match="owners"):
        read_policy(text.encode(), "policy.yaml")


def test_a_glob_that_codeowners_has_not() -> None:
    text = POLICY.replace("churn-*", "churn-[ab]")
    with pytest.raises(InvalidRequest, match="no such pattern"):
        owner_lines(read_policy(text.encode(), "policy.yaml"))


def test_a_name_counts_more_than_a_glob_as_in_the_policy() -> None:
    # The last line that matches counts, wherever the file of the policy has the name.
    models = POLICY.partition("models:\n")[2].partition("  'Größe 2'")[0]
    named = "  churn-eu:\n    stages: {production: {owners: ['@org/eu']}}\n"
    text = POLICY.partition("models:\n")[0] + "models:\n" + named + models
    policy = read_policy(text.encode(), "policy.yaml")
    assert policy.of("churn-eu").stages["production"].owners == ("@org/eu",)
    lines = [line for line in owner_lines(policy) if line.startswith("/registry/churn-")]
    assert lines[-1] == "/registry/churn-eu/stages/production.yaml @org/eu"


def test_a_section_that_is_optional_is_not_gitreg_s() -> None:
    # GitLab: approvals of what stands below ^[Docs] are not needed.
    text = "* @all\n\n^[Docs] @writers\n/docs/\n"
    first = merge(text, ["a b"])
    assert first == f"{text}\n{BEGIN}\n[gitreg]\na b\n{END}\n"
    assert merge(first, ["a b"]) == first
    assert merge(first, ["c d"]) == first.replace("a b", "c d")


def test_lines_of_others_stay() -> None:
    own = f"{BEGIN}\na b\n{END}\n"
    assert merge("", ["a b"]) == own
    assert merge("* @all\n", ["a b"]) == f"* @all\n\n{own}"
    assert merge("* @all", ["a b"]) == f"* @all\n\n{own}"
    around = f"* @all\n{own}docs/ @grace\r\n"
    assert merge(around, ["a b"]) == around
    assert merge(around, ["c d"]) == around.replace("a b", "c d")
    assert merge(around, []) == "* @all\ndocs/ @grace\r\n"
    assert merge("x\n", []) == "x\n"
    for broken in (f"{BEGIN}\n", f"{END}\n", f"{END}\n{BEGIN}\n", own + own):
        with pytest.raises(InvalidDocument, match="not one pair"):
            merge(broken, ["a b"])


@pytest.mark.parametrize("place", PLACES)
def test_it_is_written_where_it_is(
    folder: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.chdir(folder)
    with_policy(folder)
    path = folder / place
    path.parent.mkdir(exist_ok=True)
    path.write_text("* @all\n")
    before = everything(folder)
    printed = gitreg("codeowners").out
    assert everything(folder) == before
    assert printed.startswith(f"* @all\n\n{BEGIN}\n{LINES[0]}\n")
    assert gitreg("codeowners", "--write").out == f"written: {place}\n"
    assert path.read_text() == printed
    assert gitreg("codeowners", "--write").out == f"unchanged: {place}\n"
    assert [p for p in PLACES if (folder / p).exists()] == [place]


def test_lines_that_count_more_are_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    with_policy(folder)
    path = folder / "CODEOWNERS"
    path.write_text("* @all\n")
    assert gitreg("codeowners", "--write").err == ""
    path.write_text(f"{path.read_text()}\n# of others\n")
    assert gitreg("codeowners", "--write").err == ""
    path.write_text(f"{path.read_text()}*.yaml @all\n")
    ran = gitreg("codeowners", "--write")
    assert ran.out == "unchanged: CODEOWNERS\n"
    assert ran.err.startswith("warning: CODEOWNERS: lines after gitreg's win")


def test_a_new_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert "names no owners" in error("codeowners")
    with_policy(folder)
    gitreg("codeowners", "--write")
    # GitLab does not look into .github, nor GitHub into .gitlab.
    assert [place for place in PLACES if (folder / place).exists()] == ["CODEOWNERS"]
    assert (folder / "CODEOWNERS").read_text().startswith(BEGIN)
    with_policy(folder, POLICY.partition("models:")[0].replace("owners", "# owners"))
    gitreg("codeowners", "--write")
    assert (folder / "CODEOWNERS").read_text() == ""


def test_what_is_no_text(folder: Path) -> None:
    with_policy(folder)
    (folder / "CODEOWNERS").write_bytes(b"\xff")
    with Registry(folder) as registry, pytest.raises(InvalidRequest, match="not UTF-8"):
        registry.codeowners(write=True)
