"""Which files of a commit a pipeline is made of, from DVC's files alone."""

from __future__ import annotations

from textwrap import dedent

import pytest

from gitreg.artifacts.dvc_files import DVC_FILE_LIMIT
from gitreg.artifacts.pipeline_files import PipelineFiles, pipeline_files
from tests.support.fakes import DictSnapshot

STAGES = """\
    stages:
      clean:
        cmd: python ../lib/clean.py --fast
        deps: [raw.csv, "${folder}/x.py"]
        outs: [clean.csv]
      train:
        foreach: [a, b]
        do:
          wdir: .
          cmd: python -m churn.train ${item} && cat /etc/hosts . ..
          deps: [clean.csv, churn, extra.txt]
          params: [settings.toml: [rate]]
          outs: ["models/${item}"]
          metrics: [{"m-${item}.json": {cache: false}}]
      apart:
        cmd: python apart.py
        deps: [apart.py]
        outs: [apart.csv]
"""
LOCK = """\
    schema: '2.0'
    stages:
      clean:
        cmd: python ../lib/clean.py --fast
        deps:
        - {path: raw.csv, md5: aa, size: 1}
        outs:
        - {path: clean.csv, md5: bb, size: 1}
      train@a:
        cmd: python -m churn.train a && cat /etc/hosts . ..
        deps:
        - {path: clean.csv, md5: bb, size: 1}
        - {path: churn, md5: cc.dir, size: 1}
        params:
          settings.toml: {rate: 1}
        outs:
        - {path: m-a.json, md5: dd, size: 1}
        - {path: models/a, md5: ee, size: 1}
      apart:
        cmd: python apart.py
        deps:
        - {path: apart.py, md5: ff, size: 1}
        outs:
        - {path: apart.csv, md5: "00", size: 1}
"""


def commit(lock: str = LOCK, **more: bytes) -> DictSnapshot:
    files = ("ml/churn/train.py", "ml/extra.txt", "ml/settings.toml", "lib/clean.py", "ml/apart.py")
    return DictSnapshot(
        {
            **dict.fromkeys((*files, "ml/m-a.json", "etc/hosts", "registry/policy.yaml"), b""),
            "ml/dvc.yaml": dedent(STAGES).encode(),
            "ml/dvc.lock": dedent(lock).encode(),
            **more,
        }
    )


def test_the_stage_and_those_before_it_in_a_folder_of_the_repository() -> None:
    assert pipeline_files(commit(), "ml/models/a") == PipelineFiles(
        # `etc/hosts` is what a command would read outside; that Git has one is chance.
        sources=(
            *("etc/hosts", "lib/clean.py", "ml/churn", "ml/churn/train.py", "ml/dvc.yaml"),
            *("ml/extra.txt", "ml/settings.toml"),
        ),
        made=("ml/clean.csv", "ml/dvc.lock", "ml/m-a.json", "ml/models/a"),
    )
    found = pipeline_files(commit(), "ml/apart.csv")
    assert found is not None
    assert found.sources == ("ml/apart.py", "ml/dvc.yaml")


@pytest.mark.parametrize(
    "source",
    ["ml/models/b", "other.txt", "../ml/models/a", "/ml/models/a", "s3://bucket/a", "ml/models"],
)
def test_what_no_stage_made(source: str) -> None:
    assert pipeline_files(commit(), source) is None


@pytest.mark.parametrize("lock", ["[1", "- 1", "stages: 1", "x" * (DVC_FILE_LIMIT + 1)])
def test_a_lock_file_that_says_nothing(lock: str) -> None:
    assert pipeline_files(commit(lock), "ml/models/a") is None
