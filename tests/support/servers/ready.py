"""What every server's start needs: is the program there, does it answer, what did it say."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import NoReturn

import pytest

DEADLINE = 20.0
"""How long a server may take to start, in seconds."""


def lacking(what: str) -> NoReturn:
    """Skip the tests of a server that is not installed; fail in CI, which installs it."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what}: .ci/run installs it", pytrace=False)
    pytest.skip(what)


def wait_until(
    answers: Callable[[], bool], log: Callable[[], str], patience: float = DEADLINE
) -> None:
    """Poll until a server answers; fail with its log when it does not in time."""
    deadline = time.monotonic() + patience
    while not answers():
        if time.monotonic() > deadline:
            pytest.fail(f"the server does not answer; it says: {log()}", pytrace=False)
        time.sleep(0.01)
