"""What DVC's and MLflow's own files say of a source: a pipeline run by DVC, and files by hand."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitreg.artifacts import lineage
from gitreg.artifacts.lineage import TrackedOutput, data_dependency, find_tracked
from gitreg.artifacts.mlmodel import mlflow_run
from gitreg.core.model.model import DataDependency, Run
from gitreg.dvc.digest import TreeDigest, hash_tree
from gitreg.errors import GitregError, InvalidDocument, InvalidRequest, NotFound, WorldError

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


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), encoding="utf-8")
    return folder


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


def tracked(source: Path) -> TrackedOutput:
    found = find_tracked(source)
    assert found is not None
    return found


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


# --- A pipeline that DVC ran --------------------------------------------------------------------


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
    assert (each.origin, each.metrics) == ("dvc.lock: each@a", {})
    grid = tracked(built / "sub" / "g_1.txt")
    assert (grid.origin, grid.metrics) == ("dvc.lock: grid@1", {"top": 1})
    assert [dependency.path for dependency in grid.data] == ["data/raw.csv"]
    assert tracked(built / "sub" / "g_2.txt").metrics == {}


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

    def watched(path: Path) -> TreeDigest:
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
    monkeypatch.setattr(lineage, "hash_tree", lambda _path: TreeDigest("", OUT, 9, 1, (), False))
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
    assert "'raw.csv'" in caught.value.hint


# --- DVC's files by hand ------------------------------------------------------------------------

OUT = md5("model")


def lock(
    outs: str = f"[{{path: model.pkl, hash: md5, md5: {OUT}, size: 5}}]", more: str = ""
) -> str:
    return f"schema: '2.0'\nstages:\n  train: {{cmd: python train.py, outs: {outs}{more}}}\n"


TRAIN = "stages: {train: {cmd: python train.py, outs: [model.pkl]}}\n"


def test_a_small_pipeline(tmp_path: Path) -> None:
    write(tmp_path, {".dvc/config": "", "dvc.yaml": TRAIN, "dvc.lock": lock()})
    assert tracked(tmp_path / "model.pkl") == TrackedOutput(
        OUT, 5, 1, tmp_path / "model.pkl", tmp_path, "dvc.lock: train", "python train.py"
    )


@pytest.mark.parametrize(
    ("definition", "recorded"),
    [
        ("stages: {other: {cmd: x, outs: [model.pkl]}}", lock()),
        ("stages: {train: {cmd: x, outs: [other.pkl]}}", lock()),
        ("stages: {train: {cmd: x, outs: [model.pkl: {cache: false}]}}", lock()),
        ('stages: {train: {cmd: x, outs: ["${m}": {cache: false}]}}', lock()),
        ('stages: {train: {cmd: x, outs: ["${m}": {}, "${n}.pkl": {cache: no}]}}', lock()),
        ('stages: {train: {cmd: x, wdir: "${w}", outs: [model.pkl]}}', lock()),
        (TRAIN, "schema: '2.0'"),
        (TRAIN, lock(f"[{{path: model.pkl, md5: {OUT}}}]")),
        (TRAIN, lock(f"[{{path: model.pkl, md5: {OUT}, hash: md5-dos2unix}}]")),
        (TRAIN, lock("[{path: model.pkl, hash: md5}]")),
        (TRAIN, lock("[{path: model.pkl, files: []}]")),
        (TRAIN, "# model.pkl\n"),
        ("", lock()),
    ],
)
def test_a_lock_that_does_not_say_enough(tmp_path: Path, definition: str, recorded: str) -> None:
    write(tmp_path, {".dvc/config": "", "dvc.yaml": definition, "dvc.lock": recorded})
    assert find_tracked(tmp_path / "model.pkl") is None


@pytest.mark.parametrize(
    "definition",
    [
        "stages: {train: {cmd: x, outs: [./model.pkl]}}",
        'stages: {train: {cmd: x, outs: ["${m}.pkl", "${n}.txt": {cache: false}]}}',
        'stages: {train: {cmd: x, outs: [model.pkl, "${n}": {cache: false}]}}',
        "stages: {train: {cmd: x, outs: [model.pkl: {push: false, persist: true}]}}",
        "stages: {train: {cmd: x, plots: [model.pkl: [{x: a}]]}}",
        "x: &o [model.pkl]\ny: &o [model.pkl]\nstages: {train: {cmd: x, outs: *o}}",
    ],
)
def test_definitions_that_cache_the_output(tmp_path: Path, definition: str) -> None:
    write(tmp_path, {".dvc/config": "", "dvc.yaml": definition, "dvc.lock": lock()})
    assert tracked(tmp_path / "model.pkl").md5 == OUT


def test_no_definition_no_lock_no_root(tmp_path: Path) -> None:
    write(tmp_path, {"dvc.yaml": TRAIN, "dvc.lock": lock()})
    assert find_tracked(tmp_path / "model.pkl") is None
    (tmp_path / ".dvc").mkdir()
    (tmp_path / "dvc.yaml").unlink()
    assert find_tracked(tmp_path / "model.pkl") is None


def test_a_lock_above_the_root_of_dvc_is_not_read(tmp_path: Path) -> None:
    write(tmp_path, {".dvc/config": "", "dvc.yaml": TRAIN, "dvc.lock": "[model.pkl"})
    write(tmp_path, {"inner/.dvc/config": "", "inner/x": ""})
    assert find_tracked(tmp_path / "inner" / "model.pkl") is None


def test_a_lock_that_does_not_mention_the_source_is_not_parsed(tmp_path: Path) -> None:
    write(tmp_path, {".dvc/config": "", "dvc.yaml": "[", "dvc.lock": "["})
    assert find_tracked(tmp_path / "model.pkl") is None
    with pytest.raises(InvalidDocument, match=r"^dvc\.lock:"):
        find_tracked(tmp_path / "größe 2")


def test_paths_are_relative_to_the_git_repository_around(tmp_path: Path) -> None:
    deps = f"""[
        {{path: ../data.csv, hash: md5, md5: {OUT}, size: 5}},
        {{path: train.py, md5: {OUT}}},
        {{path: ../../outside.csv}},
        {{path: /mnt/data.csv}},
        {{path: "https://ada:s3cret@example.com/x.csv?token=t", etag: e}},
    ]"""
    write(tmp_path / "git", {".git/HEAD": "", "sub/.dvc/config": "", "sub/dvc.yaml": TRAIN})
    write(tmp_path / "git", {"sub/dvc.lock": lock(more=f", deps: {deps}")})
    assert tracked(tmp_path / "git" / "sub" / "model.pkl").data == (
        DataDependency("data.csv", OUT, 5),
        DataDependency("sub/train.py"),
        DataDependency("../outside.csv"),
        DataDependency("/mnt/data.csv"),
        DataDependency("https://example.com/x.csv"),
    )


def test_metric_files_whose_stems_are_the_same_keep_their_extension(tmp_path: Path) -> None:
    outs = [{"path": "model.pkl", "hash": "md5", "md5": OUT}]
    for name in ("m.json", "m.yaml"):
        outs.append({"path": name, "hash": "md5", "md5": md5('{"n": 1}')})
        write(tmp_path, {name: '{"n": 1}'})
    definition = "stages: {train: {cmd: x, outs: [model.pkl], metrics: [m.json, m.yaml]}}"
    write(tmp_path, {".dvc/config": "", "dvc.yaml": definition, "dvc.lock": lock(json.dumps(outs))})
    assert tracked(tmp_path / "model.pkl").metrics == {"m.json:n": 1, "m.yaml:n": 1}


@pytest.mark.parametrize(
    ("metric", "text", "said"),
    [
        ("m.json", '{"n": "1"}', "m.json: n: expected a number, found text"),
        ("m.csv", "n,1", r"m.csv: cannot read metrics from .csv"),
        ("new.json", '{"n": 1}', "new.json: the stage train has not made it yet"),
        ("m.json", '{"n": [%s1]}' % ("1," * 40_000), "m.json: larger than 64 KiB"),
    ],
)
def test_bad_metrics_of_a_stage(tmp_path: Path, metric: str, text: str, said: str) -> None:
    outs = [{"path": "model.pkl", "hash": "md5", "md5": OUT}]
    if metric != "new.json":
        outs.append({"path": metric, "hash": "md5", "md5": md5(text)})
    definition = f"stages: {{train: {{cmd: x, outs: [model.pkl], metrics: [{metric}]}}}}"
    write(tmp_path, {".dvc/config": "", "dvc.yaml": definition, "dvc.lock": lock(json.dumps(outs))})
    write(tmp_path, {metric: text})
    with pytest.raises(InvalidRequest, match=said):
        find_tracked(tmp_path / "model.pkl")


@pytest.mark.parametrize(
    ("definition", "recorded", "said"),
    [
        (TRAIN, "[model.pkl", r"^dvc\.lock: line \d+: not YAML: "),
        (TRAIN, "[model.pkl]", r"^dvc\.lock: expected a mapping, found a list"),
        (TRAIN, "model.pkl: 1\nmodel.pkl: 2", r"^dvc\.lock: line 2: not YAML: .*duplicate key"),
        (TRAIN, "<<<<<<< model.pkl\n=======\n", r"^dvc\.lock: "),
        (TRAIN, "a: !!python/object:os.x model.pkl", r"^dvc\.lock: line 1: not YAML: "),
        (TRAIN, "a: !!bool model.pkl", r"^dvc\.lock: not YAML: "),
        (TRAIN, "a: !!int model.pkl", r"^dvc\.lock: not YAML: "),
        (TRAIN, "a: 2026-99-99 # model.pkl", r"^dvc\.lock: not YAML: "),
        (TRAIN, "model.pkl: " + "[" * 1000, r"^dvc\.lock: nested too deep"),
        (TRAIN, "stages: [model.pkl]", r"^dvc\.lock: stages: expected a mapping, found a list"),
        (TRAIN, "stages: {train: model.pkl}", r"^dvc\.lock: stages\.train: expected a mapping"),
        (TRAIN, lock("model.pkl"), r"^dvc\.lock: stages\.train\.outs: expected a list"),
        (TRAIN, lock("[model.pkl]"), r"^dvc\.lock: stages\.train\.outs\[0\]: expected a mapping"),
        (
            TRAIN,
            lock("[{paht: model.pkl}]"),
            r"^dvc\.lock: stages\.train\.outs\[0\]\.path: missing",
        ),
        (
            TRAIN,
            lock('[{path: "model.pkl\\0"}]'),
            r"outs\[0\]\.path: 'model.pkl\\x00' has a control",
        ),
        (TRAIN, lock("[{path: model.pkl, hash: md5, md5: x}]"), r"outs\[0\]\.md5: expected an MD5"),
        (TRAIN, lock("[{path: model.pkl, hash: md5, md5: 5}]"), r"outs\[0\]\.md5: expected text"),
        (TRAIN, lock(more=", params: [1]"), r"stages\.train\.params: expected a mapping"),
        (
            TRAIN,
            lock(more=", params: {p.yaml: {a: !!binary aGk=}}"),
            r"params\.p\.yaml: a: expected",
        ),
        (TRAIN, lock(more=", params: {p: {a: 1}, 'q': {a: 2, 'p:a': 3}}"), "two values have this"),
        (
            TRAIN,
            lock(more=", deps: [{path: x, hash: md5, md5: x}]"),
            r"deps\[0\]\.md5: expected an",
        ),
        (TRAIN, lock().replace("python train.py", "{a: 1}"), r"stages\.train\.cmd: expected text"),
        (TRAIN, lock().replace("python train.py", "[a, 1]"), r"stages\.train\.cmd: expected text"),
        ("stages: [", lock(), r"^dvc\.yaml: line \d+: not YAML: "),
        ("stages: {train: 5}", lock(), r"^dvc\.yaml: stages\.train: expected a mapping"),
        ("stages: {train: {wdir: 5}}", lock(), r"^dvc\.yaml: stages\.train\.wdir: expected text"),
        ("stages: {train: {outs: 5}}", lock(), r"^dvc\.yaml: stages\.train\.outs: expected a list"),
    ],
)
def test_dvc_files_with_faults(tmp_path: Path, definition: str, recorded: str, said: str) -> None:
    write(tmp_path, {".dvc/config": "", "dvc.yaml": definition, "dvc.lock": recorded})
    with pytest.raises(InvalidDocument, match=said):
        find_tracked(tmp_path / "model.pkl")


def test_a_command_may_be_absent(tmp_path: Path) -> None:
    recorded = lock().replace("cmd: python train.py, ", "")
    write(tmp_path, {".dvc/config": "", "dvc.yaml": TRAIN, "dvc.lock": recorded})
    assert tracked(tmp_path / "model.pkl").command is None


JUNK: st.SearchStrategy[object] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["path", "md5", "hash", "cmd", "outs", "train", "stages", "do", "cache"]
            ),
            inner,
            max_size=4,
        )
    ),
)


@given(st.text(max_size=60) | JUNK.map(json.dumps), st.sampled_from(["dvc.lock", "dvc.yaml", "x"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_file_of_dvc_gives_an_answer_or_one_error(
    tmp_path: Path, text: str, damaged: str
) -> None:
    files = {".dvc/config": "", "dvc.yaml": TRAIN, "dvc.lock": lock()}
    files["model.pkl.dvc" if damaged == "x" else damaged] = text + "\n# model.pkl\n"
    write(tmp_path, files)
    said = "model.pkl.dvc: "
    try:
        find_tracked(tmp_path / "model.pkl")
    except GitregError as error:
        said = str(error)
    finally:
        (tmp_path / "model.pkl.dvc").unlink(missing_ok=True)
    assert said.startswith(("dvc.lock: ", "dvc.yaml: ", "model.pkl.dvc: "))


def pointer(more: str = "hash: md5, size: 5", path: str = "model.pkl") -> str:
    return f"outs: [{{md5: {OUT}, path: {path}, {more}}}]\n"


def test_a_dvc_file_with_a_working_folder_and_dependencies(tmp_path: Path) -> None:
    deps = f"""
        wdir: ..
        deps:
        - {{path: raw.csv, hash: md5, md5: {OUT}, size: 5}}
        - {{path: x, md5: {OUT}, repo: {{url: "https://example.com/x"}}}}
        - {{path: "https://example.com/y", etag: e}}
    """
    files = {".dvc/config": "", "in/model.pkl.dvc": pointer(path="in/model.pkl") + dedent(deps)}
    write(tmp_path, files)
    found = tracked(tmp_path / "in" / "model.pkl")
    assert (found.path, found.origin) == (tmp_path / "in" / "model.pkl", "in/model.pkl.dvc")
    assert found.data == (DataDependency("raw.csv", OUT, 5),)
    assert tracked(tmp_path / "in" / "model.pkl.dvc") == found


@pytest.mark.parametrize(
    "text",
    [
        pointer(path="other.pkl"),
        pointer("size: 5"),
        pointer("hash: md5-dos2unix"),
        pointer("hash: md5, cache: false"),
        "outs: [{path: model.pkl}]",
        "",
    ],
)
def test_a_dvc_file_beside_the_source_that_does_not_track_it(tmp_path: Path, text: str) -> None:
    write(tmp_path, {".dvc/config": "", "model.pkl.dvc": text})
    assert find_tracked(tmp_path / "model.pkl") is None


def test_a_dvc_file_given_itself_must_point_at_one_cached_output(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl.dvc"
    with pytest.raises(InvalidRequest, match="not inside a DVC repository"):
        find_tracked(path)
    write(tmp_path, {".dvc/config": "", "model.pt.dvc": pointer()})
    with pytest.raises(NotFound, match="no such file") as caught:
        find_tracked(path)
    assert caught.value.hint == "did you mean 'model.pt.dvc'?"
    for text, said in ((pointer("size: 5"), "no MD5 of DVC 3"), ("outs: []", "has 0 outputs")):
        path.write_text(text)
        with pytest.raises(InvalidRequest, match=said):
            find_tracked(path)
    (tmp_path / "folder.dvc").mkdir()
    assert find_tracked(tmp_path / "folder.dvc") is None
    assert find_tracked(tmp_path / "folder") is None


def test_paths_that_no_file_system_takes(tmp_path: Path) -> None:
    (tmp_path / ".dvc").mkdir()
    with pytest.raises(WorldError, match="File name too long"):
        find_tracked(tmp_path / ("x" * 300))
    assert find_tracked(tmp_path / ("x" * 254)) is None
    with pytest.raises(InvalidRequest, match="is not a path"):
        find_tracked(tmp_path / "a\0b")
    write(tmp_path, {"file": ""})
    assert find_tracked(tmp_path / "file" / "inner") is None


def test_files_of_dvc_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {".dvc/config": "", "dvc.yaml": TRAIN, "dvc.lock": lock()})
    monkeypatch.setattr(lineage, "DVC_FILE_LIMIT", 20)
    with pytest.raises(InvalidDocument, match=r"^dvc\.lock: larger than"):
        find_tracked(tmp_path / "model.pkl")

    def denied(self: Path, *_args: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(WorldError, match=r"^model\.pkl\.dvc: cannot be read: Permission denied"):
        find_tracked(tmp_path / "model.pkl")


# --- MLflow -------------------------------------------------------------------------------------

RUN = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"


def model(folder: Path, text: str) -> Path:
    return write(folder, {"MLmodel": text})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"run_id: {RUN}\nflavors: {{sklearn: {{pickled_model: model.pkl}}}}\n", Run(RUN)),
        ("run_id: 12345678901234567890123456789e12\n", Run("12345678901234567890123456789e12")),
        ("run_id: 01234567890123456789012345678901\n", Run("01234567890123456789012345678901")),
        (f"utc_time_created: '2026-11-22 20:25:06.1'\nrun_id: '{RUN}'\n", Run(RUN)),
        ("run_id: null\n", None),
        ("run_id:\n", None),
        ("flavors: {}\n", None),
    ],
)
def test_the_run_of_an_mlflow_model(tmp_path: Path, text: str, expected: Run | None) -> None:
    assert mlflow_run(model(tmp_path, text)) == expected


def test_what_is_no_mlflow_model(tmp_path: Path) -> None:
    assert mlflow_run(tmp_path) is None
    assert mlflow_run(write(tmp_path, {"model.pkl": "x"}) / "model.pkl") is None
    (tmp_path / "folder" / "MLmodel").mkdir(parents=True)
    assert mlflow_run(tmp_path / "folder") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("run_id: [", r"MLmodel: line 1: not YAML: "),
        ("run_id: [a]", "MLmodel: not YAML: run_id: expected text"),
        ("- run_id", "MLmodel: not YAML: expected a mapping"),
        ("", "MLmodel: not YAML: expected a mapping"),
        ("run_id: ../../x", r"MLmodel: run_id: '../../x' is not the id of a run"),
        ("run_id: ''", "MLmodel: run_id: '' is not the id of a run"),
        ("a: " + "[" * 1000, "MLmodel: nested too deep"),
        ("a: " + "x" * 1024 * 1024, "MLmodel: larger than 1,024 KiB"),
    ],
)
def test_a_broken_mlflow_model(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InvalidDocument, match=said):
        mlflow_run(model(tmp_path, text))
