"""The registry that dossiers are tested with: a pipeline, a card, a review, an incumbent."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitreg import Registry, Statement
from gitreg.core.documents.yaml import Value
from tests.conftest import dvc_project
from tests.conftest import git as run_git
from tests.history.pipelines import commit, python, repro, write
from tests.support.commands import gitreg
from tests.support.signers import make_key, use_ssh

REASON = "better recall on the 'November' cohort | `as asked`"
CARD = """---
license: mit
---
# churn

## Intended use

Who leaves us next month. <script>alert(1)</script> [x](javascript:alert(1))

## Limitations

One country. \u202egnp.exe
"""
TRAIN = """\
import json, pathlib
text = pathlib.Path("data/train.csv").read_text()
pathlib.Path("models").mkdir(exist_ok=True)
pathlib.Path("models/churn.txt").write_text(f"weights {text}")
"""
DVC = """\
stages:
  train:
    cmd: python train.py
    deps: [data/train.csv, train.py]
    outs: [models/churn.txt]
"""
EVALUATE = """\
import json, sys
model, data, metrics = sys.argv[1:]
found = {"roc_auc": len(model) % 7 / 100 + 0.8, "intervals": {"roc_auc": [0.1, 0.9]},
         "slices": [{"where": "age < 25", "rows": 3, "recall": 0.5}]}
json.dump(found, open(metrics, "w"))
"""
POLICY = """\
format: 1
stages:
  production:
    holds: 1
    replaced: archived
    gates: [{{metric: roc_auc, at_least: 0.5}}]
    approvals: {{count: 1, by: [grace@example.com]}}
  archived: {{}}
signers:
  grace@example.com: ['{grace}']
  ada@example.com: ['{ada}']
"""


def make(work: Path, card: str = CARD) -> None:
    """Take a stocked clone to churn@4, which has everything, and replaced churn@2."""
    keys = {name: make_key(work.parent / "keys", name) for name in ("ada", "grace")}
    dvc_project(work, "[core]\n    remote = data\n['remote \"data\"']\n    url = ../../data\n")
    write(
        work,
        {
            "data/train.csv": "1,2,3\n",
            "data/holdout.csv": "4,5,6\n",
            "train.py": TRAIN,
            "evaluate.py": EVALUATE,
            "dvc.yaml": (work / "dvc.yaml").read_text() + DVC,
            "registry/policy.yaml": POLICY.format(ada=keys["ada"].line, grace=keys["grace"].line),
            "registry/churn/CARD.md": card,
        },
    )
    for name in ("train", "holdout"):
        python(work, f"from dvc.cli import main; assert not main(['add', '-q', 'data/{name}.csv'])")
    repro(work)
    commit(work, "a pipeline, a policy, and a card")
    with Registry(work) as registry:
        registry.register("churn", work / "models" / "churn.txt", metrics={"roc_auc": 0.9})
    command = "python evaluate.py {model} {data} {metrics}"
    options = ("--name", "holdout", "--data", "data/holdout.csv", "--run", command)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(work)
        gitreg("evaluate", "churn@4", "churn@2", *options)
    use_ssh(work, str(keys["grace"].file))
    with Registry(work) as registry:
        registry.approve(registry.preview_approval("churn@4", stage="production"))
        registry.record_reproduction("churn@4", _statement(registry.sha256("churn@4")))
    use_ssh(work, str(keys["ada"].private), commits=True)
    with Registry(work) as registry:
        registry.promote("churn@4", stage="production", reason=REASON)
        registry.push()
    run_git(work, "push", "--quiet", "origin", "main")


def _statement(sha256: str) -> Statement:
    facts: dict[str, Value] = {
        "by": "Grace <grace@example.com>",
        "at": "2026-11-30T12:00:00Z",
        "differing": [],
    }
    return Statement("churn@4", sha256, "identical", facts)
