"""`gitreg events`: what happened after a commit, each event once, whatever the cursor."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.errors import NotFound
from gitreg.watch.events import events
from tests.conftest import git, write_model
from tests.support.commands import error, gitreg


def test_each_kind_of_event_with_its_facts(stocked: Path) -> None:
    with Registry(stocked) as registry:
        begun = events(registry).cursor
        registry.promote("churn@3", stage="production", reason="better\nrecall")
        registry.set_alias("churn@1", "old")
        registry.delete_alias("churn", "old")
        registry.rename_model("tokenizer", "words")
        registry.delete("churn@1", reason="not needed")
        told = events(registry, since=begun)
        digests = {number: registry.sha256(f"churn@{number}") for number in (2, 3)}
        digests[1] = registry.sha256("churn@1", rev=begun)
    facts = [(one.model, one.action, one.pointer, one.version, one.previous) for one in told.events]
    assert facts == [
        ("churn", "promote", "stages/production", 3, 2),
        ("churn", "promote", "stages/archived", 2, 1),
        ("churn", "alias", "aliases/old", 1, None),
        ("churn", "alias", "aliases/old", None, 1),
        ("tokenizer", "rename", None, None, None),
        ("tokenizer", "rename", None, 1, None),
        ("words", "rename", None, None, None),
        ("words", "rename", None, 1, None),
        ("churn", "move", "stages/archived", 1, 2),
        ("churn", "delete", None, 1, None),
    ]
    first, last = told.events[0], told.events[-1]
    assert (first.reason, first.actor) == ("better\nrecall", "Ada Lovelace <ada@example.com>")
    assert (first.sha256, told.events[1].sha256, last.sha256) == (
        digests[3],
        digests[2],
        digests[1],
    )
    assert {one.renamed_to for one in told.events if one.model == "tokenizer"} == {"words"}


def test_a_cursor_after_any_event_gives_the_rest_once(stocked: Path) -> None:
    with Registry(stocked) as registry:
        every = events(registry).events
        names = [one.id for one in every]
        assert len(set(names)) == len(names) > 6
        for place, name in enumerate(names, start=1):
            assert [one.id for one in events(registry, since=name).events] == names[place:]
        assert events(registry, since=every[-1].commit).events == ()
        assert events(registry, since=events(registry).cursor).events == ()


def test_only_what_is_asked_about(stocked: Path) -> None:
    with Registry(stocked) as registry:
        every = events(registry).events
        for about, chosen in {
            "tokenizer": [one for one in every if one.model == "tokenizer"],
            "churn/production": [one for one in every if one.pointer == "stages/production"],
            "churn@champion": [one for one in every if one.pointer == "aliases/champion"],
        }.items():
            assert chosen
            assert list(events(registry, about).events) == chosen
        assert {one.version for one in events(registry, "churn@3").events} == {3}
        with pytest.raises(NotFound, match="no model 'chrun'"):
            events(registry, "chrun")


def test_a_commit_that_is_gone_is_named(stocked: Path) -> None:
    with Registry(stocked) as registry:
        registry.set_alias("churn@1", "old")
        gone = git(stocked, "rev-parse", "HEAD")
    git(stocked, "reset", "--quiet", "--hard", "HEAD~1")
    write_model(stocked, "another")
    for since in (gone, f"{gone}-1", "f" * 40):
        said = error("events", "--repo", str(stocked), "--since", since)
        assert "history was rewritten" in said
        assert "git log --first-parent" in said


def test_json_is_one_event_a_line(stocked: Path) -> None:
    with Registry(stocked) as registry:
        registry.set_alias("churn@1", "odd")
    message = "by hand\n\n\u202eevil\nsecond line"
    git(stocked, "commit", "--quiet", "--amend", "-m", message)
    with Registry(stocked) as registry:
        every = events(registry)
    ran = gitreg("events", "--repo", str(stocked), "--json")
    lines = ran.out.splitlines()
    assert [json.loads(line)["id"] for line in lines] == [one.id for one in every.events]
    assert json.loads(lines[-1])["reason"] == "\u202eevil\nsecond line"
    assert "\u202e" not in ran.out
    after = gitreg("events", "--repo", str(stocked), "--json", "--since", every.events[-2].id)
    assert after.out == lines[-1] + "\n"
    assert gitreg("events", "--repo", str(stocked), "--since", every.cursor, "--json").out == ""


def test_people_get_a_table_and_the_next_call(stocked: Path) -> None:
    ran = gitreg("events", "churn@champion", "--repo", str(stocked))
    assert "aliases" not in ran.out
    assert ran.out.splitlines()[-1].split()[3:6] == ["promote", "churn@2", "@champion"]
    assert ran.err == f"next: gitreg events --since {git(stocked, 'rev-parse', 'HEAD')}\n"


def test_a_shallow_clone_has_all_events(stocked: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{stocked.parent}/origin.git", "shallow")
    with Registry(stocked) as whole, Registry(tmp_path / "shallow") as shallow:
        assert events(shallow).events == events(whole).events
        first = events(whole).events[0]
        assert events(shallow, since=first.id).events == events(whole, since=first.id).events
