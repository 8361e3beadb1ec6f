"""`gitreg import gto`, from a project that DVC and GTO themselves made."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import gto.api
import pytest

from gitreg import Registry
from gitreg.check.tags import TagUpdate, judge_tags
from gitreg.errors import GitError
from gitreg.git.history_index import HistoryIndex
from gitreg.git.repository import GitRepository
from tests.conftest import git, isolate, write_model
from tests.support.clones import check
from tests.support.commands import error, gitreg
from tests.transfer.projects import assign, bring, lines, register, tags, tool, whole_project


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The project as GTO left it, in an empty registry; beside it the import of it."""
    base = tmp_path_factory.mktemp("gto")
    with pytest.MonkeyPatch.context() as patch:
        isolate(patch, tmp_path_factory.mktemp("gto-home"))
        (base / "before").mkdir()
        whole_project(base / "before")
        shutil.copytree(base / "before", base / "after", symlinks=True)
        assert lines(bring(base / "after" / "work"), left=True) == []
        yield base


@pytest.fixture
def before(origin: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(origin / "before", tmp_path / "p", symlinks=True)) / "work"


@pytest.fixture
def after(origin: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(origin / "after", tmp_path / "q", symlinks=True)) / "work"


def in_production(folder: Path) -> str:
    return str(gto.api.show(str(folder), "churn#production")[0]["version"])


def tag_findings(folder: Path) -> list[str]:
    with Registry(folder) as registry:
        return [f"{f.code} {f.subject}" for f in registry.doctor() if "tag" in f.code]


# What comes over


def test_versions_are_what_they_were(after: Path) -> None:
    with Registry(after) as registry:
        versions = {v.version: v for v in registry.versions("churn")}
        first = registry.show("churn@1")
        assert registry.pull("churn@2").read_text() == '{"auc": 0.2}'
        assert (registry.pull("vocab@2") / "words.txt").read_text() == "words 2\n"
        assert registry.pull("tiny@1").read_text() == "tiny weights"
        assert [v.tags["gto.version"] for v in registry.versions("vocab")] == ["v0.2.0", "v0.1.0"]
        tiny = registry.show("tiny@1")
    assert {number: v.metrics for number, v in versions.items()} == {
        number: {"auc": number / 10} for number in (1, 2, 3)
    }
    assert first.params == {"lr": 0.01}
    assert first.description == "who leaves"
    assert first.tags == {"gto.version": "v1.0.0", "gto.type": "model", "gto.labels": "tabular"}
    assert first.created_by == "Grace Hopper <grace@example.com>"
    lineage = first.lineage
    assert lineage.source == "models/churn.pkl"
    assert lineage.command == "cp data.csv models/churn.pkl && cp data.csv metrics.json"
    assert [item.path for item in lineage.data] == ["data.csv"]
    assert lineage.tag == "churn@v1.0.0"
    assert lineage.code is not None
    assert lineage.code.commit == git(after, "rev-parse", "churn@v1.0.0^{commit}")
    assert not lineage.code.dirty
    assert first.environment.python is None  # not that of the person who imports
    assert (tiny.lineage.source, tiny.lineage.tag) == (
        "nested/out/tiny.bin",
        "nested=tiny@v1.0.0",
    )


def test_moves_are_dated_and_authored_as_the_tags(after: Path) -> None:
    with Registry(after) as registry:
        moves = [
            (event.commit, event.pointer, event.after)
            for event in registry.log("churn")[::-1]
            if event.action == "promote" and event.pointer != "stages/archived" and event.after
        ]
        model = registry.model("churn")
    held = [(str(pointer).partition("/")[2], after) for _, pointer, after in moves]
    steps = [(stage, (n,)) for n in (1, 2, 3) for stage in ("staging", "production")]
    assert held == [*steps, ("production", (2,))]
    assert model.stages == {"production": (2,), "archived": (1, 3)}
    last = moves[-1][0]
    tagged = git(
        after, "for-each-ref", "--format=%(taggerdate:unix)", "refs/tags/churn#production#7"
    )
    assert git(after, "log", "-1", "--format=%an %at %cn", last) == (
        f"Grace Hopper {tagged} Ada Lovelace"
    )
    assert "Assigning stage production" in git(after, "log", "-1", "--format=%b", last)


def test_tags_stay_and_gto_answers_as_before(origin: Path, before: Path, after: Path) -> None:
    was, now = tags(before), tags(after)
    assert {name: now[name] for name in was} == was
    # Of a folder's artifact GTO's tags have another name: the model has its own.
    assert now.keys() - was.keys() == {"tiny@v1.0.0"}
    shown, still = (json.loads(tool(place, "gto", "show", "--json")) for place in (before, after))
    assert {name: still[name] for name in shown} == shown
    assert check(after, "origin/main..HEAD").findings == ()
    assert tag_findings(after) == []
    with Registry(after) as registry:
        report = registry.sync_tags()
    assert (report.made, report.wrong, report.foreign, report.abandoned) == ((), (), (), ())


def test_a_second_import_writes_nothing(after: Path) -> None:
    head = git(after, "rev-parse", "HEAD")
    ran = gitreg("import", "gto", "--repo", str(after))
    assert "nothing to do" in ran.out
    assert git(after, "rev-parse", "HEAD") == head
    # Also where the ids of the operations are gone.
    git(after, "reset", "--soft", "origin/main")
    git(after, "commit", "--quiet", "-m", "all of it at once")
    report = bring(after)
    assert (report.is_unchanged, lines(report, left=True)) == (True, [])
    # The commit that moved stages is another one, and has tags that GTO did not make.
    assert tag_findings(after) == ["missing-tag churn#production#1001", "abandoned-tag tiny@v1.0.0"]
    with Registry(after) as registry:
        registry.sync_tags()
    assert (in_production(after), tag_findings(after)) == ("v2.0.0", [])


def test_new_tags_of_gto_are_imported_later(after: Path) -> None:
    (after / "vocab" / "words.txt").write_text("words 4\n")
    git(after, "commit", "--quiet", "-am", "more words")
    register(after, "vocab", "v1.0.0")
    assign(after, "vocab", "v1.0.0", "production")
    report = bring(after)
    moved = {model.name: (model.brought, model.changed) for model in report.models}
    assert moved == {"churn": ((), ()), "tiny": ((), ()), "vocab": ((3,), ("production: 3",))}
    assert tag_findings(after) == []


def test_stages_that_were_moved_here_stay(after: Path) -> None:
    with Registry(after) as registry:
        registry.promote("churn@3", stage="production")
    assign(after, "churn", "v1.0.0", "production")
    report = bring(after)
    assert lines(report, left=False)[0] == (
        "churn: stages were moved here since: GTO's stage tags are not followed"
    )
    with Registry(after) as registry:
        assert registry.model("churn").stages["production"] == (3,)


# What follows the import


def test_gto_reads_what_gitreg_does_next(after: Path) -> None:
    with Registry(after) as registry:
        moved = registry.promote("churn@3", stage="production")
        assert moved.tags == ("churn#production#8", "churn#archived#9")
        assert in_production(after) == "v3.0.0"
        new = registry.register("churn", write_model(after, "four"))
        assert new.tags == ("churn@v4.0.0",)
        registry.promote("churn@4", stage="production")
        assert in_production(after) == "v4.0.0"
        registry.rollback("churn")
        assert in_production(after) == "v3.0.0"
        registry.promote("churn@3", stage="none")
        assert gto.api.show(str(after), "churn#production") == []
        assert registry.register("vocab", after / "vocab").tags == ("vocab@v3.0.0",)
        assert registry.delete("vocab@2").tags == ("vocab@v0.2.0!#1",)
        assert {v["version"] for v in gto.api.show(str(after), "vocab")} == {"v0.1.0", "v3.0.0"}
        registry.rename_model("vocab", "words")
        assert gto.api.show(str(after), "vocab@latest") == []
        assert gto.api.show(str(after))["words"]["version"] == "v3.0.0"
    assert tag_findings(after) == []
    assert check(after, "origin/main..HEAD").findings == ()


def test_it_is_published_and_a_clone_has_all_of_it(before: Path) -> None:
    ran = gitreg("import", "gto", "--push", "--json", "--repo", str(before)).json
    assert (ran["pushed"], ran["complete"]) == (True, True)
    base = before.parent
    git(base, "clone", "--quiet", "origin.git", "clone")
    clone = base / "clone"
    assert tags(clone) == tags(before)
    with Registry(clone) as registry:
        assert registry.pull("churn@1").read_text() == '{"auc": 0.1}'
        assert [findings for _, findings in registry.verify(remote=True) if findings] == []
        registry.promote("churn@1", stage="production", push=True)
    assert in_production(clone) == "v1.0.0"
    assert tag_findings(clone) == []


def test_it_is_published_after_somebody_elses_commit(after: Path) -> None:
    base = after.parent
    git(base, "clone", "--quiet", "origin.git", "clone")
    with Registry(base / "clone") as theirs:
        theirs.register("other", base / "clone" / "data.csv", push=True)
    shown = json.loads(tool(after, "gto", "show", "--json"))
    with Registry(after) as registry:
        registry.push()
        assert registry.model("churn").stages == {"production": (2,), "archived": (1, 3)}
    assert git(after, "rev-parse", "HEAD") == git(base / "origin.git", "rev-parse", "main")
    still = json.loads(tool(after, "gto", "show", "--json"))
    assert {name: still[name] for name in shown} == shown
    authors = git(after, "log", "--format=%an", "--grep=promote churn").splitlines()
    assert authors == ["Grace Hopper"] * 7
    assert tag_findings(after) == []
    assert bring(after).is_unchanged


def test_a_server_protects_the_tags_that_were_imported(after: Path) -> None:
    repository = GitRepository(after)
    history = HistoryIndex(repository)
    history.advance(git(after, "rev-parse", "HEAD"))
    adopted = history.adopted_tags()
    history.close()
    assert len(adopted) == 3 + 7 + 2
    tag = repository.reader.get("refs/tags/churn@v1.0.0")
    head = repository.reader.get("HEAD")
    assert tag is not None
    found = {
        what: [finding.code for finding in judge_tags([update], (), (), adopted)]
        for what, update in {
            "again": TagUpdate("churn@v1.0.0", None, tag),
            "moved": TagUpdate("churn@v1.0.0", tag, head),
            "gone": TagUpdate("churn@v1.0.0", tag, None),
        }.items()
    }
    assert found == {"again": [], "moved": ["tag-moved"], "gone": ["tag-deleted"]}


# When it does not go well


def test_an_interrupted_import_goes_on(before: Path) -> None:
    def stop(done: int, _total: int, _name: str) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match="run it again"):
        bring(before, tell=stop)
    with Registry(before) as registry:
        assert [v.version for v in registry.versions("churn")] == [2, 1]
    report = bring(before)
    assert lines(report, left=True) == []
    assert report.models[0].brought == (3,)
    with Registry(before) as registry:
        assert registry.model("churn").stages == {"production": (2,), "archived": (1, 3)}
        assert len([e for e in registry.log("churn") if e.action == "register"]) == 3


def test_bytes_that_are_gone_are_named(before: Path) -> None:
    shutil.rmtree(before / ".dvc" / "cache")
    lost = next(
        p for p in (before.parent / "store").rglob("*") if p.is_file() and "0.2" in p.read_text()
    )
    lost.unlink()
    head = git(before, "rev-parse", "HEAD")
    dry = gitreg("import", "gto", "--dry-run", "--model", "churn", "--repo", str(before), code=1)
    assert git(before, "rev-parse", "HEAD") == head
    assert "incomplete: churn: churn@v2.0.0 was left out: its bytes, models/churn.pkl" in dry.out
    for wanted in ((1, 3), ()):
        report = bring(before, models=["churn"])
        assert report.models[0].brought == wanted
        (left,) = lines(report, left=True)
        assert left.startswith("churn: churn@v2.0.0 was left out")
    with Registry(before) as registry:
        assert registry.model("churn").stages == {"production": (3,), "archived": (1,)}
        assert registry.state().numbers("churn") == [1, 2, 3]


def test_a_remote_out_of_reach_lets_them_wait(before: Path) -> None:
    shutil.rmtree(before / ".dvc" / "cache")
    (before.parent / "store").rename(before.parent / "away")
    report = bring(before, models=["churn"])
    assert lines(report, left=True)[0].startswith("churn: churn@v1.0.0 and what follows wait")
    (before.parent / "away").rename(before.parent / "store")
    assert bring(before, models=["churn"]).models[0].brought == (1, 2, 3)


def test_a_shallow_clone_is_refused(origin: Path, tmp_path: Path) -> None:
    url = f"file://{origin}/before/origin.git"
    git(tmp_path, "clone", "--quiet", "--depth=1", url, "shallow")
    said = error("import", "gto", "--repo", str(tmp_path / "shallow"), code=3)
    assert "this clone is shallow" in said
    assert "git fetch --unshallow" in said
    with pytest.raises(GitError):
        bring(tmp_path / "shallow")


def test_a_plan_shows_what_would_be_done(before: Path) -> None:
    head, was = git(before, "rev-parse", "HEAD"), tags(before)
    shown = gitreg("import", "gto", "--dry-run", "--json", "--repo", str(before)).json
    assert [(m["name"], m["brought"]) for m in shown["models"]] == [
        ("churn", [1, 2, 3]),
        ("tiny", [1]),
        ("vocab", [1, 2]),
    ]
    assert shown["models"][0]["changed"][-2:] == ["production: 3", "production: 2"]
    assert (git(before, "rev-parse", "HEAD"), tags(before)) == (head, was)
