"""GTO and DVC themselves read a registry, and never find other bytes in it than gitreg does."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import gto.api
import pytest
from dvc.repo import Repo
from dvc.repo.artifacts import ArtifactNotFoundError
from gto.exceptions import ArtifactNotFound
from ruamel.yaml import YAML

from gitreg import Registry
from gitreg.core.model.names import is_taggable
from tests.conftest import git, isolate, write_model

BIN = Path(sys.executable).parent


def run(folder: Path, tool: str, *args: str) -> str:
    """Run GTO or DVC as a process; return what it prints."""
    done = subprocess.run(
        [BIN / tool, *args], cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def hermetic_module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        isolate(patch, tmp_path_factory.mktemp("module-home"))
        yield


# What every tool says that a pointer or a version is


def md5_by_dvc(repo: Repo, model: str, **wanted: str) -> str | None:
    """Return what `dvc artifacts get` would download: the tag's commit, its dvc.yaml, the .dvc."""
    try:
        commit = repo.artifacts.get_rev(model, **wanted)
    except ArtifactNotFoundError:
        return None
    folder = Path(repo.root_dir)
    yaml = YAML(typ="safe", pure=True)
    path = yaml.load(git(folder, "show", f"{commit}:dvc.yaml"))["artifacts"][model]["path"]
    outs = yaml.load(git(folder, "show", f"{commit}:{path}.dvc"))["outs"]
    return str(outs[0]["md5"])


def version_by_gto(folder: Path, model: str, pointer: str) -> int | None:
    """Return what `gto show m#production` says."""
    try:
        found = gto.api.show(str(folder), f"{model}#{pointer}")
    except ArtifactNotFound:  # what GTO says of a name that its grammar does not take
        return None
    assert len(found) <= 1
    return int(found[0]["version"].removeprefix("v").partition(".")[0]) if found else None


def disagreements(folder: Path, *, untagged: tuple[int, ...] = ()) -> list[str]:
    """Return where GTO or DVC answer something else than gitreg.

    A version that is ``untagged`` they need not know; but then they must know none. Of a pointer
    that names nothing DVC gives what it named last: it reads `m#production!#9`, GTO's word for
    that, as if it were `m#production#9`.
    """
    found = []
    with Registry(folder) as registry, Repo(str(folder)) as repo:
        for model in (model for model in registry.models() if is_taggable(model.name)):
            name = model.name
            md5 = {one.version: one.artifact.md5 for one in registry.versions(name)}
            highest = {stage: held[-1] for stage, held in model.stages.items()}
            pointers = {**highest, **model.aliases}
            ever = {e.pointer.partition("/")[2] for e in registry.log(name) if e.pointer}
            for pointer in sorted(ever):
                here = pointers.get(pointer)
                here = None if here in untagged else here
                there = version_by_gto(folder, name, pointer)
                if there != here:
                    found.append(f"GTO: {name}#{pointer} is {there}, not {here}")
                bytes_there = md5_by_dvc(repo, name, stage=pointer)
                if here is not None and bytes_there != md5[here]:
                    found.append(f"DVC: {name}#{pointer} is {bytes_there}, not {here}")
            for number in registry.state().numbers(name):
                wanted = None if number in untagged else md5.get(number)
                if md5_by_dvc(repo, name, version=f"v{number}.0.0") != wanted:
                    found.append(f"DVC: {name}@v{number}.0.0 is not {wanted}")
    return found


def test_every_move_is_the_same_to_all_three(stocked: Path) -> None:
    """Moves within one second, and more than ten of them: #10 comes after #9."""
    with Registry(stocked) as registry:
        for number in (3, 1) * 4:
            registry.promote(f"churn@{number}", stage="production")
        assert len(git(stocked, "tag", "--list", "churn#*").splitlines()) > 10
        steps: list[Callable[[], object]] = [
            lambda: registry.set_alias("churn@3", "champion"),
            lambda: registry.rollback("churn"),
            lambda: registry.rollback("churn"),
            lambda: registry.promote("churn@2", stage="staging", alias="challenger", force=True),
            lambda: registry.promote(
                "churn@2", "tokenizer@1", stage="production", alias="champion"
            ),
            lambda: registry.promote("churn@3", stage="production", keep_existing=True),
            lambda: registry.rollback("churn", to=1),
        ]
        for step in steps:
            step()
            assert disagreements(stocked) == []


def test_a_pointer_that_names_nothing_any_more(stocked: Path) -> None:
    """GTO has a stage of every version that it was given and not taken from."""
    with Registry(stocked) as registry:
        steps: list[Callable[[], object]] = [
            lambda: registry.archive("churn@2"),
            lambda: registry.promote("churn@3", stage="production"),
            lambda: registry.promote("churn@3", stage="none"),
            lambda: registry.delete_alias("churn", "champion"),
        ]
        for step in steps:
            step()
            assert disagreements(stocked) == []
        registry.delete("churn@1")
        # GTO has it no more; DVC does not know of deletions, and gives the bytes it always gave.
        assert disagreements(stocked) == ["DVC: churn@v1.0.0 is not None"]


def test_reverted_by_git(stocked: Path) -> None:
    git(stocked, "revert", "--no-edit", "HEAD")
    assert disagreements(stocked) != []  # Git makes no tags
    with Registry(stocked) as registry:
        registry.sync_tags()
    assert disagreements(stocked) == []


def test_versions_squashed_into_one_commit(stocked: Path, tmp_path: Path) -> None:
    """As a merge button does: of two versions in one commit the older has no tag of its own."""
    with Registry(stocked) as registry:
        for text in ("four", "five"):
            registry.register("churn", write_model(stocked, text))
    git(stocked, "reset", "--soft", "HEAD~2")
    git(stocked, "commit", "--quiet", "-m", "two versions at once")
    for tag in git(stocked, "tag", "--list").splitlines():
        git(stocked, "tag", "--delete", tag)
    with Registry(stocked) as registry:
        registry.sync_tags()
        assert disagreements(stocked, untagged=(4,)) == []
        for number in (5, 4, 2):
            registry.promote(f"churn@{number}", stage="production", alias="champion")
            assert disagreements(stocked, untagged=(4,)) == []


def test_names_that_they_cannot_take_are_left_out(stocked: Path) -> None:
    with Registry(stocked) as registry:
        registry.register("größe 2", write_model(stocked, "other"))
        registry.promote("größe 2@1", stage="production", alias="champion")
        registry.set_alias("churn@1", "größe")
    assert git(stocked, "tag", "--list", "gr*") == ""
    assert "größe" not in (stocked / "dvc.yaml").read_text()
    said = disagreements(stocked)
    assert said == [f"{tool}: churn#größe is None, not 1" for tool in ("GTO", "DVC")]
    assert "churn" in run(stocked, "gto", "show")


# The tools as processes, in repositories that a user of DVC has


@pytest.fixture(scope="module")
def pipeline(
    templates: Path, tmp_path_factory: pytest.TempPathFactory, hermetic_module: None
) -> Path:
    """The stocked registry, with a pipeline of the user's in its ``dvc.yaml``."""
    work = shutil.copytree(templates, tmp_path_factory.mktemp("user") / "s", symlinks=True) / "work"
    yaml = YAML()
    document = yaml.load((work / "dvc.yaml").read_text())
    document["stages"] = {
        "train": {"cmd": "cp data.csv trained.bin", "deps": ["data.csv"], "outs": ["trained.bin"]}
    }
    with (work / "dvc.yaml").open("w") as stream:
        yaml.dump(document, stream)
    (work / "data.csv").write_text("1,2\n")
    run(work, "dvc", "add", "--quiet", "data.csv")
    run(work, "dvc", "repro", "--quiet")
    git(work, "add", ".")
    git(work, "commit", "--quiet", "-m", "a pipeline")
    return work


def test_gto_shows_and_tells(templates: Path) -> None:
    work = templates / "work"
    shown = json.loads(run(work, "gto", "show", "--json"))
    assert shown["churn"]["version"] == "v3.0.0"
    assert shown["churn"]["stage"]["production"] == "v2.0.0"
    assert shown["churn"]["stage"]["champion"] == "v2.0.0"
    assert shown["churn"]["stage"]["archived"] == "v1.0.0"
    held = json.loads(run(work, "gto", "show", "churn#production", "--json"))
    assert [version["version"] for version in held] == ["v2.0.0"]
    told = json.loads(run(work, "gto", "history", "churn", "--json"))
    moves = [event["ref"] for event in told if event["event"] == "assignment"]
    assert sorted(moves) == [
        "churn#archived#3",
        "churn#champion#4",
        "churn#production#1",
        "churn#production#2",
    ]


@pytest.fixture(scope="module")
def absolute(hermetic_module: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry whose DVC remote is an absolute path: DVC reads a copy of the repository."""
    work = tmp_path_factory.mktemp("absolute") / "work"
    Registry.init(work)
    (work / ".dvc" / "config").write_text(
        f"[core]\n    remote = s\n['remote \"s\"']\n    url = {work.parent / 'store'}\n"
    )
    git(work, "init", "--quiet", "--bare", "../origin.git")
    git(work, "remote", "add", "origin", "../origin.git")
    git(work, "commit", "--quiet", "-m", "share the bytes", ".dvc/config")
    with Registry(work) as registry:
        registry.register("churn", write_model(work, "weights 1"), push=True)
        registry.register("churn", write_model(work, "weights 2"))
        registry.promote("churn@2", stage="production", alias="champion", push=True)
    return work


@pytest.mark.parametrize(
    ("option", "value", "version"),
    [("--stage", "production", 2), ("--stage", "champion", 2), ("--rev", "v1.0.0", 1)],
)
def test_dvc_gets_an_artifact(
    absolute: Path, tmp_path: Path, option: str, value: str, version: int
) -> None:
    words = ["artifacts", "get", str(absolute), "churn", option, value, "-o", "got"]
    run(tmp_path, "dvc", *words)
    assert (tmp_path / "got" / "model.pkl").read_text() == f"weights {version}"


def test_dvc_pull_and_gc_lose_nothing(pipeline: Path, tmp_path: Path) -> None:
    """Every version's bytes stay in the cache: archived ones and one that was just registered."""
    work = shutil.copytree(pipeline.parent, tmp_path / "s", symlinks=True) / "work"
    with Registry(work) as registry:
        registry.register("churn", write_model(work, "weights 4"))
        registry.archive("churn@1")
        run(work, "dvc", "gc", "--workspace", "--force", "--quiet")
        (work.parent / "dvc-remote").rename(work.parent / "away")
        wanted = [version for version, findings in registry.verify() if findings]
        assert wanted == []
        assert len(registry.versions("churn")) == 4


def test_dvc_pull_in_a_clone(templates: Path, tmp_path: Path) -> None:
    place = Path(shutil.copytree(templates, tmp_path / "s", symlinks=True))
    git(place, "clone", "--quiet", "origin.git", "clone")
    run(place / "clone" / "registry", "dvc", "pull", "--quiet")
    for number in (1, 2, 3):
        pulled = place / f"clone/registry/churn/versions/{number}/model/model.pkl"
        assert pulled.read_text() == f"weights {number}"
    assert git(place / "clone", "status", "--porcelain") == ""
    with Registry(place / "clone") as registry:
        assert registry.pull("churn@1").name == "model"
        assert [findings for _, findings in registry.verify() if findings] == []


def test_a_users_pipeline_is_not_disturbed(pipeline: Path, tmp_path: Path) -> None:
    work = shutil.copytree(pipeline.parent, tmp_path / "s", symlinks=True) / "work"
    status = ["dvc", "status", "--json", "train", "data.csv.dvc"]
    assert json.loads(run(work, *status)) == {}
    lock = (work / "dvc.lock").read_bytes()
    with Registry(work) as registry:
        registry.register("trained", work / "trained.bin", reason="from the pipeline")
        found = registry.show("trained@1")
        registry.promote("trained@1", stage="production")
    assert found.lineage.command == "cp data.csv trained.bin"
    assert [item.path for item in found.lineage.data] == ["data.csv"]
    assert "train:" in (work / "dvc.yaml").read_text()
    assert json.loads(run(work, *status)) == {}
    (work / "data.csv").write_text("3,4\n")
    run(work, "dvc", "repro", "--quiet")
    assert (work / "trained.bin").read_text() == "3,4\n"
    assert (work / "dvc.lock").read_bytes() != lock
    (work / "notes.txt").write_text("x")
    run(work, "dvc", "add", "--quiet", "notes.txt")
    assert (work / "notes.txt.dvc").exists()
    with Registry(work) as registry:
        registry.register("trained", work / "trained.bin")
        assert registry.pull("trained@2").read_text() == "3,4\n"
        assert registry.pull("trained@1").read_text() == "1,2\n"


def _of(model: str, found: list[str]) -> list[str]:
    return [line for line in found if model in line]


def test_a_model_that_is_renamed(stocked: Path) -> None:
    """Of the versions that one commit brings only the newest has a tag; the old name has none."""
    with Registry(stocked) as registry:
        registry.rename_model("churn", "leavers")
        assert gto.api.show(str(stocked), "churn@latest") == []
        assert gto.api.show(str(stocked))["leavers"]["version"] == "v3.0.0"
        assert _of("leavers", disagreements(stocked, untagged=(1, 2))) == []
        registry.promote("leavers@3", stage="production", alias="champion")
        assert version_by_gto(stocked, "leavers", "production") == 3
        registry.register("leavers", write_model(stocked, "four"))
        registry.promote("leavers@4", stage="production", alias="champion")
        assert _of("leavers", disagreements(stocked, untagged=(1, 2))) == []
        assert gto.api.show(str(stocked), "churn#production") == []
        assert registry.sync_tags().foreign == ()


def test_a_rename_that_is_taken_back(stocked: Path) -> None:
    """GTO does not take a version for registered again; DVC does not know of deletions."""
    with Registry(stocked) as registry:
        registry.rename_model("churn", "leavers")
        git(stocked, "revert", "--no-edit", "HEAD")
        registry.sync_tags()
        assert gto.api.show(str(stocked), "leavers@latest") == []
        registry.register("churn", write_model(stocked, "four"))
        registry.promote("churn@4", stage="production", alias="champion")
        assert version_by_gto(stocked, "churn", "production") == 4
        with Repo(str(stocked)) as repo:
            newest = registry.show("churn@4").artifact.md5
            assert md5_by_dvc(repo, "churn", stage="production") == newest


def test_a_name_that_begins_anew(stocked: Path) -> None:
    """Numbers whose tags an earlier model of the name has get none, until they are past them."""
    with Registry(stocked) as registry:
        registry.delete_model("churn", force=True)
        assert gto.api.show(str(stocked), "churn@latest") == []
        assert gto.api.show(str(stocked), "churn#production") == []
        registry.create_model("churn")
        for text in ("one", "two", "three"):
            assert registry.register("churn", write_model(stocked, text)).tags == ()
        registry.promote("churn@2", stage="production")
        assert gto.api.show(str(stocked), "churn#production") == []
        registry.register("churn", write_model(stocked, "four"))
        registry.promote("churn@4", stage="production")
        assert version_by_gto(stocked, "churn", "production") == 4
        with Repo(str(stocked)) as repo:
            newest = registry.show("churn@4").artifact.md5
            assert md5_by_dvc(repo, "churn", stage="production") == newest
            assert md5_by_dvc(repo, "churn", version="v4.0.0") == newest
        report = registry.sync_tags()
        assert (report.made, report.wrong, report.foreign) == ((), (), ())
