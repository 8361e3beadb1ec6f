"""Timelines of real repositories, against a fold that reads files with Git alone."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gitreg import InvalidRequest, NotFound, Registry
from gitreg.core.model.manifest import Tombstone, write_tombstone
from gitreg.core.state.intervals import Interval
from gitreg.core.text.times import utc
from gitreg.history.timelines import timeline
from tests.conftest import git
from tests.support.commands import error, gitreg
from tests.support.fakes import ADA, CREATED
from tests.support.plain_intervals import Plain, first_parents, plain_fold, second

START = 1_790_000_000
DAY = 86_400
PRODUCTION = "stages/production"
MANIFEST = """\
format: 1
model: {model}
version: {version}
created_at: '2026-11-22T20:25:06Z'
created_by: Ada Lovelace <ada@example.com>
artifact: {{path: model.pkl, size: 7, files: 1, sha256: {sha256}}}
metrics: {{auc: {auc}}}
"""


class Past:
    """A repository whose registry is written by hand, a day a commit."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self._patch = patch
        self.time = START

    def later(self, days: float = 1) -> None:
        self.time += int(days * DAY)
        for name in ("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"):
            self._patch.setenv(name, f"@{self.time} +0100")

    def run(self, *args: str, days: float = 1) -> str:
        self.later(days)
        return git(self.folder, *args)

    def write(self, files: dict[str, str | None], message: str = "by hand", days: int = 1) -> str:
        for name, text in files.items():
            path = self.folder / "registry" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                path.unlink()
            else:
                path.write_text(text)
        git(self.folder, "add", "--all", "registry")
        self.run("commit", "--quiet", "-m", message, days=days)
        return git(self.folder, "rev-parse", "HEAD")

    def holds(self, pointer: str, *numbers: int, model: str = "churn", days: int = 1) -> str:
        lines = "".join(f"- {number}\n" for number in numbers)
        text = (
            f"versions:\n{lines}" if pointer.startswith("stages/") else f"version: {numbers[0]}\n"
        )
        return self.write({f"{model}/{pointer}.yaml": text}, f"move {model}", days)


def manifest(version: int, auc: float, model: str = "churn") -> dict[str, str | None]:
    text = MANIFEST.format(model=model, version=version, auc=auc, sha256="9f" * 32)
    return {f"{model}/versions/{version}/manifest.yaml": text}


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    """A history with a merge, a squash, reverts, a rename and a second life of a name."""
    folder = tmp_path_factory.mktemp("past") / "work"
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        from tests.conftest import isolate

        isolate(patch, tmp_path_factory.mktemp("past-home"))
        git(folder, "init", "--quiet", "-b", "main")
        made = Past(folder, patch)
        made.write(manifest(1, 0.1) | manifest(2, 0.2) | manifest(3, 0.3))
        made.holds(PRODUCTION, 1)
        made.run("switch", "--quiet", "-c", "side")
        made.holds(PRODUCTION, 2)
        made.holds("aliases/champion", 2)
        made.run("switch", "--quiet", "main")
        made.holds("stages/staging", 3)
        made.run("merge", "--quiet", "--no-ff", "--no-edit", "side")  # several moves in one event
        moved = made.holds(PRODUCTION, 3)
        made.run("revert", "--no-edit", moved)
        made.run("switch", "--quiet", "-c", "squashed")
        made.holds(PRODUCTION, 1)
        made.holds(PRODUCTION, 3)
        made.run("switch", "--quiet", "main")
        made.run("merge", "--quiet", "--squash", "squashed")
        made.run("commit", "--quiet", "-m", "Squashed", days=-9)  # the clock of another machine
        made.write({f"churn/{PRODUCTION}.yaml": None}, "take it out", days=12)
        _rename(made, "churn", "leavers")
        made.write({"churn/deleted.yaml": None, **manifest(1, 0.9)})  # a second life of the name
        made.holds(PRODUCTION, 1)
        yield made


def _rename(past: Past, old: str, new: str) -> None:
    root = past.folder / "registry"
    (root / old).rename(root / new)
    for path in (root / new).rglob("manifest.yaml"):
        path.write_text(path.read_text().replace(f"model: {old}", f"model: {new}"))
    note = write_tombstone(Tombstone(CREATED, ADA, None, renamed_to=new)).decode()
    past.write({f"{old}/deleted.yaml": note}, f"rename {old}")


@pytest.fixture
def registry(past: Past) -> Iterator[Registry]:
    with Registry(past.folder) as opened:
        yield opened


def as_plain(one: dict[str, Any]) -> Plain:
    return Plain(
        one["model"],
        one["pointer"],
        one["version"],
        one["commit"],
        one["ended_commit"],
        second(one["since"]),
        one["until"] and second(one["until"]),
    )


def of(found: tuple[Interval, ...], model: str, pointer: str) -> list[Interval]:
    return [one for one in found if (one.model, one.pointer) == (model, pointer)]


def test_intervals_are_those_of_the_files(past: Past) -> None:
    found = gitreg("timeline", "--json", "--repo", str(past.folder)).json
    assert list(found[0]) == [
        *("model", "pointer", "version", "since", "until", "seconds", "author", "reason"),
        *("action", "commit", "ended_by", "ended_commit", "metrics"),
    ]
    versions = {as_plain(one) for one in found if one["version"] is not None}
    assert versions == plain_fold(first_parents(past.folder))
    for one in found:
        until = past.time if one["until"] is None else second(one["until"])
        length = max(0, until - second(one["since"]))
        assert one["seconds"] == length if one["until"] else one["seconds"] >= length
    assert any(one["until"] and one["until"] < one["since"] for one in found)


def test_how_each_interval_began_and_ended(registry: Registry) -> None:
    found = timeline(registry, now=START).intervals
    assert [
        (one.version, one.action, one.ended_by, one.metrics.get("auc"))
        for one in of(found, "churn", PRODUCTION)
    ] == [
        (1, "promote", None, 0.9),  # of the later model
        (1, "promote", "promote", 0.1),
        (2, "promote", "promote", 0.2),
        (3, "promote", "revert", 0.3),
        (2, "revert", "promote", 0.2),
        (3, "promote", "move", 0.3),
        (None, "move", "rename", None),
    ]
    [gap] = of(found, "leavers", PRODUCTION)
    assert (gap.version, gap.action, gap.until) == (None, "rename", None)
    [alias] = of(found, "leavers", "aliases/champion")
    assert (alias.version, alias.action, alias.metrics) == (2, "rename", {"auc": 0.2})


def test_either_name_of_a_renamed_model(registry: Registry) -> None:
    of_new = timeline(registry, "leavers", now=0)
    assert {one.model for one in of_new.intervals} == {"churn", "leavers"}
    assert {track.model for track in of_new.tracks} == {"leavers"}
    of_old = timeline(registry, "churn", now=0)
    later = [track for track in of_old.tracks if track not in of_new.tracks]
    assert [(track.model, track.pointer) for track in later] == [("churn", PRODUCTION)]
    assert timeline(registry, "chu*", "leav*", now=0) == of_old


def test_what_stood_where_at_a_moment(past: Past, registry: Registry) -> None:
    """The answer is that of the files at the commit that was the tip then."""
    every = timeline(registry, now=0).intervals
    snapshots = first_parents(past.folder)
    for days in (2.5, 8.5, 11.5, 13.5, 20, 40):
        moment = START + int(days * DAY)
        tip = git(past.folder, "rev-list", "--first-parent", "-1", f"--before=@{moment}", "main")
        place = [oid for oid, _, _ in snapshots].index(tip)
        standing = {
            (one.model, one.pointer, one.version)
            for one in plain_fold(snapshots[: place + 1])
            if one.ended_commit is None
        }
        found = timeline(registry, at=utc(moment), now=0).intervals
        assert {
            (one.model, one.pointer, one.version) for one in found if one.version is not None
        } == standing
        assert all(one in every for one in found)  # with what became of them since


def test_stages_aliases_and_windows(registry: Registry) -> None:
    every = timeline(registry, now=0).intervals
    assert {one.pointer for one in timeline(registry, stage="Production", now=0).intervals} == {
        PRODUCTION
    }
    assert {one.pointer for one in timeline(registry, alias="champion", now=0).intervals} == {
        "aliases/champion"
    }
    first, last = "2026-09-24T12:00:00Z", "2026-09-25T12:00:00Z"
    window = timeline(registry, since=first, until=last, now=0)
    assert (window.since, window.until) == (second(first), second(last))
    assert [one for one in every if one in window.intervals] == list(window.intervals)
    assert {(one.version, one.until) for one in of(window.intervals, "churn", PRODUCTION)} == {
        (1, of(every, "churn", PRODUCTION)[1].until)  # whole, not cut
    }
    assert not timeline(registry, until="2020-01-01", now=0).intervals
    early = timeline(registry, rev="HEAD~1", now=0).intervals
    assert not of(early, "churn", PRODUCTION)[6:]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda r: timeline(r, "leaver"), "did you mean 'leavers'"),
        (lambda r: timeline(r, stage="prodction"), "did you mean 'production'"),
        (lambda r: timeline(r, alias="champio"), "did you mean 'champion'"),
        (lambda r: timeline(r, at="2026-09-23", since="2026-09-23"), ""),
        (lambda r: timeline(r, since="2026-09-24", until="2026-09-22"), ""),
        (lambda r: timeline(r, stage="production", alias="champion"), ""),
        (lambda r: timeline(r, since="soon"), "write 2026-11-22"),
    ],
)
def test_what_cannot_be_asked(
    registry: Registry, call: Callable[[Registry], object], said: str
) -> None:
    with pytest.raises((NotFound, InvalidRequest)) as caught:
        call(registry)
    assert said in (caught.value.hint or "")


def test_nothing_is_read_an_interval_at_a_time(
    past: Past, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Warm: not one Git process but the reader of objects, and each manifest once."""
    timeline(registry, now=0)
    started: list[object] = []
    read: list[str] = []
    start, get_many = subprocess.Popen.__init__, registry.repository.reader.get_many

    def counted(self: object, args: object, **rest: object) -> None:
        started.append(args)
        start(self, args, **rest)  # type: ignore[call-overload]

    def noted(specs: list[str]) -> object:
        read.extend(specs)
        return get_many(specs)

    monkeypatch.setattr(subprocess.Popen, "__init__", counted)
    monkeypatch.setattr(registry.repository.reader, "get_many", noted)
    found = timeline(registry, now=0).intervals
    assert len(found) == 12
    assert started == []
    manifests = [spec for spec in read if spec.endswith("manifest.yaml")]
    assert len(manifests) == len(set(manifests))
    assert len(read) == len(manifests)


def test_a_shallow_clone_says_what_it_cannot_know(past: Past, tmp_path: Path) -> None:
    clone = tmp_path / "shallow"
    git(tmp_path, "clone", "--quiet", "--depth=2", f"file://{past.folder}", "shallow")
    ran = gitreg("timeline", "--json", "--repo", str(clone))
    assert "warning: this clone is shallow" in ran.err
    found = {(one["model"], one["pointer"], one["version"]): one for one in ran.json}
    unknown = found["leavers", "stages/staging", 3]
    assert [unknown[key] for key in ("since", "seconds", "author", "commit")] == [None] * 4
    assert unknown["metrics"] == {"auc": 0.3}
    assert found["churn", PRODUCTION, 1]["action"] == "promote"
    assert "earlier" in gitreg("timeline", "--repo", str(clone)).out


def test_a_registry_by_url(past: Past, registry: Registry) -> None:
    ran = gitreg("timeline", "leavers", "--json", "--repo", f"file://{past.folder}")
    found = [(one["model"], one["version"], one["commit"]) for one in ran.json]
    here = timeline(registry, "leavers").intervals
    assert found == [(one.model, one.version, one.commit) for one in here]


def test_the_command(past: Past, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(past.folder)
    monkeypatch.setenv("COLUMNS", "100")
    out = gitreg("timeline", "leavers").out
    assert out.startswith("leavers/production\n")
    assert "churn@2" in out
    ran = gitreg("timeline", "--at", "2026-09-24T12:00:00Z")
    assert ran.err.startswith("as of 2026-09-24T12:00:00Z: ")
    assert ran.out.splitlines()[1].split()[:2] == ["churn/production", "churn@1"]
    assert gitreg("timeline", "x*").err == "nothing stood there\n"
    picture = tmp_path / "timeline.svg"
    assert gitreg("timeline", "--svg", str(picture)).out == f"{picture}\n"
    both = gitreg("timeline", "--svg", str(picture), "--json")
    assert json.loads(both.out)
    assert picture.read_text().startswith("<svg ")
    assert gitreg("timeline", "--svg", "-").out.startswith("<svg ")
    assert "both write to stdout" in error("timeline", "--svg", "-", "--json")
    assert "--stage production" in error("timeline", "churn/production")
    assert "--alias champion" in error("timeline", "churn@champion")
    assert "gitreg timeline churn\n" in error("timeline", "churn@2")
    assert "no/such/x.svg: No such file or directory" in error(
        "timeline", "--svg", "no/such/x.svg", code=3
    )
