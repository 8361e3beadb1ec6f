"""What DVC says of a source: a pipeline that DVC ran, and data beside it."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gitreg.artifacts import lineage
from gitreg.artifacts.lineage import data_dependency, find_tracked
from gitreg.core.model.model import DataDependency
from gitreg.dvc.digest import TreeDigest, hash_tree
from gitreg.errors import InvalidRequest, NotFound
from tests.artifacts.dvc_files import OUT, md5, tracked, write

PIPELINE = """
vars: [k: 2]
stages:
  prepare:
    cmd: mkdir -p prepared && cp data/raw.csv prepared/x.csv
    deps: [data/raw.csv]
    outs: [prepared]
  train:
    cmd:
    - mkdir -p models/churn && cp prepared/x.csv models/churn/model.pkl
    - echo '{"train":{"auc":0.9},"n":3}' > metrics.json && echo 'n,1' > kept.csv
    deps: [prepared]
    params:
    - train.lr
    - seed
    - extra.json: [depth, since]
    - more.yaml:
    outs:
    - models/churn
    - kept.csv: {cache: false}
    metrics:
    - metrics.json: {cache: false}
  evaluate:
    cmd: "echo 'n: 4' > evaluated.yaml"
    deps: [models/churn]
    metrics: [evaluated.yaml]
  each:
    foreach: [a, b]
    do:
      cmd: echo ${item} > ${item}.txt && echo '{"m":1}' > ${item}.json
      outs: ["${item}.txt"]
      metrics: ["${item}.json": {cache: false}]
  grid:
    matrix: {k: [1, 2]}
    wdir: sub
    cmd: echo ${item.k} > g_${item.k}.txt && echo '{"top":1}' > top_${item.k}.json
    deps: [../data/raw.csv]
    outs: ["g_${item.k}.txt", "top_${item.k}.json"]
metrics:
- sub/top_1.json
- sub/top_${k}.json
"""

FILES = {
    "dvc.yaml": PIPELINE,
    "params.yaml": "train: {lr: 0.01, depth: 3}\nseed: 7\n",
    "extra.json": '{"depth": 9, "since": "2026"}',
    "more.yaml": "seed: 8\nday: '2026-11-22'\nweights: {0: 1.5}\nmissing: .nan\n",
    "data/raw.csv": "a,b\n",
    "images/1": "one\n",
    "images/deep/2": "two\n",
    "sub/.gitkeep": "",
}


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository whose pipeline DVC has run; a file, a folder, an import are added."""
    folder = write(tmp_path_factory.mktemp("pipeline"), FILES)
    home = tmp_path_factory.mktemp("home")
    kept = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    env = kept | {
        "HOME": str(home),
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_SYSTEM": "/dev/null",
        "DVC_NO_ANALYTICS": "1",
        "DVC_SITE_CACHE_DIR": str(home / "site"),
        "DVC_GLOBAL_CONFIG_DIR": str(home / "global"),
        "DVC_SYSTEM_CONFIG_DIR": str(home / "system"),
    }
    dvc = [sys.executable, "-m", "dvc"]
    for command in (
        ["git", "init", "-q"],
        [*dvc, "init", "-q"],
        [*dvc, "add", "-q", "data/raw.csv", "images"],
        [*dvc, "import-url", "-q", "extra.json", "imported.json"],
        [*dvc, "repro", "-q"],
    ):
        subprocess.run(command, cwd=folder, env=env, check=True, capture_output=True)
    return folder


@pytest.fixture
def pipeline(built: Path, tmp_path: Path) -> Path:
    """Return a copy of `built` to change."""
    return Path(shutil.copytree(built, tmp_path / "pipeline", symlinks=True))


def test_an_output_of_a_stage_brings_its_lineage(built: Path) -> None:
    found = tracked(built / "models" / "churn")
    digest = hash_tree(built / "models" / "churn")
    assert (found.md5, found.size, found.files) == (digest.md5, digest.size, digest.files)
    assert (found.path, found.dvc_root) == (built / "models" / "churn", built)
    assert found.origin == "dvc.lock: train"
    assert found.command is not None
    assert " && echo '{" in found.command
    prepared = hash_tree(built / "prepared")
    assert found.data == (DataDependency("prepared", prepared.md5, prepared.size),)


def test_parameters_of_several_files_are_merged(built: Path) -> None:
    assert tracked(built / "models" / "churn").params == {
        "params.yaml:seed": 7,
        "more.yaml:seed": 8,
        "train.lr": 0.01,
        "depth": 9,
        "since": "2026",
        "day": "2026-11-22",
        "weights": {"0": 1.5},
        "missing": ".nan",
    }


def test_metrics_come_from_the_stage_and_from_its_evaluation(built: Path) -> None:
    metrics = tracked(built / "models" / "churn").metrics
    assert metrics == {"train.auc": 0.9, "metrics:n": 3, "evaluated:n": 4}
    without = find_tracked(built / "models" / "churn", with_metrics=False)
    assert without is not None
    assert without.metrics == {}


@pytest.mark.parametrize("name", ["data/raw.csv", "data/raw.csv.dvc", "images", "images.dvc"])
def test_a_dvc_file_beside_the_source_or_given_itself(built: Path, name: str) -> None:
    found = tracked(built / name)
    digest = hash_tree(built / name.removesuffix(".dvc"))
    assert (found.md5, found.size, found.files) == (digest.md5, digest.size, digest.files)
    assert found.path == built / name.removesuffix(".dvc")
    assert found.origin == name.removesuffix(".dvc") + ".dvc"
    assert (found.command, found.data, found.params, found.metrics) == (None, (), {}, {})


def test_an_import_names_the_file_it_came_from(built: Path) -> None:
    found = tracked(built / "imported.json")
    assert [dependency.path for dependency in found.data] == ["extra.json"]


def test_a_relative_path_and_one_with_dots(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(built / "data")
    assert tracked(Path("raw.csv")) == tracked(built / "data" / "raw.csv")
    assert tracked(Path("../images/../models/churn")).path == built / "models" / "churn"


def test_stages_made_by_foreach_and_matrix(built: Path) -> None:
    each = tracked(built / "a.txt")
    assert (each.origin, each.metrics) == ("dvc.lock: each@a", {"m": 1})
    grid = tracked(built / "sub" / "g_1.txt")
    assert (grid.origin, grid.metrics) == ("dvc.lock: grid@1", {"top": 1})
    assert [dependency.path for dependency in grid.data] == ["data/raw.csv"]
    assert tracked(built / "sub" / "g_2.txt").metrics == {"top": 1}


@pytest.mark.parametrize(
    "name",
    [
        "kept.csv",  # cache: false
        "metrics.json",
        "a.json",  # cache: false, behind a template
        "dvc.yaml",
        "prepared/x.csv",  # inside an output
        "images/1",
        "nowhere",
        "images/deep",
    ],
)
def test_what_dvc_does_not_keep_as_an_output_of_its_own(built: Path, name: str) -> None:
    assert find_tracked(built / name) is None


def test_the_source_may_be_missing_from_the_work_tree(pipeline: Path) -> None:
    shutil.rmtree(pipeline / "models")
    (pipeline / "data" / "raw.csv").unlink()
    assert tracked(pipeline / "models" / "churn").origin == "dvc.lock: train"
    assert data_dependency(pipeline / "data" / "raw.csv", pipeline).md5 == md5("a,b\n")


def test_a_metric_file_that_is_not_the_recorded_one_is_refused(pipeline: Path) -> None:
    source = pipeline / "models" / "churn"
    for change in (lambda path: path.write_text('{"n": 1}'), Path.unlink):
        change(pipeline / "metrics.json")
        with pytest.raises(InvalidRequest, match=r"^metrics\.json: ") as caught:
            find_tracked(source)
        assert caught.value.hint == "dvc repro brings it up to date; or give --metrics"
        assert find_tracked(source, with_metrics=False) is not None


def test_metrics_of_another_output_are_refused(pipeline: Path) -> None:
    lock = pipeline / "dvc.lock"
    found = tracked(pipeline / "models" / "churn").md5
    before, after = lock.read_text().split("  evaluate:")
    lock.write_text(before + "  evaluate:" + after.replace(found, md5("other") + ".dir"))
    with pytest.raises(InvalidRequest, match=r"evaluated\.yaml: the stage evaluate measured"):
        find_tracked(pipeline / "models" / "churn")


def test_data_is_taken_from_the_record_or_hashed(
    pipeline: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[Path] = []

    def watched(path: Path, *, as_source: bool) -> TreeDigest:
        assert as_source
        hashed.append(path)
        return hash_tree(path)

    monkeypatch.setattr(lineage, "hash_tree", watched)
    raw = DataDependency("data/raw.csv", md5("a,b\n"), 4)
    assert data_dependency(pipeline / "data" / "raw.csv", pipeline) == raw
    assert data_dependency(pipeline / "data" / "raw.csv.dvc", pipeline) == raw
    images = data_dependency(pipeline / "images", pipeline)
    assert (images.path, images.size) == ("images", 8)
    assert data_dependency(pipeline / "prepared", pipeline).path == "prepared"
    assert hashed == []
    assert data_dependency(pipeline / "params.yaml", pipeline).md5 == md5(FILES["params.yaml"])
    (pipeline / "images" / "deep" / "2").unlink()
    assert data_dependency(pipeline / "images", pipeline).size == 4
    (pipeline / "data" / "raw.csv").chmod(0o644)
    (pipeline / "data" / "raw.csv").write_text("c,d\n")
    os.utime(pipeline / "data" / "raw.csv", (4_000_000_000, 4_000_000_000))
    assert data_dependency(pipeline / "data" / "raw.csv", pipeline).md5 == md5("c,d\n")
    assert hashed == [pipeline / name for name in ("params.yaml", "images", "data/raw.csv")]


def test_data_that_cannot_be_looked_at_is_left_to_hashing(
    pipeline: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(self: Path) -> bool:
        if self.name == "1":
            raise PermissionError(errno.EACCES, "Permission denied")
        return False

    monkeypatch.setattr(Path, "is_file", denied)
    monkeypatch.setattr(
        lineage, "hash_tree", lambda _path, **_: TreeDigest("", OUT, 9, 1, (), False)
    )
    assert data_dependency(pipeline / "images", None).md5 == OUT


def test_data_outside_of_the_root_has_its_whole_path(tmp_path: Path) -> None:
    path = write(tmp_path, {"data/train.csv": "a\n"}) / "data" / "train.csv"
    assert data_dependency(path, tmp_path / "other").path == path.as_posix()
    assert data_dependency(path, None).path == path.as_posix()
    (tmp_path / "linked").symlink_to(tmp_path / "data")
    assert data_dependency(path, tmp_path / "linked").path == "train.csv"


def test_data_that_is_missing_names_the_near_miss(built: Path) -> None:
    with pytest.raises(NotFound, match="no such file or folder") as caught:
        data_dependency(built / "data" / "row.csv", built)
    assert caught.value.hint is not None
    assert f"'{built}/data/raw.csv'" in caught.value.hint
