"""A live model loads a pickle without trust where the policy of its stage names the format."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from gitreg import Refused, Registry
from gitreg.serving.live import LiveModel
from gitreg.serving.loaders import pickle_file
from tests.conftest import git

POLICY = """\
format: 1
stages:
  staging: {holds: any}
  production: {holds: any, gates: [{formats: {allowed: [pkl]}}]}
"""


def test_the_stage_decides(folder: Path, tmp_path: Path) -> None:
    (folder / "registry" / "policy.yaml").write_text(POLICY)
    git(folder, "commit", "--quiet", "-am", "pickles may serve")
    (tmp_path / "model.pkl").write_bytes(pickle.dumps("five"))
    with Registry(folder) as registry:
        registry.register("churn", tmp_path / "model.pkl")
        registry.promote("churn@1", stage="staging")
        copies = tmp_path / "copies"
        live = LiveModel("churn@latest", folder, load=pickle_file(), folder=copies)
        with pytest.raises(Refused, match=r"model\.pkl: to load it is to run code"):
            live.start()
        registry.promote("churn@1", stage="production")
        with live, live.use() as current:
            assert current.model == "five"
