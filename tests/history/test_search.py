"""Search on real registries: the past, the index's file, its upkeep, broken and hostile content."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.artifacts.evaluations import Measured
from gitreg.artifacts.measurements import Measurements
from gitreg.core.model import layout
from gitreg.core.model.model import DataDependency, Slice
from gitreg.core.model.names import Reference
from gitreg.core.text.filter import DEEPEST
from gitreg.errors import GitregError, InvalidDocument, InvalidRequest, NotFound
from gitreg.git.objects import GitObject, ObjectReader
from gitreg.history import search
from gitreg.history.search_database import FILE
from tests.conftest import git, write_model
from tests.history.made import make
from tests.support.clones import commit


def found(where: Path | str | Registry, text: str | None = None, **options: object) -> list[str]:
    """Return the references of what a search finds."""
    if isinstance(where, Registry):
        return [one.reference for one in search(where, text, **options)]  # type: ignore[arg-type]
    with Registry(where) as registry:
        return found(registry, text, **options)


def index_of(folder: Path) -> Path:
    return folder / ".git" / "gitreg" / FILE


# What is found


def test_the_past(stocked: Path) -> None:
    with Registry(stocked) as registry:
        registry.promote("churn@3", stage="production", reason="the November cohort")
        registry.delete("churn@1", reason="trained on leaked labels")
        assert found(registry, "stage = 'production'") == ["churn@3"]
        # The reason is that of both: one came to production, one left it.
        assert found(registry, "'november'") == ["churn@3", "churn@2"]
        assert found(registry, "'leaked'") == []
        before = git(stocked, "rev-parse", "HEAD")
        ever = {"history": True}
        assert found(registry, "stage = 'production'", **ever) == ["churn@3", "churn@2", "churn@1"]
        assert found(registry, "'leaked'", **ever) == ["churn@1"]
        assert found(registry, "metrics.auc < 0.75", **ever) == ["churn@1"]
        (gone,) = search(registry, "'leaked labels'", history=True)
        assert (gone.stage, gone.read_from) == ("archived", git(stocked, "rev-parse", "HEAD~1"))
        assert gone == registry.show("churn@1", rev=gone.read_from)
        # A renamed model keeps its past, and is one line with it.
        registry.rename_model("churn", "scorer", reason="a better name")
        assert found(registry, "'november'") == ["scorer@3", "scorer@2"]
        names = ["churn@1", "scorer@3", "scorer@2"]
        assert found(registry, "stage = 'production'", **ever) == names
        # A second life of a name has nothing of the first one.
        registry.delete_model("tokenizer", reason="replaced")
        registry.create_model("tokenizer")
        registry.register("tokenizer", write_model(stocked, "anew", "models/tokenizer"))
        assert found(registry, "name = 'tokenizer'") == ["tokenizer@1"]
        assert found(registry, "name = 'tokenizer'", **ever) == ["tokenizer@1", "tokenizer@1"]
        assert found(registry, "'replaced'") == []
        second, first = search(registry, "name = 'tokenizer'", history=True)
        assert second == registry.show("tokenizer@1")
        assert (
            first.commit
            == git(stocked, "log", "--format=%H", "--grep=^register tokenizer@1").split()[-1]
        )
        # The same index answers about any commit.
        assert found(registry, "'leaked'", rev=f"{before}~1", **ever) == []
        assert found(registry, "stage = 'archived'", rev=f"{before}~1") == ["churn@2", "churn@1"]
        assert found(registry, "'november'") == ["scorer@3", "scorer@2"]


def test_a_registry_that_is_not_there(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    with pytest.raises(NotFound, match="no registry here"):
        found(tmp_path, "stage = 'x'")


@pytest.mark.parametrize(
    "options", [{"limit": 0}, {"order_by": "alias"}, {"rev": "a", "at": "now"}]
)
def test_a_request_that_is_wrong(stocked: Path, options: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest):
        found(stocked, "stage = 'x'", **options)


def test_files_that_do_not_parse(stocked: Path) -> None:
    whole = "registry/churn/versions/2/manifest.yaml"
    commit(stocked, {whole: "nonsense: [", "registry/tokenizer/model.yaml": "- x"})
    with Registry(stocked) as registry:
        broken: list[GitregError] = []
        assert [one.reference for one in search(registry, broken=broken)] == [
            "churn@3",
            "churn@1",
            "tokenizer@1",
        ]
        assert sorted(str(error).split(":")[0] for error in broken) == [
            whole,
            "registry/tokenizer/model.yaml",
        ]
        with pytest.raises(InvalidDocument, match=whole):
            search(registry)
        git(stocked, "revert", "--no-edit", "HEAD")
        assert len(search(registry)) == 4


@pytest.mark.parametrize("evil", ["a' OR 1=1 --", 'b" OR "1"="1', "c`; DROP TABLE docs", "%", "\\"])
def test_hostile_text_is_only_text(stocked: Path, evil: str) -> None:
    with Registry(stocked) as registry:
        registry.annotate("churn@2", description=f"x {evil}", tags={evil: evil})
        quoted = evil.replace("'", "''")
        key = evil.replace('"', '""')
        for text in (
            f"description = 'x {quoted}'",
            f"tags.\"{key}\" = '{quoted}'",
            f"tags.\"{key}\" IN ('{quoted}', '1')",
        ):
            assert found(registry, text) == ["churn@2"]
        assert found(registry, f"name = '{quoted}' OR alias = '{quoted}'") == []


def _nested(word: str, leaf: str) -> str:
    other = {"AND": "OR", "OR": "AND"}[word]
    text = leaf
    for number in range(DEEPEST - 2):
        text = f"{leaf} {(word, other)[number % 2]} ({text})"
    return text


@pytest.mark.parametrize("leaf", ["'words'", "stage != 'x'", "NOT requires 'x'", "NOT 'x'"])
def test_the_largest_filters_are_answered(stocked: Path, leaf: str) -> None:
    with Registry(stocked) as registry:
        every = set(found(registry, leaf))
        for text in (
            _nested("AND", leaf),
            _nested("OR", leaf),
            " AND ".join([leaf] * 199),
            " OR ".join([f"({leaf})"] * 199),
        ):
            for history in (False, True):
                assert every <= set(found(registry, text, history=history)), text
        assert found(registry, f"'{' '.join(f'w{number}' for number in range(400))}'") == []
        numbers = ", ".join(f"'n{number}'" for number in range(399))
        assert len(found(registry, f"alias NOT IN ({numbers}, 'champion')", history=True)) == 3


# Upkeep


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The objects that are read, by what names them."""
    specs: list[str] = []
    get_many = ObjectReader.get_many

    def counted(self: ObjectReader, wanted: list[str]) -> list[GitObject | None]:
        specs.extend(wanted)
        return get_many(self, wanted)

    monkeypatch.setattr(ObjectReader, "get_many", counted)
    return specs


def test_a_promotion_makes_it_read_two_pointers(tmp_path: Path, read: list[str]) -> None:
    made = make(tmp_path, 3, 30)
    with Registry(tmp_path) as registry:
        every = found(registry)
        assert len(every) > 8
        model, number = every[0].split("@")
        first = len(read)
        assert first > 4 * len(every)
        read.clear()
        assert found(registry) == every
        assert len(read) == 0
    with Registry(tmp_path) as registry:
        git(tmp_path, "reset", "--quiet", "--hard")
        stage = layout.stage_path(model, "qa")
        commit(tmp_path, {stage: f"versions:\n- {number}\n"})
    with Registry(tmp_path) as registry:
        registry.past(registry.state())
        read.clear()
        assert found(registry, "stage = 'qa'") == [every[0]]
        # The registry, the model, its two folders of pointers, and what these hold.
        assert len(read) <= 4 + 6
        read.clear()
        assert found(registry, "stage = 'qa'", rev=made.commits[-1][0]) == []
        assert found(registry, "stage = 'qa'") == [every[0]]
        assert len(read) <= 2 * (4 + 6) + 2


def test_it_is_the_same_after_the_branch_was_rewritten(stocked: Path) -> None:
    with Registry(stocked) as registry:
        registry.promote("churn@3", stage="production", reason="too early")
        assert found(registry, "'early'") == ["churn@3", "churn@2"]
    git(stocked, "reset", "--quiet", "--hard", "HEAD~1")
    with Registry(stocked) as registry:
        assert found(registry, "'early'") == []
        registry.promote("churn@3", stage="staging", reason="in time")
        assert found(registry, "'early'", history=True) == []
        assert found(registry, "'time'") == ["churn@3"]
        assert found(registry, "stage = 'production'", history=True) == ["churn@2", "churn@1"]


@pytest.mark.parametrize("damage", [b"", b"no database", b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_index_is_made_anew(stocked: Path, damage: bytes) -> None:
    sound = found(stocked, "alias = 'champion'")
    for path in index_of(stocked).parent.glob(f"{FILE}*"):
        path.unlink()
    index_of(stocked).write_bytes(damage)
    assert found(stocked, "alias = 'champion'") == sound == ["churn@2"]
    with sqlite3.connect(index_of(stocked)) as db:
        assert db.execute("SELECT count(*) FROM docs").fetchone()[0] == 4
    db.close()


@pytest.mark.parametrize(
    "statement", ["UPDATE meta SET format = 999, tip = 'x'", "DROP TABLE facts", "DROP TABLE words"]
)
def test_an_index_of_another_form_is_made_anew(stocked: Path, statement: str) -> None:
    sound = found(stocked, "metrics.auc > 0.75 OR 'words'")
    with sqlite3.connect(index_of(stocked)) as db:
        db.execute(statement)
    db.close()
    assert found(stocked, "metrics.auc > 0.75 OR 'words'") == sound == ["churn@3", "churn@2"]


def test_an_index_that_cannot_be_written_is_made_in_memory(stocked: Path) -> None:
    for path in index_of(stocked).parent.glob(f"{FILE}*"):
        path.unlink()
    index_of(stocked).mkdir(parents=True)
    assert found(stocked, "alias = 'champion'", history=True) == ["churn@2"]
    assert index_of(stocked).is_dir()


def test_bare_repositories_and_urls(shared: Path) -> None:
    bare = shared / "origin.git"
    for where in (bare, f"file://{bare}"):
        assert found(where, "metrics.auc >= 0.8 AND name LIKE 'ch%'") == ["churn@3", "churn@2"]
    assert (bare / "gitreg" / FILE).exists()


def test_a_shallow_clone_knows_what_is_there(shared: Path) -> None:
    url = f"file://{shared / 'origin.git'}"
    git(shared, "clone", "--quiet", "--depth", "1", url, "shallow")
    place = shared / "shallow"
    assert found(place, "stage = 'production'", history=True) == ["churn@2"]
    git(place, "fetch", "--quiet", "--unshallow")
    assert found(place, "stage = 'production'", history=True) == ["churn@2", "churn@1"]


# Processes

_SEARCHES = """
import json, sys
from gitreg import Registry
from gitreg.history import search
answers = []
with Registry(sys.argv[1]) as registry:
    for _ in range(8):
        for rev in sys.argv[2:]:
            found = search(registry, "version < 3 OR stage = 'production'", history=True, rev=rev)
            answers.append([rev, [one.reference for one in found]])
print(json.dumps(answers))
"""


def _start(folder: Path, *revs: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _SEARCHES, str(folder), *revs]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_processes_that_search_at_several_commits(tmp_path: Path) -> None:
    made = make(tmp_path, 5, 12)
    revs = [oid for oid, _ in made.commits[::5]]
    running = [_start(tmp_path, *revs[::step]) for step in (1, -1)]
    answers = [json.loads(one.communicate(timeout=120)[0]) for one in running]
    text = "version < 3 OR stage = 'production'"
    expected = {rev: found(tmp_path, text, history=True, rev=rev) for rev in revs}
    assert len(set(map(tuple, expected.values()))) > 1
    for answer in answers:
        assert len(answer) == 8 * len(revs)
        assert all(expected[rev] == names for rev, names in answer)


def test_a_process_that_is_killed_in_the_middle(tmp_path: Path) -> None:
    made = make(tmp_path, 6, 60)
    tip = made.commits[-1][0]
    index = index_of(tmp_path)
    process = _start(tmp_path, tip)
    for _ in range(3000):
        if index.exists() and index.with_name(f"{FILE}-wal").exists():
            break
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    interrupted = found(tmp_path, "version < 3", history=True)
    for path in index.parent.glob(f"{FILE}*"):
        path.unlink()
    assert found(tmp_path, "version < 3", history=True) == interrupted != []


def test_evaluations_are_found_and_come_back_as_they_are(registry: Registry, folder: Path) -> None:
    registry.register("churn", write_model(folder))
    assert search(registry, "evaluation.q4.auc > 0") == []
    data = DataDependency("h.csv", "d4" * 16, 9)
    slices = (Slice("age < 25", {"recall": 0.5}, 3),)
    numbers = Measurements({"auc": 0.9}, {"auc": (0.8, 0.95)}, 0.5, slices)
    measured = Measured(Reference("churn", version=1), "q4", data, numbers)
    registry.add_evaluations([measured])
    (found,) = search(registry, "evaluation.q4.auc > 0.8")
    assert found == registry.show("churn@1")
