"""Live models that a test moves itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gitreg.errors import GitregError, NotFound
from gitreg.serving.served import Current, ServedVersion
from gitreg.serving.status import Failure, LiveStatus, ModelUnavailable


class FakeLive:
    """Serves what it is given; without a model it cannot start."""

    def __init__(self, name: str, version: int, model: Any = None) -> None:
        self.version = ServedVersion(
            "churn", version, "4b" * 20, "9f" * 32, "2026-11-22T20:25:06Z", name
        )
        self.model = model
        self.started = 0
        self.inside = 0
        self.is_gone = False

    def start(self) -> None:
        if self.model is None:
            raise self.error
        self.started += 1

    @property
    def error(self) -> GitregError:
        return NotFound(f"no alias {self.version.reference}")

    def stop(self) -> None:
        assert self.inside == 0, "a request still uses it"
        self.started -= 1

    @contextmanager
    def use(self) -> Iterator[Any]:
        if not self.started:
            raise ModelUnavailable("no version serves at this moment")
        self.inside += 1
        try:
            yield Current(self.model, self.version)
        finally:
            self.inside -= 1

    def status(self) -> LiveStatus:
        serving = self.version if self.started else None
        gone = Failure(None, self.version.since, "reference", "NotFound", "/secret/registry")
        failed = gone if self.is_gone else None
        return LiveStatus("", "churn", self.version.reference, serving, failed, None, None)
