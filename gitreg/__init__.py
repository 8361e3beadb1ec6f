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
    UnknownOutcome,
    WorldError,
)

if TYPE_CHECKING:
    from gitreg.registry import Registry

__version__ = "0.1.0"

__all__ = [
    "AlreadyExists",
    "DvcError",
    "GitError",
    "GitregError",
    "InvalidDocument",
    "InvalidRequest",
    "LostRace",
    "NotFound",
    "Refused",
    "Registry",
    "UnknownOutcome",
    "WorldError",
    "__version__",
]


def __getattr__(name: str) -> object:
    # `import gitreg` must stay light for who only asks for its version or its errors.
    if name == "Registry":
        from gitreg.registry import Registry

        return Registry
    raise AttributeError(f"module 'gitreg' has no attribute {name!r}")
