"""Pointer files that do not parse, as a merge by hand leaves them behind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.errors import GitregError, InvalidDocument
from tests.conftest import git
from tests.support.clones import commit
from tests.support.commands import gitreg

PRODUCTION = "registry/churn/stages/production.yaml"
CONFLICT = "versions:\n<<<<<<< HEAD\n- 2\n=======\n- 3\n>>>>>>> release\n"


def told(folder: Path) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Return the moves of production, oldest first."""
    with Registry(folder) as registry:
        events = registry.log("churn/production", limit=100)
    return [(event.before, event.after) for event in reversed(events)]


def test_conflict_markers_move_nothing(stocked: Path) -> None:
    with Registry(stocked) as registry:
        registry.sync_tags(push=True)
    tags, moves = git(stocked, "tag"), told(stocked)
    assert moves[-1][1] == (2,)
    commit(stocked, {PRODUCTION: CONFLICT})
    git(stocked, "push", "--quiet", "origin", "HEAD")
    with Registry(stocked) as registry:
        report = registry.sync_tags(push=True)
    assert report.made == report.wrong == report.foreign == ()
    assert (git(stocked, "tag"), told(stocked)) == (tags, moves)
    commit(stocked, {PRODUCTION: "versions:\n- 3\n", "registry/churn/stages/archived.yaml": None})
    assert told(stocked) == [*moves, ((2,), (3,))]
    with Registry(stocked) as registry:
        (made, *_) = registry.sync_tags().made
    assert git(stocked, "rev-parse", f"{made}^{{commit}}") == git(
        stocked, "rev-parse", "churn@v3.0.0^{commit}"
    )


def test_a_pointer_that_is_repaired_as_it_was_did_not_move(stocked: Path) -> None:
    moves = told(stocked)
    commit(stocked, {PRODUCTION: CONFLICT})
    commit(stocked, {PRODUCTION: "versions:\n- 2\n"})
    assert told(stocked) == moves


def test_what_can_be_read_is_listed(stocked: Path) -> None:
    commit(stocked, {PRODUCTION: CONFLICT})
    listed = gitreg("list", "--repo", str(stocked), code=2)
    assert "churn" in listed.out
    assert "tokenizer" in listed.out
    assert PRODUCTION in listed.err
    assert "Traceback" not in listed.err
    as_json = gitreg("list", "--repo", str(stocked), "--json", code=2)
    assert [model["model"] for model in json.loads(as_json.out)] == ["churn", "tokenizer"]
    versions = gitreg("list", "churn", "--repo", str(stocked), code=2)
    assert len(versions.out.splitlines()) > 2
    assert PRODUCTION in versions.err
    assert gitreg("list", "tokenizer", "--repo", str(stocked)).code == 0
    with Registry(stocked) as registry:
        broken: list[GitregError] = []
        assert len(registry.models(broken)) == 2
        assert [str(error).partition(":")[0] for error in broken] == [PRODUCTION]
        with pytest.raises(InvalidDocument, match=PRODUCTION):
            registry.models()


def test_a_manifest_that_does_not_parse_hides_no_other(stocked: Path) -> None:
    path = "registry/churn/versions/2/manifest.yaml"
    commit(stocked, {path: CONFLICT})
    with Registry(stocked) as registry:
        broken: list[GitregError] = []
        assert [version.version for version in registry.versions("churn", broken)] == [3, 1]
        assert [str(error).partition(":")[0] for error in broken] == [path]
