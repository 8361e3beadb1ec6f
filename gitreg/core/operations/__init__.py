"""One file an operation: a function from (state, request) to a `Change`. None writes anything."""

from __future__ import annotations

from collections.abc import Callable

from gitreg.core.state.change import Change
from gitreg.core.state.state import RegistryState

Operation = Callable[[RegistryState], Change]
"""A function from the state at a tip to the requested change."""
