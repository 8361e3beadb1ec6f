"""`compare --code`, `--data` and `--environment` on versions that a DVC pipeline made."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.core.state.differences import CodeDifference
from gitreg.git.code import code_side
from gitreg.history.differences import (
    code_difference,
    data_difference,
    environment_difference,
)
from tests.conftest import git, isolate, write_model
from tests.history import pipelines
from tests.support.commands import gitreg


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("pipeline")
    with pytest.MonkeyPatch.context() as patch:
        isolate(patch, tmp_path_factory.mktemp("pipeline-home"))
        pipelines.make(base / "work")
    return base


@pytest.fixture
def work(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "copy", symlinks=True)) / "work"


def code_of(folder: Path, base: str = "churn@1", candidate: str = "churn@2") -> CodeDifference:
    with Registry(folder) as registry:
        return code_difference(registry, base, candidate)


def rewrite(folder: Path, version: int, words: dict[str, str]) -> None:
    """Change a manifest, which gitreg never does."""
    manifest = folder / "registry" / "churn" / "versions" / str(version) / "manifest.yaml"
    text = manifest.read_text()
    for old, new in words.items():
        assert old in text
        text = text.replace(old, new)
    manifest.write_text(text)
    pipelines.commit(folder, "by hand")


def shown(folder: Path, *options: str, base: str = "churn@1", candidate: str = "churn@2") -> str:
    return gitreg("compare", base, candidate, *options, "--repo", str(folder)).out


def test_code_is_that_of_the_pipeline_and_the_stages_before(work: Path) -> None:
    found = code_of(work)
    assert found.relation == "ahead"
    assert found.pipeline == ("churn/train.py", "dvc.yaml", "params.yaml", "prepare.py", "raw")
    # Neither the registrations, which write into dvc.yaml, nor the commit of the notes.
    assert [(one.subject, one.side) for one in found.commits] == [
        ("other data", "candidate"),
        ("lower case", "candidate"),
    ]
    assert [(one.path, one.added, one.removed) for one in found.files] == [
        ("params.yaml", 1, 1),
        ("prepare.py", 1, 1),
        ("raw/a.txt", 1, 1),
        ("raw/b.txt", 0, 1),
        ("raw/d.txt", 1, 0),
    ]
    assert found.elsewhere == ("notes.md",)
    text = shown(work, "--code")
    commits = f"{found.base.commit:.9} {found.candidate.commit:.9}"
    assert f"git diff {commits} -- params.yaml prepare.py raw/a.txt" in text
    assert "differs besides: notes.md" in text


def test_the_other_way_round_the_candidate_is_older(work: Path) -> None:
    found = code_of(work, "churn@2", "churn@1")
    assert found.relation == "behind"
    assert {one.side for one in found.commits} == {"base"}
    text = shown(work, "--code", base="churn@2", candidate="churn@1")
    assert "the code of churn@1 is older than that of churn@2" in text


def test_a_changed_stage_is_code_and_gitregs_entry_is_not(work: Path) -> None:
    stages = (work / "dvc.yaml").read_text()
    (work / "dvc.yaml").write_text(stages.replace("python prepare.py", "python  prepare.py"))
    pipelines.commit(work, "another command")
    with Registry(work) as registry:
        (work / "models").mkdir(exist_ok=True)
        registry.register("other", write_model(work, "w", "other"))
        registry.register("churn", work / "models" / "churn.txt")
    found = code_of(work, "churn@2", "churn@3")
    assert [one.path for one in found.files] == ["dvc.yaml"]
    assert [one.subject for one in found.commits] == ["another command"]
    assert code_of(work, "churn@3", "churn@3").relation == "same"
    assert "none of these files differs" in shown(
        work, "--code", base="churn@3", candidate="churn@3"
    )


def test_branches_that_parted_uncommitted_changes_and_renames(work: Path) -> None:
    git(work, "switch", "--quiet", "--create", "side", "HEAD~1")
    git(work, "mv", "prepare.py", "clean.py")
    pipelines.write(work, {"dvc.yaml": pipelines.STAGES.replace("prepare.py", "clean.py")})
    pipelines.commit(work, "a better name")
    git(work, "branch", "aside")
    git(work, "switch", "--quiet", "main")
    before = code_of(work)
    aside = git(work, "rev-parse", "aside")
    rewrite(work, 2, {str(before.candidate.commit): aside, "dirty: false": "dirty: true"})
    pipelines.write(work, {"notes.md": "three\n"})
    pipelines.commit(work, "by hand")
    rewrite(work, 1, {str(before.base.commit): git(work, "rev-parse", "HEAD")})
    found = code_of(work)
    assert found.relation == "diverged"
    assert found.merge_base == git(work, "merge-base", "main", "aside")
    assert ("clean.py", "prepare.py") in {(one.path, one.renamed_from) for one in found.files}
    assert found.candidate.unrecorded == "uncommitted changes"
    text = shown(work, "--code")
    assert f"they parted after {found.merge_base[:9]}" in text
    assert "churn@2 was trained with uncommitted changes" in text
    assert "prepare.py → clean.py" in text


def test_without_a_pipeline_all_files_outside_the_registry_count(stocked: Path) -> None:
    pipelines.write(stocked, {"check.py": "print()\n", "logo.png": "\0binary"})
    pipelines.commit(stocked, "a check")
    with Registry(stocked) as registry:
        registry.register("churn", write_model(stocked, "more"))
        found = code_difference(registry, "churn@1", "churn@4")
    assert found.pipeline is None
    assert [one.subject for one in found.commits] == ["a check"]
    assert [(one.path, one.added) for one in found.files] == [("check.py", 1), ("logo.png", None)]
    text = shown(stocked, "--code", candidate="churn@4")
    assert "-- . ':!registry'" in text
    assert "binary" in text


def test_commits_that_are_not_here_are_named_with_the_command_that_brings_them(
    work: Path, tmp_path: Path
) -> None:
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{work}", "shallow")
    found = code_of(tmp_path / "shallow")
    assert (found.base.is_here, found.candidate.is_here, found.relation) == (False, False, None)
    assert found.base.fetch == "git fetch --unshallow"
    assert "is not in this clone: git fetch --unshallow" in shown(tmp_path / "shallow", "--code")
    with Registry(work) as registry:
        version = registry.show("churn@1")
        for repository, command in (
            ("https://example.com/o.git", f"git fetch https://example.com/o.git {'1' * 40}"),
            ("ext::sh -c evil", None),
            ("--upload-pack=evil", None),
            ("https://example.com/a b.git", f"git fetch 'https://example.com/a b.git' {'1' * 40}"),
        ):
            assert version.lineage.code is not None
            code = replace(version.lineage.code, commit="1" * 40, repository=repository)
            other = replace(version, lineage=replace(version.lineage, code=code))
            side = code_side(registry.repository, other)
            assert (side.is_here, side.fetch) == (False, command)
    git(work, "remote", "add", "origin", "https://ada:secret@example.com/o.git")
    with Registry(work) as registry:
        code = replace(code, repository="https://example.com/o.git")
        other = replace(version, lineage=replace(version.lineage, code=code))
        assert code_side(registry.repository, other).fetch == f"git fetch origin {'1' * 40}"
        nowhere = replace(version, lineage=replace(version.lineage, code=None))
        assert code_side(registry.repository, nowhere).commit is None


def test_data_by_the_listings_without_a_byte_of_it(work: Path, tmp_path: Path) -> None:
    def check(folder: Path, sizes: list[tuple[int | None, int | None]]) -> None:
        with Registry(folder) as registry:
            (change,) = data_difference(registry, "churn@1", "churn@2").changes
        assert (change.path, change.kind) == ("data", "changed")
        assert (change.files_before, change.files_after, change.problem) == (3, 3, None)
        assert change.files is not None
        assert [(one.path, one.kind) for one in change.files] == [
            ("a.txt", "changed"),
            ("b.txt", "removed"),
            ("c.txt", "changed"),
            ("d.txt", "added"),
        ]
        assert [(one.size_before, one.size_after) for one in change.files] == sizes

    known = [(1, 7), (2, None), (3, 3), (None, 1)]
    check(work, known)
    # A clone that never pulled: the listings are on the remote, and the sizes of its objects.
    shutil.copytree(work / ".dvc" / "cache", tmp_path / "copy" / "store")
    git(tmp_path, "clone", "--quiet", str(work), "copy/clone")
    clone = tmp_path / "copy" / "clone"
    check(clone, known)
    objects = [path for path in clone.rglob("files/md5/*/*") if not path.name.endswith(".dir")]
    assert objects == []


def test_data_whose_listing_is_nowhere(work: Path) -> None:
    shutil.rmtree(work / ".dvc" / "cache")
    with Registry(work) as registry:
        (change,) = data_difference(registry, "churn@1", "churn@2").changes
        assert change.files is None
        assert change.size_after == 11
        same = data_difference(registry, "churn@1", "churn@1")
        assert (same.changes, same.same) == ((), ("data",))
    text = shown(work, "--data")
    assert "data: its files cannot be compared: " in text
    assert shown(work, "--data", candidate="churn@1") == "data: the same, 1 path\n"


@pytest.fixture
def packaged(stocked: Path) -> Iterator[Registry]:
    """A registry whose churn@2 has other packages than churn@1, and churn@3 has no list."""
    folder = stocked / "registry" / "churn" / "versions"
    for number, lines in (("1", "a==1\nb==1\nc==1\n"), ("2", "a==1\nb==2\nd==1\n"), ("3", "")):
        (folder / number / "requirements.txt").write_text(lines)
    manifest = folder / "2" / "manifest.yaml"
    text = manifest.read_text().splitlines()
    manifest.write_text(
        "".join("  python: 3.9.9\n" if "python:" in one else f"{one}\n" for one in text)
    )
    pipelines.commit(stocked, "by hand")
    with Registry(stocked) as registry:
        yield registry


def test_environments(packaged: Registry) -> None:
    found = environment_difference(packaged, "churn@1", "churn@2")
    assert found.python is not None
    assert found.python.b == "3.9.9"
    assert found.platform is None
    assert [(one.name, one.kind) for one in found.packages] == [
        ("b", "changed"),
        ("c", "removed"),
        ("d", "added"),
    ]
    assert found.same == 1
    unknown = environment_difference(packaged, "churn@1", "churn@3")
    assert (unknown.unknown, unknown.packages) == (("churn@3",), ())
    folder = packaged.repository.top_level
    assert folder is not None
    text = shown(folder, "--environment")
    assert "the same: 1 package" in text
    assert "churn@3 has no list" in shown(folder, "--environment", candidate="churn@3")
    same = shown(folder, "--environment", candidate="churn@1")
    assert same == "environment: the same, 3 packages\n"


def test_together_and_as_json(work: Path) -> None:
    text = shown(work, "--code", "--data", "--environment")
    assert text.index("code: churn@1") < text.index("DATA") < text.index("environment: the same")
    options = ("--code", "--data", "--environment", "--json")
    found = gitreg("compare", "churn@1", "churn@2", *options, "--repo", str(work)).json
    assert list(found) == ["code", "data", "environment"]
    assert found["code"]["commits"][0]["time"].endswith("Z")
    assert found["data"]["changes"][0]["files"][0]["path"] == "a.txt"
    assert found["environment"]["same"] > 50
    only = gitreg("compare", "churn@1", "churn@2", "--data", "--json", "--repo", str(work)).json
    assert list(only) == ["data"]
    old = gitreg(
        *("compare", "churn@1", "churn@1", "--code", "--rev", "HEAD~4", "--repo", str(work))
    )
    assert "both are of the same commit" in old.out
