"""Does the operations of one branch again on another, as `gitreg push` does."""

from __future__ import annotations

from collections.abc import Callable

from gitreg.core.operations.reapply import Numbers, reapply
from gitreg.core.operations.recorded import Recorded
from gitreg.core.state.change import Change
from gitreg.core.state.standing import Values
from gitreg.errors import GitregError
from tests.support.fakes import FakeBranch, branch_with


def fork(branch: FakeBranch) -> FakeBranch:
    """Return a branch of somebody else that starts where ``branch`` is."""
    other = FakeBranch(branch.snapshot.files)
    other.commits = list(branch.commits)
    other.tags = list(branch.tags)
    other._tagged = dict(branch._tagged)
    other._moves = dict(branch._moves)
    return other


def recorded(branch: FakeBranch, number: int = -1) -> Recorded:
    info, changes = branch.commits[number]
    return Recorded(info.oid, info.message, tuple(changes))


def again(
    onto: FakeBranch,
    done: Recorded,
    numbers: Numbers,
    above: Callable[[str], int],
) -> tuple[Change, dict[tuple[str, int], int]]:
    """Do an operation again, as Ada; whatever was approved is approved there, too."""

    def moves(model: str, stage: str) -> list[Values]:
        events = reversed(onto.moves_of(model, f"stages/{stage}"))
        return [(event.before, event.after) for event in events]

    return reapply(onto.state, done, numbers, above, lambda *_: True, onto.mover, moves)


class Rebase:
    """The unpublished commits of one branch, done again on another, as `gitreg push` does."""

    def __init__(self, onto: FakeBranch) -> None:
        self.onto = onto
        self.numbers: dict[tuple[str, int], int | None] = {}
        self.left: list[str] = []

    def highest(self, model: str) -> int:
        return max(self.onto.state.numbers(model), default=0)

    def one(self, done: Recorded) -> str | None:
        """Do one again; return its new subject, ``None`` when nothing is left to do."""
        change, new = again(self.onto, done, self.numbers, self.highest)
        self.numbers |= new
        if change.edits:
            self.onto.commit(change)
        return change.subject if change.edits else None

    def all(self, branch: FakeBranch, start: int) -> None:
        for number in range(start, len(branch.commits)):
            done = recorded(branch, number)
            try:
                self.one(done)
            except GitregError as error:
                self.left.append(str(error))
                self.numbers |= dict.fromkeys(done.registered)


def base() -> FakeBranch:
    """Return churn@1 (archived), churn@2 (production, champion), churn@3 (staging), fraud@1."""
    branch = branch_with({"auc": 0.7}, {"auc": 0.8}, {"auc": 0.9})
    branch.register("fraud")
    branch.promote("churn@1")
    branch.promote("churn@2", aliases=("champion",))
    branch.promote("churn@3", to="staging")
    return branch
