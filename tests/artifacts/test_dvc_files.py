"""What DVC's files say of a source, written by hand: odd, incomplete and broken ones."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitreg.artifacts import dvc_files
from gitreg.artifacts.lineage import TrackedOutput, find_tracked
from gitreg.core.model.model import DataDependency
from gitreg.errors import GitregError, InvalidDocument, InvalidRequest, NotFound, WorldError
from tests.artifacts.dvc_files import OUT, md5, tracked, write


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
        (TRAIN, lock(f"[{{path: model.pkl, md5: {OUT}, hash: sha256}}]")),
        (TRAIN, lock("[{path: model.pkl, hash: md5}]")),
        (TRAIN, lock("[{path: model.pkl, files: []}]")),
        (TRAIN, "# model.pkl\n"),
        ("", lock()),
    ],
)
def test_a_lock_that_does_not_say_enough(tmp_path: Path, definition: str, recorded: str) -> None:
    write(tmp_path, {".dvc/config": "", "dvc.yaml": definition, "dvc.lock": recorded})
    assert find_tracked(tmp_path / "model.pkl") is None


@pytest.mark.parametrize("kind", ["", ", hash: md5-dos2unix"])
def test_what_dvc_2_recorded_is_read(tmp_path: Path, kind: str) -> None:
    out = f"[{{path: model.pkl, md5: {OUT}{kind}, size: 5, isexec: true}}]"
    deps = f", deps: [{{path: data.csv, md5: {OUT}{kind}, size: 5}}], params: {{p.yaml: {{lr: 1}}}}"
    write(tmp_path, {".dvc/config": "", "dvc.yaml": TRAIN, "dvc.lock": lock(out, deps)})
    found = tracked(tmp_path / "model.pkl")
    assert (found.md5, found.is_old, found.command) == (OUT, True, "python train.py")
    assert (found.data, found.params) == ((DataDependency("data.csv", OUT, 5),), {"lr": 1})
    write(tmp_path, {"other.pkl.dvc": f"outs: [{{path: other.pkl, md5: {OUT}{kind}, size: 5}}]"})
    assert tracked(tmp_path / "other.pkl").is_old
    assert tracked(tmp_path / "other.pkl.dvc") == tracked(tmp_path / "other.pkl")
    assert not tracked_by_dvc_3(tmp_path).is_old


def tracked_by_dvc_3(folder: Path) -> TrackedOutput:
    write(folder, {"dvc.lock": lock()})
    return tracked(folder / "model.pkl")


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
        DataDependency("sub/train.py", OUT),
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
        ("m.json", '{"n": NaN}', "m.json: NaN is not a finite number"),
        ("m.yaml", "n: .inf", r"m.yaml: line 1: .*finite"),
        ("m.txt", "n: .nan", r"m.txt: n: not a finite number"),
        ("m.json", '{"n": 1', "m.json: line 1: not JSON"),
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
        pointer("hash: md5, cache: false"),
        pointer("cache: false"),
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
    assert caught.value.hint == f"did you mean '{tmp_path}/model.pt.dvc'?"
    for text, said in ((pointer("cache: false"), "no MD5, or"), ("outs: []", "has 0 outputs")):
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
    monkeypatch.setattr(dvc_files, "DVC_FILE_LIMIT", 20)
    with pytest.raises(InvalidDocument, match=r"^dvc\.lock: larger than"):
        find_tracked(tmp_path / "model.pkl")

    def denied(self: Path, *_args: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(WorldError, match=r"^model\.pkl\.dvc: cannot be read: Permission denied"):
        find_tracked(tmp_path / "model.pkl")
