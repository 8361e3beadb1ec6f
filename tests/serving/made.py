"""What the tests of live models share: a registry by URL, versions, a loader."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gitreg import Registry
from gitreg.serving.live import LiveModel
from tests.conftest import git, write_model

LIMIT = 60.0


class Model:
    """A model: the text of its file, and weakly referable."""

    def __init__(self, text: str) -> None:
        if text.startswith("broken"):
            raise ValueError(f"cannot be read: {text}")
        self.text = text

    def predict(self) -> str:
        return self.text


class Loader:
    """Loads a `Model`, and counts how often."""

    def __init__(self) -> None:
        self.paths: list[Path] = []

    def __call__(self, path: Path) -> Model:
        self.paths.append(path)
        return Model((path / "model.pkl").read_text())


def url_of(shared: Path) -> str:
    return f"file://{shared / 'origin.git'}"


def live_model(shared: Path, load: Any = None, **options: Any) -> LiveModel[Model]:
    """A live model of ``churn@champion``, which looks only when it is told to."""
    options = {"poll": 3600.0, **options}
    reference = options.pop("reference", "churn@champion")
    return LiveModel(reference, url_of(shared), load=load or Loader(), **options)


def move(shared: Path, version: int, alias: str = "champion") -> None:
    with Registry(shared / "work") as registry:
        registry.set_alias(f"churn@{version}", alias, push=True)


def add(shared: Path, text: str) -> int:
    """Register and publish a version; return its number."""
    with Registry(shared / "work") as registry:
        done = registry.register("churn", write_model(shared / "work", text), push=True)
    number = done.versions[0].version
    assert number is not None
    return number


def reachable(shared: Path) -> Path:
    """Give the registry's DVC remote a path that a reader by URL can follow."""
    work = shared / "work"
    config = work / "registry" / ".dvc" / "config"
    config.write_text(config.read_text().replace("../../../dvc-remote", str(shared / "dvc-remote")))
    git(work, "commit", "--quiet", "-am", "an absolute path to the bytes")
    git(work, "push", "--quiet")
    return shared


def wait_until(holds: Callable[[], bool]) -> None:
    limit = time.monotonic() + LIMIT
    while not holds():
        assert time.monotonic() < limit
        time.sleep(0.01)
