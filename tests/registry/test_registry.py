"""The facade on real repositories: reverts, bare, linked, detached, empty, and hooks' variables."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.core.model.names import Reference
from gitreg.core.state.history import Event
from gitreg.errors import DvcError, GitError, InvalidRequest, NotFound, Refused
from gitreg.git.history_index import HistoryIndex
from gitreg.publishing.outcome import Outcome
from tests.conftest import git, write_model
from tests.support.commands import gitreg

Write = Callable[[Registry], Outcome]


def clean(registry: Registry) -> bool:
    """Tell whether doctor finds nothing wrong."""
    return [finding for finding in registry.doctor() if finding.severity == "error"] == []


# git revert and rollback

POINTER_COMMITS: dict[str, Write] = {
    "promote": lambda r: r.promote("churn@3", stage="production"),
    "promote and keep": lambda r: r.promote("churn@3", stage="production", keep_existing=True),
    "promote with aliases": lambda r: r.promote(
        "churn@3", stage="production", alias=["champion", "challenger"]
    ),
    "promote from staging": lambda r: (
        r.promote("churn@3", stage="staging"),
        r.promote("churn@3", stage="production"),
    )[-1],
    "promote the archived one": lambda r: r.promote("churn@1", stage="production"),
    "promote two models": lambda r: r.promote("churn@3", "tokenizer@1", stage="production"),
}
OTHER_COMMITS: dict[str, Write] = {
    "stage": lambda r: r.promote("churn@3", stage="staging"),
    "take out": lambda r: r.promote("churn@2", stage="none"),
    "archive": lambda r: r.archive("churn@2"),
    "alias set": lambda r: r.set_alias("churn@3", "champion"),
    "alias made": lambda r: r.set_alias("churn@3", "challenger"),
    "alias delete": lambda r: r.delete_alias("churn", "champion"),
    "rollback": lambda r: r.rollback("churn")[0],
    "annotate": lambda r: r.annotate("churn@1", tags={"a": "b"}),
}


@pytest.mark.parametrize("name", [*POINTER_COMMITS, *OTHER_COMMITS])
def test_git_revert_leaves_a_valid_registry(stocked: Path, name: str) -> None:
    with Registry(stocked) as registry:
        before = registry.models()
        {**POINTER_COMMITS, **OTHER_COMMITS}[name](registry)
        parent = {model.name: model for model in registry.models(rev="HEAD~1")}
        assert registry.models() != before or name == "annotate"
        git(stocked, "revert", "--no-edit", "HEAD")
        assert {model.name: model for model in registry.models()} == parent
        assert git(stocked, "rev-parse", "HEAD^{tree}") == git(
            stocked, "rev-parse", "HEAD~2^{tree}"
        )
        assert clean(registry)
        event = registry.log()[0]
        assert event.action == ("annotate" if name == "annotate" else "revert")
        assert event.commit == git(stocked, "rev-parse", "HEAD")
        registry.sync_tags()
        assert [f for f in registry.doctor() if f.severity != "note"] == []


@pytest.mark.parametrize("name", POINTER_COMMITS)
def test_rollback_with_restage_gives_the_tree_of_git_revert(stocked: Path, name: str) -> None:
    with Registry(stocked) as registry:
        commit = str(POINTER_COMMITS[name](registry).commit)
        names = ("churn", "tokenizer") if "two" in name else ("churn",)
        if "two" in name:  # the tokenizer was in no production before
            with pytest.raises(Refused, match="no version was in production before"):
                registry.rollback(*names, restage=True)
            return
        outcome, plan = registry.rollback(*names, restage=True, reason="drift")
        ours = git(stocked, "rev-parse", "HEAD^{tree}")
        assert git(stocked, "log", "--format=%s", "-1").startswith('Revert "promote churn@')
        assert f"This reverts commit {commit}." in git(stocked, "log", "--format=%B", "-1")
        assert outcome.commit == git(stocked, "rev-parse", "HEAD")
        assert {v.version for v in plan.restored} <= {2}
        git(stocked, "reset", "--quiet", "--hard", "HEAD~1")
        git(stocked, "revert", "--no-edit", commit)
        assert git(stocked, "rev-parse", "HEAD^{tree}") == ours


def test_several_models_go_back_together(stocked: Path) -> None:
    with Registry(stocked) as registry:
        registry.register("tokenizer", write_model(stocked, "words 2", "models/tokenizer"))
        registry.promote("tokenizer@1", stage="production")
        both = registry.promote("churn@3", "tokenizer@2", stage="production", alias="champion")
        outcome, _ = registry.rollback("churn", "tokenizer", restage=True)
        ours = git(stocked, "rev-parse", "HEAD^{tree}")
        assert outcome.change.reverts == both.commit
        git(stocked, "reset", "--quiet", "--hard", "HEAD~1")
        git(stocked, "revert", "--no-edit", str(both.commit))
        assert git(stocked, "rev-parse", "HEAD^{tree}") == ours


def test_twice_in_a_row_goes_back_twice(stocked: Path) -> None:
    with Registry(stocked) as registry:
        registry.promote("churn@3", stage="production")
        assert registry.resolve(name="churn", stage="production").version == 3
        for version in (2, 1):
            registry.rollback("churn")
            assert registry.resolve("churn/production").version == version
        with pytest.raises(Refused, match="before"):
            registry.rollback("churn")
        assert registry.model("churn").stages == {"production": (1,), "archived": (2, 3)}


def test_a_revert_counts_as_going_back(stocked: Path) -> None:
    with Registry(stocked) as registry:
        registry.promote("churn@3", stage="production")
        git(stocked, "revert", "--no-edit", "HEAD")
        registry.rollback("churn")
        assert registry.resolve("churn/production").version == 1


def test_a_version_whose_bytes_are_gone_is_not_rolled_back_to(shared: Path) -> None:
    work = shared / "work"
    with Registry(work) as registry:
        md5 = str(registry.show("churn@1").artifact.md5)
        for base in (work / "registry" / ".dvc" / "cache", shared / "dvc-remote"):
            (base / "files" / "md5" / md5[:2] / md5[2:]).unlink(missing_ok=True)
        before = git(work, "for-each-ref")
        with pytest.raises(DvcError, match="churn@1"):
            registry.rollback("churn")
    assert git(work, "for-each-ref") == before


# Where a registry can be


def test_a_bare_repository_is_read_and_written(shared: Path) -> None:
    bare = shared / "origin.git"
    with Registry(bare) as registry:
        assert registry.resolve("churn@champion").version == 2
        outcome = registry.promote("churn@3", stage="production", alias="champion", reason="x")
        assert outcome.warnings == ()
        assert registry.resolve("churn@champion").version == 3
        assert registry.delete("churn@1", reason="bad").commit is not None
        # Its DVC remote is a path beside a work tree: from here the bytes cannot be reached.
        errors = {f.code: f.subject for f in registry.doctor() if f.severity == "error"}
        assert errors.keys() == {"dvc"}
    git(shared / "work", "pull", "--quiet", "--ff-only")
    with Registry(shared / "work") as registry:
        assert registry.resolve("churn@champion").version == 3
        with pytest.raises(NotFound, match=r"deleted by Ada Lovelace .*: bad"):
            registry.resolve("churn@1")
    assert git(bare, "fsck", "--strict", "--no-dangling") == ""


def test_a_linked_work_tree(shared: Path) -> None:
    git(shared / "work", "worktree", "add", "--quiet", "-b", "side", "../linked")
    with Registry(shared / "linked") as registry:
        outcome = registry.promote("churn@3", stage="production")
        assert registry.resolve("churn/production").version == 3
        assert outcome.warnings == ()
        assert registry.pull("churn/production").is_dir()
    assert git(shared / "linked", "status", "--porcelain") == ""
    assert git(shared / "work", "status", "--porcelain") == ""
    assert git(shared / "work", "rev-parse", "side") == outcome.commit
    with Registry(shared / "work") as registry:
        assert registry.resolve("churn/production").version == 2
        assert registry.log("churn/production", rev="side")[0].commit == outcome.commit
    assert not (shared / "work" / ".git" / "worktrees" / "linked" / "gitreg").exists()


def test_a_subfolder_of_the_repository(stocked: Path) -> None:
    below = stocked / "src" / "deep"
    below.mkdir(parents=True)
    (below / "registry").mkdir()
    with Registry(below) as registry:
        outcome = registry.promote("churn@3", stage="production", alias="champion")
        assert outcome.warnings == ()
        registry.register("churn", write_model(stocked, "weights 4"))
        assert registry.log("churn")[0].version == 4
        assert registry.rollback("churn")[0].commit is not None
        assert registry.delete("churn@4").commit is not None
        assert clean(registry)
    assert git(stocked, "status", "--porcelain", "--untracked-files=no") == ""
    assert list((below / "registry").iterdir()) == []


def test_the_variables_of_a_hook_do_not_mislead(
    stocked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    git(tmp_path, "init", "--quiet", "-b", "other", str(other))
    (other / "x").write_text("x")
    git(other, "add", "x")
    before = (other / ".git" / "index").read_bytes()
    with monkeypatch.context() as patch:
        for name, value in {
            "GIT_DIR": str(other / ".git"),
            "GIT_WORK_TREE": str(other),
            "GIT_INDEX_FILE": str(other / ".git" / "index"),
            "GIT_OBJECT_DIRECTORY": str(other / ".git" / "objects"),
            "GIT_COMMON_DIR": str(other / ".git"),
            "GIT_NAMESPACE": "elsewhere",
            "GIT_PREFIX": "src/",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "core.bare",
            "GIT_CONFIG_VALUE_0": "true",
            "GIT_CONFIG_PARAMETERS": "'core.bare=true'",
            "GIT_EXTERNAL_DIFF": "false",
            "GIT_DEFAULT_REF_FORMAT": "nonsense",
        }.items():
            patch.setenv(name, value)
        with Registry(stocked) as registry:
            registry.register("churn", write_model(stocked, "weights 4"))
            registry.promote("churn@4", stage="production")
            assert registry.resolve("churn/production").version == 4
            assert len(registry.log("churn/production")) == 3
        Registry.init(tmp_path / "fresh")
    assert git(stocked, "status", "--porcelain") == ""
    assert git(stocked, "log", "--format=%s", "-1") == "promote churn@4 to production"
    assert (other / ".git" / "index").read_bytes() == before
    assert git(other, "for-each-ref") == ""
    assert git(tmp_path / "fresh", "rev-list", "--count", "HEAD") == "1"


def test_replaced_objects_are_ignored(stocked: Path) -> None:
    """`refs/replace` shows other content under a commit's name."""
    honest = git(stocked, "rev-parse", "HEAD")
    (stocked / "registry/churn/aliases/champion.yaml").write_text("version: 1\n")
    git(stocked, "commit", "--quiet", "-am", "forged")
    git(stocked, "replace", honest, "HEAD")
    git(stocked, "reset", "--quiet", "--soft", honest)
    assert git(stocked, "show", "HEAD:registry/churn/aliases/champion.yaml") == "version: 1"
    with Registry(stocked) as registry:
        assert registry.resolve("churn@champion").version == 2
        assert registry.log("churn@champion")[0].after == (2,)


# A repository that is not ready


def test_a_detached_head_is_read_and_not_written(stocked: Path) -> None:
    git(stocked, "switch", "--quiet", "--detach", "HEAD~1")
    before = git(stocked, "for-each-ref")
    with Registry(stocked) as registry:
        assert registry.resolve("churn/production").version == 1
        assert registry.log("churn/production")[0].after == (1,)
        with pytest.raises(GitError, match="detached") as refused:
            registry.promote("churn@3", stage="production")
        assert refused.value.hint == "nothing was written; git switch BRANCH"
        with pytest.raises(GitError, match="detached"):
            registry.promote("churn@3", stage="production", dry_run=True)
    assert git(stocked, "for-each-ref") == before


def test_no_commits(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "-b", "main", ".")
    with Registry(tmp_path) as registry:
        for call in (
            lambda: registry.resolve("churn@1"),
            registry.models,
            registry.log,
            lambda: registry.promote("churn@1", stage="production"),
            lambda: registry.set_alias("churn@1", "champion"),
            lambda: registry.register("churn", write_model(tmp_path)),
            registry.sync_tags,
            lambda: registry.resolve("churn@1", rev="HEAD"),
        ):
            with pytest.raises(NotFound, match=r"no registry|no commits yet"):
                call()
        assert [f.code for f in registry.doctor() if f.severity == "error"] == ["no-registry"]
    assert git(tmp_path, "for-each-ref") == ""


def test_no_repository(tmp_path: Path) -> None:
    with (
        Registry(tmp_path) as registry,
        pytest.raises(InvalidRequest, match="not a Git repository"),
    ):
        registry.resolve("churn@1")
    with pytest.raises(InvalidRequest, match="neither a folder"):
        Registry(tmp_path / "nowhere")


def test_no_identity(stocked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AUTHOR_NAME", "AUTHOR_EMAIL", "COMMITTER_NAME", "COMMITTER_EMAIL"):
        monkeypatch.delenv(f"GIT_{name}")
    before = git(stocked, "for-each-ref"), git(stocked, "status", "--porcelain")
    with Registry(stocked) as registry:
        writes: list[Callable[[], object]] = [
            lambda: registry.promote("churn@3", stage="production"),
            lambda: registry.delete("churn@1"),
            lambda: registry.register("churn", write_model(stocked, "weights 4")),
        ]
        for write in writes:
            with pytest.raises(GitError, match="identity") as refused:
                write()
            assert "user.email" in str(refused.value.hint)
        assert "no-identity" in {finding.code for finding in registry.doctor()}
    assert (git(stocked, "for-each-ref"), git(stocked, "status", "--porcelain")) == before
    git(stocked, "config", "user.name", "Grace Hopper")
    git(stocked, "config", "user.email", "grace@example.com")
    with Registry(stocked) as registry:
        registry.promote("churn@3", stage="production")
        assert registry.log(limit=1)[0].author == "Grace Hopper <grace@example.com>"


def test_identity_of_a_commit_is_git_s(stocked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Grace Hopper")
    monkeypatch.setenv("GIT_AUTHOR_DATE", "2030-01-02T03:04:05+0130")
    with Registry(stocked) as registry:
        registry.promote("churn@3", stage="production")
    said = git(stocked, "log", "-1", "--format=%an|%ae|%aI|%cn")
    assert said == "Grace Hopper|ada@example.com|2030-01-02T03:04:05+01:30|Ada Lovelace"


# The keywords of the API


def test_a_version_is_named_in_many_ways(stocked: Path) -> None:
    with Registry(str(stocked)) as registry:
        champion = registry.resolve("churn@champion")
        assert str(champion) == "churn@2"
        assert champion.read_from == git(stocked, "rev-parse", "HEAD")
        shown = registry.show(champion)
        for same in (
            registry.resolve(shown),
            registry.resolve(Reference("churn", alias="champion")),
            registry.resolve(name="churn", version=2),
            registry.resolve(name="churn", alias="champion"),
            registry.resolve(name="churn", stage="Production"),
            registry.resolve("models:/churn/Production"),
        ):
            assert same == champion
        wrongs: list[Callable[[], object]] = [
            registry.resolve,
            lambda: registry.resolve("churn@1", name="churn"),
            lambda: registry.resolve("churn@1", version=1),
            lambda: registry.resolve(name="churn", version=1, alias="champion"),
        ]
        for wrong in wrongs:
            with pytest.raises(InvalidRequest, match="give a reference"):
                wrong()
        assert registry.promote(name="churn", version=3, stage="staging").commit is not None
        assert registry.set_alias(name="churn", stage="staging", alias="next").commit is not None
        assert registry.resolve("churn@next").version == 3


def test_unknown_names_name_the_near_misses(stocked: Path) -> None:
    with Registry(stocked) as registry:
        for reference, hint in {
            "chrun@1": "churn",
            "churn@champoin": "champion",
            "churn/prodution": "production",
        }.items():
            with pytest.raises(NotFound) as missing:
                registry.resolve(reference)
            assert hint in str(missing.value.hint)
        with pytest.raises(NotFound, match="versions 1 to 3"):
            registry.resolve("churn@4")


def test_gates_decide(stocked: Path) -> None:
    with Registry(stocked) as registry:
        with pytest.raises(Refused, match="auc") as refused:
            registry.promote("churn@1", stage="production", if_better="auc")
        assert refused.value.exit_code == 1
        assert registry.resolve("churn/production").version == 2
        assert registry.promote("churn@3", stage="production", if_better=["auc"]).commit
        with pytest.raises(Refused) as again:
            registry.promote("churn@1", stage="production", if_better="auc", else_archive=True)
        assert "archived" in str(again.value.hint)
        with pytest.raises(Refused, match=r"missing|no metric|has no"):
            registry.promote("churn@1", stage="production", if_better="f1", dry_run=True)


def test_compare_says_whether_code_changed(stocked: Path) -> None:
    where = ("--repo", str(stocked))
    unchanged = gitreg("compare", "churn@2", "churn@3", *where).out
    assert "code: no file outside registry/ differs" in unchanged
    assert "CODE" not in unchanged
    (stocked / "train.py").write_text("print()\n")
    git(stocked, "add", "train.py")
    git(stocked, "commit", "--quiet", "-m", "train")
    git(stocked, "tag", "trained")
    (stocked / ".gitignore").write_text("/models/\n*.log\n")
    with Registry(stocked) as registry:
        registry.register("churn", write_model(stocked, "four"), metrics={"auc": 0.7})
        assert registry.compare("churn@3", "churn@4").code_files == ("train.py",)
    base = gitreg("show", "churn@3", "--json", *where).json["lineage"]["code"]["commit"]
    trained = git(stocked, "rev-parse", "--short=9", "trained")
    lines = gitreg("compare", "churn@3", "churn@4", *where).out.splitlines()
    code = lines.index("code: 1 file outside registry/: train.py")
    assert lines[code + 1 : code + 3] == [
        f"    git diff {base[:9]} {trained} -- . ':!registry'",
        "churn@4 was trained with uncommitted changes in .gitignore",
    ]
    assert "-0.2" in lines[1]  # candidate minus base


def test_compare_and_versions(stocked: Path) -> None:
    with Registry(stocked) as registry:
        compared = registry.compare("churn@1", "churn/production")
        assert compared.metrics["auc"].delta == pytest.approx(0.1)
        assert [v.version for v in registry.versions("churn")] == [3, 2, 1]
        assert registry.versions("churn")[1].aliases == ("champion",)
        commits = [v.commit for v in registry.versions("churn")]
        assert commits == [registry.show(f"churn@{n}").commit for n in (3, 2, 1)]
        assert len(set(commits)) == 3


def test_a_deleted_version_keeps_its_number(stocked: Path) -> None:
    with Registry(stocked) as registry:
        registry.delete("churn@3", reason="trained on the test set")
        registry.register("churn", write_model(stocked, "weights 4"))
        assert [v.version for v in registry.versions("churn")] == [4, 2, 1]
        assert registry.log("churn@3")[0].action == "delete"
        assert clean(registry)


def test_a_name_that_gto_cannot_take_works_without_tags(stocked: Path) -> None:
    with Registry(stocked) as registry:
        name = "Größe v2 model"
        assert registry.register(name, write_model(stocked, "weights 4")).tags == ()
        assert registry.promote(f"{name}@1", stage="production", alias="champion").tags == ()
        assert registry.resolve(f"{name}@champion").version == 1
        assert [event.model for event in registry.log(name)] == [name] * 3
        assert (registry.pull(f"{name}/production") / "model.pkl").read_text() == "weights 4"
        assert clean(registry)
    assert git(stocked, "status", "--porcelain") == ""


def test_odd_names_in_the_tree_hide_nothing(stocked: Path) -> None:
    odd = [b"sta\nging.yaml", b"caf\xe9.yaml", b"Production.yaml", b"\x1b[31m.yaml", b"x.txt"]
    for kind in ("stages", "aliases"):
        for name in odd:
            path = os.fsencode(stocked / "registry" / "churn" / kind) + b"/" + name
            text = "version: 3\n" if kind == "aliases" else "versions:\n- 3\n"
            Path(os.fsdecode(path)).write_text(text)
    git(stocked, "add", "registry")
    with Registry(stocked) as registry:
        before = registry.model("churn"), registry.log()
        git(stocked, "commit", "--quiet", "-m", "odd")
        found = registry.model("churn")
        assert found.stages == before[0].stages
        assert found.aliases["champion"] == 2
        assert registry.promote("churn@3", stage="production").commit is not None


def test_one_registry_serves_many_threads(stocked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each thread gets its own view of the history, although all share one index."""
    barrier = threading.Barrier(4)
    advance = HistoryIndex.advance
    answers: dict[str, list[Event]] = {}

    def advance_together(history: HistoryIndex, tip: str, *, exact: bool = False) -> None:
        advance(history, tip, exact=exact)
        barrier.wait(timeout=30)

    with Registry(stocked) as registry:
        revisions = ("HEAD", "HEAD~1", "HEAD~2", "HEAD~3")
        expected = {rev: registry.log(rev=rev) for rev in revisions}
        assert len({len(events) for events in expected.values()}) == 4

        def ask(rev: str) -> None:
            answers[rev] = registry.log(rev=rev)

        monkeypatch.setattr(HistoryIndex, "advance", advance_together)
        threads = [threading.Thread(target=ask, args=(rev,)) for rev in revisions]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
    assert answers == expected


def test_answers_are_not_mixed_up_between_threads(stocked: Path) -> None:
    wanted = {"churn@champion": 2, "churn@1": 1, "churn@latest": 3, "tokenizer@1": 1}
    wrong: list[str] = []
    with Registry(stocked) as registry:

        def ask(reference: str) -> None:
            answers = {registry.resolve(reference).version for _ in range(25)}
            if answers != {wanted[reference]}:
                wrong.append(reference)

        threads = [threading.Thread(target=ask, args=(name,)) for name in wanted]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
            assert not thread.is_alive()
    assert wrong == []


def test_the_library_is_quiet(
    stocked: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before, here = dict(os.environ), Path.cwd()
    with Registry(stocked) as registry:
        registry.register("churn", write_model(stocked, "weights 4"))
        registry.promote("churn@4", stage="production", push=True)
        registry.pull("churn@4")
        list(registry.verify())
        registry.rollback("churn")
        registry.doctor()
    assert capfd.readouterr() == ("", "")
    assert dict(os.environ) == before
    assert Path.cwd() == here


def test_a_frozen_environment_is_committed_without_credentials(stocked: Path) -> None:
    given = (
        b"# r\xc3\xa9sum\xc3\xa9\r\n--index-url https://u:PASS@host:80/simple\n"
        b"--extra-index-url=https://h/x?token=PASS\n"
        b"requests @ git+https://u:PASS@host/x@v1#egg=requests&subdirectory=a  # mine\n"
        b"x @ \"https://PASS@h/x.whl#sha256=0a1b\" ; python_version > '3'\n"
        b"-e git+ssh://git@host/y.git\nz @ https://u:a#PASS@host/z\nfile @ file:///a/b#egg=c\n"
        b"numpy==1.0 --hash=sha256:00\n\n\tno newline"
    )
    expected = (
        b"# r\xc3\xa9sum\xc3\xa9\r\n--index-url https://host:80/simple\n"
        b"--extra-index-url=https://h/x\n"
        b"requests @ git+https://host/x@v1#egg=requests&subdirectory=a  # mine\n"
        b"x @ \"https://h/x.whl#sha256=0a1b\" ; python_version > '3'\n"
        b"-e git+ssh://git@host/y.git\nz @ https://host/z\nfile @ file:///a/b#egg=c\n"
        b"numpy==1.0 --hash=sha256:00\n\n\tno newline"
    )
    (stocked / "frozen.txt").write_bytes(given)
    with Registry(stocked) as registry:
        outcome = registry.register(
            "churn", stocked / "models/churn", requirements=stocked / "frozen.txt"
        )
    (edit,) = (e for e in outcome.change.edits if e.path.endswith("requirements.txt"))
    assert edit.content == expected
