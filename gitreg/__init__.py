"""gitreg: a machine-learning model registry that is nothing but a Git repository.

>>> from gitreg import Registry
>>> Registry.__name__
'Registry'

`Registry` does everything: it reads and changes the registry in a folder or behind a URL. The other
names are what its methods take and return, and what they raise, below `GitregError`::

    with Registry("git@example.com:team/churn.git") as registry:
        path = registry.pull("churn-predictor@champion")  # a verified local path
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
    from gitreg.approvals.given import GivenApproval
    from gitreg.approvals.giving import ApprovalPreview
    from gitreg.approvals.stored import StoredApproval
    from gitreg.artifacts.provenance import Provenance
    from gitreg.artifacts.store import ArtifactStore as ArtifactStore  # not for programs
    from gitreg.check import CheckReport
    from gitreg.core.model.model import Model, ModelVersion, Resolved
    from gitreg.core.model.names import Reference
    from gitreg.core.operations.judging import GateRefused
    from gitreg.core.operations.rollback import RollbackPlan, Tenure
    from gitreg.core.policy import Judgement, Policy
    from gitreg.core.state.compare import Comparison
    from gitreg.core.state.history import Event
    from gitreg.core.state.state import RegistryState
    from gitreg.core.state.timestamps import Timestamps
    from gitreg.dvc.digest import Progress
    from gitreg.findings import Finding
    from gitreg.publishing.outcome import Outcome
    from gitreg.publishing.status import CloneStatus, Held
    from gitreg.publishing.synchronise import FetchReport, PushReport
    from gitreg.publishing.tags import TagReport
    from gitreg.registry import ReadOptions, Registry, WriteOptions
    from gitreg.review.workflows import HostFile

__version__ = "0.1.0"

__all__ = [
    "AlreadyExists",
    "ApprovalPreview",
    "CheckReport",
    "CloneStatus",
    "Comparison",
    "DvcError",
    "Event",
    "FetchReport",
    "Finding",
    "GateRefused",
    "GitError",
    "GitregError",
    "GivenApproval",
    "Held",
    "HostFile",
    "InvalidDocument",
    "InvalidRequest",
    "Judgement",
    "LostRace",
    "Model",
    "ModelVersion",
    "NotFound",
    "Outcome",
    "Policy",
    "Progress",
    "Provenance",
    "PushReport",
    "ReadOptions",
    "Reference",
    "Refused",
    "Registry",
    "RegistryState",
    "Resolved",
    "RollbackPlan",
    "ServerRefused",
    "StoredApproval",
    "TagReport",
    "Tenure",
    "Timestamps",
    "UnknownOutcome",
    "WorldError",
    "WriteOptions",
    "__version__",
]

_MODULES = {
    "ApprovalPreview": "approvals.giving",
    "ArtifactStore": "artifacts.store",
    "CheckReport": "check",
    "CloneStatus": "publishing.status",
    "Comparison": "core.state.compare",
    "Event": "core.state.history",
    "FetchReport": "publishing.synchronise",
    "Finding": "findings",
    "GateRefused": "core.operations.judging",
    "GivenApproval": "approvals.given",
    "Held": "publishing.status",
    "HostFile": "review.workflows",
    "Judgement": "core.policy",
    "Model": "core.model.model",
    "ModelVersion": "core.model.model",
    "Outcome": "publishing.outcome",
    "Policy": "core.policy",
    "Progress": "dvc.digest",
    "Provenance": "artifacts.provenance",
    "PushReport": "publishing.synchronise",
    "ReadOptions": "registry",
    "Reference": "core.model.names",
    "Registry": "registry",
    "RegistryState": "core.state.state",
    "Resolved": "core.model.model",
    "RollbackPlan": "core.operations.rollback",
    "StoredApproval": "approvals.stored",
    "TagReport": "publishing.tags",
    "Tenure": "core.operations.rollback",
    "Timestamps": "core.state.timestamps",
    "WriteOptions": "registry",
}
"""Where each name is defined that is imported when it is first used.

The methods of `Registry` name their types by these (``gitreg.Outcome``), so that
`typing.get_type_hints` finds them, and nothing is imported before.
"""


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
