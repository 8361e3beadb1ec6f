"""Operations: one file each, a function from (state, request) to a `Change`. None writes anything.

==============  ===================================================================
`register`      the next version of a model
`promote`       versions into a stage; archive is one of them
`rollback`      the version that a stage held before
`alias`         set and delete aliases
`approve`       store and withdraw approvals
`annotate`      description, owner and tags
`create`        a model without versions
`rename`        a model
`delete`        a version
`delete_model`  a model with all its versions
`reapply`       an operation again, on another tip; `recorded`, `reapply_moves`: its parts
`judging`       what the policy says about a change
`moves`         moves of a model's pointers, as file edits
`renders`       the files that say what a stage holds
==============  ===================================================================
"""

from __future__ import annotations

from collections.abc import Callable

from gitreg.core.state.change import Change
from gitreg.core.state.state import RegistryState

Operation = Callable[[RegistryState], Change]
"""A function from the state at a tip to the requested change."""
