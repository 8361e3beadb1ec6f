"""gitreg: a machine-learning model registry that is nothing but a Git repository.

>>> from gitreg import Registry
>>> Registry.__name__
'Registry'
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitreg.errors import (
    AlreadyExists,
    DvcError,
    GitError,
    GitregError,
    InvalidDocument,
    InvalidRequest,
    LostRace,
    NotFound,
    Refused,
    ServerRefused,
    UnknownOutcome,
    WorldError,
)

if TYPE_CHECKING:
    from gitreg.check import CheckReport
    from gitreg.core.model.model import Model, ModelVersion
    from gitreg.core.model.names import Reference
    from gitreg.core.operations.judging import GateRefused
    from gitreg.core.policy import Policy
    from gitreg.core.state.history import Event
    from gitreg.publishing.outcome import Outcome
    from gitreg.registry import Registry

__version__ = "0.1.0"

__all__ = [
    "AlreadyExists",
    "CheckReport",
    "DvcError",
    "Event",
    "GateRefused",
    "GitError",
    "GitregError",
    "InvalidDocument",
    "InvalidRequest",
    "LostRace",
    "Model",
    "ModelVersion",
    "NotFound",
    "Outcome",
    "Policy",
    "Reference",
    "Refused",
    "Registry",
    "ServerRefused",
    "UnknownOutcome",
    "WorldError",
    "__version__",
]

_MODULES = {
    "CheckReport": "check",
    "Event": "core.state.history",
    "GateRefused": "core.operations.judging",
    "Model": "core.model.model",
    "ModelVersion": "core.model.model",
    "Outcome": "publishing.outcome",
    "Policy": "core.policy",
    "Reference": "core.model.names",
    "Registry": "registry",
}
"""Where each name is defined that is imported when it is first used."""


def __getattr__(name: str) -> object:
    # `import gitreg` stays fast for a program that only needs the version or an error.
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value  # the next look-up does not come here
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
