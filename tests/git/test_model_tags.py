"""Tags that stand for a history: they give the numbers that the whole history gives, or nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from gitreg import Registry
from gitreg.core.model import layout
from gitreg.core.state.history import CommitInfo, Event, FileChange, events_of
from gitreg.core.state.ledger import FoundTag, Ledgers, ledger_of
from gitreg.core.state.state import RegistryState
from gitreg.core.state.tags import Tag, tags_of
from gitreg.git import history_index, log, model_tags
from gitreg.git.history_index import HistoryIndex
from gitreg.git.repository import GitRepository
from tests.conftest import git
from tests.support.commands import gitreg

MODEL = "churn"
Edits = dict[str, bytes | None]


# Any history: what the tags tell is what the index tells, or they are not believed


class _Files:
    """A snapshot of files in memory."""

    commit = None

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files

    def read(self, path: str) -> bytes | None:
        return self._files.get(path)

    def list(self, path: str) -> Sequence[str]:
        inside = [file[len(path) + 1 :] for file in self._files if file.startswith(f"{path}/")]
        return sorted({name.partition("/")[0] for name in inside})

    def read_many(self, paths: Sequence[str]) -> Sequence[bytes | None]:
        return [self.read(path) for path in paths]

    def list_many(self, paths: Sequence[str]) -> Sequence[Sequence[str]]:
        return [self.list(path) for path in paths]


def _stage(versions: Sequence[int]) -> bytes | None:
    if not versions:
        return None
    return ("versions:\n" + "".join(f"- {n}\n" for n in sorted(set(versions)))).encode()


NUMBERS = st.integers(1, 4)
TOMBSTONE = f"registry/{MODEL}/deleted.yaml"
GONE = b"deleted_at: '2026-01-01T00:00:00Z'\ndeleted_by: A <a@b>\n"
STEPS = st.one_of(
    st.builds(lambda n: {layout.manifest_path(MODEL, n): b"x"}, NUMBERS),
    st.builds(lambda n: {layout.manifest_path(MODEL, n): b"x" for n in (n, n + 1)}, NUMBERS),
    st.builds(
        lambda n: {layout.manifest_path(MODEL, n): None, layout.tombstone_path(MODEL, n): b"gone"},
        NUMBERS,
    ),
    st.builds(lambda n: {layout.manifest_path(MODEL, n): None}, NUMBERS),
    st.builds(
        lambda stage, held: {layout.stage_path(MODEL, stage): _stage(held)},
        st.sampled_from(["production", "archived"]),
        st.lists(NUMBERS, max_size=2),
    ),
    st.builds(
        lambda alias, n: {layout.alias_path(MODEL, alias): n and f"version: {n}\n".encode()},
        st.sampled_from(["champion", "no tag", "production"]),
        st.none() | NUMBERS,
    ),
    st.builds(lambda: {layout.stage_path(MODEL, "production"): b"versions: [oh\n"}),
    st.just({TOMBSTONE: GONE}),
    st.just({TOMBSTONE: None, layout.manifest_path(MODEL, 1): b"x"}),
)


def _changes(files: Mapping[str, bytes], edits: Edits) -> list[FileChange]:
    if edits.get(TOMBSTONE) is not None:  # nothing is left of the model
        edits = dict.fromkeys(files) | edits
    return [
        FileChange(path, files.get(path), new)
        for path, new in edits.items()
        if files.get(path) != new
    ]


def _commit(number: int, pace: int) -> CommitInfo:
    oid = f"{number:040x}"
    parent = f"{number - 1:040x}" if number > 1 else None
    return CommitInfo(oid, parent, "A <a>", "C <c>", 100 + number // pace, "+0000", "by hand\n")


def _told(
    tags: Sequence[FoundTag], before: _Before, past: Sequence[Event] = ()
) -> list[Tag] | None:
    """Return the tags of the next commit by the tags that there are; ``None`` for no answer."""
    ledger = ledger_of(MODEL, tags, RegistryState(_Files(before.files)))
    events = events_of(before.commit, before.changes)
    if ledger is None or not Ledgers({MODEL: ledger}).cover(events) or not ledger.ends_with(past):
        return None
    made = tags_of(before.commit, events, Ledgers({MODEL: ledger}))
    return made if all(before.registers(tag) for tag in made) else None


@dataclass
class _Before:
    """What there is before the last commit, and that commit."""

    commit: CommitInfo
    changes: list[FileChange]
    files: dict[str, bytes]
    known: list[Tag]
    planned: list[Tag]
    past: list[Event]
    births: dict[tuple[str, str], bytes | None]

    def registers(self, tag: Tag) -> bool:
        """Tell whether a tag names the commit that wrote the manifest as it is now."""
        path = layout.manifest_path(tag.model, tag.version)
        born = self.births.get((tag.target, path))
        return tag.target == self.commit.oid or (born is not None and born == self.files.get(path))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> GitRepository:
    folder = tmp_path_factory.mktemp("place")
    git(folder, "init", "--quiet", "--bare")
    return GitRepository(folder)


def _history(place: GitRepository, steps: Sequence[Edits], pace: int) -> _Before:
    index = HistoryIndex(place)
    index._path.unlink(missing_ok=True)
    files: dict[str, bytes] = {}
    births: dict[tuple[str, str], bytes | None] = {}
    with index.tentative():
        for number, edits in enumerate(steps, 1):
            manifests: Edits = {
                path: str(number).encode() for path, new in edits.items() if new == b"x"
            }
            commit, changes = _commit(number, pace), _changes(files, edits | manifests)
            if number == len(steps):
                known = index.tags()
                past = sorted(index.events(), key=lambda event: event.commit)
                planned = index.plan_tags(commit, changes)
                found = _Before(commit, changes, dict(files), known, planned, past, births)
            index.append(commit, changes)
            for change in changes:
                files.pop(change.path, None)
                if change.after is not None:
                    files[change.path] = change.after
                    if change.before is None:
                        births[commit.oid, change.path] = change.after
    index.throw_away()
    return found


@settings(max_examples=150, deadline=None)
@given(steps=st.lists(STEPS, min_size=2, max_size=12), pace=st.integers(1, 3))
def test_tags_tell_what_history_tells(place: GitRepository, steps: list[Edits], pace: int) -> None:
    before = _history(place, steps, pace)
    tags = [FoundTag(tag.name, tag.target, tag.time) for tag in before.known]
    told = _told(tags, before)
    assert _told(tags, before, before.past) in (None, told)
    event("tags answer" if told is not None else "history answers")
    assert told in (None, before.planned)


@settings(max_examples=150, deadline=None)
@given(
    steps=st.lists(STEPS, min_size=2, max_size=12),
    which=st.integers(0, 20),
    how=st.sampled_from(["tail", "gone", "moved", "renumbered", "another", "light", "version"]),
)
def test_one_hostile_tag_gives_no_wrong_number(
    place: GitRepository, steps: list[Edits], which: int, how: str
) -> None:
    before = _history(place, steps, 1)
    tags = [FoundTag(tag.name, tag.target, tag.time) for tag in before.known]
    if not tags:
        return
    one = tags.pop(-1 if how == "tail" else which % len(tags))
    if how == "tail":
        del tags[len(tags) - which % 3 :]
    hostile = {
        "moved": FoundTag(one.name, "f" * 40, one.time),
        "renumbered": FoundTag(f"{one.name.rpartition('#')[0]}#{len(tags) + 7}", one.target, 1),
        "another": FoundTag(f"{MODEL}#production#{which + 1}", one.target, one.time),
        "light": FoundTag(one.name, None),
        "version": FoundTag(f"{MODEL}@v{which + 1}.0.0", one.target, one.time),
    }
    if how in hostile:
        tags.append(hostile[how])
    if how in ("another", "version"):
        tags.append(one)
    told = _told(tags, before, before.past if how == "tail" else ())
    assert told is None or [tag.name for tag in told] == [tag.name for tag in before.planned]


# In a clone


@pytest.fixture
def fresh(shared: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone that was just made, in which three commits are a long history."""
    for module in (history_index, model_tags):
        monkeypatch.setattr(module, "FAR", 2)
    git(shared, "clone", "--quiet", f"file://{shared / 'origin.git'}", "fresh")
    return shared / "fresh"


@pytest.fixture
def walked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The commits that are read into an index, as they are."""
    found: list[str] = []

    def read(*args: Any) -> Any:
        for commit, changes in log.read_commits(*args):
            found.append(commit.oid)
            yield commit, changes

    monkeypatch.setattr(history_index, "read_commits", read)
    return found


def _is_in_order(folder: Path) -> bool:
    """Tell whether a clone without an index agrees with the tags that it has."""
    with Registry(folder) as registry:
        report = registry.sync_tags(dry_run=True)
    return not (report.made or report.wrong or report.foreign or report.abandoned)


def test_a_fresh_clone_writes_without_reading_history(fresh: Path, walked: list[str]) -> None:
    with Registry(fresh) as registry:
        registry.promote("churn@3", stage="production", push=True)
        registry.set_alias("churn@1", "shadow", push=True)
        registry.register("churn", fresh / "registry/policy.yaml", push=True)
        registry.create_model("other", push=True)
        registry.register("other", fresh / "registry/policy.yaml", push=True)
    assert walked == []
    assert _is_in_order(fresh)
    assert len(walked) > 10
    git(fresh.parent, "clone", "--quiet", f"file://{fresh.parent / 'origin.git'}", "another")
    assert _is_in_order(fresh.parent / "another")


def test_the_first_question_about_history_indexes_all_of_it(fresh: Path, walked: list[str]) -> None:
    """So `make bench` measures the index by ``gitreg log -n 1`` in a new clone."""
    listing = git(fresh, "log", "--first-parent", "--reverse", "--format=%H", "--", "registry")
    for _ in range(2):  # once: the second time it is there
        gitreg("log", "-n", "1", "--repo", str(fresh))
        assert walked == listing.split()


def test_an_id_that_is_given_is_looked_for_in_all_of_history(
    fresh: Path, walked: list[str]
) -> None:
    with Registry(fresh) as registry:
        done = registry.promote("churn@3", stage="production", push=True, op_id="mine")
    assert walked
    git(fresh.parent, "clone", "--quiet", f"file://{fresh.parent / 'origin.git'}", "another")
    with Registry(fresh.parent / "another") as registry:
        again = registry.promote("churn@3", stage="production", push=True, op_id="mine")
    assert again.repeated
    assert again.commit == done.commit


def _there_and_back(folder: Path) -> None:
    """Two merged moves that nobody tagged."""
    for version in (3, 2):
        path = folder / "registry/churn/stages/production.yaml"
        path.write_text(f"versions:\n- {version}\n")
        git(folder, "commit", "--quiet", "-a", "-m", f"{version} it is")


HOSTILE = {
    "gone": lambda folder: git(folder, "tag", "-d", "churn#production#1"),
    "the last is gone": lambda folder: git(folder, "tag", "-d", "churn#archived#3"),
    "a number from nowhere": lambda folder: git(folder, "tag", "-am", "x", "churn#production#99"),
    "another tool's version": lambda folder: git(folder, "tag", "-am", "x", "churn@v9.0.0"),
    "no annotated tag": lambda folder: git(folder, "tag", "-f", "churn@v3.0.0", "churn@v3.0.0^{}"),
    "a version on another commit": lambda folder: git(
        folder, "tag", "-f", "-am", "churn@3", "churn@v3.0.0", "HEAD"
    ),
    "moves without tags": _there_and_back,
}


@pytest.mark.parametrize("how", HOSTILE)
def test_tags_that_prove_nothing_are_not_believed(fresh: Path, walked: list[str], how: str) -> None:
    HOSTILE[how](fresh)
    with Registry(fresh) as registry:
        planned = registry.promote("churn@3", stage="production", dry_run=True)
    assert walked
    index = HistoryIndex(GitRepository(fresh))
    index.advance(git(fresh, "rev-parse", "HEAD"))
    count = sum("#" in tag.name for tag in index.tags())
    assert planned.tags[0].endswith(f"#{count + 1}")


@pytest.mark.parametrize("depth", [1, 3])
def test_a_shallow_clone_writes_what_it_can_know(shared: Path, depth: int) -> None:
    origin = f"file://{shared / 'origin.git'}"
    git(shared, "clone", "--quiet", f"--depth={depth}", origin, "shallow")
    shallow = shared / "shallow"
    with Registry(shallow) as registry:
        registry.promote("churn@3", stage="production", push=True)
        registry.register("churn", shallow / "registry/policy.yaml", push=True)
        registry.set_alias("churn@4", "champion", push=True)
        assert registry.promote("churn@4", stage="production").tags
    assert len(git(shallow, "rev-list", "HEAD").split()) == depth + 4
    git(shared, "clone", "--quiet", origin, "judge")
    assert _is_in_order(shared / "judge")
    git(shallow, "fetch", "--quiet", "--unshallow", "--tags")
    git(shallow, "fsck", "--connectivity-only")
    assert _is_in_order(shallow)


def test_a_shallow_clone_that_is_behind_follows(shared: Path) -> None:
    origin = f"file://{shared / 'origin.git'}"
    git(shared, "clone", "--quiet", "--depth=1", origin, "shallow")
    with Registry(shared / "work") as theirs:
        theirs.set_alias("churn@1", "shadow", push=True)
    with Registry(shared / "shallow") as registry:
        outcome = registry.promote("churn@3", stage="production", push=True)
        assert outcome.warnings == ()
        assert registry.model("churn").aliases == {"champion": 2, "shadow": 1}
    git(shared, "clone", "--quiet", origin, "judge")
    assert _is_in_order(shared / "judge")
