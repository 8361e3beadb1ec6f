"""Code that no commit has: which files count, and that a version says so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest

from gitreg import Registry
from gitreg.artifacts import untracked_code as module
from gitreg.artifacts.lineage import find_tracked
from gitreg.artifacts.untracked_code import is_code_name, untracked_code
from gitreg.core.operations.judging import GateRefused
from gitreg.errors import DvcError, GitError
from tests.artifacts.dvc_files import OUT, write
from tests.conftest import git, write_model
from tests.support.commands import gitreg


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """A repository with a committed script, and a model beside it."""
    return made(tmp_path / "project", {"train.py": "", "models/m.pkl": "w"})


def made(folder: Path, files: dict[str, str]) -> Path:
    write(folder, files)
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "all")
    return folder


def found(top: Path, *named: str) -> tuple[str, ...]:
    return untracked_code(top / "models", top / "models", [top / name for name in named])


@pytest.mark.parametrize(
    "name", ["a.py", "a.ipynb", "a.R", "a.jl", "a.sh", "a.scala", "a.sql", "a.cpp", "Snakefile"]
)
def test_code_by_its_name(name: str) -> None:
    assert is_code_name(PurePosixPath("deep/er", name))


@pytest.mark.parametrize(
    "name", ["a.csv", "a.json", "a.yaml", "a.txt", "a.md", "a.pkl", "a.py.bak", "py", ".py", "a"]
)
def test_no_code_by_its_name(name: str) -> None:
    assert not is_code_name(PurePosixPath("deep/er", name))


def test_files_that_nobody_added(top: Path) -> None:
    assert found(top) == ()
    write(top, {"notes.md": "", "data/raw.csv": "", "models/code/net.py": "", "registry/x.py": ""})
    assert found(top) == ()
    write(top, {"train.ipynb": "", "src/deep/größe 1.R": ""})
    assert found(top) == ("src/deep/größe 1.R", "train.ipynb")
    git(top, "add", "train.ipynb")  # `git status` calls this a change
    assert found(top) == ("src/deep/größe 1.R",)
    write(top, {".gitignore": "src/\n"})
    assert found(top) == ()


def test_executables_without_an_ending(top: Path) -> None:
    write(top, {"run": "#!/bin/sh\n", "data/shard0": "bytes", "plain": "#!/bin/sh\n"})
    (top / "fit").write_bytes(b"\x7fELF\x02")
    for name in ("run", "data/shard0", "fit"):
        (top / name).chmod(0o755)
    (top / "link").symlink_to("run")
    assert found(top) == ("fit", "run")


def test_what_tools_put_there_is_not_the_projects_code(top: Path) -> None:
    write(
        top,
        {
            "venv/pyvenv.cfg": "",
            "venv/lib/python3.11/site-packages/x.py": "",
            "venv/bin/activate.fish": "",
            "conda/conda-meta/history": "",
            "conda/lib/tool.py": "",
            ".ipynb_checkpoints/train-checkpoint.ipynb": "",
            "mlruns/0/run/artifacts/model/code/net.py": "",
        },
    )
    assert found(top) == ()
    write(top, {"venv2/tool.py": ""})
    assert found(top) == ("venv2/tool.py",)


def test_submodules_and_repositories_inside(top: Path, tmp_path: Path) -> None:
    library = made(tmp_path / "library", {"lib.py": ""})
    allow = ("-c", "protocol.file.allow=always")
    git(top, *allow, "submodule", "--quiet", "add", str(library), "lib")
    git(top, "commit", "--quiet", "-m", "library")
    git(top, "worktree", "add", "--quiet", "elsewhere")
    made(top / "dataset", {"rows.csv": ""})
    assert found(top) == ()
    write(top, {"lib/new.py": ""})
    made(top / "yolo", {"detect.py": ""})
    assert found(top) == ("lib/new.py", "yolo/")
    # The code of a model in the submodule is that of the submodule.
    assert untracked_code(top / "lib", top / "lib" / "model.pkl") == ("new.py",)


def test_what_is_hidden_from_status_is_dirty_all_the_same(folder: Path, tmp_path: Path) -> None:
    library = made(tmp_path / "library", {"lib.py": ""})
    git(folder, "-c", "protocol.file.allow=always", "submodule", "add", str(library), "lib")
    git(folder, "config", "-f", ".gitmodules", "submodule.lib.ignore", "all")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "library")
    model = write_model(folder)
    write(folder, {".gitignore": "models/\n", "lib/lib.py": "changed"})
    git(folder, "add", ".gitignore")
    git(folder, "commit", "--quiet", "-m", "ignore")
    with Registry(folder) as registry:
        registry.register("churn", model)
        code = registry.show("churn@1").lineage.code
    assert code is not None
    assert (code.dirty, code.untracked) == (True, False)


PIPELINE = """
stages:
  prepare:
    cmd: python -m steps.prepare > data.csv
    deps: [raw.csv]
    outs: [data.csv]
  train:
    cmd: python ./fit.py --out 'models/m.pkl' && sh "shown.sh"
    deps: [data.csv, src, generated.py]
    outs: [models/m.pkl]
  generate:
    cmd: echo
    outs: [generated.py]
"""
LOCK = f"""
schema: '2.0'
stages:
  prepare:
    cmd: python -m steps.prepare > data.csv
    deps: [{{path: raw.csv, hash: md5, md5: {OUT}}}]
    outs: [{{path: data.csv, hash: md5, md5: {OUT}}}]
  train:
    cmd: python ./fit.py --out 'models/m.pkl' && sh "shown.sh"
    deps:
    - {{path: data.csv, hash: md5, md5: {OUT}}}
    - {{path: src, hash: md5, md5: {OUT}.dir}}
    - {{path: generated.py, hash: md5, md5: {OUT}}}
    outs: [{{path: models/m.pkl, hash: md5, md5: {OUT}}}]
  generate:
    cmd: echo
    outs: [{{path: generated.py, hash: md5, md5: {OUT}}}]
"""


def test_ignored_code_that_the_pipeline_names(top: Path) -> None:
    write(top, {"dvc.yaml": PIPELINE, "dvc.lock": LOCK, ".gitignore": "*\n", ".dvc/config": ""})
    git(top, "add", "--force", "dvc.yaml", "dvc.lock", ".gitignore")
    git(top, "commit", "--quiet", "-m", "pipeline")
    names = ("raw.csv", "steps/prepare.py", "fit.py", "shown.sh", "src/a.py", "src/a.csv")
    write(top, dict.fromkeys((*names, "generated.py", "other.py"), ""))
    tracked = find_tracked(top / "models" / "m.pkl")
    assert tracked is not None
    named = [str(path.relative_to(top)) for path in tracked.named]
    assert found(top) == ()
    expected = ("fit.py", "shown.sh", "src/a.py", "steps/prepare.py")
    assert found(top, *named) == expected
    git(top, "add", "--force", *expected)
    assert found(top, *named) == ()


def test_a_model_whose_folder_is_not_there(folder: Path) -> None:
    lock = LOCK.replace(f"- {{path: generated.py, hash: md5, md5: {OUT}}}", "")
    write(folder, {"dvc.yaml": PIPELINE, "dvc.lock": lock, "fit.py": ""})
    git(folder, "add", "dvc.yaml")
    with Registry(folder) as registry, pytest.raises(DvcError, match="cache"):
        registry.register("churn", folder / "models" / "m.pkl")


def test_named_paths_that_git_does_not_take(top: Path, tmp_path: Path) -> None:
    write(tmp_path, {"outside/lib.py": ""})
    (top / "link").symlink_to(tmp_path / "outside")
    (top / "inner").symlink_to("models")
    write(top, {".gitignore": "*\n", "models/n.py": ""})
    assert found(top, "link/lib.py", "../outside/lib.py", "gone.py", ".", "train.py") == ()
    assert untracked_code(top, top / "m", [top / "inner" / "n.py"]) == ("models/n.py",)


def test_the_running_script_is_code(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(top, {".gitignore": "*.py\n", "mine.py": "", "env/bin/tool.py": ""})
    monkeypatch.setattr(sys.modules["__main__"], "__file__", str(top / "mine.py"), raising=False)
    assert found(top) == ("mine.py",)
    monkeypatch.setattr(sys, "prefix", str(top / "env"))
    monkeypatch.setattr(sys.modules["__main__"], "__file__", str(top / "env/bin/tool.py"))
    assert found(top) == ()


CLEAN = "format: 1\nstages:\n  production:\n    holds: 1\n    gates:\n    - {code: clean}\n"


def test_a_version_says_so_and_the_gate_refuses_it(folder: Path) -> None:
    write(folder, {"registry/policy.yaml": CLEAN, ".gitignore": "/models/\n", "lib.py": ""})
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "code")
    model = write_model(folder)
    write(folder, {"a.ipynb": "", "b.py": "", "c.sh": "", "d.R": ""})
    done = gitreg("register", "churn", str(model), "--repo", str(folder))
    assert "no commit has a.ipynb, b.py, c.sh and 1 more: commit it before" in done.err
    assert (
        "    untracked: true\n" in (folder / "registry/churn/versions/1/manifest.yaml").read_text()
    )
    assert ", with untracked code files\n" in gitreg("show", "churn@1", "--repo", str(folder)).out
    with Registry(folder) as registry:
        with pytest.raises(GateRefused, match="with untracked code files"):
            registry.promote("churn@1", stage="production")
        git(folder, "add", ".")
        git(folder, "commit", "--quiet", "-m", "the rest")
        write_model(folder, "better")
        assert registry.register("churn", model, metrics={"auc": 1}).warnings == ()
        registry.promote("churn@2", stage="production")
        assert registry.compare("churn@1", "churn@2").code["untracked"].b is False
    assert "untracked" not in (folder / "registry/churn/versions/2/manifest.yaml").read_text()


def test_a_source_outside_of_any_repository_has_no_code(folder: Path, tmp_path: Path) -> None:
    done = gitreg("register", "churn", str(write_model(tmp_path)), "--repo", str(folder))
    assert "models/churn is in no Git repository with a commit: no code is rec" in done.err
    assert "code           not known\n" in gitreg("show", "churn@1", "--repo", str(folder)).out
    (folder / "linked").symlink_to(tmp_path / "models" / "churn")
    with Registry(folder) as registry:
        (warning,) = registry.register("churn", folder / "linked", metrics={"auc": 1}).warnings
        assert "same bytes" in warning
        assert registry.show("churn@2").lineage.code is not None


def test_what_cannot_be_listed_is_not_clean(
    folder: Path, top: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*_args: object) -> None:
        raise GitError("git ls-files: no answer in 60 s")

    monkeypatch.setattr(module, "run_for", slow)
    with Registry(folder) as registry:
        outcome = registry.register("churn", top / "models" / "m.pkl", metrics={"auc": 1})
        code = registry.show("churn@1").lineage.code
    assert outcome.warnings == ("untracked code is recorded: git ls-files: no answer in 60 s",)
    assert code is not None
    assert code.untracked


def test_one_listing_answers_for_a_tree(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []
    whole = subprocess.run

    def counted(program: list[str], **options: object) -> object:
        started.append(next(word for word in program if word in ("rev-parse", "ls-files")))
        return whole(program, **options)  # type: ignore[call-overload]

    write(top, {f"data/{number}.csv": "" for number in range(300)})
    monkeypatch.setattr(subprocess, "run", counted)
    assert found(top) == ()
    assert started == ["rev-parse", "ls-files"]
