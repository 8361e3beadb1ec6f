"""The digests of a registry's versions are read once, and then only what is new."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.check.digests import Digests, Known
from gitreg.git.objects import ObjectReader
from gitreg.git.repository import GitRepository
from tests.conftest import git, write_model


def known(folder: Path) -> dict[str, Known]:
    repository = GitRepository(folder)
    found = Digests(repository, repository.commit_of("HEAD"))._known
    repository.close()
    return found


def described(folder: Path) -> dict[str, str]:
    with Registry(folder) as registry:
        state = registry.state()
        versions = [
            state.version(m.name, n) for m in state.models() for n in state.versions(m.name)
        ]
        return {one.artifact.sha256: str(one.artifact.md5) for one in versions}


def test_they_are_those_of_all_versions(stocked: Path) -> None:
    assert {sha: one.md5 for sha, one in known(stocked).items()} == described(stocked)
    write_model(stocked, "new")
    with Registry(stocked) as registry:
        registry.register("churn", stocked / "models/churn")
    assert {sha: one.md5 for sha, one in known(stocked).items()} == described(stocked)
    fresh = known(stocked)
    (stocked / ".git/gitreg/digests").unlink()
    assert {sha: one.md5 for sha, one in known(stocked).items()} == {
        sha: one.md5 for sha, one in fresh.items()
    }


@pytest.mark.parametrize("damage", [b"", b"\xff\n", b"digests 1 main\n", b"digests 2 x\nx\n"])
def test_a_damaged_file_is_written_anew(stocked: Path, damage: bytes) -> None:
    whole = known(stocked)
    place = stocked / ".git/gitreg/digests"
    text = place.read_bytes()
    place.write_bytes(damage)
    assert known(stocked) == whole
    assert place.read_bytes() == text


def test_only_what_is_new_is_read(stocked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known(stocked)
    git(stocked, "commit", "--quiet", "--allow-empty", "-m", "code")
    asked: list[str] = []
    get_many = ObjectReader.get_many

    def counting(self: ObjectReader, specs: list[str]) -> object:
        asked.extend(spec for spec in specs if spec.endswith((".yaml", ".dvc")))
        return get_many(self, specs)

    monkeypatch.setattr(ObjectReader, "get_many", counting)
    known(stocked)
    assert asked == []
    (stocked / ".git/gitreg/digests").unlink()
    known(stocked)
    assert len(asked) > 6
