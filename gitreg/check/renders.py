"""Checks of rendered files: each says what its pointer says, in the commit that moves either."""

from __future__ import annotations

from collections.abc import Iterator

from gitreg.check.finding import CheckFinding
from gitreg.check.step import Step, is_registry
from gitreg.core.model import layout
from gitreg.core.model.names import fold
from gitreg.core.operations.renders import Target, clashes, fault, has_renders, targets
from gitreg.errors import GitregError
from gitreg.git.rendered import registers
from gitreg.git.repository import GitRepository
from gitreg.git.sizes import headers
from gitreg.git.steps import Difference

REMEDY = "gitreg deploy render, and commit it with the pointer"

_PLAIN = 0o100644
_LARGEST = 64 * 1024


def follows(step: Step, path: str) -> bool:
    """Tell whether a path is a rendered file of a stage that a step moves."""
    try:
        if not has_renders(step.after.policy):
            return False
        every = _targets(step)
    except GitregError:
        return False
    changed = {change.path for change in step.registry_changes}
    return any(
        one.path == path and (one.pointer in changed or layout.POLICY in changed) for one in every
    )


def _targets(step: Step) -> list[Target]:
    """Return the files that models have or had: those of a model that is gone go along."""
    ruled = step.before.ruled_by(step.after.policy)
    return list(dict.fromkeys([*targets(step.after), *targets(ruled)]))


class Renders:
    """Judges the rendered files that a commit touches, or that follow a pointer which it moves.

    They are compared under the policy of the commit itself: a rule says where a file is, and gives
    nobody a right.
    """

    def __init__(self, repository: GitRepository) -> None:
        self._repository = repository
        self._asks = False

    def _is_on(self, step: Step) -> bool:
        """Tell whether a commit's policy renders anything; most histories are spared the reading.

        Raises:
            InvalidDocument: its policy does not parse.
        """
        changes_policy = any(change.path == layout.POLICY for change in step.changes)
        self._asks = (
            self._asks
            or has_renders(step.policy)
            or (changes_policy and has_renders(step.after.policy))
        )
        return self._asks and has_renders(step.after.policy)

    def judge(self, step: Step) -> Iterator[CheckFinding]:
        """Find files that do not say what their pointers say.

        Args:
            step: a commit beside its first parent, with all of their differences.
        """
        paths = [change.path for change in step.changes]
        try:
            if not self._is_on(step):
                return
            if not any(map(_concerns, paths)):
                return
            every = _targets(step)
        except GitregError:
            return  # the policy does not parse: reported
        changed = {change.path: change for change in step.changes}
        folded = {fold(path) for path in changed}
        taken = {path: other for path, _, other in clashes(step.after)}
        for target in every:
            if not (
                target.pointer in changed
                or _touches(folded, target.path)
                # A rule that comes back would vouch for what was written while it was gone.
                or (layout.POLICY in changed and step.after.snapshot.read(target.path) is not None)
            ):
                continue
            what = self._fault(step, target, changed.get(target.path))
            if what is None and target.path in taken and step.after.has_model(target.model):
                what = f"{taken[target.path]} has this file already"
            if what is not None:
                yield step.found("wrong-render", target.path, what, remedy=REMEDY)

    def _fault(self, step: Step, target: Target, change: Difference | None) -> str | None:
        if change is not None and change.mode not in (0, _PLAIN):
            return f"it is no plain file: its mode is {change.mode:o}"
        if change is not None and change.blob is not None and self._is_large(change.blob):
            return "it is larger than any rendered file"
        made = registers(self._repository, step.commit.oid)
        return fault(step.after, target, made)

    def _is_large(self, blob: str) -> bool:
        return any(one.size > _LARGEST for one in headers(self._repository, [blob]).values())


def _concerns(path: str) -> bool:
    return layout.is_stage(path) or path == layout.POLICY or not is_registry(path)


def _touches(folded: set[str], path: str) -> bool:
    """Tell whether a path, or one of its folders, is among changed paths; case does not count."""
    parts = fold(path).split("/")
    return any("/".join(parts[:depth]) in folded for depth in range(1, len(parts) + 1)) or any(
        changed.startswith(f"{fold(path)}/") for changed in folded
    )
