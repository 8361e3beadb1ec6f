"""What a registration says when it may not be what the person meant; data goes along by push."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from gitreg import Registry
from tests.conftest import git, write_model


def test_each_doubt_is_one_warning(stocked: Path) -> None:
    model = write_model(stocked, "weights 3")  # as churn@3
    (stocked / "metrics.json").write_text('{"auc": 0.91}')
    os.utime(stocked / "metrics.json", (0, 0))
    (stocked / "raw.csv").write_text("age\n")
    (stocked / "policy.csv").write_text("age\n")
    git(stocked, "add", "policy.csv")
    git(stocked, "commit", "--quiet", "-m", "data in Git")
    for name in (".gitignore", "policy.csv"):
        (stocked / name).write_text("/models/\n\n")
    with Registry(stocked) as registry:
        outcome = registry.register(
            "churn",
            model,
            metrics=stocked / "metrics.json",
            data=[stocked / "raw.csv", stocked / "policy.csv"],
        )
        code, raw = "uncommitted changes in .gitignore, policy.csv:", stocked / "raw.csv"
        lost = "is recorded, but nothing keeps its bytes; dvc add"
        assert outcome.warnings == (
            f"{code} the recorded commit is not the code that trained this",
            f"{raw} is tracked neither by DVC nor by Git: its hash {lost} {raw}",
            f"{stocked / 'metrics.json'} was written before the model was: are these its metrics?",
            "the same bytes as churn@3",
        )
        git(stocked, "checkout", "--quiet", ".")
        model = write_model(stocked, "weights 5")
        assert registry.register("churn", model, metrics={"auc": 0.9}).warnings == ()
        (lonely,) = registry.register("tokenizer", write_model(stocked, "six")).warnings
        assert lonely.startswith("no metrics (DVC does not track the source): give --metrics")


def test_data_that_dvc_has_is_published_with_the_version(shared: Path) -> None:
    work = shared / "work"
    (work / "train.csv").write_text("age\n41\n")
    (work / "more").mkdir()
    (work / "more" / "a.csv").write_text("a\n")
    (shared / "data").mkdir()
    for words in ("init -q", "remote add -q -d data ../data", "add -q train.csv more"):
        if words != "init -q" or not (work / ".dvc").exists():
            subprocess.run([sys.executable, "-m", "dvc", *words.split()], cwd=work, check=True)
    git(work, "add", "--all", ".")
    git(work, "commit", "--quiet", "-m", "data")
    model = write_model(work, "weights 4")
    with Registry(work) as registry:
        registry.register("churn", model, metrics={"auc": 1}, data=[work / "train.csv"], push=True)
        found = [item.md5 for item in registry.show("churn@4").lineage.data]
        assert all(on_remote(shared, str(md5)) for md5 in found)
        write_model(work, "weights 5")
        registry.register("churn", model, metrics={"auc": 1}, data=[work / "more.dvc"])
        (md5,) = (str(item.md5) for item in registry.show("churn@5").lineage.data)
        assert not on_remote(shared, md5)
        (finding,) = [one for one in registry.doctor() if one.code == "data-not-shared"]
        assert (finding.subject, finding.remedy) == ("more", "dvc push more")
        registry.push()
        assert on_remote(shared, md5)
        assert not [one for one in registry.doctor() if one.code == "data-not-shared"]


def on_remote(shared: Path, md5: str) -> bool:
    return (shared / "data" / "files" / "md5" / md5[:2] / md5[2:]).is_file()
