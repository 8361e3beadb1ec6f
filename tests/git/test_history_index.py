"""History is what the files did: by hand, merged, squashed, on other branches, rewritten."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.core.state.history import Event
from gitreg.core.state.tags import Tag
from gitreg.errors import GitError, InvalidRequest, NotFound
from gitreg.git import log
from gitreg.git.history_index import HistoryIndex
from gitreg.git.repository import GitRepository
from tests.conftest import git, write_model

PRODUCTION = "registry/churn/stages/production.yaml"


@pytest.fixture
def opened(stocked: Path) -> Iterator[Registry]:
    with Registry(stocked) as registry:
        yield registry


def index_file(folder: Path) -> Path:
    return folder / ".git" / "gitreg" / "history.sqlite"


def from_scratch(folder: Path) -> tuple[list[Event], list[Tag]]:
    """Return events and tags that an index gives which was made anew."""
    for path in index_file(folder).parent.glob("history.sqlite*"):
        path.unlink()
    return facts(folder)


def facts(folder: Path) -> tuple[list[Event], list[Tag]]:
    repository = GitRepository(folder)
    history = HistoryIndex(repository)
    history.advance(str(repository.commit_of("HEAD")))
    found = history.events(), history.tags()
    history.close()
    repository.close()
    return found


def by_hand(folder: Path, text: str, message: str = "by hand", path: str = PRODUCTION) -> str:
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text(text)
    git(folder, "add", path)
    git(folder, "commit", "--quiet", "-m", message)
    return git(folder, "rev-parse", "HEAD")


def test_the_story_of_the_template(opened: Registry) -> None:
    told = [(e.action, e.version, e.pointer, e.before, e.after) for e in opened.log("churn")]
    assert told == [
        ("promote", 2, "stages/production", (1,), (2,)),
        ("promote", 1, "stages/archived", (), (1,)),
        ("promote", 2, "aliases/champion", (), (2,)),
        ("promote", 1, "stages/production", (), (1,)),
        ("register", 3, None, (), ()),
        ("register", 2, None, (), ()),
        ("register", 1, None, (), ()),
    ]
    assert [e.model for e in opened.log(limit=2)] == ["churn", "churn"]
    assert [e.version for e in opened.log("churn@2")] == [2, 2, 2]
    assert {e.author for e in opened.log()} == {"Ada Lovelace <ada@example.com>"}


# Commits that gitreg did not make


def test_a_commit_by_hand_is_an_event(stocked: Path, opened: Registry) -> None:
    commit = by_hand(stocked, "versions:\n- 3\n", "three it is\n\nBecause Grace said so.")
    event = opened.log("churn/production")[0]
    assert event == Event(
        commit,
        event.time,
        "Ada Lovelace <ada@example.com>",
        "churn",
        "promote",
        3,
        "stages/production",
        (2,),
        (3,),
        "Because Grace said so.",
        "three it is",
    )
    assert opened.resolve("churn/production").version == 3


def test_a_commit_that_breaks_a_pointer_hides_nothing_else(stocked: Path, opened: Registry) -> None:
    by_hand(stocked, "versions: [")
    by_hand(stocked, "versions:\n- 3\n")
    assert [(e.before, e.after) for e in opened.log("churn/production")][:2] == [
        ((2,), (3,)),
        ((1,), (2,)),
    ]


def test_what_is_no_registry_file_is_no_event(stocked: Path, opened: Registry) -> None:
    before = opened.log()
    for path in ("registry/README.md", "registry/.hidden/stages/production.yaml", "code.py"):
        by_hand(stocked, "x", path=path)
    by_hand(stocked, "x", path='registry/churn/sta\nges/line "break".yaml')
    assert opened.log() == before


def test_a_pointer_turned_link_and_a_folder_turned_submodule(
    stocked: Path, opened: Registry
) -> None:
    (stocked / PRODUCTION).unlink()
    (stocked / PRODUCTION).symlink_to("../../../../../etc/passwd")
    git(stocked, "add", PRODUCTION)
    git(stocked, "commit", "--quiet", "-m", "a link")
    assert opened.log("churn/production")[0].after == (2,)  # what does not parse moves nothing
    oid = git(stocked, "rev-parse", "HEAD")
    git(stocked, "rm", "-r", "--quiet", "registry/churn/stages")
    git(stocked, "update-index", "--add", "--cacheinfo", f"160000,{oid},registry/churn/stages")
    git(stocked, "commit", "--quiet", "-m", "a submodule")
    assert opened.model("churn").stages == {}
    assert opened.log("churn/archived")[0].after == ()


def test_a_pointer_that_was_renamed_by_hand_is_two_moves(stocked: Path, opened: Registry) -> None:
    git(stocked, "mv", "registry/churn/aliases/champion.yaml", "registry/churn/aliases/best.yaml")
    git(stocked, "commit", "--quiet", "-m", "a better word")
    assert [(e.pointer, e.before, e.after) for e in opened.log(limit=2)] == [
        ("aliases/best", (), (2,)),
        ("aliases/champion", (2,), ()),
    ]
    assert opened.resolve("churn@best").version == 2


@pytest.mark.parametrize("how", ["--no-ff", "--ff-only", "--squash"])
def test_what_a_branch_brings_is_told_once(stocked: Path, opened: Registry, how: str) -> None:
    git(stocked, "switch", "--quiet", "-c", "pr")
    opened.promote("churn@3", stage="staging")
    opened.set_alias("churn@3", "challenger")
    on_branch = opened.log("churn/staging")
    git(stocked, "switch", "--quiet", "main")
    if how == "--no-ff":
        by_hand(stocked, "x", path="code.py")
    assert opened.log("churn/staging", rev="pr") == on_branch
    with pytest.raises(NotFound):
        opened.log("churn@challenger")
    git(stocked, "merge", "--quiet", how, "pr")
    if how == "--squash":
        git(stocked, "commit", "--quiet", "-m", "Promote churn@3 (#7)\n\nReviewed by Grace.")
    (event,) = opened.log("churn/staging")
    assert (event.action, event.version, event.before, event.after) == ("promote", 3, (), (3,))
    if how != "--ff-only":
        assert event.commit == git(stocked, "rev-parse", "HEAD")
        alias = opened.log("churn@challenger")[0]
        assert alias.commit == event.commit  # the merge is one event of the branch
    if how == "--squash":
        assert event.reason == "Reviewed by Grace."
    opened.sync_tags(force=True)
    assert [f for f in opened.doctor() if f.severity == "error"] == []
    assert facts(stocked) == from_scratch(stocked)


def test_a_merge_whose_first_parent_is_the_other_side(stocked: Path, opened: Registry) -> None:
    """`git pull` on a branch that is behind, then a push of it as main: the line has changed."""
    git(stocked, "switch", "--quiet", "-c", "side")
    opened.promote("churn@3", stage="staging", reason="on the side")
    git(stocked, "switch", "--quiet", "main")
    ours = opened.set_alias("churn@1", "challenger", reason="on main")
    assert opened.log()[0].commit == ours.commit
    git(stocked, "switch", "--quiet", "side")
    git(stocked, "merge", "--quiet", "--no-ff", "-m", "merge main", "main")
    git(stocked, "switch", "--quiet", "main")
    git(stocked, "merge", "--quiet", "--ff-only", "side")
    merge = git(stocked, "rev-parse", "HEAD")
    assert opened.log("churn@challenger")[0].commit == merge
    assert opened.log("churn/staging")[0].commit == git(stocked, "rev-parse", "HEAD^1")
    assert facts(stocked) == from_scratch(stocked)


def test_an_evil_merge_is_told(stocked: Path, opened: Registry) -> None:
    git(stocked, "switch", "--quiet", "-c", "side")
    by_hand(stocked, "x", path="side.py")
    git(stocked, "switch", "--quiet", "main")
    git(stocked, "merge", "--quiet", "--no-ff", "--no-commit", "side")
    by_hand(stocked, "versions:\n- 3\n", "merge side")
    assert git(stocked, "rev-list", "--count", "--merges", "-1", "HEAD") == "1"
    assert opened.log("churn/production")[0].after == (3,)


def test_a_version_registered_on_two_branches_keeps_its_number_once(
    stocked: Path, opened: Registry
) -> None:
    """Two people register at once on two branches: Git reports the conflict, nothing is merged."""
    git(stocked, "switch", "--quiet", "-c", "side")
    opened.register("churn", write_model(stocked, "side"))
    git(stocked, "switch", "--quiet", "main")
    opened.register("churn", write_model(stocked, "main"))
    said = git(stocked, "merge", "side", check=False)
    assert "CONFLICT" in said
    git(stocked, "merge", "--abort")


# Branches, rewriting


def test_switching_branches(stocked: Path, opened: Registry) -> None:
    opened.promote("churn@3", stage="staging")
    main = opened.log()
    git(stocked, "switch", "--quiet", "-c", "side", "HEAD~1")
    assert opened.log() == main[1:]
    opened.set_alias("churn@1", "challenger")
    side = opened.log()
    assert side[1:] == main[1:]
    for _ in range(2):
        git(stocked, "switch", "--quiet", "main")
        assert opened.log() == main
        git(stocked, "switch", "--quiet", "side")
        assert opened.log() == side


def test_writing_after_a_reset_numbers_the_tags_as_history_does(
    stocked: Path, opened: Registry
) -> None:
    """The index is ahead of the branch then: what it counted beyond must not be counted."""
    abandoned = opened.promote("churn@3", stage="staging")
    git(stocked, "reset", "--quiet", "--hard", "HEAD~1")
    git(stocked, "tag", "-d", *abandoned.tags)
    assert opened.log("churn")[0].pointer == "stages/production"
    again = opened.promote("churn@3", stage="staging")
    assert again.tags == abandoned.tags
    assert [f for f in opened.doctor() if f.severity != "note"] == []
    assert facts(stocked) == from_scratch(stocked)


def test_registering_after_a_reset(stocked: Path, opened: Registry) -> None:
    abandoned = opened.register("churn", write_model(stocked, "a"))
    git(stocked, "reset", "--quiet", "--hard", "HEAD~1")
    git(stocked, "tag", "-d", *abandoned.tags)
    opened.register("churn", write_model(stocked, "b"))
    promoted = opened.promote("churn@4", stage="production")
    show = opened.show("churn@4")
    assert show.commit == git(stocked, "rev-parse", "HEAD~1")
    assert git(stocked, "rev-parse", f"{promoted.tags[0]}^{{commit}}") == show.commit
    assert facts(stocked) == from_scratch(stocked)


def test_a_rebase(stocked: Path, opened: Registry) -> None:
    opened.promote("churn@3", stage="staging")
    opened.set_alias("churn@3", "challenger")
    old = opened.log()
    git(stocked, "switch", "--quiet", "-c", "base", "HEAD~2")
    by_hand(stocked, "x", path="code.py")
    git(stocked, "rebase", "--quiet", "base", "main")
    new = opened.log()
    assert [e.commit for e in new[:2]] == git(stocked, "rev-list", "-2", "HEAD").split()
    assert [(e.pointer, e.after) for e in new] == [(e.pointer, e.after) for e in old]
    assert new[0].commit != old[0].commit
    opened.sync_tags(force=True)
    assert [f.code for f in opened.doctor() if f.severity == "error"] == []


# Reading the past


def test_rev_and_at(stocked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2035-05-01T12:00:00+00:00")
    with Registry(stocked) as registry:
        registry.promote("churn@3", stage="production")
        monkeypatch.setenv("GIT_COMMITTER_DATE", "2035-06-01T12:00:00+00:00")
        registry.promote("churn@1", stage="production", alias="champion")
        for rev, at in (
            ("HEAD~1", None),
            (None, "2035-05-20"),
            (None, "2035-05-01T12:00:00Z"),
        ):
            assert registry.resolve("churn/production", rev=rev, at=at).version == 3
            assert registry.resolve("churn@champion", rev=rev, at=at).version == 2
            assert registry.log("churn/production", rev=rev, at=at)[0].after == (3,)
            assert registry.show("churn/production", rev=rev, at=at).stage == "production"
            assert registry.model("churn", rev=rev, at=at).stages["archived"] == (1, 2)
            assert len(registry.versions("churn", rev=rev, at=at)) == 3
            assert [m.name for m in registry.models(rev=rev, at=at)] == ["churn", "tokenizer"]
        assert registry.log("churn/production")[0].after == (1,)
        tag = registry.sync_tags().kept[0]
        assert registry.resolve("churn@1", rev=tag).read_from == git(
            stocked, "rev-parse", f"{tag}^{{commit}}"
        )
        with pytest.raises(InvalidRequest, match="not both"):
            registry.resolve("churn@1", rev="HEAD", at="2035-05-20")
        with pytest.raises(NotFound, match="as old as"):
            registry.resolve("churn@1", at="1999-01-01")
        with pytest.raises(NotFound):
            registry.resolve("churn@1", rev="no-such-branch")
        for hostile in ("--output=x", "", "-h", "HEAD\n"):
            with pytest.raises(InvalidRequest):
                registry.resolve("churn@1", rev=hostile)


def test_the_past_does_not_hide_the_present(opened: Registry, stocked: Path) -> None:
    first = git(stocked, "rev-list", "--max-parents=0", "HEAD")
    now = opened.log()
    assert opened.log(rev=first) == []
    assert opened.log(rev="HEAD~1") == now[3:]
    assert opened.log() == now
    assert opened.show("churn@2", rev="HEAD~1").aliases == ()
    assert opened.rollback("churn", dry_run=True)[1].restored[0].version == 1


# The file


@pytest.mark.parametrize("damage", [b"", b"not a database", b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_index_is_made_anew(stocked: Path, damage: bytes) -> None:
    sound = facts(stocked)
    assert sound[0]
    for path in index_file(stocked).parent.glob("history.sqlite*"):
        path.unlink()
    index_file(stocked).write_bytes(damage)
    assert facts(stocked) == sound
    with sqlite3.connect(index_file(stocked)) as db:
        assert db.execute("SELECT count(*) FROM events").fetchone()[0] == len(sound[0])
    db.close()


def test_an_index_of_another_format_is_made_anew(stocked: Path) -> None:
    sound = facts(stocked)
    with sqlite3.connect(index_file(stocked)) as db:
        db.execute("UPDATE meta SET format = 999")
        db.execute("DELETE FROM events")
    db.close()
    assert facts(stocked) == sound


def test_an_index_of_a_commit_that_is_gone_is_made_anew(stocked: Path) -> None:
    sound = facts(stocked)
    with sqlite3.connect(index_file(stocked)) as db:
        db.execute("UPDATE meta SET tip = ?", ("f" * 40,))
        db.execute("DELETE FROM events")
    db.close()
    assert facts(stocked) == sound


def test_an_index_that_breaks_in_use_is_made_anew(stocked: Path) -> None:
    with Registry(stocked) as registry:
        before = registry.log()
        with sqlite3.connect(index_file(stocked)) as db:
            db.execute("DROP TABLE events")
        db.close()
        registry.set_alias("churn@3", "challenger")
        assert registry.log()[1:] == before


def test_an_index_that_cannot_be_opened_lives_in_memory(stocked: Path) -> None:
    sound = facts(stocked)
    for path in index_file(stocked).parent.glob("history.sqlite*"):
        path.unlink()
    index_file(stocked).mkdir()
    assert facts(stocked) == sound
    assert index_file(stocked).is_dir()


def test_a_subfolder_sees_the_same_history(stocked: Path) -> None:
    whole = facts(stocked)
    below = stocked / "src" / "registry"
    below.mkdir(parents=True)
    git(stocked, "config", "diff.relative", "true")
    repository = GitRepository(below)
    history = HistoryIndex(repository)
    history.advance(str(repository.commit_of("HEAD")))
    since = git(stocked, "rev-parse", "HEAD~1")
    assert (history.events(), history.tags()) == whole
    assert len(history.tags(since)) == 3
    history.close()
    repository.close()
    for path in index_file(stocked).parent.glob("history.sqlite*"):
        path.unlink()
    with Registry(below) as registry:
        assert registry.log() == whole[0]


# How commits are read


def test_first_parents_reach(stocked: Path) -> None:
    repository = GitRepository(stocked)
    git(stocked, "switch", "--quiet", "-c", "side", "HEAD~2")
    by_hand(stocked, "x", path="side.py")
    git(stocked, "switch", "--quiet", "main")
    git(stocked, "merge", "--quiet", "--no-ff", "-m", "merge", "side")
    head, first, second, base = (
        git(stocked, "rev-parse", name) for name in ("HEAD", "HEAD^1", "HEAD^2", "HEAD^1~2")
    )
    reach = log.first_parents_reach
    assert reach(repository, head, head)
    assert reach(repository, first, head)
    assert reach(repository, base, head)
    assert not reach(repository, second, head)  # an ancestor, but not of this line
    assert not reach(repository, head, first)
    assert not reach(repository, "f" * 40, head)
    repository.close()


def test_a_shallow_clone_reads_what_it_has(shared: Path) -> None:
    git(shared, "clone", "--quiet", "--depth=2", f"file://{shared / 'origin.git'}", "shallow")
    with Registry(shared / "shallow") as registry:
        assert registry.resolve("churn@champion").version == 2
        assert [e.pointer for e in registry.log()] == [
            "stages/production",
            "stages/archived",
            "aliases/champion",
        ]
        assert registry.show("churn@1").commit is None
        assert registry.model("churn").latest == 3
        assert (registry.pull("churn@champion") / "model.pkl").read_text() == "weights 2"
        assert "shallow-clone" in {finding.code for finding in registry.doctor()}
        for write in (
            registry.sync_tags,
            registry.fetch,
            registry.push,
        ):
            with pytest.raises(GitError, match="shallow") as refused:
                write()
            assert str(refused.value.hint).endswith("git fetch --unshallow")
    git(shared / "shallow", "fetch", "--quiet", "--unshallow")
    with Registry(shared / "shallow") as registry:
        assert registry.rollback("churn")[0].commit is not None
        assert registry.show("churn@1").commit is not None
