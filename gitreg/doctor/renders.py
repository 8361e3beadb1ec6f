"""Examines the rendered files of a commit beside the pointers that they follow."""

from __future__ import annotations

from collections.abc import Iterator

from gitreg.core.operations.renders import fault, targets
from gitreg.doctor.inspection import Inspection
from gitreg.findings import Finding
from gitreg.git.rendered import registers, rendered_files

_REMEDY = "gitreg deploy render"


def examine(inspection: Inspection) -> Iterator[Finding]:
    """Yield the rendered files that do not say what their stages hold, and those of no rule."""
    repository, state = inspection.repository, inspection.state
    head = str(state.commit)
    files = rendered_files(repository, head)
    known = targets(state)
    # The doctor fetches nothing: what registered a version may be cut off a shallow clone.
    made = (lambda *_: True) if repository.is_shallow else registers(repository, head)
    for target in known:
        what = fault(state, target, made)
        if what is None and not files.get(target.path, True):
            what = "it is no plain file"
        if what is not None:
            yield Finding("wrong-render", "error", target.path, what, _REMEDY)
    paths = {target.path for target in known}
    for path in files:
        if path not in paths:
            message = "no rule of the policy renders it any more"
            yield Finding("stray-render", "warning", path, message, _REMEDY)
