"""The dossier: what it says and lacks, the same bytes everywhere, and commands that tell lies."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from gitreg import GitError, Registry
from gitreg.core.model.card import read_card
from gitreg.core.text.invisible import has_invisible
from gitreg.dossier import Dossier, dossier
from gitreg.dossier.as_html import as_html
from gitreg.dossier.as_json import as_json
from gitreg.dossier.as_markdown import as_markdown
from gitreg.dossier.frameworks import AI_ACT, entries, gaps
from gitreg.dossier.verification import checks
from gitreg.git import process
from gitreg.git.objects import ObjectReader
from tests.conftest import git, isolate
from tests.dossier.made import CARD, REASON, make
from tests.support.commands import error, gitreg

VERSION = "registry/churn/versions/4"
HOSTILE = (
    "</pre><script>alert(1)</script><img src=x onerror=alert(1)>"
    "``` | [a](javascript:b) \u202e\x1b[2J"
)


@pytest.fixture(scope="module")
def made(templates: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``work``, ``origin.git`` and the DVC remote, in which churn@4 is served."""
    folder = tmp_path_factory.mktemp("dossier") / "shared"
    shutil.copytree(templates, folder, symlinks=True)
    with pytest.MonkeyPatch.context() as patch:
        isolate(patch, tmp_path_factory.mktemp("dossier-home"))
        make(folder / "work")
    return folder


@pytest.fixture(scope="module")
def found(made: Path) -> Dossier:
    with Registry(made / "work") as registry:
        return dossier(registry, "churn/production")


def clone_of(made: Path, name: str, source: str = "origin.git") -> Path:
    """Clone beside the DVC remote, so that its relative address leads there."""
    folder = made / name
    git(made, "clone", "--quiet", "--no-local", str(made / source), str(folder))
    return folder


def failing(folder: Path, commands: list[str], tools: Path) -> list[str]:
    """Run commands as an auditor does, who has Git, DVC and OpenSSH; return those that fail."""
    tools.mkdir(exist_ok=True)
    if not (tools / "dvc").exists():
        (tools / "dvc").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m dvc "$@"\n')
        (tools / "dvc").chmod(0o755)
    path = f"{tools}:/usr/local/bin:/usr/bin:/bin"
    assert shutil.which("gitreg", path=path) is None
    return [
        command
        for command in commands
        if subprocess.run(
            ["sh", "-c", command],
            cwd=folder,
            env={**os.environ, "PATH": path},
            capture_output=True,
            check=False,
            timeout=120,
        ).returncode
    ]


def in_markdown(text: str) -> list[str]:
    return re.findall(r"^```sh\n(.*?)\n```$", text, re.MULTILINE | re.DOTALL)


class Page(HTMLParser):
    """What a browser makes of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.commands: list[str] = []
        self._inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if ("class", "command") in attrs:
            self._inside = True
            self.commands.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside &= tag != "pre"

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.commands[-1] += data


def test_an_auditor_without_gitreg_runs_its_commands(made: Path, found: Dossier) -> None:
    commands = in_markdown(as_markdown(found))
    assert commands == [one.command for one in checks(found)]
    assert commands == Page(as_html(found)).commands
    assert commands == [one["command"] for one in as_json(found)["verification"]]
    parts = {one.part for one in checks(found)}
    wanted = {"state", "files", "lineage", "moves", "policy", "approvals", "reproductions"}
    assert parts == wanted
    assert failing(clone_of(made, "audit"), commands, made / "tools") == []


def tampered(path: str, text: bytes = b"# changed\n") -> Callable[[Path], None]:
    def tamper(folder: Path) -> None:
        with (folder / path).open("ab") as file:
            file.write(text)
        git(folder, "commit", "--quiet", "--all", "-m", "nothing to see")

    return tamper


def other_bytes(folder: Path) -> None:
    """Replace the bytes on the DVC remote of the model, which DVC may download."""
    pointer = (folder / f"{VERSION}/model.txt.dvc").read_text()
    found = re.search(r"md5: ([0-9a-f]{32})", pointer)
    assert found is not None
    [stored] = (folder.parent / "dvc-remote").rglob(found[1][2:])
    stored.chmod(0o644)
    stored.write_text("other weights!")


def without_the_move(folder: Path) -> None:
    git(folder, "commit", "--quiet", "--amend", "-m", "promote it")
    git(folder, "reflog", "expire", "--expire=all", "--all")
    git(folder, "update-ref", "-d", "refs/remotes/origin/main")
    git(folder, "update-ref", "-d", "refs/remotes/origin/HEAD")
    for tag in git(folder, "tag").split():
        git(folder, "tag", "--delete", tag)
    git(folder, "gc", "--quiet", "--prune=now")


APPROVAL = f"{VERSION}/approvals/production.grace@example.com.sig"


@pytest.mark.parametrize(
    ("tamper", "parts"),
    [
        (tampered(f"{VERSION}/manifest.yaml"), {"files", "approvals"}),
        (tampered(f"{VERSION}/model.txt.dvc"), {"files", "approvals"}),
        (tampered(f"{VERSION}/requirements.txt"), {"files"}),
        (tampered(f"{VERSION}/evaluations/holdout.yaml"), {"files"}),
        (tampered(APPROVAL), {"files"}),
        (tampered("registry/churn/CARD.md"), {"files"}),
        (other_bytes, {"files"}),
        (without_the_move, {"state", "moves", "policy", "approvals", "lineage"}),
    ],
    ids=["manifest", "pointer", "packages", "evaluation", "approval", "card", "bytes", "history"],
)
def test_a_command_fails_where_what_it_verifies_was_changed(
    made: Path, found: Dossier, tmp_path: Path, tamper: Callable[[Path], None], parts: set[str]
) -> None:
    # Only other bytes need a download, and only they change what is beside the clone.
    is_of_bytes = tamper is other_bytes
    place = Path(shutil.copytree(made, tmp_path / "it", symlinks=True)) if is_of_bytes else made
    folder = clone_of(place, tmp_path.name)
    tamper(folder)
    run = [one for one in checks(found) if is_of_bytes or "dvc pull" not in one.command]
    failed = failing(folder, [one.command for one in run], place / "tools")
    assert {one.part for one in run if one.command in failed} == parts


def test_a_changed_statement_is_not_what_was_signed(made: Path, found: Dossier) -> None:
    folder = clone_of(made, "statement")
    [path] = (folder / VERSION / "reproductions").glob("*.json")
    path.write_text(path.read_text().replace("identical", "different"))
    run = [one for one in checks(found) if "dvc pull" not in one.command]
    failed = failing(folder, [one.command for one in run], made / "tools")
    assert {one.part for one in run if one.command in failed} == {"files", "reproductions"}


def test_a_dossier_that_lies_is_found_out(made: Path, found: Dossier) -> None:
    """Every command names what the dossier says, so that a changed dossier fails."""
    folder = clone_of(made, "lies")
    artifact = replace(found.version.artifact, sha256="0" * 64)
    *_, promoted = found.events
    [approval] = found.approvals
    assert approval.text is not None
    assert found.policy is not None
    lies = {
        "bytes": replace(found, version=replace(found.version, artifact=artifact)),
        "reason": replace(found, events=(replace(promoted, reason="no reason at all"),)),
        "author": replace(found, events=(replace(promoted, author="Eve <eve@example.com>"),)),
        "time": replace(found, events=(replace(promoted, time="2020-01-01T00:00:00Z"),)),
        "moves": replace(found, moves=()),
        "data": replace(found, data_in_code=frozenset({"0" * 32})),
        "policy": replace(found, policy=replace(found.policy, sha256="0" * 64)),
        "approval": replace(
            found,
            approvals=(replace(approval, text=approval.text.replace(b"replaces: 2", b"none: 3")),),
        ),
    }
    said = {one.command for one in checks(found)}
    for what, lie in lies.items():
        told = [one.command for one in checks(lie) if one.command not in said]
        assert told, what
        assert failing(folder, told, made / "tools") == told, what


def test_the_same_state_gives_the_same_bytes(made: Path, found: Dossier, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(made, tmp_path / "elsewhere", symlinks=True))
    clone = clone_of(copy, "another")
    git(clone, "commit", "--quiet", "--allow-empty", "-m", "later")
    url = f"file://{made / 'origin.git'}"
    writers = (as_markdown, as_html, as_json)
    expected = [write(found) for write in writers]
    for place, options in (
        (made / "work", {}),
        (clone, {"rev": found.commit}),
        (made / "origin.git", {}),
        (url, {}),
        (made / "work", {"at": "2100-01-01"}),
    ):
        with Registry(place) as registry:
            again = dossier(registry, "churn@4", **options)
        assert [write(again) for write in writers] == expected
    text = as_markdown(found) + as_html(found)
    assert str(made) not in text
    assert str(tmp_path) not in text


def test_it_tells_what_there_is(found: Dossier) -> None:
    text = as_markdown(found)
    for words in (
        "| <code>holdout</code> |",
        "on the same data",
        "| all | <code>roc_auc</code> |",
        "<code>age &#60; 25 &#40;3 rows&#41;</code>",
        "| <code>churn&#64;2</code> |",
        "<code>promote stages/production&#58; 2 &#8594; 4</code>",
        "| verified | ",
        "<code>verified, grace&#64;example&#46;com</code>",
        "<code>ada&#64;example&#46;com</code> |\n",
        "Nothing is wrong.",
        "The policy was never overridden",
        "holds: 1",
    ):
        assert words in text, words
    assert found.incumbent is not None
    assert (found.incumbent.version, set(found.incumbent.evaluations)) == (2, {"holdout"})
    assert [event.reason for event in found.events][-1] == REASON
    assert found.card == read_card(CARD.encode(), "CARD.md")
    assert {one.commit for one in found.events if one.pointer} == set(found.moves)
    assert [words for _, words in gaps(found) if "card" not in words] == []


def test_it_says_what_is_missing(made: Path) -> None:
    with Registry(made / "work") as registry:
        bare = replace(dossier(registry, "churn@3"), card=None, card_text=None)
    lacks = dict(gaps(bare))
    assert lacks["evaluation"] == "no evaluation"
    assert lacks["intended_use"] == "no card, so no intended use"
    assert lacks["data"] == "no training data in the lineage"
    assert lacks["reproduction"] == "no reproduction"
    assert lacks["policy"] == "no promotion, so no policy that judged it"
    assert lacks["approval"] == "no approval that verifies"
    [oversight] = [one for one in entries(bare) if (one.framework, one.point) == (AI_ACT, "3")]
    assert (oversight.state, len(oversight.lacks)) == ("missing", 4)
    assert [one.point for one in entries(bare) if one.framework == AI_ACT] == list("123456789")
    assert "There is no card" in as_markdown(bare)


def test_moves_without_a_reason_overrides_and_rollbacks(made: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(made, tmp_path / "copy", symlinks=True))
    work = copy / "work"
    policy = work / "registry" / "policy.yaml"
    policy.write_text(
        policy.read_text().replace(
            "holds: 1\n", "holds: 1\n    override: {by: [ada@example.com]}\n"
        )
    )
    git(work, "commit", "--quiet", "--all", "-m", "Ada may override")
    with Registry(work) as registry:
        registry.promote("churn@3", stage="production", override="the shop is down")
        registry.rollback("churn", stage="production", reason="it was the network")
    git(work, "checkout", "--quiet", "-b", "proposal")
    with Registry(work) as registry:
        registry.set_alias("churn@4", "best", reason="reviewed")
    git(work, "checkout", "--quiet", "main")
    git(work, "commit", "--quiet", "--allow-empty", "-m", "other work")
    git(work, "merge", "--quiet", "--no-ff", "-m", "Merge it", "proposal")
    with Registry(work) as registry:
        back, bad = dossier(registry, "churn@4"), dossier(registry, "churn@3")
    assert next(event.action for event in bad.events if event.pointer) == "promote"
    assert "the shop is down" in as_html(bad)
    assert "Moves that overrode the policy" in as_markdown(bad)
    assert back.explanation.promoted is not None
    assert back.explanation.promoted.commit == back.moves[-1]
    assert back.events[-1].reason == "reviewed"
    assert back.events[-1].commit == git(work, "rev-parse", "HEAD")
    for one in (back, bad):
        commands = [check.command for check in checks(one)]
        assert failing(work, commands, copy / "tools") == []


def test_text_from_the_registry_stays_text(made: Path, found: Dossier) -> None:
    event = replace(found.events[-1], reason=HOSTILE, author=HOSTILE, override=HOSTILE)
    version = replace(found.version, description=HOSTILE, tags={HOSTILE: HOSTILE})
    card = read_card(f"---\nlicense: mit\n---\n## Users\n\n{HOSTILE}\n".encode(), "CARD.md")
    hostile = replace(found, version=version, events=(event,), card=card, card_text=HOSTILE)
    page, text = as_html(hostile), as_markdown(hostile)
    tags = Page(page).tags
    assert {tag for tag, _ in tags} == {
        *("html", "head", "meta", "title", "style", "body", "header", "h1", "p", "code", "nav"),
        *("ol", "li", "a", "main", "section", "h2", "div", "table", "thead", "tbody", "tr"),
        *("th", "td", "pre", "span"),
    }
    assert all(str(attrs.get("href", "#")).startswith("#") for _, attrs in tags)
    assert {name for _, attrs in tags for name in attrs} <= {
        *("lang", "charset", "http-equiv", "content", "name", "aria-label", "href", "id"),
        *("class", "scope"),
    }
    assert "default-src 'none'" in page
    for written in (page, text):
        assert not has_invisible(written.replace("\n", "").replace("\t", ""))
    outside = re.sub(r"^(`{3,})\w*\n.*?^\1$", "", text, flags=re.MULTILINE | re.DOTALL)
    assert "<script" not in outside
    assert "](javascript" not in outside
    for one in checks(hostile):  # nobody can see what such a command does
        assert not has_invisible(one.command.replace("\n", ""))


def test_a_shallow_clone_has_no_dossier(made: Path) -> None:
    folder = made / "shallow"
    git(made, "clone", "--quiet", "--depth=1", f"file://{made / 'origin.git'}", str(folder))
    with Registry(folder) as registry, pytest.raises(GitError, match="shallow"):
        dossier(registry, "churn@4")


def test_the_command(made: Path, found: Dossier, tmp_path: Path) -> None:
    work = str(made / "work")
    assert gitreg("dossier", "churn@4", "--repo", work).out == as_markdown(found)
    for suffix, text in ((".html", as_html(found)), (".md", as_markdown(found))):
        file = tmp_path / f"it{suffix}"
        file.write_text("something older, and longer" * 9000)
        assert gitreg("dossier", "churn@4", "-o", str(file), "--repo", work).out == f"{file}\n"
        assert file.read_text() == text
    file = tmp_path / "it.json"
    printed = gitreg("dossier", "churn@4", "-o", str(file), "--json", "--repo", work).out
    assert file.read_text() == printed
    for name in ("it.pdf", "-", "it"):
        told = error("dossier", "churn@4", "-o", name, "--repo", work)
        assert "end the name in .html, .md or .json" in told
    nowhere = str(tmp_path / "no" / "it.md")
    assert "cannot be written" in error("dossier", "churn@4", "-o", nowhere, "--repo", work, code=3)
    assert "no churn@9" in error("dossier", "churn@9", "--repo", work)


def test_other_versions_cost_nothing(stocked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The processes and objects of a dossier do not depend on how many versions a model has."""
    counts = {"processes": 0, "objects": 0}
    run, get_many = process.run, ObjectReader.get_many

    def counted_run(*args: object, **options: object) -> object:
        counts["processes"] += 1
        return run(*args, **options)  # type: ignore[arg-type]

    def counted_get(self: ObjectReader, specs: list[str]) -> object:
        counts["objects"] += len(specs)
        return get_many(self, specs)

    monkeypatch.setattr(process, "run", counted_run)
    monkeypatch.setattr(ObjectReader, "get_many", counted_get)

    def cost() -> tuple[int, int]:
        with Registry(stocked) as registry:
            registry.log("churn@1")  # the index reads every commit once
        counts.update(processes=0, objects=0)
        with Registry(stocked) as registry:
            dossier(registry, "churn@1")
        return counts["processes"], counts["objects"]

    few = cost()
    top = stocked / "registry" / "churn" / "versions"
    for number in range(4, 14):
        shutil.copytree(top / "3", top / str(number))
        manifest = top / str(number) / "manifest.yaml"
        manifest.write_text(manifest.read_text().replace("version: 3", f"version: {number}"))
        git(stocked, "add", "registry")
        git(stocked, "commit", "--quiet", "-m", f"register churn@{number}")
    many = cost()
    assert few[0] > 5
    assert few[1] > 5
    assert many[0] <= few[0] + 2
    assert many[1] <= few[1] + 2
