"""The CI files of docs/recipes/ci.md: by the hosts' schemas, and run as the hosts run them.

The sessions of the other recipes are run by `tests.stories.test_readme`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from gitreg import Registry
from tests.conftest import git, write_model
from tests.support.jobs import audited, by_schema, run

PAGE = Path(__file__).resolve().parents[2] / "docs" / "recipes" / "ci.md"
FILES = dict(
    re.findall(r"^`([\w./-]+)`:\n\n```\w+\n(.*?)```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
)
CI = {"github": FILES[".github/workflows/train.yml"], "gitlab": FILES[".gitlab-ci.yml"]}
TRAIN = """\
import json, os, pathlib
score = float(os.environ["SCORE"])
pathlib.Path("models").mkdir(exist_ok=True)
pathlib.Path("models/churn.pkl").write_text(f"weights {score}")
pathlib.Path("models/churn.json").write_text(json.dumps({"roc_auc": score}))
"""
PREDEFINED = {
    "CI_COMMIT_BRANCH": "main",
    "CI_PIPELINE_ID": "42",
    "AWS_ACCESS_KEY_ID": "",
    "AWS_SECRET_ACCESS_KEY": "",
}


def _job(host: str) -> tuple[str, dict[str, str]]:
    """Return the script of the job, and the variables that the file sets."""
    document = YAML(typ="safe").load(CI[host])
    if host == "github":
        job = document["jobs"]["train"]
        lines = [step["run"] for step in job["steps"] if "run" in step]
        return "\n".join(lines), _texts(job["env"])
    job = document["train"]
    return "\n".join([*job["before_script"], *job["script"]]), _texts(job["variables"])


def _texts(mapping: Any) -> dict[str, str]:
    return {key: re.sub(r"\$\{\{.*?\}\}|\$\w+", "x", str(value)) for key, value in mapping.items()}


def _checked_out(shared: Path, host: str) -> Path:
    """Return the clone that the runner makes: one commit; on GitLab without a branch."""
    folder = shared / f"runner-{host}"
    origin = f"file://{shared / 'origin.git'}"
    git(shared, "clone", "--quiet", "--depth=1", origin, str(folder))
    if host == "gitlab":
        git(folder, "checkout", "--quiet", "--detach")
        git(folder, "branch", "--quiet", "--delete", "--force", "main")
    return folder


@pytest.fixture
def project(shared: Path) -> Path:
    """The shared registry with the recipe's script, and churn@4 in production."""
    work = shared / "work"
    for name, text in {"train.py": TRAIN, "ci/train.sh": FILES["ci/train.sh"]}.items():
        (work / name).parent.mkdir(exist_ok=True)
        (work / name).write_text(text)
    git(work, "add", "train.py", "ci")
    git(work, "commit", "--quiet", "-m", "Train in CI")
    with Registry(work) as registry:
        registry.register("churn", write_model(work, "four"), metrics={"roc_auc": 0.8})
        registry.promote("churn@4", stage="production", push=True)
    return shared


def _emptied(project: Path) -> None:
    """Take churn@4 out of production: only history knows what a better version must beat."""
    with Registry(project / "work") as registry:
        registry.archive("churn@4", push=True)


@pytest.mark.parametrize(
    ("host", "score", "worse", "code"),
    [("gitlab", 0.9, "ok", 0), ("gitlab", 0.7, "failure", 1), ("github", 0.7, "ok", 0)],
)
def test_the_job_runs_in_a_shallow_clone(
    project: Path, host: str, score: float, worse: str, code: int
) -> None:
    if code == 0 and host == "gitlab":
        _emptied(project)
    folder = _checked_out(project, host)
    script, variables = _job(host)
    assert variables["WORSE"] == "ok"
    variables |= {**PREDEFINED, "WORSE": worse, "SCORE": str(score)}
    variables["CI_COMMIT_SHA"] = git(folder, "rev-parse", "HEAD")
    done = run(folder, script, **variables)
    assert done.returncode == code, done.stderr
    with Registry(project / "origin.git") as registry:
        promoted = 5 if score > 0.8 else 4
        assert registry.resolve("churn/production").version == promoted
        newest = registry.show("churn@5")  # registered in each case
    assert newest.created_by == f"{variables['GIT_AUTHOR_NAME']} <{variables['GIT_AUTHOR_EMAIL']}>"
    assert ("not better: production stays" in done.stdout) is (code == 0 and promoted == 4)


def test_a_failure_is_none_of_the_metric_s(project: Path) -> None:
    folder = _checked_out(project, "github")
    script, variables = _job("github")
    (project / "dvc-remote").rename(project / "gone")
    (project / "dvc-remote").write_text("")
    done = run(folder, script, **{**PREDEFINED, **variables, "SCORE": "0.9"})
    assert done.returncode == 3, done.stderr


@pytest.mark.parametrize("host", CI)
def test_the_host_takes_the_file(tmp_path: Path, host: str) -> None:
    file = tmp_path / "ci.yml"
    file.write_text(CI[host])
    done = by_schema(host, file)
    assert done.returncode == 0, done.stdout


def test_nothing_lets_others_run_code_in_it(tmp_path: Path) -> None:
    done = audited(tmp_path, CI["github"])
    assert done.returncode == 0, done.stdout
