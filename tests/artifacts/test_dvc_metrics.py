"""Metrics: all that DVC lists are taken, and what is no number is named."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gitreg.artifacts.lineage import find_tracked
from gitreg.dvc.digest import hash_tree
from gitreg.errors import InvalidRequest
from gitreg.registry import Registry
from tests.artifacts.dvc_files import OUT, md5, tracked, write
from tests.conftest import dvc_project, git

PIPELINE = """
stages:
  train:
    foreach: [us, eu]
    do:
      cmd: echo ${item} > ${item}.pkl && echo '{"acc":0.5}' > ${item}.json
      outs: ["${item}.pkl"]
      metrics: ["${item}.json": {cache: false}]
  grid:
    matrix: {depth: [1, 2]}
    cmd: >-
      mkdir -p m/${item.depth} && echo x > m/${item.depth}/model.bin &&
      echo "f1: 0.${item.depth}" > m/${item.depth}/scores.yaml
    outs: ["m/${item.depth}/model.bin"]
    metrics: ["m/${item.depth}/scores.yaml"]
  evaluate:
    cmd: mkdir -p eval/plots && echo '{"auc":0.9}' > eval/metrics.json && echo 1 > eval/plots/a
    deps: [us.pkl]
    outs: [eval]
metrics:
- eval/metrics.json
- dvclive/metrics.json
"""


def stage(metric: str, text: str, more: str = "") -> dict[str, str]:
    """Return a project whose stage has a model and a metrics file."""
    outs = [
        {"path": "model.pkl", "hash": "md5", "md5": OUT},
        {"path": metric, "hash": "md5", "md5": md5(text)},
    ]
    lock = {"schema": "2.0", "stages": {"train": {"cmd": "x", "outs": outs}}}
    return {
        ".dvc/config": "",
        "dvc.yaml": f"stages: {{train: {{cmd: x, outs: [model.pkl], metrics: [{metric}]}}}}\n"
        + more,
        "dvc.lock": json.dumps(lock),
        metric: text,
    }


def test_what_dvc_lists_is_taken(folder: Path) -> None:
    dvc = [sys.executable, "-m", "dvc"]
    dvc_project(folder)
    write(
        folder,
        {
            "dvc.yaml": PIPELINE,
            "dvclive/metrics.json": '{"loss": 0.1, "best": {"epoch": 3}}',
            "best.ckpt": "weights",
        },
    )
    for command in (["add", "-q", "best.ckpt"], ["repro", "-q"]):
        subprocess.run([*dvc, *command], cwd=folder, check=True, capture_output=True)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "train")
    live = {"loss": 0.1, "best.epoch": 3}
    expected = {
        "us.pkl": {"acc": 0.5, "auc": 0.9, **live},
        "eu.pkl": {"acc": 0.5, **live},
        "m/2/model.bin": {"f1": 0.2, **live},
        "best.ckpt": live,
    }
    with Registry(folder) as registry:
        for number, (source, metrics) in enumerate(expected.items(), start=1):
            outcome = registry.register("churn", folder / source)
            assert outcome.warnings == ()
            assert registry.show(f"churn@{number}").metrics == metrics
    shown = subprocess.run([*dvc, "metrics", "show"], cwd=folder, check=True, capture_output=True)
    for name in ("us.json", "scores.yaml", "dvclive/metrics.json", "eval/metrics.json"):
        assert name in shown.stdout.decode()


@pytest.mark.parametrize(
    ("metric", "text", "metrics", "left"),
    [
        (
            "m.json",
            '{"auc": 0.9, "model": "rf", "none": null, "deep": {"curve": [1, 2], "n": 3}}',
            {"auc": 0.9, "deep.n": 3},
            "model, none, deep.curve",
        ),
        ("m.json", '{"ok": true, "auc": 1}', {"auc": 1}, "ok"),
        ("m.json", "0.75", {"m": 0.75}, None),
        ("m.json", "null", {}, "the whole file"),
        ("m.yaml", "auc: 0.9\nday: 2026-11-30\n", {"auc": 0.9}, "day"),
        ("acc.txt", "0.93\n", {"acc": 0.93}, None),
        ("acc.txt", "acc: 0.93\n1: 0.5\n", {"acc": 0.93, "1": 0.5}, None),
        ("acc.txt", "accuracy is 0.93\n", {}, "the whole file"),
        ("m.csv", "epoch,auc\n1,0.9\n", {}, "the whole file"),
        ("m.csv", "epoch,auc\n" + "1,0.9\n" * 20_000, {}, "the whole file"),
        ("m", "[1, 2", {}, "the whole file"),
        (
            "m.json",
            json.dumps({f"t{number}": "x" for number in range(9)}),
            {},
            "t0, t1, t2, t3, t4 and 4 more",
        ),
    ],
)
def test_numbers_are_taken_and_the_rest_is_named(
    tmp_path: Path, metric: str, text: str, metrics: dict[str, float], left: str | None
) -> None:
    write(tmp_path, stage(metric, text))
    found = tracked(tmp_path / "model.pkl")
    assert found.metrics == metrics
    way_out = "--metrics FILE or --metric NAME=NUMBER gives other metrics"
    said = f"{metric}: left out, not a number: {left}; {way_out}"
    assert found.warnings == (() if left is None else (said,))
    without = find_tracked(tmp_path / "model.pkl", with_metrics=False)
    assert without is not None
    assert without.warnings == ()


def test_a_file_that_no_stage_makes_may_be_missing(tmp_path: Path) -> None:
    write(tmp_path, stage("m.json", '{"auc": 0.9}', "metrics: [live/m.json, 'x/${k}.json']"))
    found = tracked(tmp_path / "model.pkl")
    assert found.metrics == {"auc": 0.9}
    (warning,) = found.warnings
    assert warning.startswith("live/m.json: DVC lists it as metrics, and it is not there; --metr")


def test_what_was_left_out_is_a_warning_of_the_registration(folder: Path) -> None:
    write(folder, {"best.ckpt": "w", "dvclive/dvc.yaml": "metrics: [metrics.json]"})
    write(folder, {"dvclive/metrics.json": '{"loss": 0.1, "kind": "unet"}'})
    command = [sys.executable, "-m", "dvc", "add", "-q", "best.ckpt"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    with Registry(folder) as registry:
        outcome = registry.register("churn", folder / "best.ckpt")
        (warning,) = outcome.warnings
        assert warning.startswith("dvclive/metrics.json: left out, not a number: kind; ")
        assert registry.show("churn@1").metrics == {"loss": 0.1}
        again = registry.register("churn", folder / "best.ckpt", metrics={"a": 1})
        assert again.warnings == ("the same bytes as churn@1",)


def _with_folder(folder: Path, listed: str) -> Path:
    write(folder, {"eval/m.json": '{"auc": 0.9}', "eval/deep/n.yaml": "n: 1", "eval/a.png": "x"})
    outs = [
        {"path": "model.pkl", "hash": "md5", "md5": OUT},
        {"path": "eval", "hash": "md5", "md5": hash_tree(folder / "eval").md5},
    ]
    lock = {"schema": "2.0", "stages": {"train": {"cmd": "x", "outs": outs}}}
    write(folder, {".dvc/config": "", "dvc.yaml": listed, "dvc.lock": json.dumps(lock)})
    return folder / "model.pkl"


def test_a_folder_of_metrics_is_all_of_its_files(tmp_path: Path) -> None:
    listed = "stages: {train: {cmd: x, outs: [model.pkl], metrics: [eval]}}"
    source = _with_folder(tmp_path, listed)
    assert tracked(source).metrics == {"auc": 0.9, "n": 1}


def test_a_file_in_a_folder_that_changed_is_refused(tmp_path: Path) -> None:
    listed = "stages: {train: {cmd: x, outs: [model.pkl, eval]}}\nmetrics: [eval/m.json]"
    source = _with_folder(tmp_path, listed)
    assert tracked(source).metrics == {"auc": 0.9}
    # DVC may check the folder out as links into its cache.
    (tmp_path / "cached").write_bytes((tmp_path / "eval" / "m.json").read_bytes())
    (tmp_path / "eval" / "m.json").unlink()
    (tmp_path / "eval" / "m.json").symlink_to(tmp_path / "cached")
    assert tracked(source).metrics == {"auc": 0.9}
    (tmp_path / "cached").write_text('{"auc": 0.99}')
    with pytest.raises(InvalidRequest, match=r"^eval/m\.json: differs from what the stage train"):
        find_tracked(source)


def test_a_template_does_not_take_a_model_for_metrics(tmp_path: Path) -> None:
    definition = """
    stages:
      train:
        foreach: {us: {out: us/model.json, metrics: us/scores.json}}
        do:
          cmd: x
          outs: ["${key}/model.json"]
          metrics: ["${key}/${item.name}"]
    """
    text = '{"auc": 0.9}'
    outs = [
        {"path": "us/model.json", "hash": "md5", "md5": OUT},
        {"path": "us/scores.json", "hash": "md5", "md5": md5(text)},
    ]
    lock = {"schema": "2.0", "stages": {"train@us": {"cmd": "x", "outs": outs}}}
    write(tmp_path, {".dvc/config": "", "dvc.yaml": definition, "dvc.lock": json.dumps(lock)})
    write(tmp_path, {"us/scores.json": text})
    assert tracked(tmp_path / "us" / "model.json").metrics == {"auc": 0.9}
