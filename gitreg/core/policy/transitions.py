"""The rules of a move: its source stage, the stage's capacity, freezes, approvals, signatures.

>>> From("production", ("staging",)).line("dev")
'it comes from dev, and only staging leads to production'
"""

from __future__ import annotations

from dataclasses import dataclass

from gitreg.core.model.keys import email_of
from gitreg.core.model.names import NO_STAGE, fold
from gitreg.core.policy import verdict as codes
from gitreg.core.policy.measures import format_moment
from gitreg.core.policy.rules import Freeze
from gitreg.core.policy.verdict import Case, Verdict


@dataclass(frozen=True)
class From:
    """A version may enter a stage only from others; `NO_STAGE` stands for none."""

    stage: str
    sources: tuple[str, ...]

    def judge(self, case: Case) -> Verdict:
        """Return the verdict on where the candidate comes from."""
        source = case.came_from or NO_STAGE
        return Verdict(codes.FROM, source in self.sources, self.line(source))

    def line(self, source: str) -> str:
        """Return the line about a version that comes from ``source``."""
        shown = "no stage" if source == NO_STAGE else source
        if source in self.sources:
            return f"it comes from {shown}"
        return f"it comes from {shown}, and only {' or '.join(self.sources)} leads to {self.stage}"


@dataclass(frozen=True)
class Holds:
    """A stage holds no more than a number of versions."""

    stage: str
    holds: int

    def judge(self, case: Case) -> Verdict:
        """Return the verdict on how many it holds after the move."""
        before = {version.version for version in case.held.get(self.stage, ())}
        after = before - set(case.replaces) | {case.candidate.version}
        line = f"{self.stage} would hold {len(after)} of at most {self.holds}"
        return Verdict(codes.HOLDS, len(after) <= self.holds, line)


@dataclass(frozen=True)
class NotFrozen:
    """None of these stages is frozen when the move is made."""

    stages: tuple[str, ...]
    windows: tuple[Freeze, ...]

    def judge(self, case: Case) -> Verdict:
        """Return the verdict, by when the move was made and when it lands."""
        moments = case.facts.moments()
        for stage in self.stages:
            for window in self.windows:
                if any(window.covers(stage, moment) for moment in moments):
                    why = f": {window.reason}" if window.reason else ""
                    line = f"{stage} is frozen until {format_moment(window.end)}{why}"
                    return Verdict(codes.FREEZE, passed=False, line=line)
        named = " and ".join(self.stages)
        verb = "is" if len(self.stages) == 1 else "are"
        line = f"{named} {verb} not frozen at {format_moment(case.facts.moment())}"
        return Verdict(codes.FREEZE, passed=True, line=line)


@dataclass(frozen=True)
class Approved:
    """Enough of these people approved the move; who moves or registered the version does not count.

    Attributes:
        count: the least number.
        members: their principals.
        by: how the policy names them.
    """

    count: int
    members: tuple[str, ...]
    by: tuple[str, ...]

    def judge(self, case: Case) -> Verdict:
        """Return the verdict on the approvals that verify."""
        # Approvers sign everything that the stage holds. That is more than what makes room, where
        # the stage holds any number of versions or keeps those that it has.
        numbers = (version.version for version in case.held.get(case.stage, ()))
        held = tuple(number for number in numbers if number != case.candidate.version)
        given = dict.fromkeys(case.facts.approvers(case.candidate, case.stage, held))
        own = {fold(who) for who in involved(case)}
        counted = [who for who in given if who in self.members and fold(who) not in own]
        passed = len(counted) >= self.count > 0
        line = f"{len(counted)} of {self.count} approvals by {', '.join(self.by) or 'nobody'}"
        line += f": {', '.join(counted)}" if counted else ""
        own_ones = [who for who in given if fold(who) in own]
        if own_ones and not passed:
            line += f" (one's own does not count: {', '.join(own_ones)})"
        spent = {} if passed else case.facts.spent(case.candidate, case.stage, held)
        for who, why in spent.items():
            if who in self.members and fold(who) not in own:
                line += f"; the approval by {who} {why}; approve again"
        return Verdict(codes.APPROVALS, passed, line)


@dataclass(frozen=True)
class SignedBy:
    """The move is signed by one of these people."""

    stage: str
    members: tuple[str, ...]
    by: tuple[str, ...]

    def judge(self, case: Case) -> Verdict:
        """Return the verdict on the signature."""
        signer = case.facts.signer()
        wanted = f"moves of {self.stage} are signed by {', '.join(self.by) or 'nobody'}"
        if signer is None:
            line = f"not signed by a known key, and {wanted}"
            return Verdict(codes.SIGNED, passed=False, line=line)
        passed = signer in self.members
        line = f"signed by {signer}" + ("" if passed else f", and {wanted}")
        return Verdict(codes.SIGNED, passed, line)


@dataclass(frozen=True)
class MayOverride:
    """The author of the move may override refusals: by e-mail, or by key where it is signed.

    Attributes:
        stage: where to.
        members: who may.
        by: how the policy names them.
        needs_signature: whether the author's e-mail, which anybody can write, is not enough.
    """

    stage: str
    members: tuple[str, ...]
    by: tuple[str, ...]
    needs_signature: bool

    def judge(self, case: Case) -> Verdict:
        """Return the verdict on who moves."""
        who = case.facts.signer()
        if who is None and not self.needs_signature:
            who = email_of(case.author)
        passed = who is not None and who in self.members
        shown = who or "who has not signed"
        if passed:
            return Verdict(codes.OVERRIDE, passed=True, line=f"{shown} may override")
        allowed = f"only {', '.join(self.by)} may" if self.by else "nobody may"
        line = f"{allowed} override refusals of {self.stage}, not {shown}"
        return Verdict(codes.OVERRIDE, passed=False, line=line)


def involved(case: Case) -> set[str]:
    """Return the people involved in a move: signer, author, and who registered the version."""
    people = {email_of(case.author), email_of(case.candidate.created_by)}
    signer = case.facts.signer()
    return people | ({signer} if signer else set())
