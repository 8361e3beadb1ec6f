"""One contract for every kind of Git host and DVC remote, on real ones: publish, race, consume."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitreg import Registry
from tests.conftest import git, write_model
from tests.git.test_remote import tags_of
from tests.support.commands import gitreg
from tests.support.extent import extent
from tests.support.places import Place, place_of, together

# Each Git transport with a folder, each DVC remote with a path, and two with nothing in common.
PLACES = [
    ("path", "folder"),
    ("ssh", "folder"),
    ("http", "folder"),
    ("path", "s3"),
    ("path", "ssh"),
    ("ssh", "ssh"),
    ("http", "s3"),
]

# Races take seconds: in a sample each kind of host and of remote is there once.
RACED = extent([("path", "folder"), ("ssh", "ssh"), ("http", "s3")], PLACES)


@pytest.fixture(params=PLACES, ids="+".join)
def place(request: pytest.FixtureRequest) -> Place:
    """A Git host and a DVC remote to which nothing is published yet."""
    return place_of(request, *request.param)


@pytest.fixture(params=RACED, ids="+".join)
def raced(request: pytest.FixtureRequest) -> Place:
    """A place for a race."""
    return place_of(request, *request.param)


def cached(clone: Path) -> set[str]:
    """Return the objects in a clone's cache."""
    base = clone / "registry" / ".dvc" / "cache" / "files" / "md5"
    return {"".join(path.relative_to(base).parts) for path in base.rglob("*") if path.is_file()}


def test_publish(place: Place) -> None:
    """The first push takes everything along; then another clone publishes a promotion."""
    work, host = place.work, place.host
    write_model(work, "weights 4")
    said = gitreg("register", "churn", str(work / "models/churn"), "--push", "--repo", str(work))
    assert "register churn@4" in said.out
    assert git(host, "rev-parse", "main") == git(work, "rev-parse", "HEAD")
    assert tags_of(host) == tags_of(work)
    assert place.store.objects() == cached(work)

    git(place.base, "clone", "--quiet", place.url, "colleague")
    colleague = place.base / "colleague"
    gitreg(
        "promote",
        "churn@4",
        "--to",
        "production",
        "--alias",
        "champion",
        "--push",
        "--repo",
        str(colleague),
    )
    assert git(host, "rev-parse", "main") == git(colleague, "rev-parse", "HEAD")
    assert tags_of(host) == tags_of(colleague) > tags_of(work)
    assert place.store.objects() == cached(work)
    with Registry(host) as registry:
        assert registry.resolve("churn@champion").version == 4
        assert registry.resolve("churn/production").version == 4
        assert registry.doctor() == []


def test_consume(place: Place, tmp_path: Path) -> None:
    """By the address alone, and from a fresh clone."""
    place.fill()
    git(tmp_path, "clone", "--quiet", place.url, "clone")
    for number, repo in enumerate((place.url, str(tmp_path / "clone"))):
        assert gitreg("resolve", "churn@champion", "--repo", repo).out == "churn@2\n"
        out = tmp_path / f"out-{number}"
        gitreg("pull", "churn@champion", "--repo", repo, "--output", str(out))
        assert (out / "model" / "model.pkl").read_text() == "weights 2"
        assert (out / "model" / "features.json").read_text() == '["age"]'
    gitreg("verify", "churn", "--repo", place.url)


def test_race_to_register(raced: Place) -> None:
    raced.fill()
    before = raced.store.objects()
    models = [write_model(raced.base, f"raced {number}", f"raced-{number}") for number in range(3)]
    ended = together(raced, [("register", "raced", str(model), "--push") for model in models])
    assert [code for code, _, _ in ended] == [0, 0, 0], ended
    numbers = git(raced.host, "ls-tree", "--name-only", "main:registry/raced/versions").split()
    assert numbers == ["1", "2", "3"]
    for number in numbers:
        assert sum(f"register raced@{number}\n" in out for _, out, _ in ended) == 1
        assert f"refs/tags/raced@v{number}.0.0" in git(raced.host, "for-each-ref")
    assert len(raced.store.objects() - before) == 6  # of each a listing and its own weights
    weights = set()
    with Registry(raced.host) as registry:
        for number in numbers:
            path = registry.pull(f"raced@{number}", raced.base / f"pulled-{number}")
            weights.add((path / "model.pkl").read_text())
        assert registry.doctor() == []
    assert weights == {"raced 0", "raced 1", "raced 2"}


def test_race_for_different_pointers(raced: Place) -> None:
    raced.fill()
    commands = [("alias", "set", f"churn@{n}", f"alias-{n}", "--push") for n in (1, 2, 3)]
    ended = together(raced, commands)
    assert [code for code, _, _ in ended] == [0, 0, 0], ended
    with Registry(raced.host) as registry:
        assert [registry.resolve(f"churn@alias-{n}").version for n in (1, 2, 3)] == [1, 2, 3]
        assert registry.doctor() == []


def test_race_for_the_same_pointer(raced: Place) -> None:
    raced.fill()
    ended = together(raced, [("alias", "set", f"churn@{n}", "champion", "--push") for n in (1, 3)])
    winner = git(raced.host, "log", "-1", "--format=%H %an", "main").split(" ", 1)
    codes = [code for code, _, _ in ended]
    assert sorted(codes) in ([0, 3], [0, 0])
    for code, out, err in ended:
        if code:
            assert out == ""
            assert winner[0][:9] in err
            assert winner[1] in err
            assert 1 <= err.count("\n") <= 2
    with Registry(raced.host) as registry:
        assert registry.doctor() == []
