"""An operation that is run again under its id is done once, whatever became of the first run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.dvc.remote import Remote as DvcRemote
from gitreg.errors import InvalidRequest, Refused
from gitreg.publishing.outcome import Outcome
from tests.conftest import git, write_model
from tests.git.test_remote import published, pushed_by_hand, stored, tags_of
from tests.publishing.both_sides import register_theirs
from tests.support.commands import error, gitreg
from tests.support.invariants import check_registry

ID = "nightly-2026-11-25"
Write = Callable[[Registry, bool], Outcome]


def _register(registry: Registry, push: bool) -> Outcome:
    top = registry._repository.top_level
    assert top is not None
    source = write_model(top, "weights 4")
    return registry.register("churn", source, push=push, op_id=ID)


WRITES: dict[str, Write] = {
    "register": _register,
    "promote": lambda r, push: r.promote("churn@3", stage="production", push=push, op_id=ID),
    "archive": lambda r, push: r.archive("churn@3", push=push, op_id=ID),
    "set alias": lambda r, push: r.set_alias("churn@3", "best", push=push, op_id=ID),
    "delete alias": lambda r, push: r.delete_alias("churn", "champion", push=push, op_id=ID),
    "rollback": lambda r, push: r.rollback("churn", push=push, op_id=ID)[0],
    "annotate": lambda r, push: r.annotate("churn@3", description="x", push=push, op_id=ID),
    "delete": lambda r, push: r.delete("churn@1", reason="leaked", push=push, op_id=ID),
}


def refs(folder: Path) -> str:
    return git(folder, "for-each-ref", "refs/heads", "refs/tags")


ALL = pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)


def count(folder: Path, branch: str = "HEAD") -> int:
    """Return how many commits hold the id."""
    return git(folder, "log", "--format=%B", branch).split("\n").count(f"Gitreg-Op: {ID}")


@ALL
@pytest.mark.parametrize("push", [False, True], ids=["here", "pushed"])
def test_a_repetition_finds_the_first(shared: Path, write: Write, *, push: bool) -> None:
    work = shared / "work"
    with Registry(work) as registry:
        first = write(registry, push)
        before = refs(work), published(shared)
        again = write(registry, push)
    assert (first.repeated, again.repeated) == (False, True)
    assert (again.commit, again.operation) == (first.commit, ID)
    assert set(again.tags) == set(first.tags)
    assert again.pushed == push
    assert (refs(work), published(shared)) == before
    assert count(work) == 1


@ALL
def test_one_that_is_only_here_is_pushed_by_its_id(shared: Path, write: Write) -> None:
    work, origin = shared / "work", shared / "origin.git"
    with Registry(work) as registry:
        first = write(registry, False)
        assert git(origin, "rev-parse", "main") != first.commit
        again = write(registry, True)
    assert again.repeated
    assert again.pushed
    assert git(origin, "rev-parse", "main") == first.commit == again.commit
    assert tags_of(work) == tags_of(origin)
    check_registry(origin, [ID])


@ALL
def test_it_is_found_under_later_commits_and_from_another_clone(shared: Path, write: Write) -> None:
    work, origin = shared / "work", shared / "origin.git"
    with Registry(work) as registry:
        first = write(registry, True)
    pushed_by_hand(shared, "code.py", "pass\n")
    register_theirs(shared)
    with Registry(shared / "colleague") as registry:
        again = write(registry, True)
    assert (again.repeated, again.commit) == (True, first.commit)
    assert count(origin, "main") == 1
    check_registry(origin, [ID])


@pytest.mark.parametrize("push", [False, True], ids=["here", "pushed"])
def test_another_operation_under_the_id_is_refused(shared: Path, *, push: bool) -> None:
    work = shared / "work"
    with Registry(work) as registry:
        first = WRITES["promote"](registry, push)
        before = refs(work), published(shared)
        for name, write in WRITES.items():
            if name != "promote":
                with pytest.raises(InvalidRequest, match="belongs to another operation") as told:
                    write(registry, push)
                assert str(first.commit)[:9] in str(told.value)
                assert told.value.exit_code == 2
        other = write_model(work, "other bytes", "models/other")
        with pytest.raises(InvalidRequest):
            registry.promote("churn@1", stage="production", push=push, op_id=ID)
        with pytest.raises(InvalidRequest):
            registry.register("churn", other, push=push, op_id=ID)
    assert (refs(work), published(shared)) == before
    line = ["alias", "set", "churn@1", "x", "--op-id", ID, "--repo", str(work)]
    told_by_cli = error(*line, *(["--push"] if push else []))
    assert "belongs to another operation" in told_by_cli
    assert "leave --op-id out" in told_by_cli


def test_other_bytes_under_the_id_of_a_registration_are_refused(shared: Path) -> None:
    work = shared / "work"
    with Registry(work) as registry:
        _register(registry, push=False)
        other = write_model(work, "other bytes")
        with pytest.raises(InvalidRequest, match="belongs to another operation"):
            registry.register("churn", other, op_id=ID)
        assert registry.model("churn").latest == 4


@pytest.mark.parametrize(
    "name",
    ["", "abc", "-abcd", "abcd-", "a b c d", "x" * 65, "abcd\nGitreg-Op: x", "ümläut", "a/b/c"],
)
def test_a_malformed_id(stocked: Path, name: str) -> None:
    before = refs(stocked)
    told = error("alias", "set", "churn@1", "x", "--repo", str(stocked), f"--op-id={name}")
    assert "cannot be an operation's id" in told
    assert refs(stocked) == before


def test_the_command_line_says_that_it_was_done_before(stocked: Path) -> None:
    line = ("promote", "churn@3", "--to", "production", "--op-id", ID, "--repo", str(stocked))
    first = gitreg(*line, "--json").json
    assert (first["operation"], first["repeated"]) == (ID, False)
    again = gitreg(*line, "--json").json
    assert (again["operation"], again["repeated"], again["commit"]) == (ID, True, first["commit"])
    assert "done before" in gitreg(*line).out


def test_a_repeated_registration_uploads_nothing(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = shared / "work"
    uploads: list[str] = []
    with Registry(work) as registry:
        _register(registry, push=True)
        before = stored(shared)

        def upload(_: DvcRemote, oids: Sequence[str], *args: object) -> None:
            uploads.extend(oids)

        monkeypatch.setattr(DvcRemote, "upload", upload)
        assert _register(registry, push=True).repeated
    assert (uploads, stored(shared)) == ([], before)


def test_a_repeated_rollback_goes_back_once(shared: Path) -> None:
    work = shared / "work"
    with Registry(work) as registry:
        registry.promote("churn@3", stage="production")
        for repeated in (False, True, True):
            outcome, plan = registry.rollback("churn", op_id=ID, push=True)
            assert outcome.repeated == repeated
            assert [str(v.reference) for v in plan.restored] == ["churn@2"]
            assert registry.resolve("churn/production").version == 2


def test_the_archive_of_a_refused_candidate_is_done_once(shared: Path) -> None:
    work = shared / "work"
    with Registry(work) as registry:
        registry.promote("churn@3", stage="production")
        for _ in range(2):
            with pytest.raises(Refused) as refused:
                registry.promote(
                    "churn@2",
                    stage="production",
                    if_better=["auc"],
                    else_archive=True,
                    push=True,
                    op_id=ID,
                )
        assert refused.value.hint is not None
        assert "archived" in refused.value.hint
    assert tags_of(work) == tags_of(shared / "origin.git")
    check_registry(shared / "origin.git", [])


def test_one_that_was_done_again_with_another_number_is_found(shared: Path) -> None:
    """Registered here, renumbered by a push, run again under its id."""
    work = shared / "work"
    with Registry(work) as registry:
        _register(registry, push=False)
        register_theirs(shared)
        report = registry.push()
        assert [sent.subject for sent in report.sent] == ["register churn@5"]
        for push in (False, True):
            again = _register(registry, push=push)
            assert (again.repeated, str(again.versions[0])) == (True, "churn@5")
    check_registry(shared / "origin.git", [ID])


def test_one_that_is_only_here_is_pushed_by_its_id_when_others_published(shared: Path) -> None:
    work = shared / "work"
    with Registry(work) as registry:
        registry.set_alias("churn@3", "best", op_id=ID)
        pushed_by_hand(shared, "code.py", "pass\n")
        assert registry.set_alias("churn@3", "best", op_id=ID, push=True).pushed
    assert count(shared / "origin.git", "main") == 1


def test_long_ids_that_end_differently_are_not_mixed_up(stocked: Path) -> None:
    with Registry(stocked) as registry:
        registry.promote("churn@3", stage="production")
        registry.promote("churn@1", "churn@2", stage="staging")
        for number in (1, 2):
            with pytest.raises(Refused):
                registry.promote(
                    f"churn@{number}",
                    stage="production",
                    if_better=["auc"],
                    else_archive=True,
                    op_id=f"{'n' * 58}{number}",
                )


def test_a_commit_of_an_earlier_release_is_found_by_its_id(shared: Path) -> None:
    """That release wrote texts such as ``NO`` without quotes."""
    work = shared / "work"
    source = write_model(work, "weights 4")
    runs: list[Callable[[Registry, bool], Outcome]] = [
        lambda r, push: r.annotate("churn@3", tags={"c": "NO"}, push=push, op_id=ID),
        lambda r, push: r.register("churn", source, tags={"c": "NO"}, push=push, op_id=f"{ID}-2"),
    ]
    with Registry(work) as registry:
        for run, version in zip(runs, (3, 4), strict=True):
            first = run(registry, False)
            annotations = work / f"registry/churn/versions/{version}/annotations.yaml"
            written = annotations.read_text()
            assert "c: 'NO'\n" in written
            annotations.write_text(written.replace("'NO'", "NO"))
            git(work, "commit", "--quiet", "--all", "--amend", "--no-edit")
            for push in (False, True):
                again = run(registry, push)
                assert (first.repeated, again.repeated) == (False, True)
                assert again.commit == git(work, "rev-parse", "HEAD")
        with pytest.raises(InvalidRequest, match="belongs to another operation"):
            registry.annotate("churn@3", tags={"c": "SE"}, op_id=ID)
