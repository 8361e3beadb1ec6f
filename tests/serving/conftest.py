"""What the tests of live models share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.serving.made import reachable

collect_ignore = ["live_app.py"]
"""A service that a test starts; its registry is in the environment."""


@pytest.fixture
def served(shared: Path) -> Path:
    """The folder of `shared`, whose registry can be pulled from by the URL of ``origin.git``."""
    return reachable(shared)
